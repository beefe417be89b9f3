"""Progress without a terminal: one plain line an event, with the cluster's time."""

from typing import Self, TextIO

from oc_gpu.report import stages, when
from oc_gpu.rollout.events import Event, Notice, StageChanged
from oc_gpu.stages.model import State

_STAGE = 12
_STATE = max(len(state) for state in State)


def line(event: Event) -> str:
    """Return an event as one line."""
    if isinstance(event, StageChanged):
        stage = event.assessment
        return _line(event.at, stage.stage, stage.state.value, stages.where(stage))
    if isinstance(event, Notice):
        return _line(event.at, event.stage, "notice", event.message)
    return _line(event.at, event.stage, event.verb, event.target)


def _line(at: float, stage: str, word: str, text: str) -> str:
    said = " ".join(text.split())
    return f"{when.moment(at)}  {stage:{_STAGE}}  {word:{_STATE}}  {said}".rstrip()


class PlainProgress:
    """Writes each event as a line, at once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""

    def __call__(self, event: Event) -> None:
        """Write one event."""
        self._stream.write(f"{line(event)}\n")
        self._stream.flush()
