"""From raw objects to the partial views of them that checks look at."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import structs

from oc_gpu.kube import RawObject
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.sources import Source


def shaped(raw: RawObject, source: Source) -> Any:
    """Return an object as its source has it.

    Raises:
        msgspec.ValidationError: It is not of the known shape.
    """
    if source.type is RawObject:
        return raw
    try:
        return msgspec.convert(raw, source.type, strict=False)
    except msgspec.ValidationError:
        return msgspec.convert(_pruned(raw), source.type, strict=False)


def with_shapes(snapshot: Snapshot, sources: Iterable[Source]) -> Snapshot:
    """Return a snapshot of raw tables with the tables that its sources have."""
    by_name = {source.name: source for source in sources}
    tables = {name: _table(items, by_name[name]) for name, items in snapshot.tables.items()}
    return structs.replace(snapshot, tables=tables)


def _table(items: Iterable[Any], source: Source) -> tuple[Any, ...]:
    """Return typed objects; one of a shape that no API server would store has none."""
    found = []
    for raw in items:
        with suppress(msgspec.ValidationError):
            found.append(shaped(raw, source) if isinstance(raw, dict) else raw)
    return tuple(found)


def _pruned(value: Any) -> Any:
    """Return a value without nulls, which stand for absent fields, and with text in maps of it."""
    if isinstance(value, dict):
        return {str(k): _pruned(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_pruned(item) for item in value if item is not None]
    return value
