"""What containers see, built for tests of the hardware half."""

from typing import Any

from tests.sim_core.entitlements import NOW

from oc_gpu.sim.hardware.model import View
from oc_gpu.sim.scenario import Scenario, from_document, load, to_document

UBI = "registry.access.redhat.com/ubi8:latest"
SEARCH = ("sh", "-c", "dnf search kernel-devel --showduplicates")
PROXY_ENV = {
    "http_proxy": "http://proxy.example.com:8080",
    "https_proxy": "http://proxy.example.com:8080",
}


def view(scenario: Scenario | str, node: str, **fields: Any) -> View:
    facts = load(scenario) if isinstance(scenario, str) else scenario
    machine = facts.node(node)
    assert machine is not None
    defaults: dict[str, Any] = {"host": {}, "now": NOW, "container": "main", "image": UBI}
    return View(scenario=facts, node=machine, **(defaults | fields))


def changed(name: str, node: str | None = None, **fields: Any) -> Scenario:
    """Return a built-in scenario with fields of the document, or of one node, changed."""
    document = to_document(load(name))
    target = document
    if node is not None:
        target = next(n for n in document["nodes"] if n["name"] == node)
    for key, value in fields.items():
        target[key] = value
    return from_document(document)


def gpu_of(scenario: Scenario, node: str) -> dict[str, Any]:
    document = to_document(scenario)
    machine = next(n for n in document["nodes"] if n["name"] == node)
    found: dict[str, Any] = next(d for d in machine["pci"] if d.get("gpu"))
    return found
