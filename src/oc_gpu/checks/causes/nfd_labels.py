"""Layer nfd: labels that are wrong, or do not come."""

from oc_gpu.checks.case import (
    FEATURES,
    Case,
    has_features,
    offers_gpu,
    pci_label,
    short,
    short_of_pods,
    spec,
)
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.nfd import (
    FAMILY,
    WORKERS,
    has_card,
    is_control,
)
from oc_gpu.checks.causes.nfd_settings import config
from oc_gpu.checks.components import (
    DRIVER,
    GFD,
    MIG,
    NFD,
    NFD_MASTER,
    NFD_OPERATOR,
    NFD_WORKER,
    OPERATOR,
    PLUGIN,
    TOOLKIT,
    VGPU_CONFIG,
)
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import cause, find, note, of_node, result
from oc_gpu.checks.troubles import PULLING
from oc_gpu.snapshot.kinds import Node


def is_here(case: Case) -> bool:
    """Tell whether anything of NFD is installed, or has labelled nodes."""
    return bool(
        case.pods_of(*NFD)
        or any(name in NFD for name, _ in case.workloads)
        or any(str(spec(raw).get("name")) == "nfd" for raw in case.snapshot.table("subscriptions"))
        or case.snapshot.table("nodefeaturediscoveries")
    )


_ASKS_FOR_NFD = (
    "did you run the node feature discovery",
    "is nfd installed",
    "nfd labels missing",
)
"""What the GPU Operator says of nodes that carry none of NFD's labels, release by release."""


def _missing(case: Case, says: str) -> Results:
    nodes = case.snapshot.nodes
    if is_here(case) or any(has_features(node) for node in nodes):
        return ()
    quotes = [q for q in find(case, _ASKS_FOR_NFD, (OPERATOR,)) if q.live]
    if not nodes:
        return (result(says, quotes, at=0.72),) if quotes else ()
    if not case.managed:
        return ()
    evidence = (
        Evidence("nodes", f"none of {len(nodes)} has a label {FEATURES}*"),
        Evidence("pods, DaemonSets and Deployments", "none of Node Feature Discovery"),
        *(quote.evidence for quote in quotes[:1]),
    )
    return (Result(Severity.ERROR, says, evidence=evidence, confidence=0.93),)


def _unlabelled(case: Case, says: str) -> Results:
    """Find GPU nodes that NFD, installed as it is, does not label."""
    if not is_here(case) or case.labelled or not case.snapshot.nodes:
        return _single(case, says)
    if any(has_features(node) for node in case.snapshot.nodes):
        return _single(case, says)
    workers = case.sets_of(NFD_WORKER)
    instances = case.snapshot.table("nodefeaturediscoveries")
    has_instance = bool(instances or workers or case.pods_of(NFD_WORKER))
    lacks = (
        Evidence("NodeFeatureDiscovery", "there is no instance, so no worker")
        if not has_instance
        else Evidence("nodes", f"none has a label {FEATURES}*")
    )
    operator = [t for t in case.troubles_of(NFD_OPERATOR) if t.fails]
    at = 0.9 if not has_instance and not operator else 0.75
    if any(one.state in PULLING for one in case.troubles_of(*NFD)):
        at = 0.3
    elif case.troubles_of(*NFD, fails=True):
        at = 0.45 if case.troubles_of(NFD_WORKER, fails=True) else 0.6
    elif any(map(short_of_pods, workers)) and not case.pods_of(NFD_WORKER):
        at = 0.45
    elif has_instance and _lacks_master(case):
        at = 0.6
    if not case.managed and not operator and not has_instance:
        at = 0.6
    return (Result(Severity.ERROR, says, evidence=(lacks,), confidence=at),)


def _lacks_master(case: Case) -> bool:
    short_of = any(name == NFD_MASTER and short(item) for name, item in case.deployments)
    return short_of or bool(case.troubles_of(NFD_MASTER))


