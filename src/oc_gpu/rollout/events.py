"""What the runner tells while it works; `oc_gpu.report` renders these."""

from collections.abc import Callable

from msgspec import Struct

from oc_gpu.checks.model import Finding
from oc_gpu.stages.model import Assessment


class StageChanged(Struct, frozen=True):
    """A stage moved: another state, milestone or detail. `at` is epoch seconds of the cluster."""

    at: float
    assessment: Assessment


class Written(Struct, frozen=True):
    """One write was accepted by the server.

    `verb` is created, configured, patched, deleted or evicted.
    """

    at: float
    stage: str
    verb: str
    target: str


class Notice(Struct, frozen=True):
    """Something the user should know, such as a conflict that is tried again."""

    at: float
    stage: str
    message: str


class Outcome(Struct, frozen=True):
    """End of a run: last assessments, number of writes, seconds by the cluster's clock.

    `unknown` says what could not be known before it, a sentence each; `finding` is the doctor's
    cause for which the run has ended before it was done.
    """

    assessments: tuple[Assessment, ...]
    writes: int
    seconds: float
    simulated: bool
    unknown: tuple[str, ...] = ()
    finding: Finding | None = None


Event = StageChanged | Written | Notice
Observer = Callable[[Event], None]
