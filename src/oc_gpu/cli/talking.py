"""Talk with the user beside the result: progress, and the question before anything is written."""

import sys

import click

from oc_gpu.cli.options import Settings
from oc_gpu.kube.errors import UsageError
from oc_gpu.report.live import LiveProgress
from oc_gpu.report.look import Look, is_terminal
from oc_gpu.report.progress import PlainProgress


def progress(settings: Settings) -> LiveProgress | PlainProgress:
    """Return what shows events on stderr: a live table on a terminal, else plain lines."""
    if not is_terminal(sys.stderr):
        return PlainProgress(sys.stderr)
    look = Look.of(sys.stderr, settings.color)
    return LiveProgress(sys.stderr, color=look.color, verbose=settings.verbose)


def confirm(settings: Settings, question: str, *, needed: bool = True) -> bool:
    """Ask before something is written.

    Args:
        settings: `yes` answers the question.
        question: One sentence, asked on stderr.
        needed: False where nothing harmful happens, so that nobody is asked.

    Raises:
        UsageError: There is nobody to ask.
    """
    if settings.yes or not needed:
        return True
    if not is_terminal(sys.stdin):
        message = "this asks before it writes, and there is no terminal to ask on"
        raise UsageError(message, hints=("--yes answers for you; `oc-gpu plan` shows what it is",))
    return click.confirm(question, default=False, err=True)