def _single(case: Case, says: str) -> Results:
    for node in case.snapshot.nodes:
        if has_card(case, node) and not pci_label(node) and case.managed and is_here(case):
            name = node.metadata.name
            evidence = (
                Evidence(f"lspci of Node/{name}", "an NVIDIA GPU"),
                Evidence(f"labels of Node/{name}", f"no {FEATURES}pci-10de.present"),
            )
            ill = case.troubles_of(NFD_WORKER, fails=True)
            at = 0.45 if any(t.pod.spec.node_name == name for t in ill) else 0.8
            return (of_node(node, says, evidence, at),)
    return _by_hand(case, says) or _passed_over(case)


_NO_KERNEL = ("did you run the node feature discovery", "could not find kernel full version")


def _by_hand(case: Case, says: str) -> Results:
    """Find GPU nodes with the PCI label alone, and an operator that misses the others."""
    for node in case.labelled:
        features = [name for name in node.metadata.labels if name.startswith(FEATURES)]
        quotes = [q for q in find(case, _NO_KERNEL, (OPERATOR,), ("log",)) if q.live]
        if quotes and len(features) == 1:
            where = f"labels of Node/{node.metadata.name}"
            alone = Evidence(where, f"of {FEATURES}* only {features[0].removeprefix(FEATURES)}")
            return (of_node(node, says, (alone, quotes[0].evidence), 0.85),)
    return ()


_OVER = "a node offers GPUs, and lacks the PCI label by which what labels GPUs is placed"


def _passed_over(case: Case) -> Results:
    """Note nodes that offer GPUs, and that NFD sees without one: machines of WSL have no PCI."""
    pci = f"{FEATURES}pci-10de.present"
    chosen = [
        item
        for item in case.sets_of(GFD, PLUGIN)
        if item.spec.template.spec.node_selector.get(pci) == "true"
    ]
    for node in case.snapshot.nodes:
        if chosen and has_features(node) and not pci_label(node) and offers_gpu(node):
            where = f"Node/{node.metadata.name}"
            evidence = (
                Evidence(f"labels of {where}", f"no {pci}"),
                Evidence(f"DaemonSet/{chosen[0].metadata.name}", f"selects {pci}"),
            )
            return (note(of_node(node, _OVER, evidence, 0.45)),)
    return ()


def _no_gpu(case: Case, says: str) -> Results:
    nodes = case.snapshot.nodes
    labelled = [node for node in nodes if has_features(node)]
    if not case.managed or not labelled or case.gpu_nodes:
        return ()
    if any(has_card(case, node) for node in nodes) or config(case):
        return ()
    evidence = [Evidence("nodes", f"{len(labelled)} labelled by NFD, none with pci-10de.present")]
    quotes = find(case, ("could not get any nodes to match pci", "no gpu node"), (OPERATOR,))
    evidence += [quote.evidence for quote in quotes[:1]]
    bare = [n for n in nodes if not has_features(n) and not is_control(n)]
    at = 0.55 if bare else 0.88
    return (Result(Severity.ERROR, says, evidence=tuple(evidence), confidence=at),)


DEPLOYS = "nvidia.com/gpu.deploy."


_UPGRADE = "nvidia.com/gpu-driver-upgrade-state"


_BUSY = ("", "upgrade-done", "upgrade-failed", "unknown")


_UNDER_WAY = "operands are paused for a change of layout that is said to be under way, and may hang"


def _deploy(case: Case, says: str) -> Results:
    for node in case.labelled:
        labels = node.metadata.labels
        off = {
            name: value
            for name, value in labels.items()
            if name.startswith(DEPLOYS)
            and value not in ("true", "pre-installed")
            and _meant(case, name)
        }
        upgrading = labels.get(_UPGRADE, "") not in _BUSY
        paused = all("paused" in value for value in off.values())
        changing = _is_changing(labels)
        if not off or upgrading or (changing and not paused):
            continue
        name = node.metadata.name
        where = f"labels of Node/{name}"
        evidence = tuple(Evidence(where, f"{k}: {v!r}") for k, v in list(off.items())[:3])
        driver = [t for t in case.troubles_of(DRIVER, MIG) if t.pod.spec.node_name == name]
        if paused and changing:
            says = _UNDER_WAY
        open_why = driver or changing or _gave_up(case, node)
        at = 0.45 if paused and open_why else 0.6 if driver else 0.94
        if offers_gpu(node) and not case.unwell:
            at = min(at, 0.7)
        found = of_node(node, says, evidence, at)
        if paused and changing and not case.unwell:
            found = note(found)
        return (found,)
    return _undeployed(case, says)


