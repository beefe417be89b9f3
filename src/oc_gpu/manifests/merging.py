"""Merging custom resources; nothing that is given is changed."""

from collections.abc import Iterable, Mapping
from typing import Any

from oc_gpu.kube import RawObject


def merge(base: Any, over: Any) -> Any:
    """Return a value with another laid over it: mappings are merged, null takes a key away.

    The rule is that of JSON merge patch (RFC 7386); lists and other values are replaced.

    >>> merge({"a": 1, "b": {"c": 2}}, {"b": {"d": 3}, "a": None})
    {'b': {'c': 2, 'd': 3}}
    """
    if not isinstance(over, Mapping):
        return over
    merged = dict(base) if isinstance(base, Mapping) else {}
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def at(value: Any, path: Iterable[str]) -> Any:
    """Return what stands at a path, None when nothing does."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def put(base: RawObject, path: tuple[str, ...], value: Any) -> RawObject:
    """Return an object with a value at a path."""
    if not path:
        return base
    first, *rest = path
    if not rest:
        return {**base, first: value}
    inner = base.get(first)
    return {**base, first: put(inner if isinstance(inner, dict) else {}, tuple(rest), value)}


def without(base: RawObject, path: tuple[str, ...]) -> RawObject:
    """Return an object without what stands at a path."""
    first, *rest = path
    if first not in base:
        return base
    if not rest:
        return {key: value for key, value in base.items() if key != first}
    inner = base[first]
    return {**base, first: without(inner, tuple(rest))} if isinstance(inner, dict) else base
