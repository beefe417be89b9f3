"""Stages as text: a heading for the cluster, and a table of where the stages stand."""

from collections.abc import Iterable, Iterator

from oc_gpu.report.documents import Cluster, Stage
from oc_gpu.report.look import Look
from oc_gpu.stages.model import Assessment, State

STUCK = frozenset({State.BLOCKED, State.FAILED})
HEADER = ("STAGE", "STATE", "WHERE IT STANDS")


def heading(cluster: Cluster, look: Look, *, simulated: bool) -> Iterator[str]:
    """Yield which cluster this is about, then an empty line."""
    release = f"OpenShift {cluster.openshift}" if cluster.openshift else "Kubernetes"
    note = " (simulated)" if simulated else ""
    yield look.hanging("", f"{release} at {cluster.server}{note}")
    yield ""


def where(stage: Stage | Assessment) -> str:
    """Return where a stage stands: step, what it waits for."""
    if not stage.milestone:
        return stage.detail
    step = f"{stage.reached + 1}/{stage.total} {stage.milestone}"
    return f"{step}: {stage.detail}" if stage.detail else step


def table(stages: Iterable[Stage | Assessment], look: Look) -> list[str]:
    """Return the table of stages."""
    rows = [(stage.stage, stage.state.value, where(stage)) for stage in stages]
    return look.table(rows, header=HEADER, paint=1)


def hints(stages: Iterable[Stage | Assessment], look: Look) -> Iterator[str]:
    """Yield what to do about the stages that are stuck."""
    rows = [
        (f"  {stage.stage}", hint)
        for stage in stages
        if stage.state in STUCK
        for hint in stage.hints
    ]
    if rows:
        yield ""
        yield "To do:"
        yield from look.table(rows)
