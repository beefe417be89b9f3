"""Tables of a live view: objects by name, where a newer version always wins.

A write's answer, a list and a watch tell of the same object in any order. Resource versions of one
kind grow (Kubernetes 1.35 promises what has been so all along), so the greater number is the later
state. Versions that are no numbers are taken as they come.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

Key = tuple[str, str]
"""Namespace and name."""


class Identity(Struct, frozen=True, gc=False):
    """What tells one state of one object from another."""

    key: Key
    uid: str
    version: str


def identity(item: Any) -> Identity:
    """Return the identity of an object, raw or typed."""
    if isinstance(item, dict):
        meta = item["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        return Identity(key, meta.get("uid", ""), meta.get("resourceVersion", ""))
    meta = item.metadata
    return Identity((meta.namespace, meta.name), meta.uid, meta.resource_version)


def is_older(version: str, than: str) -> bool:
    """Tell whether a resource version is before another one."""
    return version.isdigit() and than.isdigit() and int(version) < int(than)


def _is_news(version: str, held: str) -> bool:
    return version != held and not is_older(version, held)


class Shard:
    """The objects of one list and watch; each method tells whether anything changed."""

    def __init__(self) -> None:
        self._items: dict[Key, Any] = {}
        self._versions: dict[Key, str] = {}

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: Key) -> Any | None:
        """Return the object of a namespace and name, None when there is none."""
        return self._items.get(key)

    def replace(self, items: Iterable[Any], version: str) -> bool:
        """Take a whole list, except for objects that were seen in a later state already."""
        old, before = self._items, self._versions
        self._items, self._versions = {}, {}
        for item in items:
            found = identity(item)
            if is_older(found.version, before.get(found.key, "")):
                self._put(found.key, before[found.key], old[found.key])
            else:
                self._put(found.key, found.version, item)
        for key, held in before.items():
            if key not in self._items and is_older(version, held):
                self._put(key, held, old[key])
        return list(before.items()) != list(self._versions.items())

    def update(self, item: Any) -> bool:
        """Take a new state of an object."""
        found = identity(item)
        held = self._versions.get(found.key)
        if held is not None and not _is_news(found.version, held):
            return False
        self._put(found.key, found.version, item)
        return True

    def delete(self, item: Any) -> bool:
        """Take an object's end; a namesake made since stays."""
        found = identity(item)
        held = self._versions.get(found.key)
        if held is None or is_older(found.version, held):
            return False
        del self._items[found.key], self._versions[found.key]
        return True

    def clear(self) -> bool:
        """Forget all objects: their API is gone."""
        changed = bool(self._items)
        self._items, self._versions = {}, {}
        return changed

    def _put(self, key: Key, version: str, item: Any) -> None:
        self._items[key], self._versions[key] = item, version
