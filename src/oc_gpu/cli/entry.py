"""The program: runs one command and turns every end into an exit code and a readable text.

Nothing is imported here that a command may not need: a program that is typed all day answers at
once, or it is not typed.
"""

import errno
import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from oc_gpu.cli import defaults
from oc_gpu.cli.settings import Settings
from oc_gpu.kube.errors import OcGpuError
from oc_gpu.report import errors as report

GC_THRESHOLD = 50_000
"""Objects between two collections: a short run creates many that live until its end."""
_GO_ON = frozenset(("enable", "disable", "isolate"))
"""Commands that go on where they were broken off; others begin anew."""
PLUGIN_NAMES = {"kubectl-gpu": "kubectl gpu"}
"""How the program is called when a front program runs it as its plugin."""


def main() -> NoReturn:
    """Run the command that the process was started with."""
    gc.set_threshold(GC_THRESHOLD)
    name = os.path.basename(sys.argv[0])  # noqa: PTH119  (pathlib costs 5 ms here)
    code = run(sys.argv[1:], name=PLUGIN_NAMES.get(name, "oc-gpu"))
    # Taking the interpreter apart takes a sixth of a short command: docs/decisions/002.
    os._exit(_flushed(code))


def run(arguments: Sequence[str], *, name: str = "oc-gpu") -> int:
    """Run one command and return its exit code; every error is told on stderr.

    Args:
        arguments: The command line after the program's name.
        name: Name of the program in help texts.
    """
    try:
        return _perform(arguments, name)
    except KeyboardInterrupt:
        goes_on = " to continue" if _GO_ON.intersection(arguments) else ""
        report.show("interrupted", (f"run the same command again{goes_on}",))
        return defaults.INTERRUPTED
    except (OcGpuError, ExceptionGroup) as error:
        return _show(error)
    except OSError as error:
        return _unwritten(error)


def _unwritten(error: OSError) -> int:
    """Tell that stdout takes no more; nothing when its reader, such as `head`, has gone."""
    if error.errno == errno.ENOSPC:
        report.show(f"the result could not be written: {error.strerror}", ("make room for it",))
    elif error.errno != errno.EPIPE:
        raise error
    return 1


def _perform(arguments: Sequence[str], name: str) -> int:
    """Run a command; the one that is typed all day is spared the parser: docs/decisions/002."""
    if list(arguments) == ["status"]:
        from oc_gpu.cli.showing import status  # noqa: PLC0415

        return status(Settings())
    from oc_gpu.cli.parsing import perform  # noqa: PLC0415

    return perform(arguments, name)


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


def _flushed(code: int) -> int:
    """Write out what is left in the streams, and return the exit code."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        return code or _unwritten(error)
    return code
