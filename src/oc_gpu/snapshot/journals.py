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

    A node that does not answer, or may not be asked, is left out: it stays unknown.

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

    told = await asyncio.gather(*(one(node) for node in nodes))
    journals = dict(entry for entry in told if entry is not None)
    return msgspec.structs.replace(snapshot, journals={**snapshot.journals, **journals})
