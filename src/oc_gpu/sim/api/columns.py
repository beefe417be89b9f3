"""What columns are made of: definitions, ages, counts, selectors."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import jsonpath

NONE = "<none>"
UNKNOWN = "<unknown>"
_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400

Cell = str | int | float | bool | None
Value = Callable[[RawObject, float], Cell]
"""Gives a cell from an object and the current simulated time."""


class Column(Struct, frozen=True):
    """One column; those with a priority are shown by `-o wide` only."""

    name: str
    value: Value
    type: str = "string"
    priority: int = 0
    format: str = ""
    description: str = ""

    def definition(self) -> RawObject:
        """Return the column as the head of a Table has it."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description or self.name,
            "priority": self.priority,
        }


def wide(name: str, value: Value) -> Column:
    """Return a column that only `-o wide` shows."""
    return Column(name, value, priority=1)


def number(name: str, path: str, type_: str = "integer") -> Column:
    """Return a column with a count, 0 where the object has none."""
    return Column(name, lambda obj, _now: jsonpath.first(path, obj) or 0, type_)


def text(name: str, path: str, default: Cell = NONE) -> Column:
    """Return a column with the value at a path."""

    def value(obj: RawObject, _now: float) -> Cell:
        found: Cell = jsonpath.first(path, obj)
        return default if found is None or found == "" else found

    return Column(name, value)


def since(path: str) -> Value:
    """Return a value that tells how long ago the time at a path was."""
    return lambda obj, now: age(jsonpath.first(path, obj), now)


NAME = Column("Name", lambda obj, _now: obj["metadata"]["name"], format="name")
AGE = Column("Age", since(".metadata.creationTimestamp"))
CREATED = Column(
    "Created At", lambda obj, _now: obj["metadata"].get("creationTimestamp", ""), "date"
)


def age(moment: Any, now: float) -> str:
    """Return how long ago an API time was, as kubectl writes it."""
    try:
        return duration(now - datetime.fromisoformat(str(moment)).timestamp())
    except ValueError:
        return UNKNOWN


def duration(seconds: float) -> str:
    """Return a duration in two units at most, such as `3m20s`."""
    whole = int(seconds)
    if whole < 2 * _MINUTE:
        return "<invalid>" if whole < -1 else f"{max(whole, 0)}s"
    steps = (
        (10 * _MINUTE, _MINUTE, "m", 1, "s"),
        (3 * _HOUR, _MINUTE, "m", 0, ""),
        (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
        (2 * _DAY, _HOUR, "h", 0, ""),
        (8 * _DAY, _DAY, "d", _HOUR, "h"),
        (2 * _YEAR, _DAY, "d", 0, ""),
        (8 * _YEAR, _YEAR, "y", _DAY, "d"),
    )
    for limit, unit, name, below, below_name in steps:
        if whole < limit:
            count, rest = divmod(whole, unit)
            small = rest // below if below else 0
            return f"{count}{name}{small}{below_name}" if small else f"{count}{name}"
    return f"{whole // _YEAR}y"


def labels_text(labels: Mapping[str, str] | None) -> str:
    """Return labels as `a=b,c=d`, sorted."""
    return ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items())) or NONE


def selector_text(obj: RawObject, _now: float) -> str:
    """Return the selector of a workload."""
    selector = obj["spec"].get("selector") or {}
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, operator = expression["key"], expression["operator"]
        values = ",".join(expression.get("values") or [])
        presence = {"Exists": key, "DoesNotExist": f"!{key}"}
        parts.append(presence.get(operator) or f"{key} {operator.lower()} ({values})")
    return ",".join(parts) or NONE


def joined(values: Iterable[Any]) -> str:
    """Return values separated by commas."""
    return ",".join(str(value) for value in values) or NONE


def containers_of(obj: RawObject) -> list[RawObject]:
    """Return the containers of a workload's template."""
    template = (obj.get("spec") or {}).get("template") or {}
    found: list[RawObject] = (template.get("spec") or {}).get("containers") or []
    return found


WORKLOAD_WIDE = (
    wide("Containers", lambda obj, _now: joined(c["name"] for c in containers_of(obj))),
    wide("Images", lambda obj, _now: joined(c.get("image", "") for c in containers_of(obj))),
    wide("Selector", selector_text),
)
