"""A whole lab cluster, put together from its parts."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from lab import cluster_objects, machine_config, olm, relay, schemas
from lab.control_plane import SERVICE_ADDRESS, control_plane
from lab.ground import Site
from lab.network import Network
from lab.nodes import nodes
from lab.processes import Processes
from oc_gpu.sim.scenario import Scenario

SPEED: Final = 10.0
"""How much faster than in life the played parts go."""


@asynccontextmanager
async def cluster(
    scenario: Scenario, folder: Path, *, tell: Callable[[str], object] = print
) -> AsyncIterator[Site]:
    """Run a lab cluster inside the block.

    Args:
        scenario: The facts of its machines and releases.
        folder: A private, empty folder with a short path.
        tell: Takes a line when a part is ready.

    Raises:
        LabError: A program is missing or does not start.
    """
    async with AsyncExitStack() as stack:
        network = Network(folder / "n")
        network.folder.mkdir(parents=True, mode=0o700)
        processes = await stack.enter_async_context(Processes(folder / "logs"))
        await stack.enter_async_context(network.open())
        plane = await stack.enter_async_context(
            control_plane(folder, processes, egress=network.gateway)
        )
        network.lead(SERVICE_ADDRESS, 443, relay.to_tcp("127.0.0.1", plane.port))
        client = await stack.enter_async_context(plane.client("lab"))
        site = Site(scenario, plane, network, processes, client)
        tell("control plane")
        custom = await schemas.install(client)
        tell("definitions")
        await cluster_objects.install(client, scenario, custom)
        tell("objects of the installation")
        await stack.enter_async_context(nodes(site, speed=SPEED))
        await olm.start(site)
        await machine_config.start(site)
        tell("nodes, operators")
        yield site
