"""The road and the way back: all stages in the order in which they depend on each other."""

from oc_gpu.kube.resources import CONFIGMAPS, NAMESPACES
from oc_gpu.stages import entitlement, gpu_operator, isolation, nfd
from oc_gpu.stages import record as records
from oc_gpu.stages.context import Context
from oc_gpu.stages.engine import planned_actions
from oc_gpu.stages.model import Delete, Milestone, ObjectRef, StagePlan

STAGES = (entitlement, nfd, gpu_operator, isolation)
"""One module a stage, each with NAME, TITLE, `plan` and `undo`."""

RECORD = "record"
TITLE = "Record of what was here before"


def road(context: Context) -> tuple[StagePlan, ...]:
    """Return the stages of the road, the record of what was there first."""
    stages = tuple(stage.plan(context) for stage in STAGES)
    return (_record(context, stages), *stages)


def _record(context: Context, stages: tuple[StagePlan, ...]) -> StagePlan:
    if context.record is None and not planned_actions(stages, context.snapshot):
        return StagePlan(RECORD, TITLE, not_needed="nothing was made here")
    wanted = isolation.recorded(context, context.before)
    action = records.action(wanted)
    space = records.namespace_action()
    milestones = (
        Milestone("the record has a namespace", (space,)),
        Milestone("what was here is recorded", (action,)),
    )
    return StagePlan(RECORD, TITLE, milestones)


def way_back(context: Context) -> tuple[StagePlan, ...]:
    """Return the stages of the way back; the record goes last."""
    by_name = {stage.NAME: stage.undo(context) for stage in STAGES}
    order = ("isolation", "gpu-operator", "nfd", "entitlement")
    return (*(by_name[name] for name in order), _forget(context))


def _forget(context: Context) -> StagePlan:
    space = context.snapshot.raw("namespaces", records.NAMESPACE)
    actions: tuple[Delete, ...] = ()
    if space is not None and context.is_ours(space):
        actions = (Delete(ObjectRef(NAMESPACES, records.NAMESPACE)),)
    elif context.record is not None:
        actions = (Delete(ObjectRef(CONFIGMAPS, records.NAME, records.NAMESPACE)),)
    after = ("isolation", "gpu-operator", "nfd", "entitlement")
    gone = Milestone("record is gone", actions, after=after)
    return StagePlan(RECORD, TITLE, (gone,))
