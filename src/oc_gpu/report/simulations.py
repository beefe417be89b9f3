"""Simulated clusters as text."""

from collections.abc import Iterator

from oc_gpu.report.documents import Faults, Simulations, Started
from oc_gpu.report.look import Look


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
