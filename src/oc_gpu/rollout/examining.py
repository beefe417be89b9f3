"""Reading what the doctor needs of a live cluster: objects first, then the logs they point to."""

import asyncio
from collections.abc import Iterable

from msgspec import structs

from oc_gpu.checks.case import Case
from oc_gpu.checks.wanted import KERNEL_PATTERN, wanted_logs, wanted_nodes
from oc_gpu.kube import Client, OcGpuError, Resource
from oc_gpu.snapshot.diagnosis import SOURCES
from oc_gpu.snapshot.journals import with_journals
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.reading import read
from oc_gpu.snapshot.sources import Source
from oc_gpu.snapshot.texts import Text, TextRef

_LINES = 2000
"""Lines of a log's end that are read."""
_AT_ONCE = 8
_OLDER = {
    "nodefeaturediscoveries": ("nfd.openshift.io", "v1alpha1", "NodeFeatureDiscovery"),
    "poddisruptionbudgets": ("policy", "v1beta1", "PodDisruptionBudget"),
}
"""Versions that releases before OpenShift 4.7 and Kubernetes 1.21 serve."""


async def examine(client: Client) -> Snapshot:
    """Return what is known of a live cluster, with the logs of what is in trouble.

    What may not be read is marked as such; nothing is written.

    Raises:
        ConnectionFailedError: The server cannot be reached.
    """
    snapshot = await read(client, SOURCES)
    snapshot = await _with_older(client, snapshot)
    case = Case(snapshot)
    texts = await _logs(client, wanted_logs(case))
    journals = await with_journals(client, snapshot, wanted_nodes(case), KERNEL_PATTERN)
    return structs.replace(snapshot, texts={**texts, **_kernel(journals)})


async def _with_older(client: Client, snapshot: Snapshot) -> Snapshot:
    older = [
        Source(name, Resource(group, version, name, kind))
        for name, (group, version, kind) in _OLDER.items()
        if name in snapshot.unread and snapshot.unread[name].reason == "absent"
    ]
    if not older:
        return snapshot
    more = await read(client, older)
    unread = {name: why for name, why in snapshot.unread.items() if name not in more.tables}
    return structs.replace(snapshot, tables={**snapshot.tables, **more.tables}, unread=unread)


async def _logs(client: Client, wanted: Iterable[TextRef]) -> dict[TextRef, tuple[Text, ...]]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(ref: TextRef) -> tuple[TextRef, tuple[Text, ...]] | None:
        async with gate:
            try:
                content = await client.logs(
                    ref.namespace,
                    ref.pod,
                    container=ref.container,
                    tail=_LINES,
                    previous=ref.previous,
                )
            except OcGpuError:
                return None
        return ref, (Text.of(content.encode()),)

    answers = await asyncio.gather(*(one(ref) for ref in wanted))
    return dict(answer for answer in answers if answer is not None)


def _kernel(snapshot: Snapshot) -> dict[TextRef, tuple[Text, ...]]:
    return {
        TextRef(kind="node", where=f"oc adm node-logs {node}", node=node, name="dmesg"): (
            Text.of(content.encode()),
        )
        for node, content in snapshot.journals.items()
    }
