"""Unpacking archives that nobody vouches for.

Members are written into a private folder under numbers: the name that a member has is never used
as a path, so it cannot lead anywhere. Only regular files are taken. Every limit counts what really
comes out, not what a header promises.
"""

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from msgspec import Struct

from oc_gpu.snapshot.bundle.files import File, Notes, clean_path

MAX_TOTAL = 32 << 30
"""Bytes unpacked from all archives of a bundle; the largest must-gathers seen have some 20 GB."""
MAX_MEMBER = 4 << 30
"""Bytes of one member."""
MAX_MEMBERS = 1_000_000
"""Members of all archives; a large must-gather has some hundred thousand."""
MAX_RATIO = 400
"""Unpacked over packed size of the whole archive; logs shrink 10 to 40 times."""
RATIO_FROM = 256 << 20
"""Unpacked bytes from which the ratio counts: small archives of zeros harm nobody."""
MAX_DEPTH = 3
"""Archives within archives: a support case holds a must-gather, and that a sosreport."""
CHUNK = 1 << 20

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".zip")
DAMAGES = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    RuntimeError,
    NotImplementedError,
)
"""What Python's modules raise on archives that are cut off or lie about themselves."""


class _TooMuchError(Exception):
    """A limit was reached; the text says which."""


class Budget:
    """What may still be unpacked of one bundle, counted over all of its archives."""

    def __init__(self, total: int = MAX_TOTAL, members: int = MAX_MEMBERS) -> None:
        self._total = total
        self._members = members
        self.unpacked = 0
        self.number = 0

    def member(self) -> None:
        """Count one member.

        Raises:
            _TooMuchError: There are too many.
        """
        self._members -= 1
        self.number += 1
        if self._members < 0:
            raise _TooMuchError("it has too many members")

    def take(self, size: int, packed: int) -> None:
        """Count unpacked bytes.

        Raises:
            _TooMuchError: It is too much, or more than any log shrinks.
        """
        self.unpacked += size
        if self.unpacked > self._total:
            raise _TooMuchError(f"it unpacks to more than {self._total >> 30} GiB")
        if self.unpacked > RATIO_FROM and self.unpacked > MAX_RATIO * max(packed, 1):
            raise _TooMuchError(f"it unpacks to more than {MAX_RATIO} times its size")


class Place(Struct, frozen=True):
    """Where members go, and what they may cost.

    Attributes:
        folder: Private folder.
        budget: What may still be unpacked.
        notes: Takes what is wrong.
        wanted: Tells whether a member of this path is worth writing.
    """

    folder: Path
    budget: Budget
    notes: Notes
    wanted: Callable[[str], bool]


def is_archive(path: str) -> bool:
    """Tell whether a name is that of an archive of files."""
    return path.lower().endswith(SUFFIXES)


def unpack(packed: Path, shown: str, place: Place) -> Iterator[File]:
    """Yield the files of an archive; what is wrong with it is noted, what is left is yielded.

    Args:
        packed: The archive.
        shown: Its name for notes and paths.
        place: Where its members go.
    """
    members = _zip_members if zipfile.is_zipfile(packed) else _tar_members
    size = packed.stat().st_size
    try:
        for name, opened in members(packed, shown, place.notes):
            place.budget.member()
            path = clean_path(name)
            if path is None:
                place.notes.add(f"{shown}: a member that leads out of the archive was refused")
                continue
            if place.wanted(path):
                with opened() as stream:
                    yield _written(stream, path, place, size)
    except _TooMuchError as error:
        place.notes.add(f"{shown}: {error}; what comes after was not read")
    except DAMAGES as error:
        place.notes.add(f"{shown}: damaged or cut off ({type(error).__name__}); read up to there")


_Member = tuple[str, Callable[[], IO[bytes]]]


def _tar_members(packed: Path, shown: str, notes: Notes) -> Iterator[_Member]:
    with tarfile.open(packed, "r|*") as archive:
        for member in archive:
            if member.isdir():
                continue
            if not member.isreg():
                notes.add(f"{shown}: links and devices were left out")
                continue
            yield member.name, lambda member=member: _extracted(archive, member)  # type: ignore[misc]


def _extracted(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = archive.extractfile(member)
    if stream is None:
        raise tarfile.TarError("no file")
    return stream


def _zip_members(packed: Path, shown: str, notes: Notes) -> Iterator[_Member]:
    with zipfile.ZipFile(packed) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            if (member.external_attr >> 28) not in (0, 8):
                notes.add(f"{shown}: links and devices were left out")
                continue
            yield member.filename, lambda member=member: archive.open(member)  # type: ignore[misc]


def _written(stream: IO[bytes], path: str, place: Place, packed: int) -> File:
    target = place.folder / f"{place.budget.number}"
    size = 0
    with target.open("xb") as out:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            place.budget.take(len(chunk), packed)
            if size > MAX_MEMBER:
                raise _TooMuchError(f"a member is larger than {MAX_MEMBER >> 30} GiB")
            out.write(chunk)
    return File(path, target)
