"""Server-side apply: merge by ownership, conflicts, and what nobody wants any more."""

from typing import Any

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import fieldsets, managed
from oc_gpu.sim.api.fieldsets import Fields
from oc_gpu.sim.api.managed import UPDATE, Writer
from oc_gpu.sim.api.messages import StatusError
from oc_gpu.sim.api.shapes import Shape

_Conflict = tuple[RawObject, str]


def merge(
    live: RawObject, config: RawObject, shape: Shape, writer: Writer, *, force: bool
) -> RawObject:
    """Return a live object with a configuration applied, its managers noted.

    Args:
        live: The object as it is (a copy; parts of it are used); empty for a new one.
        config: What the writer wants, and all that it wants.
        shape: How the kind's lists and maps merge.
        writer: Who applies.
        force: Take fields from other managers.

    Raises:
        StatusError: 409, others own fields that would change.
    """
    entries = list(live["metadata"].get("managedFields") or [])
    if not entries and live["metadata"].get("uid"):
        entries = _before_first_apply(live, shape, writer)
    wanted = {**config, "metadata": dict(config.get("metadata") or {})}
    wanted["metadata"].pop("managedFields", None)
    merged: RawObject = _merge(live, wanted, shape)
    mine = next((e for e in entries if writer.owns(e)), None)
    others = [e for e in entries if e is not mine]
    changed, _ = fieldsets.changes(managed.managed(live), managed.managed(merged), shape)
    if changed:
        others = _settle(others, changed, force=force)
    fields = fieldsets.of(managed.managed(wanted), shape)
    fields = {name: node for name, node in fields.items() if node or name != "f:metadata"}
    if mine is not None:
        # Whoever applies names the object, and so has something in its metadata.
        owned = fieldsets.union({"f:metadata": {"f:name": {}}}, fields)
        for entry in others:
            owned = fieldsets.union(owned, entry["fieldsV1"])
        merged = _prune(merged, mine["fieldsV1"], owned, shape)
    same = mine is not None and mine["fieldsV1"] == fields
    managed.keep(merged, [*others, mine if same else writer.entry(fields) if fields else None])
    return merged


def _before_first_apply(live: RawObject, shape: Shape, writer: Writer) -> list[RawObject]:
    """Return an entry for what is there already without anybody known to have set it."""
    before = msgspec.structs.replace(
        writer, manager="before-first-apply", operation=UPDATE, subresource=""
    )
    fields, _ = fieldsets.changes({"metadata": {}}, managed.managed(live), shape)
    return [before.entry(fields)] if fields else []


def _merge(live: Any, config: Any, shape: Shape) -> Any:
    if isinstance(live, dict) and isinstance(config, dict) and not shape.atomic_map:
        merged = dict(live)
        for key, value in config.items():
            if key in merged and value is not None:
                merged[key] = _merge(merged[key], value, shape.child(key))
            else:
                merged[key] = value
        return merged
    if isinstance(live, list) and isinstance(config, list) and shape.list_type != "atomic":
        return _merge_lists(live, config, shape)
    return config


def _merge_lists(live: list[Any], config: list[Any], shape: Shape) -> list[Any]:
    """Merge items by key: the configuration's order, others stay where they were."""
    known = fieldsets.elements(live, shape)
    wanted = fieldsets.elements(config, shape)
    merged: list[Any] = []
    rest = list(wanted)
    for name, item in known.items():
        if name not in wanted:
            merged.append(item)
        elif name in rest:
            upto = rest.index(name) + 1
            merged += [_merged_item(known, wanted, n, shape) for n in rest[:upto]]
            rest = rest[upto:]
    return merged + [_merged_item(known, wanted, name, shape) for name in rest]


def _merged_item(known: dict[str, Any], wanted: dict[str, Any], name: str, shape: Shape) -> Any:
    if name in known:
        return _merge(known[name], wanted[name], shape.items())
    return wanted[name]


def _settle(others: list[RawObject], changed: Fields, *, force: bool) -> list[RawObject]:
    """Refuse to change what others own, or take it from them."""
    conflicts: list[_Conflict] = []
    for entry in others:
        common = fieldsets.intersection(entry["fieldsV1"], changed)
        if common:
            conflicts += [(entry, path) for path in fieldsets.paths(common)]
    if conflicts and not force:
        raise _refusal(conflicts)
    kept = [managed.without(entry, changed) for entry in others]
    return [entry for entry in kept if entry]


def _prune(value: Any, last: Fields, owned: Fields, shape: Shape) -> Any:
    """Return a value without what the writer set last time and nobody owns now.

    What goes takes all that is in it along, defaults too.
    """
    if isinstance(value, dict) and not shape.atomic_map:
        named = not shape.free_keys
        return {
            key: _prune(item, last.get(f"f:{key}", {}), owned.get(f"f:{key}", {}), shape.child(key))
            for key, item in value.items()
            if not _is_given_up(f"f:{key}", last, owned, named=named)
        }
    if isinstance(value, list) and shape.list_type != "atomic":
        names = [fieldsets.element(item, shape) or "" for item in value]
        return [
            _prune(item, last.get(name, {}), owned.get(name, {}), shape.items())
            for name, item in zip(names, value, strict=True)
            if not _is_given_up(name, last, owned, named=False)
        ]
    return value


def _is_given_up(name: str, last: Fields, owned: Fields, *, named: bool) -> bool:
    """Tell whether something was the writer's and is nobody's now.

    Args:
        name: Its path element.
        last: What the writer had.
        owned: What anybody has now.
        named: Whether it is a declared field, which belongs to whoever has something in it.
    """

    def has(fields: Fields) -> bool:
        return name in fields and (named or fieldsets.is_member(fields[name]))

    return has(last) and not has(owned)


def _refusal(conflicts: list[_Conflict]) -> StatusError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {_who(entry)}",
            "field": path,
        }
        for entry, path in conflicts
    ]
    if len(conflicts) == 1:
        entry, path = conflicts[0]
        text = f"Apply failed with 1 conflict: conflict with {_who(entry)}: {path}"
    else:
        by_manager: dict[str, list[str]] = {}
        for entry, path in conflicts:
            by_manager.setdefault(_who(entry), []).append(path)
        lines = [
            "\n".join([f"conflicts with {who}:", *(f"- {path}" for path in fields)])
            for who, fields in sorted(by_manager.items())
        ]
        text = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return StatusError(409, "Conflict", text, {"causes": causes})


def _who(entry: RawObject) -> str:
    text = f'"{entry["manager"]}"'
    if entry.get("subresource"):
        text += f' with subresource "{entry["subresource"]}"'
    if entry["operation"] == UPDATE:
        text += f" using {entry['apiVersion']}"
    return text
