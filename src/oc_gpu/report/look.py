"""How text is laid out: width, colour, wrapping, columns. Colour never carries meaning alone."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

ColorChoice = Literal["auto", "always", "never"]
MAX_WIDTH = 100
"""Lines longer than this are hard to read, however wide the terminal is."""
DEFAULT_WIDTH = 80
"""What a terminal has that does not tell."""

_PROGRAMS = ("oc ", "oc-gpu ", "kubectl ", "helm ", "systemctl ", "curl ", "podman ")
"""How the commands begin that are to be copied."""

_CODES: Mapping[str, str] = {
    "ok": "32",
    "done": "32",
    "info": "36",
    "due": "36",
    "waiting": "36",
    "not needed": "2",
    "unknown": "35",
    "warning": "33",
    "blocked": "33;1",
    "error": "31;1",
    "failed": "31;1",
    "dim": "2",
    "bold": "1",
}


@dataclass(frozen=True)
class Look:
    """How one stream is written to.

    Attributes:
        color: Whether ANSI colours are used.
        width: Columns to fill; None leaves lines as long as they are.
    """

    color: bool = False
    width: int | None = None

    @classmethod
    def of(cls, stream: TextIO, color: ColorChoice = "auto") -> "Look":
        """Return what fits a stream: colour and wrapping on a terminal only."""
        terminal = is_terminal(stream)
        width = min(_columns(stream), MAX_WIDTH) if terminal else None
        if color == "auto":
            return cls(terminal and "NO_COLOR" not in os.environ, width)
        return cls(color == "always", width)

    def paint(self, text: str, paint: str) -> str:
        """Return the text in the colour of a state or severity."""
        code = _CODES.get(paint)
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and code and text else text

    def hanging(self, lead: str, text: str, *, paint: str = "") -> str:
        """Return the text after a lead, further lines indented below its beginning."""
        folded = self.fold(text, columns(lead))
        gap = " " * columns(lead)
        return "\n".join(
            [self.paint(lead, paint) + folded[0], *(gap + line for line in folded[1:])]
        )

    def todo(self, lead: str, text: str) -> str:
        """Return what to do after a lead: a command stays one line, so that it can be copied."""
        return lead + text if text.startswith(_PROGRAMS) else self.hanging(lead, text)

    def fold(self, text: str, used: int = 0) -> list[str]:
        """Break a text at spaces into lines that fit beside what is already used."""
        if self.width is None or columns(text) + used <= self.width:
            return text.split("\n")
        room = max(self.width - used, 20)
        return [line for part in text.split("\n") for line in _fold(part, room)]

    def table(
        self, rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), paint: int | None = None
    ) -> list[str]:
        """Return aligned rows; the last column is folded below itself.

        Args:
            rows: Cells; every row has as many.
            header: Titles of the columns.
            paint: Number of the column whose words are states or severities.
        """
        every = [header, *rows] if header else list(rows)
        if not every:
            return []
        widths = [max(columns(row[i]) for row in every) for i in range(len(every[0]) - 1)]
        lines = []
        for row in every:
            cells = [pad(cell, width) for cell, width in zip(row[:-1], widths, strict=True)]
            lead = "  ".join([*cells, ""])
            folded = self.fold(row[-1], columns(lead))
            if header and row is header:
                painted = self.paint(f"{lead}{folded[0]}".rstrip(), "dim")
            else:
                painted = self._painted(row, cells, paint) + folded[0]
            lines.append(painted.rstrip())
            lines += [(" " * columns(lead) + more).rstrip() for more in folded[1:]]
        return lines

    def _painted(self, row: Sequence[str], cells: list[str], paint: int | None) -> str:
        shown = [self.paint(cell, row[i]) if i == paint else cell for i, cell in enumerate(cells)]
        return "  ".join([*shown, ""])


def is_terminal(stream: TextIO) -> bool:
    """Tell whether somebody looks at the stream."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _columns(stream: TextIO) -> int:
    """Return the width of a terminal, COLUMNS first as everywhere."""
    try:
        return int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(stream.fileno()).columns
    except (ValueError, OSError):
        return DEFAULT_WIDTH


def columns(text: str) -> int:
    """Return how many columns of a terminal the text fills."""
    if text.isascii():
        return len(text)
    return sum(_column(character) for character in text)


def _column(character: str) -> int:
    import unicodedata  # noqa: PLC0415  (most texts need none of it)

    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, width: int) -> str:
    """Return the text with spaces up to a width."""
    return text + " " * (width - columns(text))


def _fold(text: str, room: int) -> Iterable[str]:
    """Fill lines with whole words; a word longer than the room stays whole, to be copied."""
    line = ""
    for word in text.split(" "):
        if line and columns(line) + 1 + columns(word) > room:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
