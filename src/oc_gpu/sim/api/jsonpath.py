"""The part of JSONPath that printer columns use: fields, indices, and filters on a field."""

import re
from functools import lru_cache
from typing import Any

from msgspec import Struct

_STEP = re.compile(
    r"""\.?\[\?\(@\.(?P<key>[^=\s]+)\s*==\s*['"](?P<wanted>[^'"]*)['"]\)\]   # [?(@.type=="x")]
      | \[(?P<index>-?\d+|\*)\]
      | \[['"](?P<quoted>[^'"]+)['"]\]
      | \.(?P<name>(?:\\.|[^.\[\\])+)
    """,
    re.VERBOSE,
)


class _Step(Struct, frozen=True):
    """One step down: into a field, an item, all items, or the items that fit."""

    name: str = ""
    index: int | None = None
    key: str = ""
    wanted: str = ""

    def apply(self, value: Any) -> list[Any]:
        if self.name:
            return [value[self.name]] if isinstance(value, dict) and self.name in value else []
        if not isinstance(value, list):
            return []
        if self.key:
            return [i for i in value if isinstance(i, dict) and i.get(self.key) == self.wanted]
        if self.index is None:
            return value
        return value[self.index : self.index + 1 or None]


@lru_cache(maxsize=512)
def _parse(path: str) -> tuple[_Step, ...]:
    steps, position = [], 0
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            return ()
        part = found.groupdict()
        if part["key"]:
            steps.append(_Step(key=part["key"], wanted=part["wanted"]))
        elif part["index"]:
            steps.append(_Step(index=None if part["index"] == "*" else int(part["index"])))
        else:
            steps.append(_Step(name=re.sub(r"\\(.)", r"\1", part["quoted"] or part["name"])))
        position = found.end()
    return tuple(steps)


def first(path: str, value: Any) -> Any:
    """Return the first thing at a path such as `.status.conditions[?(@.type=="Ready")].status`.

    Nothing there, and a path that is not understood, is None.
    """
    found = [value]
    steps = _parse(path)
    for step in steps:
        found = [below for item in found for below in step.apply(item)]
    return found[0] if found and steps else None
