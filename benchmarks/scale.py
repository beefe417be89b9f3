"""The road on clusters of 250, 1,000 and 5,000 nodes: what a node costs as the cluster grows.

Simulator and program run in one process on virtual time, so the figures are of both together. A
ratio is the processor time for a node over that of the smallest cluster: about 1 where all of it
grows with the number of nodes, and no more.
"""

import asyncio
import time

from msgspec import Struct

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
    return [asyncio.run(_walked(nodes)) for nodes in sizes]


def main() -> None:
    """Print the figures."""
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
