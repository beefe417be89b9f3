"""Stage isolation: keep pods that ask for no GPU off the GPU nodes, when asked to.

Order matters: the operands must tolerate the taint before it is set. After an untolerated taint
each operand pod that goes does not come back, and the ClusterPolicy still says `ready`.
"""

from msgspec import structs

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import CLUSTER_POLICIES, NODES
from oc_gpu.manifests.labels import TAINT
from oc_gpu.manifests.merging import at, put
from oc_gpu.snapshot.kinds import DaemonSet, Node, Taint
from oc_gpu.snapshot.model import spec_of
from oc_gpu.snapshot.naming import names_of
from oc_gpu.stages import drivers, marks, tolerations, workloads
from oc_gpu.stages.context import Context
from oc_gpu.stages.model import Milestone, ObjectRef, Patch, Progress, StagePlan, State
from oc_gpu.stages.record import Record, Restore

NAME = "isolation"
TITLE = "Isolation of GPU nodes"


def plan(context: Context) -> StagePlan:
    """Return the road of the isolation in one snapshot."""
    taint = context.taint
    if taint is None:
        return StagePlan(NAME, TITLE, not_needed="no taint asked for")
    milestones = (
        *((_tolerating(context, taint),) if taint.repels else ()),
        Milestone(
            "the GPU nodes are tainted",
            tuple(_taint(node, taint) for node in _to_taint(context, taint)),
            after=("record", "gpu-operator"),
        ),
    )
    return StagePlan(NAME, TITLE, milestones, decision=f"{taint} on every GPU node")


def _tolerating(context: Context, taint: Taint) -> Milestone:
    return Milestone(
        "the operands tolerate the taint",
        _foreign_policy(context, taint),
        _tolerated(context, taint),
        after=("record", "gpu-operator"),
    )


def recorded(context: Context, base: Record) -> Record:
    """Return the record with what isolation is about to change in it."""
    taint = context.taint
    if taint is None:
        return base
    known = {(restore.kind, restore.name) for restore in base.restores}
    policies = (
        Restore("ClusterPolicy", policy["metadata"]["name"], ("spec", *path), _at(policy, path))
        for policy, path in _intolerant(context, taint)
    )
    new = tuple(restore for restore in policies if (restore.kind, restore.name) not in known)
    return structs.replace(
        base,
        taint=str(taint),
        restores=(*base.restores, *new),
    )


def _to_taint(context: Context, taint: Taint) -> tuple[Node, ...]:
    """Return the GPU nodes without the taint, and those with an earlier one of ours."""
    gpu = frozenset(names_of(context.platform.gpu_nodes))
    return tuple(
        node
        for node in context.snapshot.nodes
        if (node.metadata.name in gpu and taint not in node.spec.taints) or _earlier(node, taint)
    )


def _earlier(node: Node, taint: Taint) -> bool:
    return marks.is_marked(node) and marks.of(node) != taint


def _taint(node: Node, taint: Taint) -> Patch:
    """Return the change of a node to the taint; an earlier one of ours goes with it."""
    ours = marks.of(node)
    kept = [t for t in node.spec.taints if t != ours or t == taint]
    if taint in kept:
        return _taints(node, kept, None, f"take {ours} back")
    why = f"set {taint}, take {ours} back" if _earlier(node, taint) else f"set {taint}"
    return _taints(node, [*kept, taint], taint, why)


def _taints(node: Node, taints: list[Taint], ours: Taint | None, why: str) -> Patch:
    patch = {
        "metadata": {
            "resourceVersion": node.metadata.resource_version,
            "annotations": {TAINT: str(ours) if ours is not None else None},
        },
        "spec": {"taints": [_wire(taint) for taint in taints] or None},
    }
    return Patch(ObjectRef(NODES, node.metadata.name), patch, holds=False, why=why)


def _wire(taint: Taint) -> dict[str, str]:
    value = {"value": taint.value} if taint.value else {}
    added = {"timeAdded": taint.time_added} if taint.time_added else {}
    return {"key": taint.key, "effect": taint.effect, **value, **added}


def _intolerant(context: Context, taint: Taint) -> list[tuple[RawObject, tuple[str, ...]]]:
    """Return the ClusterPolicies of others, with the path of their tolerations, that lack ours."""
    paths = context.platform.operator.toleration_paths if taint.repels else ()
    return [
        (policy, path)
        for policy in context.snapshot.table("clusterpolicies")
        if not context.is_ours(policy)
        for path in paths
        if not tolerations.tolerates(_at(policy, path) or [], taint)
    ]


def _at(policy: RawObject, path: tuple[str, ...]) -> list[RawObject] | None:
    found: list[RawObject] | None = at(spec_of(policy), path)
    return found


def _foreign_policy(context: Context, taint: Taint) -> tuple[Patch, ...]:
    return tuple(_tolerant(context, *found, taint) for found in _intolerant(context, taint))


