"""Clusters of 250, 1,000 and 5,000 nodes: what the road and a look cost as a cluster grows.

Commands are run as they are installed, so that processor time and memory are theirs alone: the
simulator is a process of its own. The road is walked on scenario `big:N`, in simulated time.
Commands that look are run on a cluster on which the road was walked and of which every node has ten
pods (`benchmarks.crowd`).
"""

import asyncio
import gc
import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from benchmarks import crowd
from oc_gpu.sim.cluster import Simulation
from oc_gpu.sim.daemon import GARBAGE_THRESHOLD
from oc_gpu.sim.scenario import load

SIZES = (250, 1000, 5000)
USUAL = SIZES[:2]
"""Sizes that are measured where nobody asks for more: the largest takes some minutes."""
LONGEST = 2400
"""Seconds after which a walk is ended, and told as not finished."""


class Road(Struct, frozen=True):
    """What it cost to walk the road on one cluster.

    Attributes:
        nodes: How many nodes the cluster has.
        look: The command: its exit code, processor time and memory.
        wall_s: Seconds of the clock on the wall.
        simulator_s: Processor seconds of the simulator.
        simulated_s: Seconds by the cluster's clock, 0 where the walk did not end.
        lines: Lines of progress that were told.
        last: The last of them.
    """

    nodes: int
    look: "Look"
    wall_s: float
    simulator_s: float
    simulated_s: float
    lines: int
    last: str

    @property
    def a_node_s(self) -> float:
        """Return the processor seconds of program and simulator for a node.

        The clock on the wall also counts what else the machine does.
        """
        return (self.look.seconds + self.simulator_s) / self.nodes


def road(nodes: int, longest: float = LONGEST) -> Road:
    """Walk the road on a simulated cluster of so many nodes.

    Args:
        nodes: How many.
        longest: Seconds after which the walk is ended.
    """
    with _simulated(nodes) as (kubeconfig, simulator_s), TemporaryDirectory() as folder:
        told = Path(folder)
        command = ("enable", "--yes", "-o", "json", f"--timeout={longest:g}")
        with (told / "out").open("wb") as out, (told / "progress").open("wb") as progress:
            started = time.monotonic()
            look = _looked(nodes, command, kubeconfig, out.fileno(), progress.fileno())
            wall = time.monotonic() - started
        lines = (told / "progress").read_text("utf-8").splitlines() or [""]
        ended = (told / "out").read_bytes()
        simulated = json.loads(ended)["seconds"] if ended and look.code == 0 else 0.0
        dated = [line for line in lines if re.match(r"\d{4}-", line)] or lines
        return Road(nodes, look, wall, simulator_s(), simulated, len(lines), dated[-1])


@contextmanager
def _simulated(nodes: int) -> Iterator[tuple[str, "Spent"]]:
    """Give the kubeconfig of a fresh cluster, and what tells its simulator's processor seconds."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(nodes, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv(), Spent(ours)
    finally:
        process.terminate()
        process.join()


class Spent:
    """Asks a simulator for the processor seconds that it has spent."""

    def __init__(self, told: Connection) -> None:
        self._told = told

    def __call__(self) -> float:
        """Return the seconds since it was ready."""
        self._told.send("")
        return float(self._told.recv())


def _serve(nodes: int, told: Connection) -> None:
    gc.set_threshold(GARBAGE_THRESHOLD)
    asyncio.run(_serving(nodes, told))


async def _serving(nodes: int, told: Connection) -> None:
    async with Simulation(load(f"big:{nodes}")).serving() as served:
        started = time.process_time()
        told.send(str(served.kubeconfig_path))
        await asyncio.to_thread(told.recv)
        told.send(time.process_time() - started)
        await asyncio.Event().wait()


LOOKS = (("status",), ("doctor",), ("enable", "--yes"), ("check",))
"""Commands; there is nothing left to write for `enable`, but it looks at all that it follows."""
PODS_A_NODE = 10
NODE = 1.5
"""What a node may cost on a large cluster, in parts of what one costs on the smallest."""
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


def _looked(
    nodes: int,
    look: tuple[str, ...],
    kubeconfig: str,
    out: int = subprocess.DEVNULL,
    errors: int = subprocess.DEVNULL,
) -> Look:
    program = str(Path(sys.executable).with_name("oc-gpu"))
    ours, theirs = os.pipe()
    subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCH, str(theirs), program, *look],
        env={**os.environ, "KUBECONFIG": kubeconfig},
        stdout=out,
        stderr=errors,
        pass_fds=(theirs,),
        check=True,
    )
    os.close(theirs)
    with os.fdopen(ours) as told:
        code, seconds, kibibytes = json.load(told)
    return Look(nodes, look[0], code, seconds, kibibytes * 1024 / 1e6)


TITLE = "Scale"
_COLUMNS = (
    "nodes",
    "outcome",
    "simulated",
    "wall",
    "a node",
    "CPU of `enable`",
    "CPU of the simulator",
    "MB",
    "lines",
)


def text() -> str:
    """Return the section on large clusters of docs/reliability.md, from runs of now."""
    roads = [road(nodes) for nodes in SIZES]
    looks = [one for nodes in SIZES for one in looked(nodes)]
    return f"""\
Scenario `big:N`: one node in ten has a GPU. Commands run as they are installed, the simulator is
a process of its own; memory is the most that the command had at a time, without the simulator.

`enable` from a bare cluster to the end, in simulated time. *Wall* is what one waited for on a
machine of {os.cpu_count()} processors that did other work as well; most of it is the simulator's.
*A node* is the processor time of both for a node over that of the smallest cluster: 1 where all of
it grows with the nodes and no more; `make bench` calls {NODE:g} the limit.

| {" | ".join(_COLUMNS)} |
|{" --- |" * len(_COLUMNS)}
{chr(10).join(_row(one, roads[0]) for one in roads)}

Commands on a cluster on which the road was walked and of which every node has ten pods. Seconds
are the command's own processor time. Nothing is left to write for `enable`; it reads and follows
all that it does on its way.

| nodes | pods | command | exit code | seconds | MB |
| --- | --- | --- | --- | --- | --- |
{chr(10).join(map(_look_row, looks))}
"""


def _row(one: Road, small: Road) -> str:
    done = "done" if one.look.code == 0 else f"not reached; as far as: {one.last}"
    cells = (
        f"{one.nodes:,}",
        done,
        f"{one.simulated_s / 60:.0f} min" if one.simulated_s else "-",
        f"{one.wall_s:.0f} s",
        f"{one.a_node_s / small.a_node_s:.2f}" if one.look.code == 0 else "-",
        f"{one.look.seconds:.0f} s",
        f"{one.simulator_s:.0f} s",
        f"{one.look.megabytes:.0f}",
        str(one.lines),
    )
    return f"| {' | '.join(cells)} |"


def _look_row(one: Look) -> str:
    pods = f"{one.nodes * PODS_A_NODE:,}"
    seconds, size = f"{one.seconds:.1f}", f"{one.megabytes:.0f}"
    return f"| {one.nodes:,} | {pods} | `{one.command}` | {one.code} | {seconds} | {size} |"


def main() -> None:
    """Print the section."""
    sys.stdout.write(text())


if __name__ == "__main__":
    main()
