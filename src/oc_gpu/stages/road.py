"""The road and the way back: all stages in the order in which they depend on each other."""

from collections.abc import Iterable

from msgspec import structs

from oc_gpu.kube.resources import CONFIGMAPS, NAMESPACES
from oc_gpu.stages import entitlement, gpu_operator, isolation, mig, nfd, recovery
from oc_gpu.stages import record as records
from oc_gpu.stages.context import Context
from oc_gpu.stages.engine import planned_actions
from oc_gpu.stages.model import Delete, Milestone, ObjectRef, StagePlan

STAGES = (entitlement, nfd, gpu_operator, mig, isolation)
"""One module a stage, each with NAME, TITLE, `plan` and `undo`."""

_BACK = ("isolation", "mig", "gpu-operator", "nfd", "entitlement")
"""The order of the way back."""
RECORD = "record"
RECOVERY = "recovery"
TITLE = "Record of what was here before"


def road(context: Context) -> tuple[StagePlan, ...]:
    """Return the stages of the road, the record of what was there first."""
    stages = tuple(stage.plan(context) for stage in STAGES)
    return (_record(context, stages), *stages)


def _record(context: Context, stages: tuple[StagePlan, ...]) -> StagePlan:
    touched = context.record is not None or context.lost
    if not touched and not planned_actions(stages, context.snapshot):
        return StagePlan(RECORD, TITLE, not_needed="nothing was made here")
    wanted = entitlement.recorded(context, isolation.recorded(context, context.before))
    if context.lost:
        return StagePlan(RECORD, TITLE, _written(wanted), decision=recovery.words(context.snapshot))
    return StagePlan(RECORD, TITLE, _written(wanted))


def _written(record: records.Record) -> tuple[Milestone, ...]:
    what = "the lost record is made again" if record.rebuilt else "what was here is recorded"
    return (
        Milestone("the record has a namespace", (records.namespace_action(),)),
        Milestone(what, (records.action(record),)),
    )


def gated(plans: Iterable[StagePlan], first: str) -> tuple[StagePlan, ...]:
    """Return stages of which none but the first writes before the first is done."""
    return tuple(plan if plan.name == first else _after(plan, first) for plan in plans)


def _after(plan: StagePlan, first: str) -> StagePlan:
    milestones = tuple(
        structs.replace(milestone, after=(*milestone.after, first))
        if milestone.actions and first not in milestone.after
        else milestone
        for milestone in plan.milestones
    )
    return structs.replace(plan, milestones=milestones)


def way_back(context: Context) -> tuple[StagePlan, ...]:
    """Return the stages of the way back; the record goes last.

    A record that is lost is made again first: once the first object is gone, it could be told
    no more what is ours.
    """
    by_name = {stage.NAME: stage.undo(context) for stage in STAGES}
    plans = (*(by_name[name] for name in _BACK), _forget(context))
    if not context.before.rebuilt:
        return plans
    found = StagePlan(RECOVERY, "What is ours, by its labels", _written(context.before))
    if context.lost:
        found = structs.replace(found, decision=recovery.words(context.snapshot))
    return gated((found, *plans), RECOVERY)


def _forget(context: Context) -> StagePlan:
    space = context.snapshot.raw("namespaces", records.NAMESPACE)
    actions: tuple[Delete, ...] = ()
    if space is not None and context.is_ours(space):
        actions = (Delete(ObjectRef(NAMESPACES, records.NAMESPACE)),)
    elif context.record is not None:
        actions = (Delete(ObjectRef(CONFIGMAPS, records.NAME, records.NAMESPACE)),)
    gone = Milestone("record is gone", actions, after=_BACK)
    return StagePlan(RECORD, TITLE, (gone,))
