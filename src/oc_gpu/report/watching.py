"""`status --watch`: the status in place on a terminal, a line a change elsewhere."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TextIO

import msgspec
from msgspec.structs import replace

from oc_gpu.report import progress, status
from oc_gpu.report.documents import Status
from oc_gpu.report.look import ColorChoice, Look, is_terminal
from oc_gpu.report.output import Form, encode
from oc_gpu.rollout.events import StageChanged
from oc_gpu.rollout.survey import Survey
from oc_gpu.stages.model import Assessment

Show = Callable[[Survey], None]


def lines(stream: TextIO) -> Show:
    """Return what writes a dated line for each stage that changed."""
    told: dict[str, Assessment] = {}
    put = progress.PlainProgress(stream)

    def show(found: Survey) -> None:
        for assessment in found.assessments:
            seen = replace(assessment, due=())
            if told.get(assessment.stage) != seen:
                told[assessment.stage] = seen
                put(StageChanged(found.snapshot.now, assessment))

    return show


def documents(stream: TextIO, form: Form) -> Show:
    """Return what writes each new status: JSON a line each, or YAML documents."""
    told: list[Status] = []

    def show(found: Survey) -> None:
        document = status.document(found)
        if told != [document]:
            told[:] = [document]
            if form == "json":
                stream.write(f"{msgspec.json.encode(document).decode()}\n")
            else:
                stream.write(f"---\n{encode(document, 'yaml')}")
            stream.flush()

    return show


def in_place(stream: TextIO, color: ColorChoice) -> tuple[AbstractContextManager[object], Show]:
    """Return a live picture of the status, and what changes it."""
    from rich.console import Console  # noqa: PLC0415  (rich is for terminals only)
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    look = Look.of(stream, color)
    live = Live(console=Console(file=stream, no_color=not look.color), auto_refresh=False)

    def show(found: Survey) -> None:
        text = "\n".join(status.text(status.document(found), look))
        live.update(Text.from_ansi(text), refresh=True)

    return live, show


def shower(
    stream: TextIO, form: Form, color: ColorChoice
) -> tuple[AbstractContextManager[object] | None, Show]:
    """Return what shows one status after the other, and what to enter meanwhile."""
    if form != "text":
        return None, documents(stream, form)
    if is_terminal(stream):
        return in_place(stream, color)
    return None, lines(stream)
