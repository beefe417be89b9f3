"""How far OLM is with an operator: Subscription, InstallPlan, ClusterServiceVersion."""

from collections.abc import Iterable
from typing import Any

from msgspec import structs

from oc_gpu.kube import RawObject
from oc_gpu.kube.errors import clean
from oc_gpu.kube.resources import INSTALL_PLANS
from oc_gpu.snapshot.kinds import Pod
from oc_gpu.snapshot.model import Snapshot, spec_of
from oc_gpu.stages import workloads
from oc_gpu.stages.model import ObjectRef, Patch, Progress, State
from oc_gpu.stages.ownership import is_ours


def subscription(snapshot: Snapshot, package: str) -> RawObject | None:
    """Return the Subscription of a package wherever it is; ours first."""
    found = [s for s in snapshot.table("subscriptions") if spec_of(s).get("name") == package]
    found.sort(key=lambda s: not is_ours(s))
    return found[0] if found else None


def csv_name(sub: RawObject) -> str:
    """Return the name of the CSV that a Subscription has or is about to have."""
    status = sub.get("status") or {}
    return str(status.get("installedCSV") or status.get("currentCSV") or "")


def csv_of(snapshot: Snapshot, sub: RawObject) -> RawObject | None:
    """Return the CSV of a Subscription."""
    return snapshot.raw("csvs", csv_name(sub), sub["metadata"]["namespace"])


def installed(snapshot: Snapshot, package: str) -> Progress:
    """Say how far OLM is with installing a package whose Subscription was made."""
    sub = subscription(snapshot, package)
    if sub is None:
        return Progress(State.WAITING, f"Subscription of {package} is made")
    csv = csv_of(snapshot, sub)
    phase = (csv or {}).get("status", {}).get("phase", "")
    if phase == "Succeeded":
        return Progress(State.DONE, csv_name(sub))
    return (
        _failed_pod(snapshot, csv)
        or _failed_csv(csv)
        or _failed_subscription(sub)
        or _approval(snapshot, sub)
        or Progress(State.WAITING, _under_way(snapshot, sub, csv))
    )


def _pods(snapshot: Snapshot, csv: RawObject) -> tuple[Pod, ...]:
    """Return the pods of a CSV's Deployments, which its ReplicaSets are named after."""
    install = (csv.get("spec") or {}).get("install", {}).get("spec") or {}
    starts = tuple(f"{entry['name']}-" for entry in install.get("deployments") or ())
    return tuple(
        pod
        for pod in snapshot.pods
        if pod.metadata.namespace == csv["metadata"]["namespace"]
        and any(
            owner.kind == "ReplicaSet" and owner.name.rpartition("-")[0] + "-" in starts
            for owner in pod.metadata.owner_references
        )
    )


def _failed_pod(snapshot: Snapshot, csv: RawObject | None) -> Progress | None:
    """Return what keeps an operator's own pod from running, which OLM would wait for."""
    if csv is None:
        return None
    trouble = workloads.first_crash(_pods(snapshot, csv))
    if trouble is None:
        return None
    return structs.replace(trouble, detail=f"{_stands(csv)}: {trouble.detail}")


def approvals(snapshot: Snapshot, package: str) -> tuple[Patch, ...]:
    """Return the approval of our own Subscription's InstallPlan where it is Manual.

    A plan that brings operators of somebody else as well is left to its owner.
    """
    sub = subscription(snapshot, package)
    plan = _plan(snapshot, sub) if sub is not None and is_ours(sub) else None
    if sub is None or plan is None or spec_of(plan).get("approved"):
        return ()
    if spec_of(plan).get("clusterServiceVersionNames") != [spec_of(sub).get("startingCSV")]:
        return ()
    meta = plan["metadata"]
    patch = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "spec": {"approved": True}}
    ref = ObjectRef(INSTALL_PLANS, meta["name"], meta["namespace"])
    return (Patch(ref, patch, holds=False, why="approve the install plan of our Subscription"),)


