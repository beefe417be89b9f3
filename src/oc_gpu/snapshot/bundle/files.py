"""Files of a bundle: where they lie, and how a bounded part of one is read."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from msgspec import Struct

TAIL = 4 << 20
"""Bytes of the end of a log that are read: trouble that lasts is at the end."""
HEAD = 256 << 10
"""Bytes of the beginning of a log that are read when it is longer than `TAIL`."""
MAX_WHOLE = 256 << 20
"""Bytes of a file that is read as a whole; a list of 20,000 pods has some 240 MB."""
_MAX_NOTES = 50
_STEP = 1 << 20
_PIECE = 4096
"""Bytes taken from a compressed file at a time: of a damaged one all whole pieces are had."""
_DAMAGES = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)


class Notes:
    """What could not be read and why, each thing once, in the order in which it was met."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def add(self, note: str) -> None:
        """Take a note; after fifty different ones no more are kept."""
        if len(self._said) < _MAX_NOTES:
            self._said.setdefault(note, None)

    def __iter__(self) -> Iterator[str]:
        """Yield the notes."""
        return iter(self._said)


class File(Struct, frozen=True):
    """One file of a bundle.

    Attributes:
        path: Its path in the bundle, with `/`.
        at: Where it lies on this machine.
    """

    path: str
    at: Path

    def open(self) -> IO[bytes]:
        """Open it for reading; what is compressed is decompressed on the way."""
        name = self.path.lower()
        if name.endswith(".gz"):
            return gzip.open(self.at)  # type: ignore[return-value]
        if name.endswith(".xz"):
            return lzma.open(self.at)
        if name.endswith(".bz2"):
            return bz2.open(self.at)
        return self.at.open("rb")

    @property
    def compressed(self) -> bool:
        """Tell whether the file is compressed by itself."""
        return self.path.lower().endswith((".gz", ".xz", ".bz2"))


class Part(Struct, frozen=True):
    """A part of a file: its bytes, and the number of its first line."""

    raw: bytes
    first: int = 1


def clean_path(name: str) -> str | None:
    """Return a path without `.` and empty parts; None when it is absolute or leads upwards."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or "\0" in name:
        return None
    return "/".join(part for part in parts if part not in ("", "."))


def whole(file: File, notes: Notes) -> bytes:
    """Return the content of a file, empty when it cannot be read; never more than `MAX_WHOLE`."""
    try:
        with file.open() as stream:
            raw = stream.read(MAX_WHOLE + 1)
    except _DAMAGES as error:
        notes.add(f"{file.path}: cannot be read ({type(error).__name__})")
        return b""
    if len(raw) > MAX_WHOLE:
        notes.add(f"{file.path}: larger than {MAX_WHOLE >> 20} MiB, left out")
        return b""
    return raw


def ends(file: File, notes: Notes) -> tuple[Part, ...]:
    """Return the beginning and the end of a text, or all of it when it is not long."""
    try:
        if file.compressed:
            return _streamed(file, notes)
        size = file.at.stat().st_size
        with file.open() as stream:
            if size <= HEAD + TAIL:
                return (Part(stream.read()),)
            head = stream.read(HEAD)
            return (Part(head), Part(*_tail(stream, size)))
    except _DAMAGES as error:
        notes.add(f"{file.path}: cannot be read ({type(error).__name__})")
        return ()


def _tail(stream: IO[bytes], size: int) -> tuple[bytes, int]:
    """Return whole lines of the end; their number is counted, as an editor would show it."""
    start, lines = size - TAIL, 0
    stream.seek(0)
    left = start
    while left > 0:
        chunk = stream.read(min(_STEP, left))
        if not chunk:
            break
        left -= len(chunk)
        lines += chunk.count(b"\n")
    raw = stream.read(TAIL)
    cut = raw.find(b"\n") + 1
    return raw[cut:], lines + 2


def _streamed(file: File, notes: Notes) -> tuple[Part, ...]:
    """Read a compressed text: its beginning and, as far as it can be unpacked, its end."""
    head, tail, lines = b"", b"", 0
    for chunk in _chunks(file, notes):
        if len(head) < HEAD:
            head += chunk
            continue
        tail += chunk
        if len(tail) > 2 * TAIL:
            lines += tail[:-TAIL].count(b"\n")
            tail = tail[-TAIL:]
    if not lines:
        return (Part(head + tail),)
    cut = tail.find(b"\n") + 1
    return (Part(head), Part(tail[cut:], head.count(b"\n") + lines + 2))


def _chunks(file: File, notes: Notes) -> Iterator[bytes]:
    total = 0
    try:
        with file.open() as stream:
            while total < MAX_WHOLE and (chunk := stream.read(_PIECE)):
                total += len(chunk)
                yield chunk
    except _DAMAGES as error:
        notes.add(f"{file.path}: damaged or cut off ({type(error).__name__}); read up to there")
