"""Lines that are the same but for a name: many of them become one, and what differs stands out."""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")

LISTED = 20
"""So many lines of one sort are told one by one, however alike they are."""
_FEW = 3
"""Groups of so many or fewer are exceptions, each told by itself."""


def groups(
    items: Sequence[T],
    key: Callable[[T], Hashable],
    worst: Callable[[T], int] = lambda _: 0,
) -> list[list[T]]:
    """Return items in groups that are told in a line each.

    Few items are told one by one, in the order that they have. Of many, those that are alike make
    a group, and the exceptions come first.

    Args:
        items: What is to be told.
        key: The same for items that are alike.
        worst: Lower for what has to be seen first.
    """
    if len(items) <= LISTED:
        return [[item] for item in items]
    found: dict[Hashable, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    ordered = sorted(found.values(), key=lambda group: (worst(group[0]), len(group)))
    return [part for group in ordered for part in _parts(group)]


def _parts(group: list[T]) -> Iterable[list[T]]:
    return [group] if len(group) > _FEW else [[item] for item in group]


def like(count: int, kind: str, name: str) -> str:
    """Return what stands for a group.

    >>> like(498, "Node", "worker-0001")
    '498 nodes like worker-0001'
    """
    return f"{count} {kind.lower()}s like {name}"


def told(lines: Sequence[str]) -> Iterable[str]:
    """Return lines that begin with an object each; of many that go on alike, one for all."""
    for group in groups(lines, lambda line: line.partition(" ")[2]):
        reference, _, rest = group[0].partition(" ")
        alone = len(group) == 1
        yield group[0] if alone else f"{like(len(group), *split(reference))} {rest}"


def blanked(text: str, names: Iterable[str]) -> str:
    """Return a text without some names, to compare it with those of other names.

    >>> blanked("gpu-1 is not gpu-10", ["gpu-1"])
    '* is not gpu-10'
    """
    wanted = "|".join(sorted(map(re.escape, filter(None, names)), key=len, reverse=True))
    return re.sub(rf"(?<![\w-])(?:{wanted})(?![\w-])", "*", text) if wanted else text


def split(reference: str) -> tuple[str, str]:
    """Return kind and name of an object as findings and plans name it, such as `Node/gpu-1`."""
    kind, _, name = reference.partition(" ")[0].partition("/")
    return kind, name
