"""The stages of `isolate`: those of the road that isolation concerns, and their way back."""

import msgspec

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import CLUSTER_POLICIES
from oc_gpu.manifests.merging import at, put
from oc_gpu.rollout.survey import guarded
from oc_gpu.stages import entitlement, gpu_operator, isolation, nfd
from oc_gpu.stages import record as records
from oc_gpu.stages.context import Context
from oc_gpu.stages.engine import is_ours
from oc_gpu.stages.model import Apply, Milestone, ObjectRef, Patch, StagePlan
from oc_gpu.stages.road import RECORD, TITLE, road

NOT_ASKED = "not part of this command"


def tainting(context: Context) -> tuple[StagePlan, ...]:
    """Return the stages that taint the GPU nodes of a cluster that is set up."""
    return tuple(_left_out(plan) for plan in guarded(context, road(context)))


def untainting(context: Context) -> tuple[StagePlan, ...]:
    """Return the way back of the isolation alone: taint, record, then tolerations.

    The record loses the taint only when no node has it any more.
    """
    untainted = msgspec.structs.replace(context, taint=None)
    plans = (
        isolation.undo(context),
        _forgotten(context.record),
        nfd.plan(untainted),
        entitlement.plan(untainted),
        _intolerant(untainted),
        gpu_operator.plan(untainted),
    )
    return tuple(_left_out(plan) for plan in plans)


def _left_out(plan: StagePlan) -> StagePlan:
    if plan.name in (entitlement.NAME, nfd.NAME):
        return StagePlan(plan.name, plan.title, not_needed=NOT_ASKED)
    return plan


def _forgotten(kept: records.Record | None) -> StagePlan:
    if kept is None or not kept.taint:
        return StagePlan(RECORD, TITLE, not_needed="it holds no taint")
    emptied = msgspec.structs.replace(kept, taint="", restores=())
    action = records.action(emptied)
    return StagePlan(
        RECORD, TITLE, (Milestone("the record has no taint", (action,), after=(isolation.NAME,)),)
    )


def _intolerant(untainted: Context) -> StagePlan:
    """Return the stage that takes tolerations off our ClusterPolicy which the road has no more.

    An apply takes away what it names no longer, but nothing shows that one is due: the live object
    has all that is wanted. So what is too much is taken off by name.
    """
    patches = tuple(
        patch
        for wanted in _wanted_policies(untainted)
        for live in untainted.snapshot.table("clusterpolicies")
        if is_ours(live) and live["metadata"]["name"] == wanted["metadata"]["name"]
        if (patch := _without_surplus(untainted, live, wanted)) is not None
    )
    title = "Tolerations of the operands"
    milestone = Milestone("the operands tolerate what they did", patches, after=(RECORD,))
    return StagePlan("tolerations", title, (milestone,))


def _wanted_policies(context: Context) -> tuple[RawObject, ...]:
    return tuple(
        action.manifest
        for milestone in gpu_operator.plan(context).milestones
        for action in milestone.actions
        if isinstance(action, Apply) and action.ref.resource == CLUSTER_POLICIES
    )


def _without_surplus(context: Context, live: RawObject, wanted: RawObject) -> Patch | None:
    meta = live["metadata"]
    patch: RawObject = {"metadata": {"resourceVersion": meta["resourceVersion"]}}
    surplus = [
        path
        for path in context.platform.operator.era.tolerations
        if at(live["spec"], path) is not None and at(wanted["spec"], path) is None
    ]
    for path in surplus:
        patch = put(patch, ("spec", *path), None)
    if not surplus:
        return None
    ref = ObjectRef(CLUSTER_POLICIES, meta["name"])
    return Patch(ref, patch, holds=False, why="the operands tolerate the taint no longer")
