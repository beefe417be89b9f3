"""Progress on a terminal: one table of the stages that stays in place, notices above it."""

import time
from typing import Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from oc_gpu.report import stages, when
from oc_gpu.report.look import MAX_WIDTH
from oc_gpu.report.progress import PlainProgress
from oc_gpu.rollout.events import Event, StageChanged, Written
from oc_gpu.stages.model import Assessment, State

_STYLES = {
    State.NOT_NEEDED: "dim",
    State.DONE: "green",
    State.DUE: "cyan",
    State.WAITING: "cyan",
    State.BLOCKED: "bold yellow",
    State.FAILED: "bold red",
}
_FRAMES = 8
"""Redraws a second: quick enough to look alive, slow enough to read."""


class LiveProgress(PlainProgress):
    """Shows events on a terminal until it is left; the last table stays."""

    def __init__(
        self, stream: TextIO, *, color: bool, verbose: int = 0, width: int | None = None
    ) -> None:
        super().__init__(stream)
        self._console = Console(
            file=stream, no_color=not color, highlight=False, soft_wrap=False, force_terminal=True
        )
        self._console.width = width or min(self._console.width, MAX_WIDTH)
        self._stages: dict[str, Assessment] = {}
        self._verbose = verbose
        self._writes = 0
        self._began: float | None = None
        self._at = 0.0
        self._wall = time.monotonic()
        self._live = Live(
            console=self._console, get_renderable=self._picture, refresh_per_second=_FRAMES
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Draw the last state and stop."""
        self._live.refresh()
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        self._began = event.at if self._began is None else self._began
        self._at = max(self._at, event.at)
        self._wall = time.monotonic()
        if isinstance(event, StageChanged):
            self._stages[event.assessment.stage] = event.assessment
        elif isinstance(event, Written):
            self._writes += 1
            if self._verbose:
                self._above(event.stage, f"{event.verb} {event.target}")
        else:
            self._above(event.stage, event.message)

    def _above(self, stage: str, said: str) -> None:
        self._console.print(Text(f"{stage}: {said}", style="dim"))

    def _picture(self) -> RenderableType:
        return Group(_table(self._stages), Text(self._footer(), style="dim"))

    def _footer(self) -> str:
        if self._began is None:
            return "reading the cluster"
        since = self._at - self._began + time.monotonic() - self._wall
        return f"{when.duration(since)} by the cluster's clock, {self._writes} writes"


def _table(found: dict[str, Assessment]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for assessment in found.values():
        state = Text(assessment.state.value, style=_STYLES[assessment.state])
        table.add_row(assessment.stage, state, Text(stages.where(assessment)))
    return table