def _plan(snapshot: Snapshot, sub: RawObject) -> RawObject | None:
    ref = (sub.get("status") or {}).get("installPlanRef")
    return snapshot.raw("installplans", ref["name"], ref["namespace"]) if ref else None


def _approval(snapshot: Snapshot, sub: RawObject) -> Progress | None:
    plan = _plan(snapshot, sub)
    if plan is None or spec_of(plan).get("approved"):
        return None
    name, namespace = plan["metadata"]["name"], plan["metadata"]["namespace"]
    command = f"oc patch installplan/{name} -n {namespace} --type=merge"
    return Progress(
        State.BLOCKED,
        f"InstallPlan/{name} in {namespace} waits for approval",
        hints=(f'{command} -p \'{{"spec":{{"approved":true}}}}\'',),
        cause="olm-installplan-awaiting-approval",
        objects=(f"InstallPlan/{name}",),
    )


_PASSING = frozenset({"ComponentUnhealthy", "InstallCheckFailed", "NeedsReinstall"})
"""Reasons of a failed CSV that OLM takes back by itself when the operator's pod runs again; its
node may just be drained. What keeps the pod from running shows on the pod."""


def _failed_csv(csv: RawObject | None) -> Progress | None:
    status = (csv or {}).get("status", {})
    if csv is None or status.get("phase") != "Failed" or status.get("reason") in _PASSING:
        return None
    meta = csv["metadata"]
    return Progress(
        State.FAILED,
        f"{meta['name']}: {clean(status.get('message') or status.get('reason') or '')}",
        hints=(f"oc describe csv/{meta['name']} -n {meta['namespace']}",),
        objects=(f"ClusterServiceVersion/{meta['name']}",),
    )


_FATAL = {
    "ResolutionFailed": "olm-package-not-in-catalog",
    "InstallPlanFailed": None,
    "BundleUnpackFailed": "olm-bundle-unpack-failed",
}


def _failed_subscription(sub: RawObject) -> Progress | None:
    for condition in (sub.get("status") or {}).get("conditions") or ():
        if condition.get("reason") == "ErrorPreventedResolution":
            continue  # a catalog does not answer at the moment
        if condition["type"] in _FATAL and condition["status"] == "True":
            meta = sub["metadata"]
            return Progress(
                State.FAILED,
                f"OLM cannot install {sub['spec']['name']}: "
                f"{clean(condition.get('message') or condition.get('reason') or '')}",
                hints=(f"oc describe subscription/{meta['name']} -n {meta['namespace']}",),
                cause=_FATAL[condition["type"]],
                objects=(f"Subscription/{meta['name']}",),
            )
    return None


def _stands(csv: RawObject) -> str:
    phase = csv.get("status", {}).get("phase") or "Pending"
    return f"{csv['metadata']['name']} is {phase}"


def _under_way(snapshot: Snapshot, sub: RawObject, csv: RawObject | None) -> str:
    if csv is not None:
        return f"{_stands(csv)}{_because(csv)}{_unready_pod(snapshot, csv)}"
    state = (sub.get("status") or {}).get("state")
    return f"OLM resolves {sub['spec']['name']}" + (f" ({state})" if state else "")


def _because(csv: RawObject) -> str:
    """Return why a CSV failed that OLM does not give up."""
    status = csv.get("status", {})
    if status.get("phase") != "Failed":
        return ""
    told = (status.get("reason"), status.get("message"))
    return f" ({clean(': '.join(filter(None, told)))}); OLM tries again by itself"


def _unready_pod(snapshot: Snapshot, csv: RawObject) -> str:
    for pod in _pods(snapshot, csv):
        if not workloads.is_ready(pod):
            said = clean(workloads.unscheduled(pod)) or workloads.waiting_reason(pod)
            return f", pod {pod.metadata.name}: {said}"
    return ""


def conditions(raw: RawObject) -> dict[str, Any]:
    """Return the conditions of an object by type."""
    found: Iterable[RawObject] = (raw.get("status") or {}).get("conditions") or ()
    return {condition["type"]: condition for condition in found}
