"""What a mutation may lead to: a result, or one clear sentence; and to no file elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oc_gpu.kube import OcGpuError

LONGEST = 2_000
"""Characters of an error; what is foreign in it is cut."""
_WRITES = frozenset("wax+")
_watched: list[tuple[Path, list[str]]] = []


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    """Note files that are opened for writing outside of the folder that is watched."""
    if not _watched or event != "open" or not isinstance(arguments[0], str):
        return
    folder, found = _watched[-1]
    path, mode = arguments[0], arguments[1] or ""
    if _WRITES & set(mode) and not Path(path).is_relative_to(folder) and path != "/dev/null":
        found.append(path)


sys.addaudithook(_on_event)


@contextmanager
def nothing_written_outside(folder: Path) -> Iterator[None]:
    """Insist that no file outside of a folder is opened for writing inside the block."""
    found: list[str] = []
    _watched.append((folder, found))
    try:
        yield
    finally:
        _watched.pop()
    assert found == []


def judged(number: int, act: Callable[[], object]) -> bool:
    """Insist on a result or one clear sentence; tell whether there was a result."""
    told = _error(number, act)
    if told is None:
        return True
    text = str(told)
    assert text.strip(), number
    assert "\n" not in text, (number, text[:200])
    assert len(text) < LONGEST, (number, text[:200])
    assert told.exit_code in (1, 2, 3, 4), number
    return False


def _error(number: int, act: Callable[[], object]) -> OcGpuError | None:
    try:
        act()
    except OcGpuError as error:
        return error
    except BaseException as error:
        error.add_note(f"mutation {number}")
        raise
    return None
