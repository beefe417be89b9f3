"""From a path to a snapshot."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from oc_gpu.snapshot.bundle import flat, record
from oc_gpu.snapshot.bundle.alerts import firing
from oc_gpu.snapshot.bundle.files import File, Notes, ends, whole
from oc_gpu.snapshot.bundle.index import Index, index
from oc_gpu.snapshot.bundle.layout import Place
from oc_gpu.snapshot.bundle.tables import Gaps, Tables
from oc_gpu.snapshot.diagnosis import SOURCES
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.texts import Text, TextRef

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)")


class Bundle:
    """A bundle that is open: its snapshot, and what of it could not be read.

    Use it as a context manager: what an archive holds lies in a private folder until the end.
    """

    def __init__(self, path: Path) -> None:
        """Open a bundle.

        Args:
            path: Folder, archive, or one nvidia-bug-report.

        Raises:
            BundleError: Nothing of a cluster can be read from it.
        """
        self._notes = Notes()
        self._folder = Path(tempfile.mkdtemp(prefix="oc-gpu-"))
        try:
            self._index = index(path, self._folder, self._notes)
        except BaseException:
            self.close()
            raise
        self.snapshot = self._snapshot(path)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what could not be read so far; reading is lazy, so ask after the checks."""
        return tuple(self._notes)

    def _snapshot(self, path: Path) -> Snapshot:
        more = flat.sources(self._index, self._notes)
        told = record.find(self._index, self._notes)
        tables = Tables(self._index, SOURCES, self._notes, more, told.read)
        return Snapshot(
            server=str(path),
            simulated=told.simulated,
            git_version=told.kubernetes,
            now=self._now(),
            tables=tables,
            unread=Gaps(tables, SOURCES, told.unread),
            unlogged=told.unlogged,
            alerts=firing(self._index, self._notes),
            texts=Texts(self._index, self._notes),
        )

    def _now(self) -> float:
        """Return when the bundle was made, as its file `timestamp` says; 0 when it does not."""
        for _, file in self._index.named.get("timestamp", []):
            found = _TIME.findall(whole(file, self._notes).decode("utf-8", "replace"))
            if found:
                try:
                    return datetime.fromisoformat(
                        f"{found[-1][0]}T{found[-1][1]}+00:00"
                    ).timestamp()
                except ValueError:
                    continue
        return 0.0

    def close(self) -> None:
        """Remove what was unpacked."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        """Return the bundle."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what was unpacked."""
        self.close()


def open_bundle(path: Path) -> Bundle:
    """Open a bundle; see `Bundle`."""
    return Bundle(path)


class Texts(Mapping[TextRef, tuple[Text, ...]]):
    """Texts of a bundle, read when they are asked for; a long one is its beginning and its end."""

    def __init__(self, files: Index, notes: Notes) -> None:
        places = [*files.places, *flat.texts(files)]
        self._files = {_ref(place, file): file for place, file in places}
        self._notes = notes
        self._read: dict[TextRef, tuple[Text, ...]] = {}

    def __iter__(self) -> Iterator[TextRef]:
        """Yield what there is, without reading it."""
        return iter(self._files)

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._files)

    def __getitem__(self, ref: TextRef) -> tuple[Text, ...]:
        """Return the parts of a text that were read."""
        if ref not in self._read:
            parts = ends(self._files[ref], self._notes)
            self._read[ref] = tuple(Text.of(part.raw, part.first) for part in parts)
        return self._read[ref]


def _ref(place: Place, file: File) -> TextRef:
    return TextRef(
        kind="log" if place.role == "log" else "node" if place.role == "node" else "other",
        where=file.path,
        namespace=place.namespace,
        pod=place.pod,
        container=place.container,
        previous=place.previous,
        node=place.node,
        name=place.name,
    )
