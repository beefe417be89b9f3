"""Sets of fields in the form in which objects carry them (fieldsV1).

A node is a dictionary from path elements to nodes: `f:name` for a field, `k:{...}` for an item
known by its key fields, `v:...` for an item of a set. An empty node is a member without members
below; `.` says that a node with others below is a member itself.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from oc_gpu.sim.api.shapes import Native, Shape

Fields = dict[str, Any]

SELF = "."
_REQUIRED = frozenset(
    {
        "f:metadata",
        "f:spec",
        "f:status",
        "f:template",
        "f:containers",
        "f:strategy",
        "f:updateStrategy",
    }
)
"""Fields that the API's types always have: creating them is nobody's doing."""


def _is_required(name: str, shape: Shape) -> bool:
    """Tell whether a map is there without anybody's doing: so it is in the API's own types."""
    return name == "f:metadata" or (name in _REQUIRED and isinstance(shape, Native))


def is_member(node: Fields) -> bool:
    """Tell whether the place itself belongs to the set."""
    return not node or SELF in node


def element(item: Any, shape: Shape) -> str | None:
    """Return the path element of a list's item, None where it has no key."""
    if shape.list_type == "set":
        return "v:" + _json(item)
    if not isinstance(item, dict):
        return None
    defaults = shape.key_defaults
    keys = {key: item.get(key, defaults.get(key)) for key in sorted(shape.keys)}
    if any(value is None for value in keys.values()):
        return None
    return "k:" + _json(keys)


def elements(items: list[Any], shape: Shape) -> dict[str, Any]:
    """Return the items of a `map` or `set` list by path element, the first of equal ones."""
    found: dict[str, Any] = {}
    for item in items:
        key = element(item, shape)
        if key is not None:
            found.setdefault(key, item)
    return found


def repeated(value: Any, shape: Shape, path: str) -> list[str]:
    """Return what is there more than once in sets and in lists with keys, each with its place."""
    found: list[str] = []
    if isinstance(value, dict) and not shape.atomic_map:
        for key, item in value.items():
            found += repeated(item, shape.child(key), f"{path}.{key}" if path else key)
    elif isinstance(value, list) and shape.list_type != "atomic":
        names = [element(item, shape) for item in value]
        twice = sorted({name for name in names if name and names.count(name) > 1})
        found += [f"{path}: duplicate entries for key {_readable(name)}" for name in twice]
    return found


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def of(value: Any, shape: Shape, *, created: bool = False) -> Fields:
    """Return the fields that a value sets.

    Args:
        value: Part of an object.
        shape: How it merges.
        created: Count maps as members too, as a write does that makes them.
    """
    node: Fields = {}
    if isinstance(value, dict) and not shape.atomic_map:
        for key, item in value.items():
            name, inner = f"f:{key}", shape.child(key)
            if item == [] and inner.list_type != "atomic":
                continue
            below = of(item, inner, created=created)
            if not below and item and isinstance(item, dict) and not inner.atomic_map:
                continue
            if below and (shape.free_keys or (created and not _is_required(name, shape))):
                below.setdefault(SELF, {})
            node[name] = below
    elif isinstance(value, list) and shape.list_type != "atomic":
        for name, item in elements(value, shape).items():
            below = of(item, shape.items(), created=created)
            if below:
                below[SELF] = {}
            node[name] = below
    return node


def changes(old: Any, new: Any, shape: Shape) -> tuple[Fields | None, Fields | None]:
    """Return the fields that were set or changed, and those that were removed."""
    if isinstance(old, dict) and isinstance(new, dict) and not shape.atomic_map:
        before = {f"f:{key}": value for key, value in old.items()}
        after = {f"f:{key}": value for key, value in new.items()}
        return _compare(before, after, shape)
    lists = isinstance(old, list) and isinstance(new, list)
    if lists and shape.list_type != "atomic":
        return _compare(elements(old, shape), elements(new, shape), shape)
    return {}, None


def _compare(
    before: dict[str, Any], after: dict[str, Any], shape: Shape
) -> tuple[Fields | None, Fields | None]:
    changed: Fields = {}
    removed: Fields = {}
    for name, value in after.items():
        if name not in before:
            made = of(value, _below(shape, name), created=True)
            if made and not _is_required(name, shape):
                made[SELF] = {}
            changed[name] = made
        elif value != before[name]:
            inner, gone = changes(before[name], value, _below(shape, name))
            if inner is not None:
                changed[name] = inner
            if gone is not None:
                removed[name] = gone
    for name, value in before.items():
        if name not in after:
            lost = of(value, _below(shape, name), created=True)
            removed[name] = {**lost, SELF: {}} if lost else lost
    return changed or None, removed or None


def _below(shape: Shape, name: str) -> Shape:
    return shape.child(name[2:]) if name.startswith("f:") else shape.items()


def union(one: Fields, other: Fields) -> Fields:
    """Return the fields that are in either set."""
    merged: Fields = dict(one)
    for name, node in other.items():
        merged[name] = union(merged[name], node) if name in merged else node
    if merged and (is_member(one) or is_member(other)):
        merged[SELF] = {}
    return merged


def difference(one: Fields, other: Fields) -> Fields | None:
    """Return the fields of the first set that are not in the second, None when none is."""
    left: Fields = {}
    for name, node in one.items():
        if name == SELF:
            continue
        if name not in other:
            left[name] = node
        elif (rest := difference(node, other[name])) is not None:
            left[name] = rest
    member = is_member(one) and not is_member(other)
    if not left:
        return {} if member else None
    if member:
        left[SELF] = {}
    return left


def intersection(one: Fields, other: Fields) -> Fields | None:
    """Return the fields that are in both sets, None when none is."""
    both: Fields = {}
    for name, node in one.items():
        if name != SELF and name in other:
            common = intersection(node, other[name])
            if common is not None:
                both[name] = common
    member = is_member(one) and is_member(other)
    if not both:
        return {} if member else None
    if member:
        both[SELF] = {}
    return both


def paths(node: Fields, prefix: str = "") -> Iterator[str]:
    """Give the members below as a person reads them, such as `.spec.containers[name="x"].image`.

    They come in the real server's order: at each place its own members first.
    """
    names = sorted(name for name in node if name != SELF)
    for name in names:
        if is_member(node[name]):
            yield prefix + _readable(name)
    for name in names:
        yield from paths(node[name], prefix + _readable(name))


def _readable(name: str) -> str:
    kind, _, text = name.partition(":")
    if kind == "f":
        return f".{text}"
    if kind == "v":
        return f"[={text}]"
    keys = msgspec.json.decode(text)
    return "[" + ",".join(f"{key}={_json(value)}" for key, value in keys.items()) + "]"
