"""Equal parts of many objects, kept once: pods of one DaemonSet differ in little.

A cluster of 50,000 pods tells each pod's containers, tolerations and labels anew, and a decoder
makes each anew. Objects are immutable, so that those parts can be the same.
"""

from sys import intern
from typing import Any

import msgspec
from msgspec import Struct

_TRIED = 200
"""Values of a field after which it is known whether they repeat themselves."""
_WORTH = 4
"""One in so many values has to be a repetition; looking for it costs more than it saves else."""

_encoder = msgspec.json.Encoder()


class _Place(Struct):
    """What was seen in one field."""

    values: dict[int, Any] = msgspec.field(default_factory=dict)
    last: Any = None
    tried: int = 0
    found: int = 0

    def share(self, value: Any) -> Any:
        """Return an equal value that was there before, else this one."""
        if value == self.last:
            return self.last  # of one namespace after the other: mostly of the same set of pods
        if self.tried >= _TRIED and self.found * _WORTH < self.tried:
            self.values.clear()
            return value
        self.tried += 1
        held = self.last = self.values.setdefault(hash(_encoder.encode(value)), value)
        if held is value or held != value:
            return value
        self.found += 1
        return held


class Sharing:
    """Lets the objects of one list and its watch share what is equal in them."""

    def __init__(self) -> None:
        self._places: dict[type, tuple[tuple[str, _Place], ...]] = {}

    def of(self, item: Any) -> None:
        """Replace parts of an object by equal ones of an earlier object; raw ones stay."""
        if not isinstance(item, Struct):
            return
        for name in item.__struct_fields__:
            part = getattr(item, name)
            if isinstance(part, Struct):
                self._within(part)

    def _within(self, part: Struct) -> None:
        kind = type(part)
        places = self._places.get(kind)
        if places is None:
            places = self._places[kind] = tuple((name, _Place()) for name in _holders(kind))
        for name, place in places:
            value = getattr(part, name)
            if not value:
                shared = _NOTHING.get(type(value), value)
            else:
                shared = place.share(value)
                if shared is value and type(value) is dict:
                    shared = _interned(value)
            if shared is not value:
                msgspec.structs.force_setattr(part, name, shared)


_NOTHING: dict[type, Any] = {list: [], dict: {}}
"""What stands for every empty list and map: objects are immutable."""


def _holders(kind: type[Struct]) -> list[str]:
    """Return the fields of a type that hold lists, maps or parts of their own."""
    plain = (str, int, bool, float, str | None)
    return [one.name for one in msgspec.structs.fields(kind) if one.type not in plain]


def _interned(value: dict[Any, Any]) -> dict[Any, Any]:
    """Return a map whose texts are the same as those of other maps."""
    return {_text(key): _text(item) for key, item in value.items()}


def _text(value: Any) -> Any:
    return intern(value) if type(value) is str else value
