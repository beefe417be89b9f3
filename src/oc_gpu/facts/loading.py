"""Reading the data files that lie beside this package."""

from collections.abc import Iterable
from importlib.resources import files
from typing import Any, TypeVar

import msgspec

from oc_gpu.kube.yamlfile import parse

T = TypeVar("T")

_OWN = frozenset({"version", "since", "source", "date"})


def read(name: str) -> dict[str, Any]:
    """Return a data file as it stands."""
    content: dict[str, Any] = parse((files("oc_gpu.facts") / "data" / name).read_bytes())
    return content


def convert(value: Any, kind: type[T]) -> T:
    """Return a value as a type.

    Raises:
        msgspec.ValidationError: The data file is wrong: a mistake of ours.
    """
    return msgspec.convert(value, kind)


def carry_forward(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return entries completed by what the one before each says."""
    complete: list[dict[str, Any]] = []
    before: dict[str, Any] = {}
    for entry in entries:
        before = {**{k: v for k, v in before.items() if k not in _OWN}, **entry}
        complete.append(before)
    return complete
