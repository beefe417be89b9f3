"""`plan`: what each stage would create or change, which nodes reboot, how long it takes."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import structs

from oc_gpu.checks.model import Finding
from oc_gpu.report import alike, estimate, findings, stages, when
from oc_gpu.report.documents import (
    FieldChange,
    Plan,
    PlannedChange,
    PlannedStage,
    PlannedStep,
    cluster,
)
from oc_gpu.report.look import Look
from oc_gpu.rollout.preview import Change
from oc_gpu.rollout.survey import Survey
from oc_gpu.snapshot.naming import named
from oc_gpu.stages.model import Assessment, Patch, StagePlan, State, disturbance

_NOTHING = "nothing"
_WORDS = {
    "created": "create",
    "changed": "change",
    "deleted": "delete",
    "unchanged": _NOTHING,
    "refused": "refused",
}
_OPEN = frozenset({State.DUE, State.WAITING})
_FIELDS = 4
"""Changed fields that are shown; all of them with -v and in the JSON."""
_NODES = 10
"""Nodes of a pool that are named."""


def document(found: Survey, changes: Iterable[Change], obstacles: tuple[Finding, ...] = ()) -> Plan:
    """Return the plan of a survey.

    Args:
        found: The survey.
        changes: What the server says of each write.
        obstacles: Findings for which the road would not be walked at all.
    """
    told = {id(change.action): change for change in changes}
    rebooting = estimate.reboots(found.actions, found.snapshot)
    planned = tuple(
        _planned(plan, assessment, told)
        for plan, assessment in zip(found.plans, found.assessments, strict=True)
    )
    return Plan(
        cluster=cluster(found.snapshot, found.context.platform.version),
        clean=not obstacles
        and not any(stage.state in stages.STUCK for stage in planned)
        and not any(change.change == "refused" for change in _changes(planned)),
        findings=obstacles,
        stages=planned,
        reboots=rebooting,
        estimate=estimate.estimate(found.actions, rebooting),
        simulated=found.snapshot.simulated,
    )


def _planned(plan: StagePlan, assessment: Assessment, told: Mapping[int, Change]) -> PlannedStage:
    return PlannedStage(
        stage=plan.name,
        title=plan.title,
        state=assessment.state,
        decision=plan.not_needed or plan.decision,
        detail=assessment.detail if assessment.state in stages.STUCK else "",
        hints=assessment.hints,
        steps=tuple(
            PlannedStep(
                until=milestone.title,
                changes=tuple(
                    _planned_change(told[id(a)]) for a in milestone.actions if id(a) in told
                ),
            )
            for milestone in plan.milestones[assessment.reached :]
        ),
    )


def _changes(planned: Iterable[PlannedStage]) -> list[PlannedChange]:
    return [change for stage in planned for step in stage.steps for change in step.changes]


def _planned_change(change: Change) -> PlannedChange:
    action = change.action
    return PlannedChange(
        change=_WORDS[change.effect],
        target=str(action.ref),
        fields=tuple(field.path for field in change.diff) if change.effect == "changed" else (),
        diff=tuple(FieldChange(path=f.path, before=f.before, after=f.after) for f in change.diff),
        note=change.note or (action.why if isinstance(action, Patch) else ""),
        reboots=None if isinstance(action, Patch) else action.reboots,
        disturbs=disturbance(action) if change.effect != "unchanged" else "",
    )


def text(plan: Plan, look: Look, *, verbose: int = 0) -> Iterator[str]:
    """Yield the lines of a plan."""
    yield from stages.heading(plan.cluster, look, simulated=plan.simulated)
    for finding in findings.grouped(plan.findings, verbose=verbose):
        yield from findings.one(finding, look, verbose=verbose)
    if plan.findings:
        yield ""
        yield look.hanging("", "This cluster cannot get GPUs as it is. Once it can:")
        yield ""
    for stage in plan.stages:
        yield from _stage(stage, look, verbose=verbose)
        yield ""
    yield from _reboots(plan, look)
    for disturbs in dict.fromkeys(c.disturbs for c in _changes(plan.stages) if c.disturbs):
        yield look.hanging("Running workloads: ", disturbs)
    yield from _time(plan, look)


def answer(plan: Plan, look: Look, *, verbose: int = 0) -> Iterator[str]:
    """Yield the lines of a plan that stays one."""
    yield from text(plan, look, verbose=verbose)
    yield "Nothing was written."


def _stage(stage: PlannedStage, look: Look, *, verbose: int) -> Iterator[str]:
    word = "to do" if stage.state in _OPEN else stage.state.value
    yield f"{look.paint(stage.stage, 'bold')}  {look.paint(word, stage.state)}"
    said = dict.fromkeys(part for part in (stage.decision, stage.detail) if part)
    for part in said:
        yield look.hanging("  ", part)
    for hint in stage.hints:
        yield look.hanging("  do      ", hint)
    for step in stage.steps:
        for change in _told(step.changes, verbose=verbose):
            yield from _change(change, look, verbose=verbose)
        yield look.hanging("  until   ", step.until)
    kept = sum(change.change == _NOTHING for change in _changes([stage]))
    if kept and not verbose:
        yield f"  {kept} {'objects are' if kept != 1 else 'object is'} as wanted already"


def _told(changes: Iterable[PlannedChange], *, verbose: int) -> Iterator[PlannedChange]:
    """Yield the changes to tell; of many, one for those that differ in the object's name only."""
    if verbose:
        yield from changes
        return
    due = [change for change in changes if change.change != _NOTHING]
    for group in alike.groups(due, _unnamed, lambda change: change.change != "refused"):
        first = group[0]
        if len(group) > 1:
            first = structs.replace(
                first, target=alike.like(len(group), *alike.split(first.target))
            )
        yield first


def _unnamed(change: PlannedChange) -> PlannedChange:
    """Return what a change does, whichever object it does it to."""
    kind, name = alike.split(change.target)
    return structs.replace(change, target=kind, note=alike.blanked(change.note, [name]))


def _change(change: PlannedChange, look: Look, *, verbose: int) -> Iterator[str]:
    note = f"  (reboots pool {change.reboots})" if change.reboots else ""
    yield look.hanging(f"  {change.change:8}", f"{change.target}{note}")
    if change.note:
        yield look.hanging(" " * 10, change.note)
    if change.diff and (verbose or (change.fields and not change.note)):
        shown = change.diff if verbose else change.diff[:_FIELDS]
        for field in shown:
            yield look.hanging(" " * 10, _field(field))
        if left := len(change.diff) - len(shown):
            yield look.hanging(" " * 10, f"and {left} more, shown with -v")


def _field(field: FieldChange) -> str:
    """Return a field as `path: before -> after`; without a value where it is not there."""
    after = "gone" if field.after is None else field.after or "(empty)"
    if field.before is None:
        return f"{field.path}: {after}"
    return f"{field.path}: {field.before or '(empty)'} -> {after}"


def _reboots(plan: Plan, look: Look) -> Iterator[str]:
    if not plan.reboots:
        yield "No node reboots."
    for reboot in plan.reboots:
        nodes = named(reboot.nodes, _NODES)
        said = f"{len(reboot.nodes)} of pool {reboot.pool}, {reboot.at_once} at a time: {nodes}"
        yield look.hanging("Nodes that reboot: ", said)


def _time(plan: Plan, look: Look) -> Iterator[str]:
    if plan.estimate is not None:
        span = when.span(plan.estimate.low, plan.estimate.high)
        yield look.hanging("Time: ", f"{span} ({plan.estimate.source})")