_STATES = ("nvidia.com/mig.config.state", "nvidia.com/vgpu.config.state")


def _is_changing(labels: dict[str, str]) -> bool:
    """Tell whether a change of a layout is said to be under way: it may be, or may hang."""
    return any(labels.get(name) in ("pending", "rebooting") for name in _STATES)


_GAVE_UP = ("unable to apply config", "error applying*config", "error getting vgpu config")


def _gave_up(case: Case, node: Node) -> bool:
    """Tell whether who pauses operands says that its change failed: then that is the cause.

    Not every release puts it into the label, too.
    """
    labels, name = node.metadata.labels, node.metadata.name
    said = find(case, _GAVE_UP, (MIG, VGPU_CONFIG), ("log",))
    return any(labels.get(state) == "failed" for state in _STATES) or any(
        quote.node == name for quote in said
    )


_FIELDS = {
    "container-toolkit": "toolkit",
    "device-plugin": "devicePlugin",
    "dcgm-exporter": "dcgmExporter",
    "gpu-feature-discovery": "gfd",
    "mig-manager": "migManager",
    "node-status-exporter": "nodeStatusExporter",
    "operator-validator": "validator",
}
"""Fields of the ClusterPolicy for operands that are called otherwise in labels."""


_NVSWITCH = "nvsm"
"""An operand of DGX systems alone, whose label is empty elsewhere."""


def _meant(case: Case, name: str) -> bool:
    """Leave out labels of operands that this kind of node does not run, or nobody is to run."""
    part = name.removeprefix(DEPLOYS)
    if part == _NVSWITCH or case.setting(_FIELDS.get(part, part), "enabled") is False:
        return False
    return (
        not part.startswith(("sandbox", "vgpu", "vfio", "kata", "cc-"))
        or case.setting("sandboxWorkloads", "enabled") is True
    )


_USE = "nvidia.com/gpu.workload.config"
"""Label by which the cards of a node are for containers or for virtual machines."""


def _undeployed(case: Case, says: str) -> Results:
    """Find GPU nodes that lack all labels that switch operands on, though the operator runs."""
    if not case.policies or case.operator_version[:2] < (1, 8):
        return ()
    if not case.pods_of(OPERATOR) or case.troubles_of(OPERATOR):
        return ()
    for node in case.labelled:
        labels = node.metadata.labels
        if labels.get("nvidia.com/gpu.deploy.operands") == "false":
            continue
        if not any(name.startswith(DEPLOYS) for name in labels) and case.sets_of(DRIVER):
            where = f"labels of Node/{node.metadata.name}"
            return (of_node(node, says, (Evidence(where, f"no {DEPLOYS}*"),), 0.75),)
        lacks = [] if labels.get(_USE, "container") != "container" else _lacking(case, node)
        if lacks and not offers_gpu(node):
            where = f"labels of Node/{node.metadata.name}"
            evidence = tuple(Evidence(where, f"no {name}") for name in lacks[:3])
            return (of_node(node, says, evidence, 0.6),)
    return ()


def _lacking(case: Case, node: Node) -> list[str]:
    """Return the labels that the plugin and the toolkit are placed by, and a node has not.

    Their DaemonSets want no pod on any other node either.
    """
    return [
        name
        for item in case.sets_of(PLUGIN, TOOLKIT)
        for name in item.spec.template.spec.node_selector
        if name.startswith(DEPLOYS)
        and name not in node.metadata.labels
        and not item.status.desired_number_scheduled
    ]


