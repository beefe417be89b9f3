"""Reading what the doctor needs of a live cluster: objects first, then the logs they point to."""

import asyncio
from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from oc_gpu.checks import components
from oc_gpu.checks.case import Case
from oc_gpu.checks.wanted import KERNEL_PATTERN, wanted_logs, wanted_nodes
from oc_gpu.kube import Client, OcGpuError, RawObject, Resource
from oc_gpu.snapshot.diagnosis import SOURCES
from oc_gpu.snapshot.journals import with_journals
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.reading import read_lists
from oc_gpu.snapshot.shapes import with_shapes
from oc_gpu.snapshot.sources import Source
from oc_gpu.snapshot.texts import Text, TextRef

_LINES = 2000
"""Lines of a log's end that are read."""
_FEW_LINES = 100
"""Lines that are read of a log of which those are too many bytes."""
_MOST = 4 << 20
"""Bytes of a log that are read."""
_AT_ONCE = 8
_OLDER = {
    "nodefeaturediscoveries": ("nfd.openshift.io", "v1alpha1", "NodeFeatureDiscovery"),
    "poddisruptionbudgets": ("policy", "v1beta1", "PodDisruptionBudget"),
}
"""Versions that releases before OpenShift 4.7 and Kubernetes 1.21 serve."""
_USUAL = ("nvidia-gpu-operator", "gpu-operator-resources", "openshift-nfd", "openshift-operators")
"""Namespaces that are looked at where a user may not look at all of them."""
_IN_STACK = frozenset({"configmaps"})
"""Sources that are read in the namespaces of the stack only: of the others no check asks, and a
cluster has thousands of them."""


class Reading(Struct, frozen=True):
    """What was read of a cluster.

    Attributes:
        snapshot: What the doctor looks at.
        raw: The same objects as the server has them, by source.
        logs: Logs by what they are, as they were read.
    """

    snapshot: Snapshot
    raw: Mapping[str, tuple[RawObject, ...]]
    logs: Mapping[TextRef, str]


async def examine(client: Client) -> Snapshot:
    """Return what is known of a live cluster, with the logs of what is in trouble.

    What may not be read is marked as such; nothing is written.

    Raises:
        ConnectionFailedError: The server cannot be reached.
    """
    snapshot = await _objects(client, SOURCES)
    case = Case(snapshot)
    logs, unlogged = await read_logs(client, wanted_logs(case))
    return await with_texts(client, case, logs, unlogged)


async def read_all(client: Client) -> Reading:
    """Return what `examine` would, with everything that it was made of.

    Logs of the whole stack are read, whether it is in trouble or not.

    Raises:
        ConnectionFailedError: The server cannot be reached.
    """
    raw = await _objects(client, tuple(map(_raw, SOURCES)))
    snapshot = with_shapes(raw, SOURCES)
    case = Case(snapshot)
    logs, unlogged = await read_logs(client, wanted_logs(case, healthy=True))
    snapshot = await with_texts(client, case, logs, unlogged)
    return Reading(snapshot, raw.tables, logs)


def _raw(source: Source) -> Source:
    return source if source.only_metadata else structs.replace(source, type=RawObject)


async def _objects(client: Client, sources: tuple[Source, ...]) -> Snapshot:
    first = tuple(source for source in sources if source.name not in _IN_STACK)
    snapshot = await read_lists(client, first, tolerant=True)
    snapshot = await _with_older(client, snapshot)
    snapshot = await _with_usual(client, snapshot, first)
    spaces = _spaces(snapshot)
    inner = [structs.replace(s, namespaces=spaces) for s in sources if s.name in _IN_STACK]
    return _joined(snapshot, await read_lists(client, inner, tolerant=True))


