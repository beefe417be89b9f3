"""Stage gpu-operator: the NVIDIA GPU Operator, its ClusterPolicy, and a GPU on every GPU node.

The operator is installed while other stages still run; its ClusterPolicy waits for them, since
the driver is built when it appears. A ClusterPolicy that says `ready` proves nothing: what counts
is that each GPU node runs every operand and offers its cards.
"""

from collections.abc import Iterable, Sequence

import msgspec

from oc_gpu import facts
from oc_gpu.config import chosen
from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import CLUSTER_POLICIES
from oc_gpu.kube.words import counted
from oc_gpu.manifests import clusterpolicy
from oc_gpu.manifests.merging import at, put
from oc_gpu.snapshot.kinds import GPU, DaemonSet, Node, Pod, Taint, Toleration
from oc_gpu.snapshot.model import spec_of
from oc_gpu.snapshot.naming import named, names_of
from oc_gpu.stages import (
    drivers,
    leftovers,
    licence,
    olm,
    operators,
    tenants,
    tolerations,
    workloads,
)
from oc_gpu.stages.context import Context
from oc_gpu.stages.model import (
    Action,
    Apply,
    Delete,
    Milestone,
    ObjectRef,
    Progress,
    StagePlan,
    State,
)
from oc_gpu.stages.ownership import is_ours, owner_of
from oc_gpu.stages.record import GPU_KEYS

NAME = "gpu-operator"
_OVERRIDES = "spec.gpuOperator.clusterPolicy"
TITLE = "NVIDIA GPU Operator"
GROUPS = ("nvidia.com",)
GFD = "gpu-feature-discovery"
FEATURE_LABELS = "nfd.node.kubernetes.io/feature-labels"
"""Annotation in which NFD lists the labels that it manages on a node."""


def plan(context: Context) -> StagePlan:
    """Return the road of the GPU Operator in one snapshot."""
    platform = context.platform
    operands = Milestone("every GPU node runs its operands", progress=_operands(context))
    offered = Milestone("every GPU node offers its cards", progress=_offered(context))
    foreign = next((p for p in _policies(context) if not is_ours(p)), None)
    if foreign is not None:
        name = foreign["metadata"]["name"]
        decision = f"ClusterPolicy/{name} of {owner_of(foreign)} is used as it is"
        return StagePlan(NAME, TITLE, (operands, offered), decision=decision)
    milestones = (
        olm.installation(context, platform.gpu, NAME),
        _policy(context),
        operands,
        offered,
    )
    return StagePlan(NAME, TITLE, milestones, decision=platform.gpu.reason)


def _policies(context: Context) -> tuple[RawObject, ...]:
    return context.snapshot.table("clusterpolicies")


def _policy(context: Context) -> Milestone:
    platform = context.platform
    title = "ClusterPolicy is made"
    wanted = wanted_policy(context)
    blocked = licence.problem(context)
    if blocked is not None:
        return Milestone(title, progress=blocked)
    if wanted is None:
        return Milestone(title, progress=Progress(State.WAITING, "its example is read"))
    actions: list[Action] = []
    if platform.operator.era.namespace_maker == "administrator":
        actions.append(olm.namespace(platform.operand_namespace, NAME))
    actions += (*licence.wanted(context), _applied(context, wanted))
    return Milestone(title, tuple(actions), after=("entitlement", "nfd"))


def wanted_policy(context: Context) -> RawObject | None:
    """Return the ClusterPolicy as it is wanted, None when there is no example to make it from."""
    platform = context.platform
    if platform.gpu.example is None:
        return None
    return clusterpolicy.cluster_policy(platform.gpu.example, platform.operator, _wishes(context))


def _applied(context: Context, wanted: RawObject) -> Apply:
    """Return the action that makes a ClusterPolicy or changes the one that is there.

    Tolerations that it has and needs no more stay: to take one off would restart every driver for
    nothing. `isolate --remove` does, for it is asked to.
    """
    live = context.snapshot.raw("clusterpolicies", wanted["metadata"]["name"])
    document = _OVERRIDES if context.config.spec.gpu_operator.cluster_policy else ""
    if live is None:
        return msgspec.structs.replace(olm.apply(CLUSTER_POLICIES, wanted), document=document)
    spec = wanted["spec"]
    for path in context.platform.operator.era.tolerations:
        present, asked = at(spec_of(live), path) or [], at(spec, path) or [clusterpolicy.BUILT_IN]
        if present:
            spec = put(spec, path, [*present, *(t for t in asked if t not in present)])
    disturbs = drivers.disturbance(context.snapshot, context.platform, spec_of(live), spec)
    action = olm.apply(CLUSTER_POLICIES, {**wanted, "spec": spec})
    return msgspec.structs.replace(action, disturbs=disturbs, document=document)


