"""All files of a bundle by what they are; archives in it are unpacked on the way."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct, field

from oc_gpu.snapshot.bundle import archives, layout
from oc_gpu.snapshot.bundle.archives import Budget
from oc_gpu.snapshot.bundle.errors import EXPECTED, BundleError
from oc_gpu.snapshot.bundle.files import File, Notes, clean_path
from oc_gpu.snapshot.bundle.layout import Place

MAX_FILES = 2_000_000
"""Files of a folder that are looked at; somebody may give `/`."""


class Index(Struct, frozen=True):
    """Files by role.

    Attributes:
        objects: Files with objects by group and plural.
        places: Files with a text, and what they are.
        named: Files of the other roles by name.
    """

    objects: dict[tuple[str, str], list[tuple[Place, File]]] = field(default_factory=dict)
    places: list[tuple[Place, File]] = field(default_factory=list)
    named: dict[str, list[tuple[Place, File]]] = field(default_factory=dict)

    def add(self, file: File) -> bool:
        """Take a file if anything is read from it, and tell whether it was taken."""
        found = layout.place(file.path)
        if found is None:
            return False
        if found.role == "objects":
            self.objects.setdefault((found.group, found.plural), []).append((found, file))
        elif found.role in ("log", "node", "other"):
            self.places.append((found, file))
        else:
            self.named.setdefault(found.name or found.role, []).append((found, file))
        return True

    @property
    def empty(self) -> bool:
        """Tell whether nothing of a cluster was found."""
        has_cluster = self.objects or any(p.role != "other" for p, _ in self.places)
        return not has_cluster and not any(
            p.role == "flat" for files in self.named.values() for p, _ in files
        )


def index(path: Path, folder: Path, notes: Notes) -> Index:
    """Return the files of a bundle.

    Args:
        path: A folder, an archive, or one nvidia-bug-report.
        folder: Private folder into which archives are unpacked.
        notes: Takes what is left out.

    Raises:
        BundleError: There is no such file, or nothing of a cluster is in it.
    """
    made, place = Index(), archives.Place(folder, Budget(), notes, _wanted)
    try:
        for file in _files(path, notes, place):
            made.add(file)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise BundleError(f"cannot read {path}: {why}", hints=(EXPECTED,)) from error
    if made.empty:
        hints = (EXPECTED, *(f"note: {note}" for note in notes))
        raise BundleError(f"{path} holds nothing of a cluster", hints=hints)
    return made


def _wanted(path: str) -> bool:
    return layout.place(path) is not None or archives.is_archive(path)


def _files(path: Path, notes: Notes, place: archives.Place) -> Iterator[File]:
    if path.is_dir():
        for file in _below(path, notes):
            yield from _opened(file, place, 1)
    else:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise BundleError(f"{path} is neither a folder nor a file", hints=(EXPECTED,))
        yield from _opened(File(path.name, path), place, 1)


def _opened(file: File, place: archives.Place, depth: int) -> Iterator[File]:
    """Yield a file, or what is in it where it is an archive."""
    if not archives.is_archive(file.path):
        yield file
        return
    if depth > archives.MAX_DEPTH:
        place.notes.add(f"{file.path}: more than {archives.MAX_DEPTH} archives in each other")
        return
    base = _folder_of(file.path)
    for inner in archives.unpack(file.at, file.path, place):
        named = File(f"{base}/{inner.path}" if base else inner.path, inner.at)
        yield from _opened(named, place, depth + 1)


def _folder_of(path: str) -> str:
    """Return where the members of an archive stand: as if unpacked into a folder of its name."""
    for suffix in sorted(archives.SUFFIXES, key=len, reverse=True):
        if path.lower().endswith(suffix):
            return path[: -len(suffix)]
    return path


def _below(root: Path, notes: Notes) -> Iterator[File]:
    """Yield the regular files below a folder; links and devices are never followed."""
    count, todo = 0, [("", os.fspath(root))]
    while todo:
        prefix, folder = todo.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            if not prefix:
                raise
            notes.add(f"{prefix}: {(error.strerror or 'cannot be read').lower()}")
            continue
        for entry in entries:
            path = f"{prefix}/{entry.name}" if prefix else entry.name
            if entry.is_dir(follow_symlinks=False):
                todo.append((path, entry.path))
            elif not entry.is_file(follow_symlinks=False):
                notes.add(f"{path}: no regular file, left out")
            elif (count := count + 1) > MAX_FILES:
                notes.add(f"more than {MAX_FILES} files; the others were not looked at")
                return
            elif clean_path(path) is not None:
                yield File(path, Path(entry.path))
