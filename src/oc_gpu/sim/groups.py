"""Groups of equal nodes in a scenario document: one entry with a count stands for many. Pure."""

from collections.abc import Iterator, Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Any

COUNT = "count"
COUNT_SCHEMA = {
    "type": "integer",
    "minimum": 1,
    "description": "A group of so many nodes: the name gets a number, the address counts up.",
}


class GroupError(ValueError):
    """A group of nodes that cannot be made."""


def expanded(document: Any, nodes: int | None = None) -> Any:
    """Return a scenario document with its groups of nodes written out.

    An entry of `nodes` with a `count` becomes that many, named `<name>-0` and so on, each with the
    address after the one before.

    Args:
        document: The document as YAML gives it; one that has no list of nodes is left alone.
        nodes: How many nodes there are to be in all; the groups keep their proportions.

    Raises:
        GroupError: There are no groups to scale, or too few nodes for them.
    """
    entries = document.get("nodes") if isinstance(document, Mapping) else None
    if not isinstance(entries, list) or not all(isinstance(e, Mapping) for e in entries):
        return document
    counts = _counts(entries, nodes)
    made = [n for e, count in zip(entries, counts, strict=True) for n in _members(e, count)]
    return {**document, "nodes": made}


def without_counts(document: Any) -> Any:
    """Return a scenario document whose groups of nodes are single ones."""
    entries = document.get("nodes") if isinstance(document, Mapping) else None
    if not isinstance(entries, list):
        return document
    return {**document, "nodes": [_single(e) if isinstance(e, Mapping) else e for e in entries]}


def _single(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in entry.items() if key != COUNT}


def _counts(entries: list[Mapping[str, Any]], nodes: int | None) -> list[int | None]:
    """Return how many nodes each entry stands for, None for a single one."""
    counts = [entry.get(COUNT) for entry in entries]
    if not all(c is None or (isinstance(c, int) and c > 0) for c in counts):
        msg = "the count of a group of nodes is a number above 0"
        raise GroupError(msg)
    groups = [c for c in counts if c is not None]
    if nodes is None:
        return counts
    rest = nodes - (len(counts) - len(groups))
    if not groups:
        msg = "it has no group of nodes (an entry with a count) that could be made larger"
        raise GroupError(msg)
    if rest < len(groups):
        msg = f"{nodes} nodes are too few: it has {len(counts)} entries of nodes"
        raise GroupError(msg)
    scaled = [max(1, rest * c // sum(groups)) for c in groups]
    scaled[0] += rest - sum(scaled)
    numbers = iter(scaled)
    return [None if c is None else next(numbers) for c in counts]


def _members(entry: Mapping[str, Any], count: int | None) -> Iterator[Mapping[str, Any]]:
    if count is None:
        yield entry
        return
    single = _single(entry)
    try:
        first = IPv4Address(str(single.get("address")))
    except AddressValueError as error:
        msg = f"the first address of group {single.get('name')} is no IPv4 address"
        raise GroupError(msg) from error
    for number in range(count):
        yield {**single, "name": f"{single.get('name')}-{number}", "address": str(first + number)}
