"""`plan`: what each stage would create or change, which nodes reboot, how long it takes."""

from collections.abc import Iterator

from oc_gpu.report import stages, when
from oc_gpu.report.documents import Plan, PlannedChange, PlannedStage
from oc_gpu.report.look import Look

_NOTHING = "nothing"
_FIELDS = 4
"""Changed fields that are named on one line; all of them are in the JSON."""


def text(plan: Plan, look: Look, *, verbose: int = 0) -> Iterator[str]:
    """Yield the lines of a plan."""
    yield from stages.heading(plan.cluster, look, simulated=plan.simulated)
    for stage in plan.stages:
        yield from _stage(stage, look, verbose=verbose)
        yield ""
    yield from _reboots(plan, look)
    yield from _time(plan, look)
    yield "Nothing was written."


def _stage(stage: PlannedStage, look: Look, *, verbose: int) -> Iterator[str]:
    yield f"{look.paint(stage.stage, 'bold')}  {look.paint(stage.state.value, stage.state)}"
    said = dict.fromkeys(part for part in (stage.decision, stage.detail) if part)
    for part in said:
        yield look.hanging("  ", part)
    for hint in stage.hints:
        yield look.hanging("  do      ", hint)
    for change in stage.changes:
        if change.change != _NOTHING or verbose:
            yield from _change(change, look)
    kept = sum(change.change == _NOTHING for change in stage.changes)
    if kept and not verbose:
        yield f"  {kept} {'objects are' if kept != 1 else 'object is'} as wanted already"
    for step in stage.steps:
        yield look.hanging("  wait    ", step)


def _change(change: PlannedChange, look: Look) -> Iterator[str]:
    note = f"  (reboots pool {change.reboots})" if change.reboots else ""
    yield look.hanging(f"  {change.change:8}", f"{change.target}{note}")
    if change.fields:
        shown = ", ".join(change.fields[:_FIELDS])
        more = f" and {len(change.fields) - _FIELDS} more" if len(change.fields) > _FIELDS else ""
        yield look.hanging(" " * 10, f"{shown}{more}")


def _reboots(plan: Plan, look: Look) -> Iterator[str]:
    if not plan.reboots:
        yield "No node reboots."
    for reboot in plan.reboots:
        nodes = ", ".join(reboot.nodes)
        said = f"{len(reboot.nodes)} of pool {reboot.pool}, {reboot.at_once} at a time: {nodes}"
        yield look.hanging("Nodes that reboot: ", said)


def _time(plan: Plan, look: Look) -> Iterator[str]:
    if plan.estimate is not None:
        span = when.span(plan.estimate.low, plan.estimate.high)
        yield look.hanging("Time: ", f"{span} ({plan.estimate.source})")
