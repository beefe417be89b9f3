"""Progress without a terminal: plain lines with the cluster's time, few of what is alike."""

from typing import Self, TextIO

from msgspec import Struct

from oc_gpu.report import alike, stages, when
from oc_gpu.rollout.events import Event, Notice, StageChanged, Written
from oc_gpu.stages.model import State

_STAGE = 12
_STATE = max(len(state) for state in State)
_PAUSE = 60.0
"""Seconds by the cluster's clock between two lines of what has told much of one sort already."""


def line(event: Event, skipped: int = 0) -> str:
    """Return an event as one line, with how many writes like it are not told."""
    if isinstance(event, StageChanged):
        stage = event.assessment
        return _line(event.at, stage.stage, stage.state.value, stages.where(stage))
    if isinstance(event, Notice):
        return _line(event.at, event.stage, "notice", event.message)
    more = f" and {skipped} before it" if skipped else ""
    return _line(event.at, event.stage, event.verb, f"{event.target}{more}")


def _line(at: float, stage: str, word: str, text: str) -> str:
    said = " ".join(text.split())
    return f"{when.moment(at)}  {stage:{_STAGE}}  {word:{_STATE}}  {said}".rstrip()


class _Sort(Struct):
    """What was told of one sort: steps of one milestone, or writes of one kind of object.

    Attributes:
        of: What makes its events alike.
        told: How many have a line.
        at: When the last of these was.
        held: The last one that has none.
        skipped: How many have none since then.
    """

    of: tuple[str, ...]
    told: int = 0
    at: float = 0.0
    held: StageChanged | Written | None = None
    skipped: int = 0


class PlainProgress:
    """Writes events as lines: each at once, and of many alike one a minute."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._sorts: dict[tuple[str, type], _Sort] = {}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Tell the last of what was not told, and end."""
        for place in list(self._sorts):
            self._end(place)

    def __call__(self, event: Event) -> None:
        """Write one event, unless many alike were written within the minute."""
        if isinstance(event, Notice):
            self._put(event)
            return
        of = _sort_of(event)
        stage, place = of[0], (of[0], type(event))
        sort = self._sorts.get(place)
        if sort is None or sort.of != of:
            self._end((stage, Written))
            sort = self._sorts[place] = _Sort(of)
        if sort.told < alike.LISTED or event.at - sort.at >= _PAUSE:
            self._put(event, sort.skipped)
            sort.told, sort.at, sort.held, sort.skipped = sort.told + 1, event.at, None, 0
        else:
            sort.held, sort.skipped = event, sort.skipped + 1

    def _end(self, place: tuple[str, type]) -> None:
        """Tell the last of a sort where it was not told."""
        sort = self._sorts.pop(place, None)
        if sort is not None and sort.held is not None:
            self._put(sort.held, sort.skipped - 1)

    def _put(self, event: Event, skipped: int = 0) -> None:
        self._stream.write(f"{line(event, skipped)}\n")
        self._stream.flush()


def _sort_of(event: StageChanged | Written) -> tuple[str, ...]:
    if isinstance(event, Written):
        return event.stage, event.verb, alike.split(event.target)[0]
    stage = event.assessment
    return stage.stage, stage.state.value, stage.milestone
