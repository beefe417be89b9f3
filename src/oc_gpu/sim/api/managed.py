"""Who set which field: the bookkeeping in metadata.managedFields."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import fieldsets
from oc_gpu.sim.api.fieldsets import Fields
from oc_gpu.sim.api.shapes import Shape

APPLY = "Apply"
UPDATE = "Update"
_SERVER_METADATA = frozenset(
    {
        "name",
        "namespace",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "uid",
        "generation",
        "generateName",
        "managedFields",
        "resourceVersion",
    }
)


class Writer(Struct, frozen=True):
    """Who writes, how, and when."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str

    def owns(self, entry: RawObject) -> bool:
        """Tell whether an entry of managedFields is this writer's."""
        return (
            entry.get("manager") == self.manager
            and entry.get("operation") == self.operation
            and entry.get("apiVersion") == self.api_version
            and entry.get("subresource", "") == self.subresource
        )

    def entry(self, fields: Fields) -> RawObject:
        """Return the entry that says what this writer set."""
        made: RawObject = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        if self.subresource:
            made["subresource"] = self.subresource
        return made


def managed(obj: RawObject) -> RawObject:
    """Return the part of an object whose fields have managers."""
    shown = {k: v for k, v in obj.items() if k not in {"apiVersion", "kind"}}
    meta = shown.get("metadata")
    if isinstance(meta, dict):
        shown["metadata"] = {k: v for k, v in meta.items() if k not in _SERVER_METADATA}
    return shown


def record_update(old: RawObject | None, new: RawObject, shape: Shape, writer: Writer) -> None:
    """Note in a new state who set what has changed since the old one."""
    before = managed(old) if old else {"metadata": {}}
    changed, removed = fieldsets.changes(before, managed(new), shape)
    entries = list((old or {}).get("metadata", {}).get("managedFields") or [])
    if old is not None and not entries:
        # Nobody is known to have set anything: the first apply finds out what is there.
        keep(new, [])
        return
    if new["metadata"].get("managedFields") in ([], [{}]):
        keep(new, [])
        return
    if changed is None and removed is None:
        keep(new, entries)
        return
    mine = next((e for e in entries if writer.owns(e)), None)
    others = [e for e in entries if e is not mine]
    kept = [without(without(entry, changed), removed) for entry in others]
    mine = without(mine, removed)
    if changed:
        fields = fieldsets.union(mine["fieldsV1"], changed) if mine else changed
        if mine is None or fields != mine["fieldsV1"]:
            mine = writer.entry(fields)
    keep(new, [*kept, mine])


def without(entry: RawObject | None, fields: Fields | None) -> RawObject | None:
    """Return an entry without some fields: the same one when it had none, None if none is left."""
    if entry is None or not fields:
        return entry
    left = fieldsets.difference(entry["fieldsV1"], fields)
    if left == entry["fieldsV1"]:
        return entry
    return {**entry, "fieldsV1": left} if left else None


def keep(obj: RawObject, entries: Iterable[RawObject | None]) -> None:
    """Write the entries that are left into an object, in the API's order."""
    meta = obj["metadata"]
    left = sorted((entry for entry in entries if entry), key=_order)
    if left:
        meta["managedFields"] = left
    else:
        meta.pop("managedFields", None)


def _order(entry: RawObject) -> tuple[Any, ...]:
    return (
        entry["operation"] != APPLY,
        entry.get("time", ""),
        entry["manager"],
        entry.get("subresource", ""),
    )
