"""Settings of NFD that leave NVIDIA's cards without the labels that the GPU Operator looks for."""

import re
from collections.abc import Iterable

from oc_gpu.checks.case import Case, spec
from oc_gpu.checks.model import Evidence


def config(case: Case) -> tuple[Evidence, ...]:
    """Return settings of NFD that leave NVIDIA's devices out or name them otherwise."""
    kinds = {one.kind for node in case.devices for one in case.cards(node)}
    found = []
    for raw in case.snapshot.table("nodefeaturediscoveries"):
        text = str(((spec(raw).get("workerConfig") or {}).get("configData")) or "")
        found += _unusual(text, f"NodeFeatureDiscovery/{raw['metadata']['name']}", kinds)
    for raw in case.snapshot.table("configmaps"):
        if "nfd" in str(raw["metadata"]["name"]) or "node-feature" in str(raw["metadata"]["name"]):
            for name, text in (raw.get("data") or {}).items():
                where = f"ConfigMap/{raw['metadata']['name']}, {name}"
                found += _unusual(str(text), where, kinds)
    return tuple(found)


def _unusual(text: str, where: str, kinds: Iterable[str]) -> list[Evidence]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    body = "\n".join(lines)
    told = (_fields(body), _classes(body, kinds), _sources(body), _pattern(body))
    return [Evidence(where, one) for one in told if one]


def _listed(name: str, body: str) -> list[str] | None:
    """Return the items of a list in YAML, in brackets or a line each; None where it is not set."""
    match = re.search(rf"\b{name}:\s*(\[[^\]]*\]|(?:\n?\s*-\s*\S+)+)", body)
    return re.findall(r"-?\w+", re.sub(r"(?m)^\s*-\s", " ", match[1])) if match else None


def _fields(body: str) -> str:
    names = _listed("deviceLabelFields", body)
    fits = names is None or sorted(names) in (["vendor"], ["class", "vendor"])
    return "" if fits else f"deviceLabelFields: {', '.join(names or ())}"


def _classes(body: str, kinds: Iterable[str]) -> str:
    """Tell of a whitelist of PCI classes that no card is of; it holds beginnings of classes."""
    values = _listed("deviceClassWhitelist", body)
    every = tuple(kinds) or ("0300", "0302")
    if values is None or any(kind.startswith(tuple(values)) for kind in every):
        return ""
    return f"deviceClassWhitelist: {', '.join(values)}"


def _sources(body: str) -> str:
    """Tell of sources of labels without PCI; rules of users (custom) may make such a label."""
    for name in ("labelSources", "featureSources"):
        values = _listed(name, body)
        passed = {"pci", "all"} | ({"custom"} if name == "labelSources" else set())
        if values and ("-pci" in values or not passed & set(values)):
            return f"{name}: {', '.join(values)}"
    return ""


def _pattern(body: str) -> str:
    """Tell of a pattern that a label has to fit, and that of a card does not."""
    match = re.search(r"\blabelWhiteList:[ \t]*(['\"]?)(\S+)\1[ \t]*$", body, re.MULTILINE)
    if match is None:
        return ""
    try:
        fits = any(re.search(match[2], name) for name in _NAMES)
    except re.error:
        return ""
    return "" if fits else f"labelWhiteList: {match[2]}"


_NAMES = ("pci-10de.present", "pci-0302_10de.present", "pci-0300_10de.present")
"""Labels of a card as the pattern is tried on them: without their prefix."""
