"""Tables: the server decides what `kubectl get` shows."""

from collections.abc import Sequence

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.columns import Column
from oc_gpu.sim.api.columns_core import CORE_COLUMNS
from oc_gpu.sim.api.columns_custom import CUSTOM_COLUMNS, of_definition
from oc_gpu.sim.api.kinds import ServedKind
from oc_gpu.sim.api.routing import Call

_META = "meta.k8s.io/v1"


def columns_of(kind: ServedKind) -> tuple[Column, ...]:
    """Return the columns of a kind."""
    if kind.schema is not None:
        return of_definition(kind.columns)
    return CORE_COLUMNS.get(kind.key) or CUSTOM_COLUMNS.get(kind.key) or of_definition(())


def table(call: Call, objects: Sequence[RawObject], meta: RawObject, now: float) -> bytes:
    """Return a Table of objects.

    Args:
        call: The request; `includeObject` says how much of each object comes along.
        objects: What the rows are about.
        meta: Metadata of the list.
        now: Simulated time, for ages.
    """
    columns = columns_of(call.kind)
    include = call.request.params.get("includeObject", "Metadata")
    rows = [
        {"cells": [c.value(obj, now) for c in columns], "object": _object(obj, include)}
        for obj in objects
    ]
    shown = {
        "kind": "Table",
        "apiVersion": _META,
        "metadata": meta,
        "columnDefinitions": [column.definition() for column in columns],
        "rows": rows,
    }
    return msgspec.json.encode(shown)


def _object(obj: RawObject, include: str) -> RawObject | None:
    if include == "None":
        return None
    return obj if include == "Object" else partial(obj)


def partial(obj: RawObject) -> RawObject:
    """Return only the metadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": _META, "metadata": obj["metadata"]}
