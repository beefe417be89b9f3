"""Stage nfd: Node Feature Discovery labels the nodes that have an NVIDIA card.

An NFD that somebody else made is used as it is; only its labels matter to what follows.
"""

from oc_gpu.kube import RawObject
from oc_gpu.manifests.nfd import node_feature_discovery
from oc_gpu.snapshot.kept import kept
from oc_gpu.snapshot.kinds import Node
from oc_gpu.snapshot.naming import named, names_of
from oc_gpu.stages import leftovers, olm, operators, tolerations, workloads
from oc_gpu.stages.context import Context
from oc_gpu.stages.model import (
    Apply,
    Delete,
    Milestone,
    ObjectRef,
    Progress,
    StagePlan,
    State,
)
from oc_gpu.stages.ownership import is_ours, owner_of
from oc_gpu.stages.platform import has_card
from oc_gpu.stages.record import GPU_KEYS, NODE_KEYS

NAME = "nfd"
TITLE = "Node Feature Discovery"
GROUPS = ("nfd.openshift.io", "nfd.k8s-sigs.io")
FEATURE = "feature.node.kubernetes.io/"


def plan(context: Context) -> StagePlan:
    """Return the road of NFD in one snapshot."""
    foreign = next((i for i in _instances(context) if not is_ours(i)), None)
    if foreign is not None:
        name = foreign["metadata"]["name"]
        decision = f"NodeFeatureDiscovery/{name} of {owner_of(foreign)} is used as it is"
        return StagePlan(NAME, TITLE, (_labelled(context),), decision=decision)
    install = context.platform.nfd
    decision = f"{install.package} from channel {install.channel} of {install.catalog}"
    milestones = (olm.installation(context, install, NAME), _instance(context), _labelled(context))
    return StagePlan(NAME, TITLE, milestones, decision=decision)


def _instances(context: Context) -> tuple[RawObject, ...]:
    return context.snapshot.table("nodefeaturediscoveries")


def wanted_instance(context: Context) -> RawObject | None:
    """Return the NodeFeatureDiscovery as wanted, None without an example to make it from."""
    platform = context.platform
    if platform.nfd.example is None:
        return None
    return node_feature_discovery(
        platform.nfd.example, platform.release.nfd, platform.nfd_namespace, _tolerations(context)
    )


def _instance(context: Context) -> Milestone:
    platform = context.platform
    manifest = wanted_instance(context)
    if manifest is None:
        return Milestone("NFD runs", progress=Progress(State.WAITING, "its example is read"))
    actions: list[Apply] = []
    if platform.nfd_namespace != platform.nfd.namespace:
        actions.append(olm.namespace(platform.nfd_namespace, NAME))
    actions.append(olm.apply(platform.nfd_resource, manifest))
    return Milestone("NFD runs on every worker", tuple(actions), _running(context))


def _tolerations(context: Context) -> tuple[RawObject, ...]:
    taint = context.taint
    return () if taint is None or not taint.repels else (tolerations.for_taint(taint),)


def _running(context: Context) -> Progress:
    """Say whether all NFD DaemonSets and Deployments that its operator makes are ready."""
    snapshot, namespace = context.snapshot, context.platform.nfd_namespace
    sets = [
        d
        for d in snapshot.daemon_sets
        if d.metadata.namespace == namespace and d.metadata.name.startswith("nfd-")
    ]
    if not any(d.metadata.name == "nfd-worker" for d in sets):
        return Progress(State.WAITING, "the NFD operator makes nfd-worker")
    for item in sets:
        if not workloads.settled(item) or not item.status.desired_number_scheduled:
            pods = [p for p in snapshot.pods if p.metadata.namespace == namespace]
            counts = f"{item.status.number_ready} of {item.status.desired_number_scheduled}"
            return workloads.first_crash(pods) or Progress(
                State.WAITING, f"{item.metadata.name}: {counts} pods ready"
            )
    return Progress(State.DONE)


def _labelled(context: Context) -> Milestone:
    return Milestone("GPU nodes carry the label of their card", progress=_labels(context))


def _labels(context: Context) -> Progress:
    platform = context.platform
    if platform.gpu_nodes:
        return Progress(State.DONE, named(names_of(platform.gpu_nodes)))
    workers = platform.workers
    seen = [node for node in workers if _has_features(node)]
    if not workers or len(seen) < len(workers):
        return Progress(State.WAITING, f"{len(seen)} of {len(workers)} workers labelled")
    off = [n.metadata.name for n in workers if has_card(n)]
    if off:
        text = f"every GPU node is switched off, or kept for virtual machines: {named(off)}"
        hint = "take nvidia.com/gpu.workload.config or gpu.deploy.operands off one of them"
        return Progress(State.FAILED, text, hints=(hint,), objects=(f"Node/{off[0]}",))
    return Progress(
        State.FAILED,
        f"NFD labelled all {len(workers)} workers and none of them has an NVIDIA card",
        hints=("add a node with an NVIDIA GPU, or pass a card (PCI vendor 10de) through to a VM",),
        cause="no-gpu-node",
        objects=tuple(f"Node/{node.metadata.name}" for node in workers[:10]),
    )


@kept
def _has_features(node: Node) -> bool:
    return any(label.startswith(FEATURE) for label in node.metadata.labels)


def undo(context: Context) -> StagePlan:
    """Return the way back: our instance, the operator, what both leave, then the namespaces."""
    install, platform = context.platform.nfd, context.platform
    sub = operators.subscription(context.snapshot, install.package)
    ours = [i for i in _instances(context) if is_ours(i)]
    others = [i for i in _instances(context) if not is_ours(i)]
    if others or (sub is not None and not is_ours(sub) and not ours):
        return StagePlan(NAME, TITLE, not_needed="it was there before and stays")
    deletions = tuple(
        Delete(ObjectRef(platform.nfd_resource, i["metadata"]["name"], i["metadata"]["namespace"]))
        for i in ours
    )
    stopped = _stopped(context)
    stuck = olm.stuck(context, install, platform.nfd_resource, ours)
    milestones = [
        *((stuck,) if stuck is not None else ()),
        Milestone("our NodeFeatureDiscovery is gone", deletions, stopped, ("gpu-operator",)),
        *olm.removal(context, install),
        Milestone(
            "the labels of NFD are off the nodes",
            (
                *leftovers.node_keys(context.snapshot, context.before, _keys(context)),
                *leftovers.node_features(context.snapshot, platform.nfd_namespace),
            ),
        ),
        olm.group_and_namespace(context, (platform.nfd_namespace, *install.own_namespaces)),
    ]
    if sub is None or is_ours(sub):
        milestones += olm.remains(context, install, GROUPS)
    return StagePlan(NAME, TITLE, tuple(milestones))


def _keys(context: Context) -> tuple[str, ...]:
    """Return which labels go with NFD: those about cards too, unless a GPU Operator stays."""
    if context.snapshot.table("clusterpolicies"):
        return tuple(prefix for prefix in NODE_KEYS if prefix not in GPU_KEYS)
    return NODE_KEYS


def _stopped(context: Context) -> Progress:
    for item in context.snapshot.daemon_sets:
        meta = item.metadata
        if meta.namespace == context.platform.nfd_namespace and meta.name.startswith("nfd-"):
            return Progress(State.WAITING, f"until DaemonSet {meta.name} is gone")
    return Progress(State.DONE)
