"""Tables of a bundle: parsed when a check asks for them, and kept."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from oc_gpu.kube import RawObject
from oc_gpu.snapshot.bundle.documents import objects
from oc_gpu.snapshot.bundle.files import Notes
from oc_gpu.snapshot.bundle.index import Index
from oc_gpu.snapshot.bundle.layout import CORE, Place
from oc_gpu.snapshot.model import Unread
from oc_gpu.snapshot.shapes import shaped
from oc_gpu.snapshot.sources import Source

WORTH: Mapping[str, tuple[bytes, ...]] = {
    "events": (b"Warning",),
    "pods": (
        b"nvidia",
        b"node-feature-discovery",
        b"CrashLoopBackOff",
        b"ImagePull",
        b"ErrImage",
        b"CreateContainer",
        b"RunContainerError",
        b"Evicted",
        b"Unschedulable",
        b"UnexpectedAdmissionError",
        b"OOMKilled",
        b"deletionTimestamp",
    ),
}
"""Of long lists, what an item must hold to be parsed: its trouble, or GPUs."""

_ELSEWHERE: Mapping[tuple[str, str], tuple[tuple[str, str], ...]] = {
    (CORE, "events"): (("events.k8s.io", "events"),),
    ("apps", "daemonsets"): (("extensions", "daemonsets"),),
    ("policy", "poddisruptionbudgets"): (("policy.openshift.io", "poddisruptionbudgets"),),
}


class Tables(Mapping[str, tuple[Any, ...]]):
    """Tables by name of source."""

    def __init__(
        self,
        index: Index,
        sources: tuple[Source, ...],
        notes: Notes,
        more: Mapping[str, Callable[[], list[RawObject]]],
        empty: frozenset[str] = frozenset(),
    ) -> None:
        """Remember where tables are.

        Args:
            index: Files of the bundle.
            sources: The tables that there may be.
            notes: Takes what cannot be read.
            more: Tables that are made of other files, by name.
            empty: Tables that were read when the bundle was made, even where it holds nothing.
        """
        self._index = index
        self._sources = {source.name: source for source in sources}
        self._notes = notes
        self._more = more
        self._empty = empty
        self._read: dict[str, tuple[Any, ...]] = {}

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the sources of which the bundle holds anything."""
        return (name for name in self._sources if self._has(name))

    def __len__(self) -> int:
        """Return the number of tables."""
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        """Tell whether the bundle holds a table, without reading it."""
        return name in self._sources and self._has(str(name))

    def __getitem__(self, name: str) -> tuple[Any, ...]:
        """Return a table, read at the first time."""
        if name not in self:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = tuple(self._load(self._sources[name]))
        return self._read[name]

    def _has(self, name: str) -> bool:
        return name in self._more or name in self._empty or bool(self._files(self._sources[name]))

    def _files(self, source: Source) -> list[tuple[Place, Any]]:
        key = (source.resource.group or CORE, source.resource.plural)
        return [
            entry
            for place in (key, *_ELSEWHERE.get(key, ()))
            for entry in self._index.objects.get(place, [])
        ]

    def _load(self, source: Source) -> Iterator[Any]:
        seen: set[tuple[str, str]] = set()
        for raw in self._raws(source):
            meta = raw["metadata"]
            key = (str(meta.get("namespace") or ""), str(meta["name"]))
            if key not in seen:
                seen.add(key)
                item = self._typed(raw, source)
                if item is not None:
                    yield item

    def _raws(self, source: Source) -> Iterator[RawObject]:
        files = self._files(source)
        if source.resource.plural == "pods":
            files = _without_copies(files)
        for place, file in files:
            for raw in objects(file, self._notes, WORTH.get(source.name, ())):
                if place.namespace and not raw["metadata"].get("namespace"):
                    raw["metadata"]["namespace"] = place.namespace
                yield raw
        if (more := self._more.get(source.name)) is not None:
            yield from more()

    def _typed(self, raw: RawObject, source: Source) -> Any:
        try:
            return shaped(raw, source)
        except msgspec.ValidationError as error:
            name = raw["metadata"]["name"]
            why = f"not of the known shape ({error}), left out"
            self._notes.add(f"{source.name} {name}: {why}")
            return None


def _without_copies(files: list[tuple[Place, Any]]) -> list[tuple[Place, Any]]:
    """Leave out the pods' own files of namespaces that have a list: they say the same again."""
    listed = {place.namespace for place, _ in files if not place.pod}
    return [(p, f) for p, f in files if not p.pod or p.namespace not in listed]


class Gaps(Mapping[str, Unread]):
    """Sources of which a bundle holds nothing, or not all: whether there is more is not known."""

    def __init__(
        self, tables: Tables, sources: tuple[Source, ...], told: Mapping[str, Unread]
    ) -> None:
        """Remember what is missing.

        Args:
            tables: What the bundle holds.
            sources: The tables that there may be.
            told: Why some could not be read when the bundle was made.
        """
        names = (source.name for source in sources)
        self._why = {
            name: told.get(name, _NOT_THERE) for name in names if name in told or name not in tables
        }

    def __getitem__(self, name: str) -> Unread:
        """Return why a source is not in the bundle, or not all of it."""
        return self._why[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the sources that are missing."""
        return iter(self._why)

    def __len__(self) -> int:
        """Return the number of sources that are missing."""
        return len(self._why)


_NOT_THERE = Unread("not gathered", "the bundle holds none of it")