def _twice(case: Case, says: str) -> Results:
    groups: dict[str, list[str]] = {}
    for name, item in case.workloads:
        if name in (NFD_WORKER, NFD_MASTER):
            namespace = item.metadata.namespace
            groups.setdefault(name, []).append(f"{namespace}/{item.metadata.name}")
    for name, found in groups.items():
        if len(found) > 1:
            evidence = tuple(Evidence(name, where) for where in found[:3])
            return (Result(Severity.ERROR, says, evidence=evidence, confidence=0.9),)
    return _pods_twice(case, says)


def _pods_twice(case: Case, says: str) -> Results:
    """Find masters or workers in two namespaces, where what made them was not read."""
    for name in (NFD_MASTER, NFD_WORKER):
        spaces = {pod.metadata.namespace: pod for pod in case.pods_of(name)}
        if len(spaces) > 1:
            pods = [f"{space}/{pod.metadata.name}" for space, pod in sorted(spaces.items())]
            evidence = tuple(Evidence(name, where) for where in pods[:3])
            return (Result(Severity.ERROR, says, evidence=evidence, confidence=0.8),)
    return ()


TWICE = cause(
    "OCG0626",
    "nfd-duplicate",
    FAMILY,
    "nfd",
    title="one Node Feature Discovery labels nodes",
    says="two Node Feature Discovery installations write labels at the same time",
    means="Each removes what the other wrote, so labels come and go, and operands with them.",
    remedy=(
        "oc get daemonset,deployment -A | grep -E 'nfd|node-feature-discovery'",
        (
            "oc delete nodefeaturediscovery NAME -n NAMESPACE   # or nfd.enabled=false in the GPU "
            "Operator's chart"
        ),
    ),
    look=_twice,
)


MISSING = cause(
    "OCG0627",
    "nfd-missing",
    FAMILY,
    "nfd",
    title="Node Feature Discovery is installed",
    says="Node Feature Discovery is not installed, so no node has feature labels",
    means="The GPU Operator finds its nodes by labels of NFD and does nothing without them.",
    remedy=("oc-gpu enable   # installs NFD and its instance",),
    look=_missing,
)


DEPLOY = cause(
    "OCG0631",
    "gpu-deploy-labels-wrong",
    FAMILY,
    "nfd",
    title="the labels that switch operands on are set",
    says="labels that switch operands on are empty or paused, although no upgrade and no MIG "
    "change is running",
    means="k8s-driver-manager and mig-manager pause operands through these labels and set them "
    "back. Where "
    "one was stopped in between, or somebody set them, operands stay away.",
    remedy=(
        (
            "oc label node {node} nvidia.com/gpu.deploy.device-plugin=true --overwrite   # and the "
            "others"
        ),
        "oc delete pod -n nvidia-gpu-operator -l app=gpu-operator   # sets them anew",
        "oc logs -n nvidia-gpu-operator -l app=nvidia-mig-manager   # where a change hangs",
    ),
    look=_deploy,
)


UNLABELLED = cause(
    "OCG0633",
    "nfd-labels-missing",
    FAMILY,
    "nfd",
    title="NFD labels the GPU nodes",
    says="NFD is installed, yet the GPU node has no NVIDIA PCI label",
    means="There is no NodeFeatureDiscovery instance, or its workers do not label this node.",
    remedy=("oc get nodefeaturediscovery -A", WORKERS, "oc-gpu enable"),
    look=_unlabelled,
)


NO_GPU = cause(
    "OCG0634",
    "no-gpu-node",
    FAMILY,
    "nfd",
    title="a node of the cluster has an NVIDIA GPU",
    says="NFD works, but no node of the cluster has an NVIDIA PCI device",
    means="The GPU Operator waits for a GPU node. In a virtual machine the GPU has to be passed "
    "through.",
    remedy=(
        "oc get nodes -l feature.node.kubernetes.io/pci-10de.present=true",
        "oc debug node/NODE -- chroot /host lspci -nn -d 10de:",
    ),
    look=_no_gpu,
)

CAUSES = (
    TWICE,
    MISSING,
    DEPLOY,
    UNLABELLED,
    NO_GPU,
)
