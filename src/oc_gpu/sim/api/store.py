"""Objects in memory: JSON bytes, versions, a log of changes, watchers.

Each object is kept as the bytes that clients get: a read costs nothing, and nobody can change a
stored object by changing what he was given.
"""

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from oc_gpu.kube.objects import RawObject

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]
ObjectKey = tuple[str, str]
KindKey = tuple[str, str]
"""Group and plural: all versions of a kind share their objects."""

_LOG_LENGTH = 4096
"""Changes of a kind that a watch can go back; more is 410, as after etcd's compaction."""
_BOOKMARK_EVERY = 500
"""Writes anywhere after which watchers are told the version that they have reached."""

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[RawObject] = msgspec.json.Decoder(dict[str, Any])


class Entry(Struct, frozen=True):
    """One stored state of an object, with what selectors ask for."""

    namespace: str
    name: str
    uid: str
    version: int
    body: bytes
    labels: Mapping[str, str]
    fields: Mapping[str, str]

    @property
    def key(self) -> ObjectKey:
        """Return what identifies the object within its kind."""
        return (self.namespace, self.name)

    def decode(self) -> RawObject:
        """Return a copy of the object that the caller may change."""
        return _decoder.decode(self.body)


class Change(Struct, frozen=True):
    """One step in the life of an object."""

    version: int
    type: ChangeType
    entry: Entry
    previous: Entry | None

    @property
    def last_seen(self) -> Entry:
        """Return what those see for whom the object is gone now: how it was, at this version."""
        if self.type == "DELETED" or self.previous is None:
            return self.entry
        obj = self.previous.decode()
        obj["metadata"]["resourceVersion"] = str(self.version)
        return msgspec.structs.replace(
            self.previous, version=self.version, body=_encoder.encode(obj)
        )


class Watcher:
    """A queue of the changes that one watch request is to see.

    Args:
        accepts: Whether an object is selected.
        external: Whether the reader lives behind a socket.
        on_offer: Called whenever something was put in.
    """

    def __init__(self, accepts: Callable[[Entry], bool], on_offer: Callable[[], None]) -> None:
        self._accepts = accepts
        self._on_offer = on_offer
        self._pending: deque[tuple[str, Entry | int]] = deque()
        self._ready = asyncio.Event()
        self._closed = False

    def offer(self, change: Change) -> None:
        """Queue a change the way this selection sees it."""
        now = change.type != "DELETED" and self._accepts(change.entry)
        before = change.previous is not None and self._accepts(change.previous)
        if now:
            self._put("MODIFIED" if before else "ADDED", change.entry)
        elif before:
            self._put("DELETED", change.last_seen)

    def bookmark(self, version: int) -> None:
        """Queue the version up to which everything was seen."""
        self._put("BOOKMARK", version)

    def close(self) -> None:
        """End the stream after what is queued."""
        self._closed = True
        self._ready.set()

    async def take(self) -> list[tuple[str, Entry | int]] | None:
        """Return what has come, at least one event; None when closed."""
        while not self._pending:
            if self._closed:
                return None
            self._ready.clear()
            await self._ready.wait()
        taken = list(self._pending)
        self._pending.clear()
        return taken

    def _put(self, kind: str, what: Entry | int) -> None:
        if self._closed:
            return
        self._pending.append((kind, what))
        self._ready.set()
        self._on_offer()


