"""Reading what the doctor needs beside a live view, while a road is walked: little, and fresh."""

import math
from datetime import datetime

from msgspec import structs

from oc_gpu.checks.case import Case
from oc_gpu.checks.wanted import wanted_logs
from oc_gpu.kube import Client
from oc_gpu.kube.resources import PODS
from oc_gpu.rollout.examining import read_logs, with_texts
from oc_gpu.snapshot.diagnosis import SOURCES
from oc_gpu.snapshot.kinds import Event, Pod
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.reading import read_lists
from oc_gpu.snapshot.sources import Source

_NODES = 8
"""Nodes that are looked at: one ill node tells of the others."""
_IN_PART = frozenset({"configmaps"})
"""Tables of which the live view shows a part that is not the doctor's."""
_EVERYWHERE = frozenset({"poddisruptionbudgets", "catalogsources"})
"""Kinds of which those of any namespace stand in the way of a road."""
_HELPERS = (
    Source(
        "pods",
        PODS,
        Pod,
        ("openshift-machine-config-operator",),
        label_selector="k8s-app=machine-config-controller",
    ),
    Source("pods", PODS, Pod, ("openshift-marketplace", "openshift-operator-lifecycle-manager")),
)
"""Pods of the cluster's own operators that tell why a rollout or an installation stands still."""


async def examine_further(
    client: Client,
    snapshot: Snapshot,
    namespaces: tuple[str, ...],
    since: float | None = None,
) -> Case:
    """Return what a live view shows with what the doctor looks at besides, of some namespaces only.

    Args:
        client: The cluster.
        snapshot: What the live view shows.
        namespaces: Those of the road; nothing else in the cluster concerns it.
        since: Epoch seconds of the cluster before which events and lines of logs are left out.

    Raises:
        ConnectionFailedError: The server cannot be reached.
    """
    have = {*snapshot.tables, *snapshot.unread} - _IN_PART
    wanted = [_within(source, namespaces) for source in SOURCES if source.name not in have]
    more = await read_lists(client, wanted, tolerant=True)
    helpers = await read_lists(client, (*_HELPERS, *_drained(snapshot)), tolerant=True)
    have_pods = {pod.metadata.uid for pod in snapshot.pods}
    others = {p.metadata.uid: p for p in helpers.pods if p.metadata.uid not in have_pods}
    pods = (*snapshot.pods, *others.values())
    events = tuple(e for e in snapshot.events if since is None or _moment(e) > since)
    whole = structs.replace(
        snapshot,
        tables={**snapshot.tables, **more.tables, "pods": pods, "events": events},
        unread={**more.unread, **snapshot.unread},
    )
    case = Case(whole)
    logs, unlogged = await read_logs(client, wanted_logs(case), _age(snapshot, since))
    return Case(await with_texts(client, case, logs, unlogged, _NODES), case)


def _drained(snapshot: Snapshot) -> tuple[Source, ...]:
    """Return the sources of all pods on nodes that are being drained: any may keep them waiting."""
    names = [node.metadata.name for node in snapshot.nodes if node.spec.unschedulable][:_NODES]
    return tuple(
        Source("pods", PODS, Pod, field_selector=f"spec.nodeName={name}") for name in names
    )


def _moment(event: Event) -> float:
    """Return when an event happened last, in epoch seconds."""
    stamp = event.last_timestamp or event.event_time
    return datetime.fromisoformat(stamp).timestamp() if stamp else math.inf


def _age(snapshot: Snapshot, since: float | None) -> int | None:
    return None if since is None else max(1, math.ceil(snapshot.now - since))


def _within(source: Source, namespaces: tuple[str, ...]) -> Source:
    """Return a source that reads the road's namespaces only, where it is one of namespaces."""
    if not source.resource.namespaced or source.name in _EVERYWHERE:
        return source
    return structs.replace(source, namespaces=namespaces)
