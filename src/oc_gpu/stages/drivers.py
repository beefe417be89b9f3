"""How driver pods follow a changed ClusterPolicy, and whom that disturbs.

Before GPU Operator 22.9.2 their DaemonSet replaces them by itself. Since then it is `OnDelete`, and
the operator's upgrade controller does it node by node, where the policy says `autoUpgrade`: it
cordons the node and deletes the pods that use its GPUs (NVIDIA/k8s-operator-libs pkg/upgrade).
"""

from oc_gpu import facts
from oc_gpu.kube import RawObject
from oc_gpu.manifests.merging import at
from oc_gpu.snapshot.kinds import DaemonSet, Node
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages import workloads
from oc_gpu.stages.engine import holds
from oc_gpu.stages.model import Progress, State
from oc_gpu.stages.platform import Platform

COMPONENT = "driver"
"""Key of the driver in a ClusterPolicy's spec."""
_DONE, _FAILED = "upgrade-done", "upgrade-failed"


def upgrades_itself(policies: tuple[RawObject, ...]) -> bool:
    """Tell whether the operator replaces driver pods that are outdated."""
    path = (COMPONENT, "upgradePolicy", "autoUpgrade")
    return any(at(policy.get("spec"), path) is True for policy in policies)


def daemon_sets(snapshot: Snapshot, platform: Platform) -> tuple[DaemonSet, ...]:
    """Return the driver's DaemonSets, one for each release of the nodes' system."""
    names = [o.name for o in platform.operator.era.operands if o.key == COMPONENT]
    return tuple(
        item
        for item in snapshot.daemon_sets
        if item.metadata.namespace == platform.operand_namespace
        and item.metadata.name.startswith(tuple(names))
    )


def waits_for_hand(item: DaemonSet, policies: tuple[RawObject, ...]) -> bool:
    """Tell whether outdated pods of a DaemonSet stay until somebody deletes them."""
    return item.spec.update_strategy.type == "OnDelete" and not upgrades_itself(policies)


def upgrading(snapshot: Snapshot, platform: Platform) -> Progress | None:
    """Return how far the operator is with replacing driver pods, None when it replaces none."""
    policies = snapshot.table("clusterpolicies")
    if not upgrades_itself(policies):
        return None
    failed = next((node for node in platform.gpu_nodes if _state(node) == _FAILED), None)
    if failed is not None:
        return _not_upgraded(failed.metadata.name)
    for node in platform.gpu_nodes:
        if _state(node) not in ("", _DONE):
            text = f"the driver on {node.metadata.name} is replaced ({_state(node)})"
            return Progress(State.WAITING, text)
    for item in daemon_sets(snapshot, platform):
        if item.spec.update_strategy.type == "OnDelete" and workloads.is_replacing(item):
            return Progress(State.WAITING, f"{item.metadata.name} replaces its pods node by node")
    return None


def _state(node: Node) -> str:
    return node.metadata.labels.get(facts.gpu_labels().upgrade_state, "")


def _not_upgraded(node: str) -> Progress:
    label = facts.gpu_labels().upgrade_state
    again = f"oc label node {node} {label}=upgrade-required --overwrite"
    return Progress(
        State.FAILED,
        f"the GPU Operator could not replace the driver on {node} ({label}={_FAILED}); most often "
        "a pod that uses a GPU has no controller, and such pods it does not delete; the node stays "
        "cordoned",
        hints=(
            f"oc get pods -A --field-selector spec.nodeName={node}",
            f"end the pods that use its GPUs, then let it try again: {again}",
        ),
        objects=(f"Node/{node}",),
    )


def disturbance(snapshot: Snapshot, platform: Platform, live: RawObject, wanted: RawObject) -> str:
    """Say what a change of a ClusterPolicy does to running drivers, empty when nothing.

    Args:
        snapshot: What is known.
        platform: The cluster.
        live: The spec as it is.
        wanted: The fields of the spec as they are to be.
    """
    running = [d for d in daemon_sets(snapshot, platform) if d.status.desired_number_scheduled]
    if not running or not _concerns_driver(platform, live, wanted):
        return ""
    policies = ({"spec": {**live, **wanted}},)
    if any(waits_for_hand(item, policies) for item in running):
        return "driver pods keep their old settings until somebody deletes them"
    if upgrades_itself(policies):
        return (
            "driver pods restart node by node; each GPU node is cordoned meanwhile, "
            "and pods that use its GPUs are deleted"
        )
    return "driver pods restart; pods that use a GPU there lose it"


def _concerns_driver(platform: Platform, live: RawObject, wanted: RawObject) -> bool:
    paths = [p for p in platform.operator.toleration_paths if p[0] in ("daemonsets", COMPONENT)]
    if any((at(live, path) or []) != (at(wanted, path) or []) for path in paths):
        return True
    return not holds(wanted.get(COMPONENT, {}), live.get(COMPONENT, {}))