def _tolerant(context: Context, policy: RawObject, path: tuple[str, ...], taint: Taint) -> Patch:
    wanted = tolerations.with_taint(_at(policy, path), taint)
    spec = put(spec_of(policy), path, wanted)
    return Patch(
        ObjectRef(CLUSTER_POLICIES, policy["metadata"]["name"]),
        _nested(("spec", *path), wanted, policy["metadata"]["resourceVersion"]),
        holds=False,
        why=f"let the operands tolerate {taint}",
        disturbs=drivers.disturbance(context.snapshot, context.platform, spec_of(policy), spec),
    )


def _nested(path: tuple[str, ...], value: object, resource_version: str) -> RawObject:
    patch: RawObject = {path[-1]: value}
    for key in reversed(path[:-1]):
        patch = {key: patch}
    return {"metadata": {"resourceVersion": resource_version}, **patch}


def _tolerated(context: Context, taint: Taint) -> Progress:
    if not context.platform.gpu_nodes:
        return Progress(State.WAITING, "no node is labelled as a GPU node yet")
    namespace = context.platform.operand_namespace
    for item in context.snapshot.daemon_sets:
        if item.metadata.namespace == namespace and not _tolerates(item, taint):
            return _lacking(context, item)
    return Progress(State.DONE)


def _lacking(context: Context, item: DaemonSet) -> Progress:
    """Say what is waited for, or by whose hand, until the pods of a DaemonSet are tolerant."""
    name, namespace = item.metadata.name, item.metadata.namespace
    operator = context.platform.operator
    if not operator.era.tolerations:
        return Progress(
            State.BLOCKED,
            f"GPU Operator {operator.version} gives its operands no toleration but their own, and "
            f"DaemonSet/{name} does not tolerate {context.taint}",
            hints=("choose a taint with the key nvidia.com/gpu", "or install a newer release"),
            objects=(f"DaemonSet/{name}",),
        )
    policies = context.snapshot.table("clusterpolicies")
    by_hand = workloads.observed(item) and drivers.waits_for_hand(item, policies)
    if not by_hand or not workloads.is_replacing(item):
        return Progress(State.WAITING, f"{name} gets the toleration")
    return Progress(
        State.BLOCKED,
        f"the pods of DaemonSet/{name} have the toleration only after they are deleted, for "
        "ClusterPolicy spec.driver.upgradePolicy.autoUpgrade is off",
        hints=(
            f"oc get pods -n {namespace} | grep {name}",
            f"oc delete pod -n {namespace} NAME   # node by node; pods that use its GPUs lose them",
        ),
        objects=(f"DaemonSet/{name}",),
    )


def _tolerates(item: DaemonSet, taint: Taint) -> bool:
    """Tell whether the pods of a DaemonSet stay, and new ones come, once the taint is set.

    The driver's DaemonSet replaces no pod by itself. A taint without NoExecute leaves running
    pods alone, and the next ones have the toleration.
    """
    given = [
        {"key": t.key, "operator": t.operator, "value": t.value, "effect": t.effect}
        for t in item.spec.template.spec.tolerations
    ]
    if not tolerations.tolerates(given, taint):
        return False
    on_delete = item.spec.update_strategy.type == "OnDelete"
    if on_delete and taint.effect != "NoExecute":
        return workloads.observed(item)
    return workloads.settled(item)


def undo(context: Context) -> StagePlan:
    """Return the way back: the taint goes first, then others' tolerations are as they were."""
    marked = [node for node in context.snapshot.nodes if marks.is_marked(node)]
    if not marked and not context.before.restores:
        return StagePlan(NAME, TITLE, not_needed="no taint was set")
    patches = tuple(_untaint(node) for node in marked)
    milestones = (
        Milestone("the taint is off the nodes", patches),
        Milestone("tolerations of others' policies are as before", _restored(context)),
    )
    return StagePlan(NAME, TITLE, milestones)


def _untaint(node: Node) -> Patch:
    ours = marks.of(node)
    kept = [taint for taint in node.spec.taints if taint != ours]
    why = f"take {ours} back" if ours is not None else "take off a mark that names no taint"
    return _taints(node, kept, None, why)


def _restored(context: Context) -> tuple[Patch, ...]:
    patches = []
    for restore in context.before.restores:
        policy = context.snapshot.raw("clusterpolicies", restore.name)
        if policy is None:
            continue
        live = _at(policy, restore.path[1:])
        wanted = _without_ours(live, restore.before, context.taint)
        if wanted == live:
            continue
        patch = _nested(restore.path, wanted, policy["metadata"]["resourceVersion"])
        ref = ObjectRef(CLUSTER_POLICIES, restore.name)
        why = "put its tolerations back"
        if wanted != restore.before:
            why = "take our toleration out; its owner has changed the others since, they stay"
        patches.append(Patch(ref, patch, holds=False, why=why))
    return tuple(patches)


def _without_ours(
    live: list[RawObject] | None, before: list[RawObject] | None, taint: Taint | None
) -> list[RawObject] | None:
    """Return tolerations as they were before us; what their owner did since is not overwritten."""
    if taint is None or live == tolerations.with_taint(before, taint):
        return before
    ours = tolerations.for_taint(taint)
    if live is None or ours in (before or ()):
        return live
    return [toleration for toleration in live if toleration != ours]
