"""Talk with the user beside the result: progress, and the question before anything is written."""

import sys
from typing import Self

import click

from oc_gpu.cli.settings import Settings
from oc_gpu.kube.errors import UsageError
from oc_gpu.report.look import Look, is_terminal
from oc_gpu.report.progress import PlainProgress
from oc_gpu.rollout.events import Event


class Progress:
    """Shows events on stderr, from the first one on: a live table on a terminal, else lines."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._shown: PlainProgress | None = None

    def __enter__(self) -> Self:
        """Wait for the first event."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop drawing; what was drawn last stays."""
        if self._shown is not None:
            self._shown.__exit__(*error)

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if self._shown is None:
            self._shown = _progress(self._settings).__enter__()
        self._shown(event)


def _progress(settings: Settings) -> PlainProgress:
    if not is_terminal(sys.stderr):
        return PlainProgress(sys.stderr)
    from oc_gpu.report.live import LiveProgress  # noqa: PLC0415  (rich is for terminals only)

    look = Look.of(sys.stderr, settings.color)
    return LiveProgress(sys.stderr, color=look.color, verbose=settings.verbose)


def confirm(settings: Settings, question: str) -> bool:
    """Ask before something is written; where nobody can be asked, nothing is.

    Args:
        settings: `yes` answers the question.
        question: One sentence, asked on stderr.

    Raises:
        UsageError: There is nobody to ask.
    """
    if settings.yes:
        return True
    if is_terminal(sys.stdin):
        return click.confirm(question, default=False, err=True)
    message = "this asks before it writes, and without a terminal nobody can be asked"
    raise UsageError(message, hints=("--yes agrees beforehand",))