def _spaces(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the namespaces of the GPU stack and of NFD, and those that they usually have."""
    case = Case(with_shapes(snapshot, SOURCES))
    stack = components.GPU_STACK | components.NFD
    found = {p.metadata.namespace for p in case.pods_of(*stack)}
    found |= {item.metadata.namespace for name, item in case.workloads if name in stack}
    return tuple(sorted(found | set(_existing(snapshot))))


def _existing(snapshot: Snapshot) -> Iterable[str]:
    """Return the usual namespaces that are there; all of them where that is not known."""
    if not snapshot.known("namespaces"):
        return _USUAL
    there = {raw["metadata"]["name"] for raw in snapshot.table("namespaces")}
    return (name for name in _USUAL if name in there)


async def _with_older(client: Client, snapshot: Snapshot) -> Snapshot:
    older = [
        Source(name, Resource(group, version, name, kind))
        for name, (group, version, kind) in _OLDER.items()
        if name in snapshot.unread and snapshot.unread[name].reason == "absent"
    ]
    return _joined(snapshot, await read_lists(client, older, tolerant=True)) if older else snapshot


async def _with_usual(client: Client, snapshot: Snapshot, sources: Iterable[Source]) -> Snapshot:
    """Read in some namespaces what may not be read in all; the whole table stays unknown."""
    spaces = tuple(dict.fromkeys((*_USUAL, client.namespace)))
    narrow = [
        structs.replace(source, namespaces=spaces)
        for source in sources
        if source.resource.namespaced
        and not source.namespaces
        and snapshot.unread.get(source.name) is not None
        and snapshot.unread[source.name].reason == "forbidden"
    ]
    if not narrow:
        return snapshot
    more = await read_lists(client, narrow, tolerant=True)
    return structs.replace(snapshot, tables={**snapshot.tables, **more.tables})


def _joined(snapshot: Snapshot, more: Snapshot) -> Snapshot:
    unread = {name: why for name, why in snapshot.unread.items() if name not in more.tables}
    return structs.replace(
        snapshot,
        tables={**snapshot.tables, **more.tables},
        unread={**unread, **more.unread},
    )


async def read_logs(
    client: Client, wanted: Iterable[TextRef], since: int | None = None
) -> tuple[dict[TextRef, str], dict[str, str]]:
    """Return logs, and why some may not be read, by `namespace/pod/container`.

    Args:
        client: The cluster.
        wanted: Which logs.
        since: Seconds of age after which lines are left out.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(ref: TextRef) -> tuple[TextRef, str | OcGpuError]:
        async with gate:
            try:
                return ref, await _log(client, ref, since)
            except OcGpuError as error:
                return ref, error

    answers = await asyncio.gather(*(one(ref) for ref in wanted))
    return (
        {ref: told for ref, told in answers if isinstance(told, str)},
        {
            f"{ref.namespace}/{ref.pod}/{ref.container}": str(told)
            for ref, told in answers
            if isinstance(told, OcGpuError) and not ref.previous
        },
    )


async def _log(client: Client, ref: TextRef, since: int | None) -> str:
    """Return the end of a log; the server stops after some bytes, and the end is what counts."""
    for lines in (_LINES, _FEW_LINES):
        told = await client.logs(
            ref.namespace,
            ref.pod,
            container=ref.container,
            tail=lines,
            most=_MOST,
            previous=ref.previous,
            since=since,
        )
        if len(told) < _MOST // 2:
            break
    return told


async def with_texts(
    client: Client,
    case: Case,
    logs: Mapping[TextRef, str],
    unlogged: Mapping[str, str],
    most: int | None = None,
) -> Snapshot:
    """Return a snapshot with logs that were read, and with the kernel messages of ill nodes.

    Args:
        client: The cluster.
        case: What is known of it.
        logs: Logs by what they are.
        unlogged: Why others may not be read.
        most: Number of nodes that are asked at most; None for all.
    """
    nodes = wanted_nodes(case)[:most]
    told = await with_journals(client, case.snapshot, nodes, KERNEL_PATTERN)
    silent = {f"Node/{node}": "no answer" for node in nodes if node not in told.journals}
    texts = {ref: (Text.of(content.encode()),) for ref, content in logs.items()}
    return structs.replace(told, texts={**texts, **_kernel(told)}, unlogged={**unlogged, **silent})


def _kernel(snapshot: Snapshot) -> dict[TextRef, tuple[Text, ...]]:
    return {
        TextRef(kind="node", where=f"oc adm node-logs {node}", node=node, name="dmesg"): (
            Text.of(content.encode()),
        )
        for node, content in snapshot.journals.items()
    }
