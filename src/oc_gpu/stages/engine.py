"""From the milestones of the stages to what is due now, in one pure pass.

A stage stands at its first milestone that is not reached. Actions of that milestone are due when
the cluster does not already hold what they want and the stages named in `after` are done.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from oc_gpu.kube.errors import clean
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.naming import named
from oc_gpu.stages.model import (
    Action,
    Apply,
    Assessment,
    Delete,
    Milestone,
    ObjectRef,
    Patch,
    Progress,
    StagePlan,
    State,
)
from oc_gpu.stages.ownership import is_ours, owner_of

_PASSED = frozenset({State.DONE, State.NOT_NEEDED})


def assess(plans: Iterable[StagePlan], snapshot: Snapshot) -> tuple[Assessment, ...]:
    """Say for each stage where it stands and which actions are due.

    Args:
        plans: Stages in an order in which each comes after those it waits for.
        snapshot: The moment they were planned from.
    """
    states: dict[str, State] = {}
    result = []
    for plan in plans:
        assessment = _assess_stage(plan, snapshot, states)
        states[plan.name] = assessment.state
        result.append(assessment)
    return tuple(result)


def _assess_stage(plan: StagePlan, snapshot: Snapshot, states: Mapping[str, State]) -> Assessment:
    total = len(plan.milestones)
    if plan.not_needed is not None:
        return Assessment(plan.name, plan.title, State.NOT_NEEDED, detail=plan.not_needed)
    for number, milestone in enumerate(plan.milestones):
        step = _assess_milestone(milestone, snapshot, states)
        if step.progress.state is State.DONE:
            continue
        return Assessment(
            stage=plan.name,
            title=plan.title,
            state=step.progress.state,
            milestone=milestone.title,
            detail=step.progress.detail,
            due=step.due,
            hints=step.progress.hints,
            cause=step.progress.cause,
            objects=step.progress.objects,
            reached=number,
            total=total,
        )
    return Assessment(plan.name, plan.title, State.DONE, reached=total, total=total)


class _Step(Struct, frozen=True):
    progress: Progress
    due: tuple[Action, ...] = ()


def _assess_milestone(
    milestone: Milestone, snapshot: Snapshot, states: Mapping[str, State]
) -> _Step:
    taken = [a for a in milestone.actions if isinstance(a, Apply) and is_taken(a, snapshot)]
    if taken:
        return _Step(_blocked_by_owner(taken, snapshot))
    outstanding = tuple(a for a in milestone.actions if is_due(a, snapshot))
    leaving = [a.ref for a in milestone.actions if is_leaving(a.ref, snapshot)]
    unfinished = outstanding or leaving or milestone.progress.state is not State.DONE
    missing = [name for name in milestone.after if states.get(name) not in _PASSED]
    if missing and unfinished:
        return _Step(Progress(State.WAITING, f"waits for {' and '.join(missing)}"))
    if outstanding:
        return _Step(Progress(State.DUE, _shorten(a.ref for a in outstanding)), outstanding)
    if leaving and milestone.progress.state is not State.BLOCKED:
        why = _hanging(find(leaving[0], snapshot))
        return _Step(Progress(State.WAITING, f"until {_shorten(leaving)} is gone{why}"))
    return _Step(milestone.progress)


_REMAINS = ("NamespaceContentRemaining", "NamespaceFinalizersRemaining")


def _hanging(live: Any) -> str:
    """Return what an object that leaves still waits for, as far as it tells."""
    if not isinstance(live, dict):
        return ""
    finalizers = live["metadata"].get("finalizers") or ()
    conditions = (live.get("status") or {}).get("conditions") or ()
    told = [c.get("message") or "" for c in conditions if c.get("type") in _REMAINS]
    said = [*told, *([f"finalizers {', '.join(finalizers)}"] if finalizers else [])]
    return f" ({'; '.join(clean(part) for part in said)})" if said else ""


def _shorten(refs: Iterable[ObjectRef], shown: int = 2) -> str:
    return named([str(ref) for ref in refs], shown)


def _blocked_by_owner(taken: list[Apply], snapshot: Snapshot) -> Progress:
    first = taken[0]
    return Progress(
        State.BLOCKED,
        f"{first.ref} exists, differs from what is needed and belongs to "
        f"{owner_of(find(first.ref, snapshot))}",
        hints=freeing(first.ref),
        objects=tuple(str(action.ref) for action in taken),
    )


def freeing(ref: ObjectRef) -> tuple[str, ...]:
    """Return what to do about an object of somebody else whose name we need."""
    where = f" -n {ref.namespace}" if ref.namespace else ""
    kind = ref.resource.plural.removesuffix("s") if not ref.resource.group else ref.resource.plural
    return (
        f"see whose it is: oc get {kind} {ref.name}{where} -o yaml --show-managed-fields",
        f"where it is not needed: oc delete {kind} {ref.name}{where}, then run the command again",
        "to take it over: oc-gpu enable --adopt; `oc-gpu disable` then removes it",
    )


def is_taken(action: Apply, snapshot: Snapshot) -> bool:
    """Tell whether somebody else has an object of the name, and it is not as ours is to be."""
    live = find(action.ref, snapshot)
    if live is None or action.adopt or action.takes_over or _deleting(live) or is_ours(live):
        return False
    return not isinstance(live, dict) or not holds(action.manifest, live)


def names_taken(plans: Iterable[StagePlan], snapshot: Snapshot) -> tuple[Apply, ...]:
    """Return the writes of all stages that somebody else's objects stand in the way of."""
    return tuple(
        action
        for action in planned_actions(plans, snapshot)
        if isinstance(action, Apply) and is_taken(action, snapshot)
    )