class Collection:
    """All objects of one kind."""

    def __init__(self, floor: int) -> None:
        self.entries: dict[ObjectKey, Entry] = {}
        self.order: list[ObjectKey] = []
        self.log: deque[Change] = deque(maxlen=_LOG_LENGTH)
        self.floor = floor
        self.watchers: set[Watcher] = set()

    def select(self, namespace: str = "", after: ObjectKey | None = None) -> Iterator[Entry]:
        """Return the objects of a namespace (all when empty) in order, after a key."""
        start, end = 0, len(self.order)
        if namespace:
            start = bisect_left(self.order, (namespace, ""))
            end = bisect_left(self.order, (namespace + "\0", ""))
        if after:
            start = max(start, bisect_right(self.order, after))
        for key in self.order[start:end]:
            yield self.entries[key]

    def at(self, version: int) -> "Collection | None":
        """Return the objects as they were at a version, None when that is not known any more."""
        changes = self.since(version)
        if not changes:
            return None if changes is None else self
        then = Collection(version)
        then.entries = dict(self.entries)
        for change in reversed(changes):
            if change.previous is None:
                del then.entries[change.entry.key]
            else:
                then.entries[change.entry.key] = change.previous
        then.order = sorted(then.entries)
        return then

    def since(self, version: int) -> list[Change] | None:
        """Return the changes after a version, None when they are not known any more."""
        if version < self.floor:
            return None
        return [change for change in self.log if change.version > version]

    def record(self, change: Change) -> None:
        """Take a change into entries and log, and tell the watchers."""
        key = change.entry.key
        if change.type == "DELETED":
            del self.entries[key]
            self.order.remove(key)
        else:
            if key not in self.entries:
                insort(self.order, key)
            self.entries[key] = change.entry
        if len(self.log) == _LOG_LENGTH:
            self.floor = self.log[0].version
        self.log.append(change)
        for watcher in list(self.watchers):
            watcher.offer(change)


class Store:
    """All objects of the cluster under one counter of versions."""

    def __init__(self) -> None:
        self.version = 1
        self._collections: dict[KindKey, Collection] = {}
        self._bookmarked: set[Watcher] = set()

    def of(self, kind: KindKey) -> Collection:
        """Return the objects of a kind."""
        found = self._collections.get(kind)
        if found is None:
            found = self._collections[kind] = Collection(self.version)
        return found

    def kinds(self) -> list[KindKey]:
        """Return the kinds that have or had objects."""
        return list(self._collections)

    def put(self, kind: KindKey, obj: RawObject, fields: Mapping[str, str]) -> Entry:
        """Store a new state of an object; its resourceVersion is set in place."""
        collection = self.of(kind)
        meta = obj["metadata"]
        version = self._next()
        meta["resourceVersion"] = str(version)
        entry = Entry(
            meta.get("namespace", ""),
            meta["name"],
            meta.get("uid", ""),
            version,
            _encoder.encode(obj),
            dict(meta.get("labels") or {}),
            fields,
        )
        previous = collection.entries.get(entry.key)
        type_: ChangeType = "MODIFIED" if previous else "ADDED"
        collection.record(Change(version, type_, entry, previous))
        self._bookmark(version)
        return entry

    def remove(self, kind: KindKey, last: RawObject) -> Entry:
        """Remove an object; `last` is its last state, as watchers get it."""
        collection = self.of(kind)
        meta = last["metadata"]
        previous = collection.entries[(meta.get("namespace", ""), meta["name"])]
        version = self._next()
        meta["resourceVersion"] = str(version)
        entry = msgspec.structs.replace(previous, version=version, body=_encoder.encode(last))
        collection.record(Change(version, "DELETED", entry, previous))
        self._bookmark(version)
        return entry

    def watch(self, kind: KindKey, watcher: Watcher, *, bookmarks: bool) -> None:
        """Let a watcher see what happens from now on."""
        self.of(kind).watchers.add(watcher)
        if bookmarks:
            self._bookmarked.add(watcher)

    def unwatch(self, kind: KindKey, watcher: Watcher) -> None:
        """Forget a watcher."""
        self.of(kind).watchers.discard(watcher)
        self._bookmarked.discard(watcher)

    def compact(self) -> None:
        """Forget the past: watches from versions before now are answered with 410."""
        for collection in self._collections.values():
            collection.log.clear()
            collection.floor = self.version

    def close_watches(self, kind: KindKey | None = None) -> None:
        """End the watches of a kind, or all."""
        for key in self.kinds() if kind is None else [kind]:
            for watcher in list(self.of(key).watchers):
                watcher.close()

    def _next(self) -> int:
        self.version += 1
        return self.version

    def _bookmark(self, version: int) -> None:
        if version % _BOOKMARK_EVERY == 0:
            for watcher in list(self._bookmarked):
                watcher.bookmark(version)
