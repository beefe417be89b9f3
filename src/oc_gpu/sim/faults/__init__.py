"""Faults as data: each changes facts of a scenario, and everything seen of it follows from those.

A fault is one record of `faults.yaml`. It never states what somebody should see: statuses, events
and log lines come from the actors and the hardware, which look at the changed facts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from msgspec import Struct, field

from oc_gpu.sim import bundles, yamltext
from oc_gpu.sim.machine_facts import Facts
from oc_gpu.sim.scenario import RawObject, Scenario, ScenarioError
from oc_gpu.sim.scenario import from_document as scenario_from
from oc_gpu.sim.scenario import to_document as document_of

_SEGMENT = re.compile(r"(\w+)(?:\[([^\]]+)\])?")
_BLANK = "$(GPU_NAMESPACE)"
_GPU_PACKAGE = "gpu-operator-certified"
_SUGGESTED = "operatorframework.io/suggested-namespace"
_EVERYWHERE = "openshift-operators"


class Change(Facts, frozen=True, kw_only=True):
    """One change of a scenario's document.

    Attributes:
        at: What changes: keys with dots between them, as in the scenario. A list stands for all of
            its entries, or for those that a selector in brackets names: `gpu` (has a GPU),
            `worker` (a worker without one), `key=value`, and `first` of those left.
        set: Fields to set, merged into what is there; null takes a field away.
        append: Entries to add to a list.
        drop: Whether the selected entries are taken out of their list.
    """

    at: str = ""
    set: dict[str, Any] = field(default_factory=dict)
    append: tuple[Any, ...] = ()
    drop: bool = False


class Fault(Facts, frozen=True, kw_only=True):
    """Something that goes wrong in life.

    Attributes:
        name: Its name.
        says: The fact, in one sentence.
        changes: What it changes of a scenario.
        untold: What a simulation cannot tell of it, empty where that is nothing of weight.
    """

    name: str
    says: str
    changes: tuple[Change, ...]
    untold: str = ""


@cache
def every() -> tuple[Fault, ...]:
    """Return all faults by name."""
    text = (resources.files(__name__) / "faults.yaml").read_text("utf-8")
    found = msgspec.convert(yamltext.load(text), tuple[Fault, ...])
    return tuple(sorted(found, key=lambda fault: fault.name))


def find(name: str) -> Fault:
    """Return a fault by name.

    Raises:
        ScenarioError: There is none of this name.
    """
    found = next((fault for fault in every() if fault.name == name), None)
    if found is None:
        msg = f"there is no fault named {name!r}"
        known = ", ".join(fault.name for fault in every())
        raise ScenarioError(msg, hints=(f"faults: {known}",))
    return found


def with_faults(scenario: Scenario, names: Iterable[str]) -> Scenario:
    """Return a scenario with the facts of some faults changed.

    Raises:
        ScenarioError: A fault does not exist, or there is nothing in this scenario that it changes.
    """
    wanted = tuple(dict.fromkeys(names))
    if not wanted:
        return scenario
    document: RawObject = document_of(scenario)
    for name in wanted:
        for change in find(name).changes:
            if not _make(document, change, _gpu_namespace(scenario)):
                msg = f"fault {name} does not fit scenario {scenario.name}: it has no {change.at}"
                raise ScenarioError(msg, hints=("take a scenario that has it",))
    document["faults"] = list(wanted)
    return scenario_from(document, f"scenario {scenario.name} with {', '.join(wanted)}")


def _gpu_namespace(scenario: Scenario) -> str:
    """Return the namespace that the catalogues' GPU Operator is meant for."""
    for catalog in scenario.catalogs:
        for package in catalog.packages:
            if package.name == _GPU_PACKAGE:
                head = bundles.load(package.channels[package.default_channel][-1])
                if "OwnNamespace" in head.install_modes:
                    return head.annotations.get(_SUGGESTED) or "nvidia-gpu-operator"
    return _EVERYWHERE


def _make(document: RawObject, change: Change, namespace: str) -> bool:
    """Change a document in place; tell whether there was anything to change."""
    filled = msgspec.json.decode(
        msgspec.json.encode(change).decode().replace(_BLANK, namespace), type=Change
    )
    places = list(_places(document, filled.at))
    for place in places:
        place.make(filled)
    return bool(places)


class _Place(Struct, frozen=True):
    """A field of a document that a path leads to; `chosen` are the entries meant of a list."""

    holder: RawObject
    key: str
    chosen: tuple[Any, ...] | None = None

    def make(self, change: Change) -> None:
        """Make a change here."""
        value = self.holder[self.key]
        if change.append:
            self.holder[self.key] = [*value, *change.append]
        elif change.drop:
            gone = self.chosen or ()
            self.holder[self.key] = [e for e in value if not any(e is g for g in gone)]
        elif self.chosen is not None:
            for entry in self.chosen:
                _merge(entry, change.set)
        else:
            _merge(value, change.set)


def _places(document: RawObject, path: str) -> Iterator[_Place]:
    """Yield the places that a path leads to; none when there is nothing there."""
    holders: list[Any] = [document]
    segments = _SEGMENT.findall(path)
    for number, (key, selector) in enumerate(segments):
        last = number == len(segments) - 1
        following: list[Any] = []
        for holder in holders:
            value = holder.get(key)
            chosen = _chosen(value, selector) if isinstance(value, list) else None
            empty = value is None or (selector and not chosen)
            if last and not empty:
                yield _Place(holder, key, chosen)
            elif not empty:
                following += [value] if chosen is None else chosen
        holders = following


def _chosen(entries: list[Any], selector: str) -> tuple[Any, ...]:
    chosen = list(entries)
    for word in filter(None, selector.split(",")):
        chosen = chosen[:1] if word == "first" else [e for e in chosen if _fits(e, word)]
    return tuple(chosen)


def _fits(entry: Mapping[str, Any], word: str) -> bool:
    key, equals, value = word.partition("=")
    if equals:
        return str(entry.get(key)) == value
    has_gpu = bool(entry.get("gpu")) or any(d.get("gpu") for d in entry.get("pci") or ())
    if word == "gpu":
        return has_gpu
    return not has_gpu and "worker" in entry.get("roles", ())


def _merge(target: RawObject, given: Mapping[str, Any]) -> None:
    """Merge fields into an object, as a JSON merge patch does."""
    for key, value in given.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value
