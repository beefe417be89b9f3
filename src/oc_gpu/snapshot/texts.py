"""Texts of a snapshot: logs of containers, kernel messages, files of nodes.

A text is searched for phrases, never parsed as a whole. Long logs repeat themselves: lines that
differ in digits only are kept once, with the number of the first one, so that searching a hundred
megabytes costs no more than searching what is new in them.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal

from msgspec import Struct

Kind = Literal["log", "node", "other"]

_SMALL = 64 * 1024
"""Bytes below which looking for repeated lines costs more than searching them."""
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONGEST = 4000
"""Characters of a line that are kept: programs print whole objects on one line."""


class TextRef(Struct, frozen=True, kw_only=True):
    """Which text: enough to say where it was read, and whose it is.

    Attributes:
        kind: `log` of a container, file of a `node`, or `other` (output of a client).
        where: Path in the bundle, or the command that reads it live.
        namespace: Namespace of the pod.
        pod: Name of the pod.
        container: Name of the container.
        previous: True for the log of the instance before the present one.
        node: Name of the node of a node's file.
        name: What a node's file is: `dmesg`, `lspci`, `nvidia-bug-report`, a path on the host.
    """

    kind: Kind
    where: str
    namespace: str = ""
    pod: str = ""
    container: str = ""
    previous: bool = False
    node: str = ""
    name: str = ""


class Line(Struct, frozen=True):
    """One line: its number from 1 on, and its text without line end."""

    number: int
    text: str


class Text:
    """Lines of one text, with their numbers in the original."""

    def __init__(self, lines: Sequence[str], numbers: Sequence[int] | None = None) -> None:
        self._lines = lines
        self._numbers = range(1, len(lines) + 1) if numbers is None else numbers

    @classmethod
    def of(cls, raw: bytes, first: int = 1) -> "Text":
        """Return a text from its bytes; what is no UTF-8 is replaced.

        Args:
            raw: The content, or the part of it that was read.
            first: Number of its first line.
        """
        if len(raw) < _SMALL:
            lines = _decoded(raw.splitlines())
            return cls(lines, range(first, first + len(lines)))
        seen: dict[bytes, int] = {}
        for number, masked in enumerate(raw.translate(_DIGITS).splitlines()):
            seen.setdefault(masked, number)
        every = raw.splitlines()
        kept = [every[number] for number in seen.values()]
        return cls(_decoded(kept), [first + number for number in seen.values()])

    @property
    def content(self) -> str:
        """Return all lines as one text."""
        return "\n".join(self._lines)

    def __iter__(self) -> Iterator[Line]:
        """Yield the lines."""
        return (Line(n, t) for n, t in zip(self._numbers, self._lines, strict=True))

    def __len__(self) -> int:
        """Return the number of lines that are kept."""
        return len(self._lines)

    @cached_property
    def _lowered(self) -> tuple[str, list[int]]:
        starts, at = [], 0
        lowered = [line.lower() for line in self._lines]
        for line in lowered:
            starts.append(at)
            at += len(line) + 1
        return "\n".join(lowered), starts

    def find(self, parts: Sequence[str]) -> Iterator[Line]:
        """Yield the lines that hold all parts in this order, whatever the case.

        Args:
            parts: Lower-case pieces of text, at least one.
        """
        blob, starts = self._lowered
        longest = max(parts, key=len)
        at = blob.find(longest)
        while at >= 0:
            index = bisect_right(starts, at) - 1
            end = starts[index + 1] - 1 if index + 1 < len(starts) else len(blob)
            if _in_order(blob, starts[index], end, parts):
                yield Line(self._numbers[index], self._lines[index])
            at = blob.find(longest, end)


def _decoded(lines: Sequence[bytes]) -> list[str]:
    return [line[:_LONGEST].decode("utf-8", "replace") for line in lines]


def _in_order(blob: str, start: int, end: int, parts: Sequence[str]) -> bool:
    for part in parts:
        start = blob.find(part, start, end)
        if start < 0:
            return False
        start += len(part)
    return True
