"""The stages of `isolate`: those of the road that isolation concerns, and their way back."""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube.resources import CLUSTER_POLICIES
from oc_gpu.manifests.merging import at, put
from oc_gpu.rollout.survey import guarded
from oc_gpu.snapshot.kinds import Node
from oc_gpu.snapshot.model import Snapshot, spec_of
from oc_gpu.stages import drivers, entitlement, gpu_operator, isolation, marks, nfd
from oc_gpu.stages import record as records
from oc_gpu.stages.context import Context
from oc_gpu.stages.model import Milestone, ObjectRef, Patch, StagePlan
from oc_gpu.stages.ownership import is_ours
from oc_gpu.stages.platform import identify
from oc_gpu.stages.road import RECORD, TITLE, road

NOT_ASKED = "not part of this command"
TOLERATIONS = "tolerations"


def tainting(context: Context) -> tuple[StagePlan, ...]:
    """Return the stages that taint the GPU nodes of a cluster that is set up."""
    asked = {gpu_operator.NAME, isolation.NAME, RECORD}
    if _concerns_nfd(context):
        asked.add(nfd.NAME)
    return _only(asked, guarded(context, road(context)))


def _concerns_nfd(context: Context) -> bool:
    """Tell whether nfd-worker would be turned away by the taint and can be told to tolerate it."""
    about, taint = context.platform.release.nfd, context.taint
    return bool(taint and about.tolerations_field and taint.effect not in about.worker_tolerates)


def untainting(context: Context) -> tuple[StagePlan, ...]:
    """Return the way back of the isolation alone: taint, record, then tolerations.

    The record loses the taint only when no node has it any more.
    """
    after = _without_our_taint(context.snapshot)
    untainted = msgspec.structs.replace(
        context, taint=None, snapshot=after, platform=identify(context.config, after)
    )
    plans = (
        isolation.undo(context),
        _forgotten(context.record),
        nfd.plan(untainted),
        entitlement.plan(untainted),
        _intolerant(untainted),
        gpu_operator.plan(untainted),
    )
    asked = {isolation.NAME, RECORD, TOLERATIONS, gpu_operator.NAME}
    return _only(asked, plans)


def _without_our_taint(snapshot: Snapshot) -> Snapshot:
    """Return what is known as it will be when our taint is off the nodes.

    While they have it, the operands have to tolerate it, and nothing would show that this ends.
    """
    nodes = tuple(_untainted(node) for node in snapshot.nodes)
    return msgspec.structs.replace(snapshot, tables={**snapshot.tables, "nodes": nodes})


def _untainted(node: Node) -> Node:
    ours = marks.of(node)
    if ours is None:
        return node
    kept = [taint for taint in node.spec.taints if taint != ours]
    return msgspec.structs.replace(node, spec=msgspec.structs.replace(node.spec, taints=kept))


def _only(names: set[str], plans: Iterable[StagePlan]) -> tuple[StagePlan, ...]:
    """Return stages of which those that are not named are left out."""
    return tuple(
        plan if plan.name in names else StagePlan(plan.name, plan.title, not_needed=NOT_ASKED)
        for plan in plans
    )


def _forgotten(kept: records.Record | None) -> StagePlan:
    if kept is None or not kept.taint:
        return StagePlan(RECORD, TITLE, not_needed="it holds no taint")
    emptied = msgspec.structs.replace(kept, taint="", restores=())
    action = records.action(emptied)
    return StagePlan(
        RECORD, TITLE, (Milestone("the record has no taint", (action,), after=(isolation.NAME,)),)
    )


def _intolerant(untainted: Context) -> StagePlan:
    """Return the stage that takes tolerations off our objects which the road has no more.

    An apply takes away what it names no longer, but nothing shows that one is due: the live object
    has all that is wanted. So what is too much is taken off by name.
    """
    platform = untainted.platform
    policy = _Tolerant(
        gpu_operator.wanted_policy(untainted), CLUSTER_POLICIES, platform.operator.era.tolerations
    )
    field = platform.release.nfd.tolerations_field
    instance = _Tolerant(
        nfd.wanted_instance(untainted), platform.nfd_resource, (field,) if field else ()
    )
    patches = (*_trimmed(untainted, policy), *_trimmed(untainted, instance))
    title = "Tolerations of the operands"
    milestone = Milestone("the operands tolerate what they did", patches, after=(RECORD,))
    return StagePlan(TOLERATIONS, title, (milestone,))


class _Tolerant(Struct, frozen=True):
    """An object of ours as it is wanted, and where its tolerations are."""

    wanted: RawObject | None
    resource: Resource
    paths: tuple[tuple[str, ...], ...]


def _trimmed(context: Context, what: _Tolerant) -> Iterator[Patch]:
    """Yield the change that takes off the tolerations that an object has and is not to have."""
    for live in context.snapshot.table(what.resource.plural):
        meta = live["metadata"]
        if what.wanted is None or not is_ours(live):
            continue
        if meta["name"] != what.wanted["metadata"]["name"]:
            continue
        spec, wanted = spec_of(live), what.wanted["spec"]
        patch: RawObject = {"metadata": {"resourceVersion": meta["resourceVersion"]}}
        surplus = [path for path in what.paths if _is_surplus(spec, wanted, path)]
        for path in surplus:
            patch = put(patch, ("spec", *path), at(wanted, path))
            spec = put(spec, path, at(wanted, path))
        if surplus:
            ref = ObjectRef(what.resource, meta["name"], meta.get("namespace"))
            disturbs = _disturbance(context, what, spec_of(live), spec)
            why = "the operands tolerate the taint no longer"
            yield Patch(ref, patch, holds=False, why=why, disturbs=disturbs)


def _disturbance(context: Context, what: _Tolerant, live: RawObject, wanted: RawObject) -> str:
    if what.resource != CLUSTER_POLICIES:
        return ""
    return drivers.disturbance(context.snapshot, context.platform, live, wanted)


def _is_surplus(live: RawObject, wanted: RawObject, path: tuple[str, ...]) -> bool:
    present, asked = at(live, path) or [], at(wanted, path) or []
    return any(toleration not in asked for toleration in present)