def _wishes(context: Context) -> clusterpolicy.PolicyWishes:
    spec = context.config.spec
    mig, wanted = spec.gpu_operator.mig, spec.gpu_operator
    own = tuple(tolerations.for_taint(taint) for taint in _taints(context))
    more = tuple(msgspec.to_builtins(t) for t in spec.isolation.tolerations)
    return clusterpolicy.PolicyWishes(
        proxy=context.platform.proxy,
        tolerations=(*own, *more),
        driver=_driver(context),
        pull_secrets=wanted.driver.pull_secrets,
        mig_strategy=chosen(mig.strategy, ""),
        mig_layouts=chosen(mig.config_map, ""),
        licence=licence.holder(context),
        overrides=wanted.cluster_policy,
    )


def _taints(context: Context) -> tuple[Taint, ...]:
    """Return the taints that the operands meet on GPU nodes: wanted ones and those there now."""
    present = [taint for node in context.platform.gpu_nodes for taint in node.keeping_off]
    wanted = [context.taint] if context.taint is not None and context.taint.repels else []
    return tuple(dict.fromkeys((*wanted, *sorted(present, key=str))))


def _driver(context: Context) -> facts.DriverImage | None:
    wanted = context.config.spec.gpu_operator.driver
    if wanted.given:
        return facts.DriverImage(wanted.repository, wanted.image, wanted.version)
    return facts.driver_for(
        context.platform.version or context.platform.release.version, context.platform.operator
    ).image


def _operands(context: Context) -> Progress:
    if not context.platform.gpu_nodes:
        return Progress(State.WAITING, "no node is labelled as a GPU node yet")
    rolling = _rolling(context)
    if rolling:
        return Progress(State.WAITING, rolling)
    upgrading = drivers.upgrading(context.snapshot, context.platform)
    if upgrading is not None:
        return upgrading
    operands = _switched_on(context)
    pods = context.snapshot.pods_by_node(context.platform.operand_namespace)
    steps = [
        _node(n, (o.name for o in operands if _runs_on(o, n)), pods.get(n.metadata.name, ()))
        for n in context.platform.gpu_nodes
    ]
    for state in (State.FAILED, State.WAITING):
        for step in steps:
            if step.state is state:
                return step if state is State.FAILED else _kept_off(context) or step
    unready = _unready(context)
    return Progress(State.WAITING, unready) if unready else Progress(State.DONE)


def _node(node: Node, operands: Iterable[str], pods: Sequence[Pod]) -> Progress:
    """Say how far the operands of one node are, in the order in which they need each other.

    Without the driver the others fail and start again, which is no failure of theirs: what counts
    is what fails after all before it was ready.
    """
    name = node.metadata.name
    since = ""
    for operand in operands:
        pod = _pod_of(operand, pods)
        if pod is None:
            others = (pod for pod in pods if not pod.metadata.owner_references)
            missing = Progress(State.WAITING, f"{operand} on {name}: no pod yet")
            return workloads.first_crash(others) or missing
        if not workloads.is_ready(pod):
            waiting = f"{operand} on {name}: {workloads.waiting_reason(pod)}"
            return workloads.crash(pod, since) or Progress(State.WAITING, waiting)
        since = max(since, workloads.ready_since(pod))
    return Progress(State.DONE)


def _pod_of(operand: str, pods: Sequence[Pod]) -> Pod | None:
    for pod in pods:
        if pod.controller == operand or pod.controller.startswith(f"{operand}-"):
            return pod
    return None


