"""Checks of what a rollout that reboots nodes would meet."""

from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.kube import RawObject
from oc_gpu.snapshot.sources import BUDGETS

_SHOWN = 6


def _blocks(budget: RawObject) -> bool:
    """Tell whether no pod of a budget may be evicted at the moment."""
    status = budget.get("status") or {}
    return bool(status.get("expectedPods")) and not status.get("disruptionsAllowed")


def _budgets(inputs: Inputs) -> Results:
    found = [budget for budget in inputs.snapshot.table(BUDGETS) if _blocks(budget)]
    if not found:
        return (Result(Severity.OK, "no PodDisruptionBudget stands in the way of a drain"),)
    return tuple(_budget(inputs, budget) for budget in found[:_SHOWN]) + _rest(inputs, len(found))


def _severity(inputs: Inputs) -> Severity:
    return Severity.WARNING if inputs.entitlement.rolls_out else Severity.INFO


def _budget(inputs: Inputs, budget: RawObject) -> Result:
    meta, status = budget["metadata"], budget.get("status") or {}
    name = f"PodDisruptionBudget/{meta['name']}"
    space = meta.get("namespace", "")
    spec = budget.get("spec") or {}
    rule = next((f"{k}: {spec[k]}" for k in ("minAvailable", "maxUnavailable") if k in spec), "")
    healthy = f"{status.get('currentHealthy', 0)} of {status['expectedPods']} pods healthy"
    ends = "the drain of their nodes waits" if inputs.entitlement.rolls_out else "a drain waits"
    title = f"{name} in {space} lets no pod be evicted, so {ends}"
    seen = (Evidence(name, f"spec.{rule}, disruptionsAllowed: 0, {healthy}"),)
    remedy = (
        f"oc get pods -n {space} -o wide",
        f"scale its workload up, or allow one: oc edit pdb -n {space} {meta['name']}",
    )
    return Result(_severity(inputs), title, "drain-blocked-by-pdb", (name,), seen, remedy)


def _rest(inputs: Inputs, count: int) -> Results:
    if count <= _SHOWN:
        return ()
    title = f"{count - _SHOWN} more PodDisruptionBudgets let no pod be evicted"
    return (Result(_severity(inputs), title, "drain-blocked-by-pdb", remedy=("oc get pdb -A",)),)


DISRUPTION = Check(
    "OCG0402",
    "disruption-budgets",
    "machine-config",
    "no PodDisruptionBudget would block a drain",
    _budgets,
    (BUDGETS,),
)