def is_due(action: Action, snapshot: Snapshot) -> bool:
    """Tell whether the cluster still lacks what the action brings about.

    An object that is being deleted is waited for: nothing is due on it.
    """
    if isinstance(action, Patch):
        return not action.holds
    live = find(action.ref, snapshot)
    if isinstance(action, Delete):
        return live is not None and not _deleting(live)
    if live is None:
        return True
    if action.adopt or _deleting(live):
        return False
    if not isinstance(live, dict):  # its fields cannot be compared: ours is as it was made
        return not is_ours(live)
    return not holds(action.manifest, live)


def is_leaving(ref: ObjectRef, snapshot: Snapshot) -> bool:
    """Tell whether an object is there but marked for deletion."""
    live = find(ref, snapshot)
    return live is not None and _deleting(live)


def planned_actions(plans: Iterable[StagePlan], snapshot: Snapshot) -> tuple[Action, ...]:
    """Return every action of every stage that is not yet brought about, gates aside."""
    return tuple(
        action
        for plan in plans
        if plan.not_needed is None
        for milestone in plan.milestones
        for action in milestone.actions
        if is_due(action, snapshot)
    )


_SOURCES = {
    "clusterserviceversions": ("csvs",),
    "customresourcedefinitions": ("crds",),
    "pods": ("pods", "tenants"),
    "secrets": ("secrets", "licences"),
    "configmaps": ("configmaps", "licences"),
}


def find(ref: ObjectRef, snapshot: Snapshot) -> Any | None:
    """Return the live object of a name, raw or typed as its source is; None when absent."""
    for table in _tables(ref, snapshot):
        for item in snapshot.table(table):
            name, namespace = _identity(item)
            if name == ref.name and (not ref.namespace or namespace == ref.namespace):
                return item
    return None


def _tables(ref: ObjectRef, snapshot: Snapshot) -> tuple[str, ...]:
    plural = ref.resource.plural
    qualified = f"{plural}.{ref.resource.group}"
    return (qualified,) if qualified in snapshot.tables else _SOURCES.get(plural, (plural,))


def _identity(item: Any) -> tuple[str, str]:
    if isinstance(item, dict):
        meta = item["metadata"]
        return meta["name"], meta.get("namespace", "")
    return item.metadata.name, item.metadata.namespace


def _deleting(item: Any) -> bool:
    if isinstance(item, dict):
        return "deletionTimestamp" in item["metadata"]
    return item.metadata.deletion_timestamp is not None


def holds(wanted: Any, live: Any) -> bool:
    """Tell whether everything wanted stands in the live value, which may hold more."""
    if wanted == live:  # fast, and most parts are
        return True
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            key in live and holds(value, live[key]) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(wanted) == len(live)
            and all(holds(ours, theirs) for ours, theirs in zip(wanted, live, strict=True))
        )
    return False
