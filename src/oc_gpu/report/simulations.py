"""Simulated clusters: their documents, and these as text."""

from collections.abc import Iterator
from typing import Literal

from oc_gpu.report.documents import Document, Value
from oc_gpu.report.look import Look


class Simulation(Value, frozen=True, kw_only=True):
    """One simulated cluster that runs."""

    name: str
    scenario: str
    kubeconfig: str
    pid: int
    server: str


class Simulations(Document, frozen=True, kw_only=True):
    """The simulated clusters of this user that run."""

    kind: Literal["Simulations"] = "Simulations"
    simulated: bool = True
    items: tuple[Simulation, ...] = ()


class Started(Document, frozen=True, kw_only=True):
    """A simulated cluster that was started."""

    kind: Literal["Simulation"] = "Simulation"
    simulated: bool = True
    name: str
    scenario: str
    kubeconfig: str
    pid: int
    server: str


class Fault(Value, frozen=True, kw_only=True):
    """A fault that a simulated cluster can have.

    Attributes:
        says: The fact that it changes, in one sentence.
        untold: What a simulation cannot tell of it.
        active: Whether the cluster has it now.
    """

    name: str
    says: str
    untold: str = ""
    active: bool = False


class Faults(Document, frozen=True, kw_only=True):
    """The faults of a simulated cluster: those that it has, and those that it can have."""

    kind: Literal["Faults"] = "Faults"
    simulated: bool = True
    name: str
    items: tuple[Fault, ...] = ()


DOCUMENTS: tuple[type[Document], ...] = (Simulations, Started, Faults)


def started(one: Started, look: Look) -> Iterator[str]:
    """Yield the lines about a cluster that was started: what to type next."""
    yield look.hanging("", f"Simulated OpenShift {one.name} ({one.scenario}) at {one.server}")
    yield f"  export KUBECONFIG={one.kubeconfig}"
    yield "  oc-gpu check"
    yield f"Take it down with: oc-gpu sim down {one.name}"


def table(found: Simulations, look: Look) -> Iterator[str]:
    """Yield the table of clusters."""
    if not found.items:
        yield "No simulated cluster runs."
        return
    rows = [(one.name, one.scenario, str(one.pid), one.kubeconfig) for one in found.items]
    yield from look.table(rows, header=("NAME", "SCENARIO", "PID", "KUBECONFIG"))


def faults(found: Faults, look: Look) -> Iterator[str]:
    """Yield the table of faults: those that the cluster has first."""
    ordered = sorted(found.items, key=lambda one: not one.active)
    rows = [(one.name, "yes" if one.active else "-", one.says) for one in ordered]
    yield from look.table(rows, header=("FAULT", "HAS IT", "WHAT IS SO THEN"))
