"""Label and field selectors as they stand in query parameters."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.errors import bad_request

_TERM = re.compile(
    r"""\s*(?:
        (?P<key>[^\s!=,()]+)\s+(?P<set>in|notin)\s*\((?P<values>[^)]*)\)
      | (?P<number>[^\s!=,()<>]+)\s*(?P<than>[<>])\s*(?P<bound>-?\d+)
      | !\s*(?P<absent>[^\s!=,()]+)
      | (?P<name>[^\s!=,()]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^\s,=!()]*)
      | (?P<present>[^\s!=,()]+)
    )\s*(?:,|$)""",
    re.VERBOSE,
)


class Requirement(Protocol):
    """One of the things that a selector asks for."""

    def holds(self, given: Mapping[str, str]) -> bool:
        """Tell whether labels or fields meet it."""


class Term(Struct, frozen=True):
    """The key is (or is not) one of the values; no values means any value."""

    key: str
    values: tuple[str, ...] | None
    wanted: bool

    def holds(self, given: Mapping[str, str]) -> bool:
        """Tell whether the labels meet it."""
        value = given.get(self.key)
        if self.values is None:
            return (value is not None) == self.wanted
        return (value in self.values) == self.wanted


class Bound(Struct, frozen=True):
    """The value is a number above (or below) another."""

    key: str
    above: bool
    bound: int

    def holds(self, given: Mapping[str, str]) -> bool:
        """Tell whether the labels meet it."""
        try:
            value = int(given.get(self.key, ""))
        except ValueError:
            return False
        return value > self.bound if self.above else value < self.bound


Selector = tuple[Requirement, ...]


@lru_cache(maxsize=256)
def parse_labels(text: str) -> Selector:
    """Return the requirements of a label selector.

    Raises:
        StatusError: 400, it cannot be understood.
    """
    terms: list[Requirement] = []
    position = 0
    while position < len(text):
        found = _TERM.match(text, position)
        if found is None or found.end() == position:
            msg = f"unable to parse requirement: {text[position:]!r}"
            raise bad_request(msg)
        terms.append(_term(found))
        position = found.end()
    return tuple(terms)


def _term(found: re.Match[str]) -> Requirement:
    part = found.groupdict()
    if part["number"]:
        return Bound(part["number"], part["than"] == ">", int(part["bound"]))
    if part["set"]:
        values = tuple(value.strip() for value in part["values"].split(","))
        return Term(part["key"], values, part["set"] == "in")
    if part["absent"]:
        return Term(part["absent"], None, wanted=False)
    if part["present"]:
        return Term(part["present"], None, wanted=True)
    return Term(part["name"], (part["value"],), part["operator"] != "!=")


@lru_cache(maxsize=256)
def parse_fields(text: str, known: tuple[str, ...]) -> Selector:
    """Return the requirements of a field selector.

    Raises:
        StatusError: 400, it cannot be understood or names a field that this kind does not select.
    """
    terms = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        found = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part)
        if found is None:
            msg = f"invalid selector: '{text}'; can't understand '{part}'"
            raise bad_request(msg)
        key, operator, value = found.groups()
        if key not in known:
            msg = f"field label not supported: {key}"
            if set(known) == {"metadata.name", "metadata.namespace"}:
                shown = ", ".join(f'"{name}"' for name in known)
                msg = f'"{key}" is not a known field selector: only {shown}'
            raise bad_request(msg)
        terms.append(Term(key, (value,), operator != "!="))
    return tuple(terms)


def matches(selector: Selector, given: Mapping[str, str]) -> bool:
    """Tell whether all requirements hold."""
    return all(term.holds(given) for term in selector)


def selects(selector: RawObject | None, labels: Mapping[str, str]) -> bool:
    """Tell whether a LabelSelector object accepts labels; none accepts nothing."""
    if selector is None:
        return False
    if any(labels.get(k) != v for k, v in (selector.get("matchLabels") or {}).items()):
        return False
    for expression in selector.get("matchExpressions") or []:
        values = tuple(expression.get("values") or ())
        operator = expression["operator"]
        only_presence = operator in {"Exists", "DoesNotExist"}
        wanted = operator in {"In", "Exists"}
        if not Term(expression["key"], None if only_presence else values, wanted).holds(labels):
            return False
    return True
