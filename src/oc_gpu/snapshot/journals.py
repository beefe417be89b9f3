"""Reading the kernel's messages of nodes: they name the PCI cards before anything runs there."""

import asyncio
from collections.abc import Iterable

import msgspec

from oc_gpu.kube import Client, OcGpuError
from oc_gpu.snapshot.model import Snapshot

_AT_ONCE = 16


async def with_journals(
    client: Client, snapshot: Snapshot, nodes: Iterable[str], pattern: str
) -> Snapshot:
    """Return the snapshot with what the kernels of some nodes said since they booted.

    A node that does not answer, or may not be asked, is left out: it stays unknown. One of which
    the control plane has heard nothing either is not asked: it would cost every try there is.

    Args:
        client: The cluster.
        snapshot: What is known so far.
        nodes: Names of the nodes to ask.
        pattern: Which lines to ask for.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(node: str) -> tuple[str, str] | None:
        async with gate:
            try:
                return node, await client.journal(node, pattern)
            except OcGpuError:
                return None

    silent = {node.metadata.name for node in snapshot.nodes if node.is_silent}
    told = await asyncio.gather(*(one(node) for node in nodes if node not in silent))
    journals = dict(entry for entry in told if entry is not None)
    return msgspec.structs.replace(snapshot, journals={**snapshot.journals, **journals})
