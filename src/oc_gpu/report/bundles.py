"""Writing a bundle: a folder, or one archive of it; whole or not at all."""

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from oc_gpu.kube.errors import UsageError
from oc_gpu.report.documents import Gathered, GatheredSource
from oc_gpu.report.look import Look
from oc_gpu.snapshot.bundle.writing import Content, Contents

_ARCHIVES = (".tar.gz", ".tgz")
_PRIVATE = 0o600
_LEAD = 9


def is_archive(path: Path) -> bool:
    """Tell whether a bundle of this name is packed."""
    return path.name.endswith(_ARCHIVES)


def require_free(path: Path) -> None:
    """Make sure that a bundle can be written, before the cluster is read.

    Raises:
        UsageError: Something is there already, or the folder around it is not.
    """
    taken = path.is_file() if is_archive(path) else path.exists() and not _is_empty(path)
    if taken or (path.is_dir() and is_archive(path)):
        message = f"{path} exists, and files of two gatherings would mix"
        raise UsageError(message, hints=("name a new one, or remove it",))
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hints=("create it, or name another",))


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def write(path: Path, contents: Iterable[Content]) -> int:
    """Write a bundle for this user's eyes, and return how many bytes its files have.

    It is written beside its place first: a run that is ended leaves nothing that looks whole.

    Args:
        path: A folder, or an archive by its name.
        contents: The files.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        with _beside(path) as place:
            if is_archive(path):
                size = _pack(place / path.name, path.name.partition(".t")[0], contents)
                (place / path.name).replace(path)
            else:
                size = _unpacked(place / path.name, contents)
                if path.exists():
                    path.rmdir()
                (place / path.name).rename(path)
    except OSError as error:
        message = f"cannot write {path}: {(error.strerror or str(error)).lower()}"
        raise UsageError(message, hints=("choose another place",)) from error
    return size


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=".oc-gpu-", dir=path.absolute().parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpacked(folder: Path, contents: Iterable[Content]) -> int:
    size = 0
    folder.mkdir(mode=0o700)
    for content in contents:
        place = folder / content.path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.raw)
        size += len(content.raw)
    return size


def _pack(place: Path, base: str, contents: Iterable[Content]) -> int:
    size = 0
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(handle, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for content in contents:
            member = tarfile.TarInfo(f"{base}/{content.path}")
            member.size, member.mode = len(content.raw), _PRIVATE
            archive.addfile(member, io.BytesIO(content.raw))
            size += len(content.raw)
    return size


def document(path: Path, contents: Contents, size: int) -> Gathered:
    """Return the document of a bundle that was written."""
    snapshot = contents.snapshot
    return Gathered(
        bundle=str(path),
        server=snapshot.server,
        simulated=snapshot.simulated,
        bytes=size,
        logs=len(contents.logs),
        objects={name: len(items) for name, items in contents.tables.items() if items},
        unread=tuple(
            GatheredSource(name=name, reason=why.reason, detail=why.detail)
            for name, why in sorted(snapshot.unread.items())
            if why.reason != "absent"
        ),
        unlogged=dict(snapshot.unlogged),
    )


def text(made: Gathered, look: Look) -> Iterator[str]:
    """Yield the lines that tell of a bundle."""
    mib = 1 << 20
    count = sum(made.objects.values())
    yield f"{made.bundle}: {count} objects, {made.logs} logs, {made.bytes / mib:.1f} MiB"
    yield look.hanging(
        f"{'hidden':{_LEAD}}",
        "Secrets are not read; keys, tokens and passwords elsewhere are replaced by (redacted)",
    )
    for one in made.unread:
        partly = " as a whole" if one.name in made.objects else ""
        said = f"{one.name} could not be read{partly} ({one.reason})"
        yield look.hanging(f"{'unread':{_LEAD}}", said)
    if made.unlogged:
        names = sorted(made.unlogged)
        more = f" and {len(names) - 1} more" if names[1:] else ""
        yield look.hanging(f"{'unread':{_LEAD}}", f"log of {names[0]}{more}")
    yield look.hanging(f"{'next':{_LEAD}}", f"oc-gpu doctor {made.bundle}")