def _rolling(context: Context) -> str:
    """Return which DaemonSet does not yet follow the ClusterPolicy, empty when all do.

    The policy does not tell which of its generations the operator has seen, so the templates are
    compared with its tolerations, which is what this program changes after the first run.
    """
    namespace = context.platform.operand_namespace
    for item in context.snapshot.daemon_sets:
        name = item.metadata.name
        if item.metadata.namespace != namespace or operand_of(context, name) is None:
            continue
        if not _follows(context, item):
            return f"{name} gets its tolerations"
        if item.spec.update_strategy.type != "OnDelete" and workloads.is_replacing(item):
            return f"{name} replaces its pods"
    return ""


def _unready(context: Context) -> str:
    """Return which DaemonSet still lacks ready pods, those of some GPU nodes only included."""
    namespace = context.platform.operand_namespace
    for item in context.snapshot.daemon_sets:
        status, name = item.status, item.metadata.name
        if item.metadata.namespace != namespace or operand_of(context, name) is None:
            continue
        if status.number_ready < status.desired_number_scheduled:
            return f"{name}: {status.number_ready} of {status.desired_number_scheduled} pods ready"
    return ""


def operand_of(context: Context, daemon_set: str) -> facts.Operand | None:
    """Return what is known of a DaemonSet of the operator, None when it is none of its operands."""
    return next(
        (
            operand
            for operand in context.platform.operator.era.operands
            if daemon_set == operand.name or daemon_set.startswith(f"{operand.name}-")
        ),
        None,
    )


def _follows(context: Context, item: DaemonSet) -> bool:
    given = [_wire(toleration) for toleration in item.spec.template.spec.tolerations]
    asked = _asked(context, item.metadata.name)
    own = [t for t in given if t["key"] not in (GPU, "CriticalAddonsOnly")]
    return all(t in given for t in asked) and all(t in asked for t in own)


def _asked(context: Context, daemon_set: str) -> list[dict[str, str]]:
    """Return the tolerations that the live ClusterPolicy asks for a DaemonSet."""
    operand = operand_of(context, daemon_set)
    for policy in _policies(context):
        for path in context.platform.operator.toleration_paths:
            if operand is not None and path[0] in (operand.key, "daemonsets"):
                listed = msgspec.convert(at(spec_of(policy), path) or [], list[Toleration])
                return [_wire(toleration) for toleration in listed]
    return []


def _wire(given: Toleration) -> dict[str, str]:
    return {
        "key": given.key,
        "operator": given.operator or "Equal",
        "value": given.value,
        "effect": given.effect,
    }


def _kept_off(context: Context) -> Progress | None:
    """Return what stands in the way when validation pods cannot get onto a GPU node.

    Before 1.11.1 they tolerate only nvidia.com/gpu, whatever the ClusterPolicy says, and the
    operator goes no further without them. While none of them is turned away, things still move.
    """
    if context.platform.operator.era.validation_tolerates or not _turned_away(context):
        return None
    for node in context.platform.gpu_nodes:
        for taint in node.spec.taints:
            if _keeps_validation_off(taint):
                return _untolerated(context, node.metadata.name, taint)
    return None


def _turned_away(context: Context) -> bool:
    namespace = context.platform.operand_namespace
    return any(
        workloads.unscheduled(pod)
        for pod in context.snapshot.pods
        if pod.metadata.namespace == namespace
        and not any(owner.kind == "DaemonSet" for owner in pod.metadata.owner_references)
    )


def _keeps_validation_off(taint: Taint) -> bool:
    tolerated = tolerations.tolerates([clusterpolicy.BUILT_IN], taint)
    return taint.keeps_off and not tolerated


def _untolerated(context: Context, node: str, taint: Taint) -> Progress:
    return Progress(
        State.BLOCKED,
        f"{node} is tainted {taint}, which the validation pods of GPU Operator "
        f"{context.platform.operator.version} do not tolerate",
        hints=(
            f"oc adm taint node {node} {taint.key}-",
            f"oc-gpu enable --taint {taint} sets it again once the operands run",
        ),
        cause="operand-missing-toleration",
        objects=(f"Node/{node}",),
    )


def node_operands(context: Context, node: Node | None = None) -> tuple[str, ...]:
    """Return the operands of every GPU node, or of a given one, less those that are switched off.

    Args:
        context: The cluster.
        node: A GPU node: operands of what its labels tell are among them, as the MIG manager.
    """
    return tuple(operand.name for operand in _switched_on(context) if _runs_on(operand, node))


