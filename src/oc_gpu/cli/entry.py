"""The program: runs one command and turns every end into an exit code and a readable text."""

import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from oc_gpu.cli.program import PROGRAM
from oc_gpu.kube.errors import OcGpuError
from oc_gpu.report import errors as report

INTERRUPTED = 130
USAGE = 2
GC_THRESHOLD = 50_000
"""Objects between two collections: a short run creates many that live until its end."""
PLUGIN_NAMES = {"kubectl-gpu": "kubectl gpu"}
"""How the program is called when a front program runs it as its plugin."""


def main() -> NoReturn:
    """Run the command that the process was started with."""
    gc.set_threshold(GC_THRESHOLD)
    name = os.path.basename(sys.argv[0])  # noqa: PTH119  (pathlib costs 5 ms here)
    code = run(sys.argv[1:], name=PLUGIN_NAMES.get(name, "oc-gpu"))
    sys.exit(_flushed(code))


def run(arguments: Sequence[str], *, name: str = "oc-gpu") -> int:
    """Run one command and return its exit code; every error is told on stderr.

    Args:
        arguments: The command line after the program's name.
        name: Name of the program in help texts.
    """
    try:
        result = PROGRAM.main(list(arguments), prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return USAGE
    except click.ClickException as error:
        report.show(*_told(error, name))
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        report.show("interrupted", ("run the same command again to continue",))
        return INTERRUPTED
    except (OcGpuError, ExceptionGroup) as error:
        return _show(error)
    return result if isinstance(result, int) else 0


def _show(error: OcGpuError | ExceptionGroup[Exception]) -> int:
    """Tell an error; of several tasks' errors the first, unless one is a mistake of ours."""
    found = error if isinstance(error, OcGpuError) else _first(error)
    if found is None:
        raise error
    report.show(str(found), found.hints, found.doc)
    return found.exit_code


def _first(group: ExceptionGroup[Exception]) -> OcGpuError | None:
    """Return the first error of a group of tasks if the group holds nothing but our errors."""
    ours, others = group.split(OcGpuError)
    if ours is None or others is not None:
        return None
    error: BaseException = ours
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, OcGpuError) else None


def _told(error: click.ClickException, name: str) -> tuple[str, tuple[str, ...]]:
    """Return an error of the command line in our own form: a sentence and what to do."""
    # The bare message is wanted for these: click appends what was meant instead of hinting it.
    if isinstance(error, click.NoSuchOption | click.exceptions.NoSuchCommand):
        text = error.message
    else:
        text = error.format_message()
    text = " ".join(f"{text[:1].lower()}{text[1:]}".split())
    meant = getattr(error, "possibilities", None) or ()
    hints = [f"did you mean `{word}`?" for word in meant]
    context = getattr(error, "ctx", None)
    path = context.command_path if context else name
    hints.append(f"`{path} --help` shows what there is")
    return text.rstrip("."), tuple(hints)


def _flushed(code: int) -> int:
    """Flush stdout while errors can still be handled: a reader such as `head` may be gone."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
