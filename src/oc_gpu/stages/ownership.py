"""Whose an object is: ours, a tool's or another admin's, as exactly as its marks tell."""

from collections.abc import Iterator, Mapping
from typing import Any

from oc_gpu import facts
from oc_gpu.facts.model import Owner
from oc_gpu.kube import RawObject
from oc_gpu.kube.errors import clean
from oc_gpu.manifests.labels import MANAGED_BY
from oc_gpu.manifests.labels import NAME as OURS

_CONTENT = ("f:spec", "f:data")
_TRACKED = ":"
"""Ends the application's name in an Argo CD tracking id, `app:group/Kind:namespace/name`."""


def is_ours(item: Any) -> bool:
    """Tell whether an object carries our managed-by label."""
    return _labels(item).get(MANAGED_BY) == OURS


def owner_of(item: RawObject | Any) -> str:
    """Name who manages an object, from its marks and field managers."""
    managers = tuple(_managers(item))
    for owner in facts.owners().owners:
        mark = _mark(owner, item)
        if mark is not None:
            return f"{owner.name} {clean(mark.partition(_TRACKED)[0])}".strip()
        if any(manager in owner.managers for manager in managers):
            return owner.name
    if _labels(item).get(MANAGED_BY):
        return clean(_labels(item)[MANAGED_BY])
    return f"field manager {clean(managers[0])}" if managers else "somebody else"


def changed_by(live: RawObject) -> dict[str, tuple[str, ...]]:
    """Return who else set fields of an object of ours, with the paths of these fields.

    What the cluster's controllers write into it is no change of anybody's.
    """
    own = facts.owners().controllers.managers | {OURS}
    found: dict[str, tuple[str, ...]] = {}
    for entry in live["metadata"].get("managedFields") or ():
        manager = entry.get("manager") or ""
        fields = entry.get("fieldsV1") or {}
        if manager and manager not in own and not entry.get("subresource"):
            paths = tuple(p for key in _CONTENT if key in fields for p in _paths(key, fields[key]))
            if paths:
                found[manager] = (*found.get(manager, ()), *paths)
    return found


def _paths(key: str, below: Any, before: str = "") -> Iterator[str]:
    """Yield the paths of a field set (FieldsV1: `f:name` for a field, other keys for items)."""
    path = f"{before}.{key.partition(':')[2]}" if before else key.partition(":")[2]
    inner = [name for name in below if name.startswith("f:")]
    if not inner:
        yield path
    for name in inner:
        yield from _paths(name, below[name], path)


def _mark(owner: Owner, item: Any) -> str | None:
    labels, notes = _labels(item), _annotations(item)
    for key in owner.annotations:
        if key in notes:
            return notes[key]
    for key in owner.labels:
        if key in labels:
            return labels[key]
    return next((name for kind, name in _owners(item) if kind in owner.owners), None)


def _labels(item: Any) -> Mapping[str, str]:
    if isinstance(item, dict):
        return item["metadata"].get("labels") or {}
    return item.metadata.labels  # type: ignore[no-any-return]


def _annotations(item: Any) -> Mapping[str, str]:
    if isinstance(item, dict):
        return item["metadata"].get("annotations") or {}
    return item.metadata.annotations  # type: ignore[no-any-return]


def _owners(item: Any) -> Iterator[tuple[str, str]]:
    if isinstance(item, dict):
        for owner in item["metadata"].get("ownerReferences") or ():
            yield owner.get("kind", ""), owner.get("name", "")
        return
    for owner in item.metadata.owner_references:
        yield owner.kind, owner.name


def _managers(item: RawObject | Any) -> Iterator[str]:
    """Yield who manages fields of an object, status and other subresources aside."""
    if not isinstance(item, dict):
        yield from (e.manager for e in item.metadata.managed_fields if not e.subresource)
        return
    for entry in item["metadata"].get("managedFields") or ():
        if entry.get("manager") and not entry.get("subresource"):
            yield entry["manager"]
