"""What objects say of themselves, in a few words: what a trace is made of. Pure.

Only what controllers report is looked at, and of that only what does not depend on chance: counts
on their way from none to all, for instance, are just `starting`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube.resources import (
    CATALOG_SOURCES,
    CLUSTER_POLICIES,
    CRDS,
    CSVS,
    DAEMONSETS,
    DEPLOYMENTS,
    INSTALL_PLANS,
    MACHINE_CONFIG_POOLS,
    MACHINE_CONFIGS,
    NAMESPACES,
    NODES,
    OPERATOR_GROUPS,
    OPERATORS,
    PODS,
    SUBSCRIPTIONS,
)

Says = Iterator[tuple[str, str]]
"""Aspects of an object (empty for the whole) with what each of them says; nothing for silence."""

GONE: Final = "gone"
NODE_FEATURE_DISCOVERIES: Final = Resource(
    "nfd.openshift.io", "v1", "nodefeaturediscoveries", "NodeFeatureDiscovery"
)
_UNDER_WAY: Final = "InstallPlanPending (Installing)"
"""OLM sets it and takes it back several times, also long after the plan was carried out."""
_MCO: Final = "machineconfiguration.openshift.io"


class Look(Struct, frozen=True):
    """How a kind is looked at.

    Attributes:
        resource: The kind.
        says: What an object of it says.
        name: What it is called in a trace; empty for objects that are not looked at.
    """

    resource: Resource
    says: Callable[[RawObject], Says]
    name: Callable[[RawObject], str] = lambda obj: str(obj["metadata"]["name"])


def _status(obj: RawObject) -> Mapping[str, Any]:
    return obj.get("status") or {}


def _holding(obj: RawObject) -> list[str]:
    """Return the conditions that hold, each with its reason where it gives one."""
    found = sorted(_status(obj).get("conditions") or [], key=lambda c: str(c["type"]))
    return [
        f"{c['type']} ({c['reason']})" if c.get("reason") else str(c["type"])
        for c in found
        if c["status"] == "True"
    ]


def _holds(obj: RawObject, kind: str) -> str:
    conditions = _status(obj).get("conditions") or []
    return next((str(c["status"]) for c in conditions if c["type"] == kind), "")


def _exists(_obj: RawObject) -> Says:
    yield "", "is there"


def _phase(obj: RawObject) -> Says:
    status = _status(obj)
    reason = f" ({status['reason']})" if status.get("reason") else ""
    yield "", f"{status.get('phase') or ''}{reason}"


def _catalog(obj: RawObject) -> Says:
    yield "", str((_status(obj).get("connectionState") or {}).get("lastObservedState") or "")


def _group(obj: RawObject) -> Says:
    yield "", ", ".join(_status(obj).get("namespaces") or [])


def _subscription(obj: RawObject) -> Says:
    yield "", str(_status(obj).get("state") or "")
    trouble = [text for text in _holding(obj) if text != _UNDER_WAY]
    yield "trouble", ", ".join(trouble) or "none"


def is_established(definition: RawObject) -> bool:
    """Tell whether the kind of a definition is served, and not on its way out."""
    leaving = definition["metadata"].get("deletionTimestamp")
    return not leaving and _holds(definition, "Established") == "True"


def _definition(obj: RawObject) -> Says:
    yield "", "Established" if is_established(obj) else ""


def _deployment(obj: RawObject) -> Says:
    yield "", {"True": "available", "False": "unavailable"}.get(_holds(obj, "Available"), "")


def _daemonset(obj: RawObject) -> Says:
    status = _status(obj)
    if status.get("observedGeneration") != obj["metadata"].get("generation"):
        return
    wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    yield "", "wants no pod" if not wanted else "ready" if ready >= wanted else "starting"


def _policy(obj: RawObject) -> Says:
    yield "", str(_status(obj).get("state") or "")
    yield "conditions", ", ".join(_holding(obj))


def _conditions(obj: RawObject) -> Says:
    yield "", ", ".join(_holding(obj))


def _pool(obj: RawObject) -> Says:
    kinds = ("Updated", "Updating", "Degraded")
    yield "", ", ".join(k for k in kinds if _holds(obj, k) == "True")


def _pod(obj: RawObject) -> Says:
    ready = " ready" if _holds(obj, "Ready") == "True" else ""
    yield "", f"{_status(obj).get('phase') or ''}{ready}"


def _node(obj: RawObject) -> Says:
    spec = obj.get("spec") or {}
    yield "", "ready" if _holds(obj, "Ready") == "True" else "not ready"
    yield "scheduling", "cordoned" if spec.get("unschedulable") else "open"
    taints = (f"{t['key']}:{t['effect']}" for t in spec.get("taints") or [])
    ours = sorted(t for t in taints if not t.startswith("node.kubernetes.io/"))
    yield "taints", ", ".join(ours) or "none"


def _machine(obj: RawObject) -> Says:
    yield from _node(obj)
    notes = obj["metadata"].get("annotations") or {}
    current, desired = notes.get(f"{_MCO}/currentConfig"), notes.get(f"{_MCO}/desiredConfig")
    behind = "" if current == desired else ", behind"
    yield "machine config", f"{notes.get(f'{_MCO}/state') or ''}{behind}"
    asked, done = notes.get(f"{_MCO}/desiredDrain"), notes.get(f"{_MCO}/lastAppliedDrain")
    yield "drain", f"{(asked or '').partition('-')[0]}{' done' if asked == done else ''}"


def _gpu_node(obj: RawObject) -> Says:
    yield from _node(obj)
    labels = obj["metadata"].get("labels") or {}
    card = labels.get("feature.node.kubernetes.io/pci-10de.present")
    yield "card found", card or "no"
    yield "card labelled", labels.get("nvidia.com/gpu.present") or "no"
    yield "driver upgrade", labels.get("nvidia.com/gpu-driver-upgrade-state") or "none"
    yield "GPUs", str((_status(obj).get("allocatable") or {}).get("nvidia.com/gpu", "none"))


def _of_daemonset(pod: RawObject) -> str:
    """Return a name of a DaemonSet's pod that does not change from run to run."""
    for owner in pod["metadata"].get("ownerReferences") or []:
        if owner["kind"] == DAEMONSETS.kind:
            return f"{owner['name']} on {_wanted_node(pod)}"
    return ""


