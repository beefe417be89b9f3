"""Texts of a snapshot: logs of containers, kernel messages, files of nodes.

A text is searched for phrases, never parsed as a whole. Long logs repeat themselves: lines that
differ in digits only are kept once, with the number of the first one, so that searching a hundred
megabytes costs no more than searching what is new in them.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import chain
from typing import Literal

from msgspec import Struct

Kind = Literal["log", "node", "other"]

_SMALL = 64 * 1024
"""Bytes below which looking for repeated lines costs more than searching them."""
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_BETWEEN = re.compile(rb"[^a-z\x80-\xff]")
"""What stands between words; digits do, or times and numbers would make words without end."""
_SPLIT = bytes(ord(" ") if _BETWEEN.match(bytes([char])) else char for char in range(256))
_SHORT = 4096
"""A text of so many letters is searched sooner than it is asked for words."""
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


class Words:
    """The words of texts, to tell without reading them that they cannot hold a phrase."""

    def __init__(self, known: Iterable[bytes]) -> None:
        self._known = frozenset(known)

    @cached_property
    def _joined(self) -> bytes:
        return b"\n".join((b"", *self._known, b""))

    @classmethod
    def of(cls, lowered: str) -> "Words":
        """Return the words of a text in lower case."""
        return cls(lowered.encode().translate(_SPLIT).split())

    @classmethod
    def all_of(cls, texts: Iterable["Text"]) -> "Words":
        """Return the words of several texts together."""
        return cls(chain.from_iterable(text.words._known for text in texts))  # noqa: SLF001

    def may_hold(self, phrase: str) -> bool:
        """Tell whether all words of a phrase are there; the outer ones may be parts of words.

        Args:
            phrase: A piece of text in lower case.
        """
        inner, outer = _words(phrase)
        return inner <= self._known and all(part in self._joined for part in outer)


@lru_cache(maxsize=8192)
def _words(phrase: str) -> tuple[frozenset[bytes], tuple[bytes, ...]]:
    """Return the words within a phrase, and what the outer ones are in a list of words."""
    first, *inner = _BETWEEN.split(phrase.encode())
    if not inner:
        return frozenset(), (first,)
    last = inner.pop()
    return frozenset(filter(None, inner)), (first + b"\n", b"\n" + last)


class Text:
    """Lines of one text, with their numbers in the original.

    Attributes:
        content: All lines as one text.
    """

    def __init__(self, lines: Sequence[str], numbers: Sequence[int] | None = None) -> None:
        self.content = "\n".join(lines)
        self._numbers = range(1, len(lines) + 1) if numbers is None else numbers

    @classmethod
    def of(cls, raw: bytes, first: int = 1) -> "Text":
        """Return a text from its bytes; what is no UTF-8 is replaced.

        Args:
            raw: The content, or the part of it that was read.
            first: Number of its first line.
        """
        every = raw.splitlines()
        if len(raw) < _SMALL:
            return cls(_decoded(every), range(first, first + len(every)))
        masked = raw.translate(_DIGITS).splitlines()
        # From the last to the first, so that the first of equal lines is the one that stays.
        numbers = sorted(
            dict(zip(reversed(masked), reversed(range(len(masked))), strict=True)).values()
        )
        kept = [every[number] for number in numbers]
        return cls(_decoded(kept), array("q", map(first.__add__, numbers)))

    def __iter__(self) -> Iterator[Line]:
        """Yield the lines."""
        lines = self.content.split("\n") if self._numbers else []
        return (Line(n, t) for n, t in zip(self._numbers, lines, strict=True))

    def __len__(self) -> int:
        """Return the number of lines that are kept."""
        return len(self._numbers)

    @cached_property
    def words(self) -> Words:
        """Return the words of the text."""
        return Words.of(self.content.lower())

    @cached_property
    def _lowered(self) -> str:
        return self.content.lower()

    def find(self, parts: Sequence[str]) -> Iterator[Line]:
        """Yield the lines that hold all parts in this order, whatever the case.

        Args:
            parts: Lower-case pieces of text, at least one.
        """
        longest, lowered, number, seen = max(parts, key=len), self._lowered, 0, 0
        if len(lowered) > _SHORT and not self.words.may_hold(longest):
            return
        at = lowered.find(longest)
        while at >= 0:
            start, end = lowered.rfind("\n", 0, at) + 1, _end(lowered, at)
            if _in_order(lowered, start, end, parts):
                number, seen = number + lowered.count("\n", seen, start), start
                yield Line(self._numbers[number], self._line(number, start, end))
            at = lowered.find(longest, end)

    def _line(self, number: int, start: int, end: int) -> str:
        if len(self.content) == len(self._lowered):
            return self.content[start:end]
        # Some letters have more than one in lower case, so that places differ.
        return self.content.split("\n")[number]


def _end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _decoded(lines: Sequence[bytes]) -> list[str]:
    if max(map(len, lines), default=0) > _LONGEST:
        lines = [line[:_LONGEST] for line in lines]
    # All at once, since decoding line by line takes several times as long.
    return b"\n".join(lines).decode("utf-8", "replace").split("\n") if lines else []


def _in_order(blob: str, start: int, end: int, parts: Sequence[str]) -> bool:
    for part in parts:
        start = blob.find(part, start, end)
        if start < 0:
            return False
        start += len(part)
    return True
