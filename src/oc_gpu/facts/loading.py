"""Reading the data files that lie beside this package."""

import pkgutil
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_OWN = frozenset({"version", "since", "source", "date"})


def read(name: str) -> dict[str, Any]:
    """Return a data file as it stands."""
    from oc_gpu.kube.yamlfile import parse  # noqa: PLC0415  # yaml is slow to import

    raw = pkgutil.get_data(__package__, f"data/{name}")
    content: dict[str, Any] = parse(raw or b"")
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