def _wanted_node(pod: RawObject) -> str:
    """Return the node that a DaemonSet's pod is for, which it says before it is scheduled."""
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution", {}
    )
    for term in affinity.get("nodeSelectorTerms") or []:
        for field in term.get("matchFields") or []:
            if field["key"] == "metadata.name":
                return str(field["values"][0])
    return str(pod["spec"].get("nodeName") or "")


def _versionless(csv: RawObject) -> str:
    """Return a CSV's name without its version; that of a copy is not looked at."""
    if "olm.copiedFrom" in (csv["metadata"].get("labels") or {}):
        return ""
    return str(csv["metadata"]["name"]).partition(".")[0]


def _prefix(obj: RawObject) -> str:
    """Return a name without the part at its end that is made up."""
    return str(obj["metadata"]["name"]).rpartition("-")[0] + "-*"


def _rendered(config: RawObject) -> str:
    name = str(config["metadata"]["name"])
    return _prefix(config) if name.startswith("rendered-") else name


ROAD: Final = (
    Look(NAMESPACES, _phase),
    Look(CATALOG_SOURCES, _catalog),
    Look(OPERATOR_GROUPS, _group),
    Look(SUBSCRIPTIONS, _subscription),
    Look(INSTALL_PLANS, _phase, _prefix),
    Look(CSVS, _phase, _versionless),
    Look(CRDS, _definition),
    Look(OPERATORS, _exists),
    Look(DEPLOYMENTS, _deployment),
    Look(DAEMONSETS, _daemonset),
    Look(PODS, _pod, _of_daemonset),
    Look(NODE_FEATURE_DISCOVERIES, _conditions),
    Look(CLUSTER_POLICIES, _policy),
    Look(NODES, _gpu_node),
)
"""The road to GPUs, on a cluster that needs no new machine configuration."""
MACHINE_CONFIG: Final = (
    Look(MACHINE_CONFIG_POOLS, _pool),
    Look(MACHINE_CONFIGS, _exists, _rendered),
    Look(NODES, _machine),
)
"""What a MachineConfig sets going."""
LOOKS: Final = {look.resource.kind: look for look in (*MACHINE_CONFIG, *ROAD)}
"""How each kind is looked at, by its name."""