def _switched_on(context: Context) -> tuple[facts.Operand, ...]:
    off = {
        key
        for policy in _policies(context)
        for key, part in (policy.get("spec") or {}).items()
        if isinstance(part, dict) and part.get("enabled") is False
    }
    return tuple(o for o in context.platform.operator.era.operands if o.key not in off)


def _runs_on(operand: facts.Operand, node: Node | None) -> bool:
    if not operand.only:
        return True
    return node is not None and node.metadata.labels.get(operand.only) == "true"


def _offered(context: Context) -> Progress:
    """Say whether GPU nodes can take pods, and whether pods can choose among them by label."""
    gpu = context.platform.gpu_nodes
    bare = names_of(node for node in gpu if not node.devices)
    if bare:
        return Progress(State.WAITING, f"{named(bare)}: no {GPU} allocatable yet")
    product = facts.gpu_labels().product
    nameless = names_of(node for node in gpu if product not in node.metadata.labels)
    if nameless and GFD in node_operands(context):
        return Progress(State.WAITING, f"{named(nameless)}: no label {product} yet")
    return Progress(State.DONE)


def undo(context: Context) -> StagePlan:
    """Return the way back: operands first, then the operator and what both leave."""
    install, platform = context.platform.gpu, context.platform
    sub = operators.subscription(context.snapshot, install.package)
    ours = [p for p in _policies(context) if is_ours(p)]
    others = [p for p in _policies(context) if not is_ours(p)]
    if others or (sub is not None and not is_ours(sub) and not ours):
        return StagePlan(NAME, TITLE, not_needed="it was there before and stays")
    deletions = tuple(Delete(ObjectRef(CLUSTER_POLICIES, p["metadata"]["name"])) for p in ours)
    spaces = (platform.operand_namespace, *install.own_namespaces)
    stuck = olm.stuck(context, install, CLUSTER_POLICIES, ours)
    milestones = [
        *((stuck,) if stuck is not None else ()),
        Milestone(
            "our ClusterPolicy is gone",
            (*deletions, *_evicted(context, ours)),
            _stopped(context),
            ("isolation", "mig"),
        ),
        *olm.removal(context, install),
        Milestone("NFD has dropped what was told of the cards", progress=_dropped(context)),
        Milestone(
            "the labels of the GPU Operator are off the nodes",
            leftovers.node_keys(context.snapshot, context.before, GPU_KEYS),
        ),
        Milestone("the licence that we gave is gone", licence.removal(context)),
        olm.group_and_namespace(context, spaces),
    ]
    if sub is None or is_ours(sub):
        milestones += olm.remains(context, install, GROUPS)
    return StagePlan(NAME, TITLE, tuple(milestones))


def _evicted(context: Context, ours: list[RawObject]) -> tuple[Delete, ...]:
    """Return the evictions of pods that use GPUs, once no other pod can get one.

    Without its ClusterPolicy a node offers no GPU, so that pods which are made in their place wait.
    """
    if any("deletionTimestamp" not in policy["metadata"] for policy in ours):
        return ()
    return tenants.evictions(context)


def _dropped(context: Context) -> Progress:
    """Wait until an NFD that stays has seen that GPU Feature Discovery is gone.

    Until its next scan it would put the labels of the cards back.
    """
    if all(is_ours(instance) for instance in context.snapshot.table("nodefeaturediscoveries")):
        return Progress(State.DONE)
    for node in context.snapshot.nodes:
        if "nvidia.com/" in node.metadata.annotations.get(FEATURE_LABELS, ""):
            return Progress(State.WAITING, f"until NFD scans {node.metadata.name} again")
    return Progress(State.DONE)


def _stopped(context: Context) -> Progress:
    """Wait for the operands' pods: the driver must leave the kernel before its namespace goes."""
    namespace = context.platform.operand_namespace
    left = [d for d in context.snapshot.daemon_sets if d.metadata.namespace == namespace]
    pods = [
        p
        for p in context.snapshot.pods
        if p.metadata.namespace == namespace
        and any(o.kind == "DaemonSet" for o in p.metadata.owner_references)
    ]
    if left or pods:
        counts = f"{counted(len(left), 'DaemonSet')} and {counted(len(pods), 'pod')}"
        return Progress(State.WAITING, f"until {counts} are gone")
    return Progress(State.DONE)
