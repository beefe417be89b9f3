"""How `enable`, `isolate` and `disable` ended, and what comes next."""

from collections.abc import Iterator
from typing import Literal

from oc_gpu.checks.model import Finding
from oc_gpu.kube.words import counted
from oc_gpu.report import alike, stages, when
from oc_gpu.report.documents import Cluster, Walk, all_passed, stage
from oc_gpu.report.look import Look
from oc_gpu.rollout.events import Outcome
from oc_gpu.snapshot.naming import named

NEXT = {"Enable": "oc-gpu verify", "Isolate": "oc-gpu verify"}
"""What to do after a command."""


def document(
    kind: Literal["Enable", "Isolate", "Disable"], about: Cluster, outcome: Outcome
) -> Walk:
    """Return how a run ended."""
    return Walk(
        kind=kind,
        cluster=about,
        done=all_passed(outcome.assessments),
        writes=outcome.writes,
        seconds=round(outcome.seconds, 3),
        stages=tuple(stage(assessment) for assessment in outcome.assessments),
        unknown=outcome.unknown,
        finding=outcome.finding,
        simulated=outcome.simulated,
    )


def refused(about: Cluster, finding: Finding, *, simulated: bool) -> Walk:
    """Return that `enable` did not begin, for what its check found."""
    return Walk(
        kind="Enable",
        cluster=about,
        done=False,
        writes=0,
        seconds=0.0,
        stages=(),
        finding=finding,
        simulated=simulated,
    )


def text(walk: Walk, look: Look, *, shown: bool = False) -> Iterator[str]:
    """Yield the lines of how a run ended.

    Args:
        walk: The document.
        look: How to lay out.
        shown: True when the live view shows the table already.
    """
    if not shown:
        yield from stages.table(walk.stages, look)
    if walk.finding is not None:
        yield from _cause(walk.finding, look)
    yield from stages.hints(walk.stages, look)
    yield ""
    yield look.hanging("", _ending(walk))
    for unknown in walk.unknown:
        yield look.hanging("Not known: ", unknown)
    if walk.simulated:
        yield look.hanging("", "The cluster is simulated: times are simulated, none was measured.")
    if walk.done and walk.kind in NEXT:
        yield f"next: {NEXT[walk.kind]}"


def _cause(finding: Finding, look: Look) -> Iterator[str]:
    """Yield what stands in the way, and by what it was seen; what to do is the stage's hint."""
    yield ""
    objects = f" ({named(finding.objects, alike.LISTED)})" if finding.objects else ""
    yield look.hanging("Cause: ", f"{finding.title}{objects} [{finding.code}]", paint="error")
    for evidence in finding.evidence:
        yield look.hanging("  seen  ", f"{evidence.where}: {evidence.quote}")
    if finding.means:
        yield look.hanging("  why   ", finding.means)


def _ending(walk: Walk) -> str:
    stuck = [one.stage for one in walk.stages if one.state in stages.STUCK]
    if not walk.done:
        return f"Not done: {', '.join(stuck) or 'stages still wait'}."
    if not walk.writes:
        if walk.kind == "Disable":
            return "Done: nothing of oc-gpu was there, nothing was written."
        return "Done: everything was there already, nothing was written."
    count = counted(walk.writes, "write")
    return f"Done: {count}, {when.duration(walk.seconds)} by the cluster's clock."
