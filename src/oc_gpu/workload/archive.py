"""Folders as tar archives: packed in pieces as they are sent, unpacked with distrust."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from msgspec import Struct

from oc_gpu.kube.errors import OcGpuError, UsageError

_PIECE = 1 << 20
_BLOCK = tarfile.BLOCKSIZE
_PUBLIC = 0o644
_EXECUTABLE = 0o755


class _Entry(Struct, frozen=True):
    """A file or folder to send.

    Attributes:
        path: Where it is.
        header: What stands before its content in the archive.
        size: Bytes of its content.
    """

    path: Path
    header: bytes
    size: int


class Packed(Struct, frozen=True):
    """A folder that is ready to be sent.

    Attributes:
        entries: What is in it, a folder before what it holds.
        left_out: What is not sent, relative to the folder: links and devices.
    """

    entries: tuple[_Entry, ...]
    left_out: tuple[str, ...]

    @property
    def files(self) -> int:
        """Return how many files are sent."""
        return sum(not entry.path.is_dir() for entry in self.entries)

    @property
    def content(self) -> int:
        """Return how many bytes the files have."""
        return sum(entry.size for entry in self.entries)

    @property
    def size(self) -> int:
        """Return how many bytes the archive has: its reader cannot always be told of its end."""
        used = sum(len(e.header) + e.size + _padding(e.size) for e in self.entries)
        return used + len(_end(used))

    def pieces(self) -> Iterator[bytes]:
        """Yield the archive; no more than one piece of it is held at a time.

        Raises:
            UsageError: A file changed meanwhile, or can no longer be read.
        """
        used = 0
        for entry in self.entries:
            yield entry.header
            if not entry.path.is_dir():
                yield from _content(entry)
            yield bytes(_padding(entry.size))
            used += len(entry.header) + entry.size + _padding(entry.size)
        yield _end(used)


def _padding(size: int) -> int:
    return -size % _BLOCK


def _end(used: int) -> bytes:
    """Return the two empty blocks at the end, and what fills the record (POSIX.1, ustar)."""
    return bytes(2 * _BLOCK + -(used + 2 * _BLOCK) % tarfile.RECORDSIZE)


def _content(entry: _Entry) -> Iterator[bytes]:
    left = entry.size
    try:
        with entry.path.open("rb") as stream:
            while left and (piece := stream.read(min(_PIECE, left))):
                left -= len(piece)
                yield piece
    except OSError as error:
        raise _unreadable(entry.path, error) from error
    if left:
        message = f"{entry.path} became shorter while it was sent"
        raise UsageError(message, hints=("send a folder that nobody writes to",))


def _unreadable(path: Path, error: OSError) -> UsageError:
    why = (error.strerror or str(error)).lower()
    return UsageError(f"{path} cannot be read: {why}", hints=("make it readable, or leave it out",))


def pack(folder: Path) -> Packed:
    """Return what is in a folder, ready to be sent; links are not followed.

    Raises:
        UsageError: Something in it cannot be read.
    """
    entries: list[_Entry] = []
    left_out: list[str] = []

    def fail(error: OSError) -> None:
        raise _unreadable(Path(error.filename), error) from error

    for root, folders, files in os.walk(folder, onerror=fail):
        folders.sort()
        for name in (*folders, *sorted(files)):
            path = Path(root) / name
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                left_out.append(relative)
            else:
                entries.append(_entry(path, relative))
    return Packed(tuple(entries), tuple(left_out))


def _entry(path: Path, name: str) -> _Entry:
    if not os.access(path, os.R_OK):
        raise _unreadable(path, PermissionError(13, "permission denied"))
    told = path.stat()
    info = tarfile.TarInfo(name)
    info.mtime = int(told.st_mtime)
    if path.is_dir():
        info.type, info.mode = tarfile.DIRTYPE, _EXECUTABLE
    else:
        info.size = told.st_size
        info.mode = _EXECUTABLE if told.st_mode & 0o100 else _PUBLIC
    return _Entry(path, info.tobuf(tarfile.PAX_FORMAT), info.size)


class Unpacked(Struct, frozen=True):
    """What came out of an archive.

    Attributes:
        files: Files that were written, relative to the folder.
        left_out: What was not, and why.
    """

    files: tuple[str, ...]
    left_out: tuple[str, ...]


def unpack(stream: IO[bytes], folder: Path) -> Unpacked:
    """Write the files of an archive below a folder, and nothing anywhere else.

    Links and devices are left out, and so is what would lead out of the folder, by its name or by
    a link that is there already.

    Args:
        stream: A tar archive, from its beginning.
        folder: Where its files go.

    Raises:
        OcGpuError: The archive is damaged.
        UsageError: A file cannot be written.
    """
    files: list[str] = []
    left_out: list[str] = []
    try:
        _insist_on_end(stream)
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                _one(archive, member, folder, files, left_out)
    except tarfile.TarError as error:
        message = f"what the pod sent back is damaged: {error}"
        raise OcGpuError(message, hints=("run it again; what came so far is kept",)) from error
    return Unpacked(tuple(sorted(files)), tuple(sorted(left_out)))


def _insist_on_end(stream: IO[bytes]) -> None:
    """Insist that an archive was not cut off: `tarfile` takes the end of a stream for its end.

    Raises:
        tarfile.ReadError: It was.
    """
    if stream.seek(0, os.SEEK_END) < 2 * _BLOCK:
        raise tarfile.ReadError("it is too short")
    stream.seek(-2 * _BLOCK, os.SEEK_END)
    if any(stream.read()):
        raise tarfile.ReadError("it was cut off")
    stream.seek(0)


def _one(
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    folder: Path,
    files: list[str],
    left_out: list[str],
) -> None:
    name = PurePosixPath(member.name)
    if not name.parts:
        return
    target = folder.joinpath(*name.parts)
    if name.is_absolute() or ".." in name.parts or not _is_below(target.parent, folder):
        left_out.append(f"{name} leads out of the folder")
        return
    if not (member.isreg() or member.isdir()):
        left_out.append(f"{name} is a link or a device")
        return
    try:
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            _write(archive, member, target)
            files.append(name.as_posix())
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        message = f"{target} cannot be written: {why}"
        raise UsageError(message, hints=("make room for it, or choose another folder",)) from error


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # a link in its place would be written through
    content = archive.extractfile(member)
    mode = _EXECUTABLE if member.mode & 0o100 else _PUBLIC
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "wb") as out:
        if content is not None:
            shutil.copyfileobj(content, out, _PIECE)
