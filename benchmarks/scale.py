"""The road on clusters of 250, 1,000 and 5,000 nodes: what a node costs as the cluster grows.

For the road, simulator and program run in one process on virtual time, so the figures are of both
together. A ratio is the processor time for a node over that of the smallest cluster: about 1 where
all of it grows with the number of nodes, and no more.

Commands that look are run as they are installed, on a cluster on which the road was walked and of
which every node has ten pods (`benchmarks.crowd`): processor time and memory are theirs alone.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from msgspec import Struct

from benchmarks import crowd
from oc_gpu.config import GpuPlatform
from oc_gpu.kube import Client
from oc_gpu.rollout import commands
from oc_gpu.rollout.events import Event
from oc_gpu.rollout.survey import Wish
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.messages import ADMIN
from oc_gpu.sim.cluster import Simulation
from oc_gpu.sim.scenario import load
from oc_gpu.stages.model import State

SIZES = (250, 1000, 5000)
GARBAGE_THRESHOLD = 100_000
"""As in the simulator's own process: looking through so many objects anew costs much."""
_ENOUGH = 24 * 3600.0
_DONE = {State.DONE, State.NOT_NEEDED}


class Figures(Struct, frozen=True):
    """Processor seconds of `enable` and of a look by `status`, and how many events were told."""

    nodes: int
    enable_s: float
    status_s: float
    events: int

    def a_node(self, what: str) -> float:
        """Return the processor seconds of a command for a node."""
        seconds: float = getattr(self, f"{what}_s")
        return seconds / self.nodes


async def _walked(nodes: int) -> Figures:
    wish = Wish(GpuPlatform())
    told: list[Event] = []
    async with Simulation(load(f"big:{nodes}")) as simulation:
        client = Client(InProcessTransport(simulation.server, user=ADMIN, external=True))
        started = time.process_time()
        outcome = await commands.enable(client, wish, told.append, timeout=_ENOUGH)
        enabled = time.process_time()
        assert all(a.state in _DONE for a in outcome.assessments)
        await commands.status(client, wish)
        return Figures(nodes, enabled - started, time.process_time() - enabled, len(told))


def measure(sizes: tuple[int, ...] = SIZES) -> list[Figures]:
    """Walk the road on clusters of these sizes."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    return [asyncio.run(_walked(nodes)) for nodes in sizes]


LOOKS = (("status",), ("doctor",), ("enable", "--yes"), ("check", "--timeout=600"))
"""Commands; there is nothing left to write for `enable`, but it looks at all that it follows."""
PODS_A_NODE = 10
_LAUNCH = """
import json, os, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
figures = [os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss]
os.write(int(sys.argv[1]), json.dumps(figures).encode())
"""
"""Runs a command from a small process: the kernel counts its parent's memory in at first."""


class Look(Struct, frozen=True):
    """Processor seconds and largest memory of one command on one cluster."""

    nodes: int
    command: str
    code: int
    seconds: float
    megabytes: float


def looked(nodes: int) -> list[Look]:
    """Run the commands that look on a cluster of so many nodes."""
    with crowd.served(nodes, nodes * PODS_A_NODE) as kubeconfig:
        return [_looked(nodes, look, kubeconfig) for look in LOOKS]


def _looked(nodes: int, look: tuple[str, ...], kubeconfig: str) -> Look:
    program = str(Path(sys.executable).with_name("oc-gpu"))
    ours, theirs = os.pipe()
    subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCH, str(theirs), program, *look],
        env={**os.environ, "KUBECONFIG": kubeconfig},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(theirs,),
        check=True,
    )
    os.close(theirs)
    with os.fdopen(ours) as told:
        code, seconds, kibibytes = json.load(told)
    return Look(nodes, look[0], code, seconds, kibibytes * 1024 / 1e6)


TITLE = "Scale"


def text() -> str:
    """Return the section on large clusters of docs/reliability.md, from runs of now."""
    rows = [
        f"| {one.nodes:,} | {one.nodes * PODS_A_NODE:,} | `{one.command}` | {one.code} "
        f"| {one.seconds:.1f} | {one.megabytes:.0f} |"
        for nodes in SIZES
        for one in looked(nodes)
    ]
    return f"""\
Commands on a simulated cluster on which the road was walked, of which one node in ten has a GPU.
Seconds are the command's own processor time, megabytes the most memory that it had at a time.
Nothing is left to write for `enable`; it reads and follows all that it does on its way.

| nodes | pods | command | exit code | seconds | MB |
| --- | --- | --- | --- | --- | --- |
{chr(10).join(rows)}
"""


def main() -> None:
    """Print the figures."""
    for nodes in SIZES:
        for look in looked(nodes):
            print(
                f"{look.command} on {nodes} nodes with {nodes * PODS_A_NODE} pods: exit code "
                f"{look.code}, {look.seconds:.1f} s, {look.megabytes:.0f} MB"
            )
    found = measure()
    first = found[0]
    for one in found:
        ratio = one.a_node("enable") / first.a_node("enable")
        print(
            f"road on {one.nodes} nodes: enable {one.enable_s:.1f} s, a node {ratio:.2f} times one "
            f"of {first.nodes}; status {one.status_s:.2f} s; {one.events} events"
        )


if __name__ == "__main__":
    main()
