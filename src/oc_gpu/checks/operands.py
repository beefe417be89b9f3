"""Checks of the GPU Operator's pods on each GPU node; the ClusterPolicy's own word is no proof."""

from collections.abc import Sequence

import msgspec

from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.proof import Proof
from oc_gpu.kube import RawObject
from oc_gpu.kube.errors import clean
from oc_gpu.snapshot.kinds import DaemonSet, Node, Pod, Taint
from oc_gpu.stages import operators, tolerations, workloads

_LAYERS = ("container-toolkit", "device-plugin", "validator", "driver")


def is_of(operand: str, name: str) -> bool:
    """Tell whether a DaemonSet is an operand; the driver's is named after the RHCOS release too."""
    return name == operand or name.startswith(f"{operand}-")


def _layer(operand: str) -> str | None:
    return next((layer for layer in _LAYERS if layer in operand), None)


def _operands(proof: Proof) -> Results:
    if not proof.nodes:
        return ()
    results: list[Result] = []
    running = []
    for operand in proof.inputs.operands:
        sets = _sets(proof, operand)
        if any(item.status.desired_number_scheduled for item in sets):
            running.append(operand)
        else:
            results.append(_wants_none(proof, operand, sets))
    for node in proof.nodes:
        results += _on_node(proof, node.metadata.name, running)
    return tuple(results)


def _sets(proof: Proof, operand: str) -> list[DaemonSet]:
    names = [name for name in proof.inputs.operands if is_of(operand, name) and name != operand]
    return [
        item
        for item in proof.snapshot.daemon_sets
        if item.metadata.namespace == proof.inputs.operand_namespace
        and is_of(operand, item.metadata.name)
        and not any(is_of(longer, item.metadata.name) for longer in names)
    ]


def _wants_none(proof: Proof, operand: str, sets: list[DaemonSet]) -> Result:
    namespace = proof.inputs.operand_namespace
    layer = _layer(operand)
    if not sets:
        title = f"there is no DaemonSet {operand} in {namespace}"
        remedy = ("oc describe clusterpolicy", f"oc get daemonsets -n {namespace}")
        return Result(Severity.ERROR, title, remedy=remedy, layer=layer)
    item = sets[0]
    name = item.metadata.name
    cause, why = _why_none(item, proof.nodes)
    return Result(
        Severity.ERROR,
        f"DaemonSet {name} wants no pod on any node, which the ClusterPolicy counts as ready",
        cause,
        (f"DaemonSet/{name}",),
        (
            Evidence(f"status of DaemonSet/{name}", "desiredNumberScheduled: 0"),
            *(Evidence(f"DaemonSet/{name} against the GPU nodes", line) for line in why),
        ),
        (f"oc describe daemonset -n {namespace} {name}",),
        layer,
    )


def _why_none(item: DaemonSet, nodes: tuple[Node, ...]) -> tuple[str | None, list[str]]:
    """Return why a DaemonSet wants no pod: a taint that it does not tolerate, or its selector."""
    template = item.spec.template.spec
    taints = [
        f"{node.metadata.name} has the taint {taint}, which it does not tolerate"
        for node in nodes
        for taint in node.spec.taints
        if taint.repels and not _tolerates(item, taint)
    ]
    if taints:
        return "operand-missing-toleration", taints
    labels = [
        f"{node.metadata.name} lacks the label {key}={value}, which it selects"
        for node in nodes
        for key, value in template.node_selector.items()
        if node.metadata.labels.get(key) != value
    ]
    return ("gpu-deploy-labels-wrong" if labels else None), labels


def _tolerates(item: DaemonSet, taint: Taint) -> bool:
    given = (msgspec.to_builtins(t) for t in item.spec.template.spec.tolerations)
    return tolerations.tolerates(given, taint)


def _on_node(proof: Proof, node: str, running: list[str]) -> list[Result]:
    results = []
    for operand in running:
        names = {item.metadata.name for item in _sets(proof, operand)}
        pods = [pod for pod in _pods(proof, node) if pod.controller in names]
        if not any(workloads.is_ready(pod) for pod in pods):
            results.append(_not_ready(proof, node, operand, pods))
    if not results and running:
        which = f"all {len(running)} operands are" if len(running) > 1 else f"{running[0]} is"
        title = f"{which} ready on {node}"
        return [Result(Severity.OK, title, objects=(f"Node/{node}",))]
    return results


def _pods(proof: Proof, node: str) -> Sequence[Pod]:
    return workloads.pods_on(proof.snapshot, proof.inputs.operand_namespace, node)


def _not_ready(proof: Proof, node: str, operand: str, pods: list[Pod]) -> Result:
    namespace = proof.inputs.operand_namespace
    layer = _layer(operand)
    if not pods:
        title = f"{operand} has no pod on {node}"
        remedy = (f"oc get daemonsets,pods -n {namespace} -o wide",)
        return Result(Severity.ERROR, title, None, (f"Node/{node}",), (), remedy, layer)
    pod = pods[0]
    name = pod.metadata.name
    title = f"{operand} is not ready on {node}: {workloads.waiting_reason(pod)}"
    look = (
        f"oc logs -n {namespace} {name} --all-containers",
        f"oc describe pod -n {namespace} {name}",
    )
    return Result(Severity.ERROR, title, None, (f"Pod/{name}",), (), look, layer)


def _policies(proof: Proof) -> Results:
    policies = proof.snapshot.table("clusterpolicies")
    if not policies:
        title = "there is no ClusterPolicy, so the GPU Operator runs no operand"
        return (Result(Severity.ERROR, title, remedy=("oc-gpu enable",)),)
    return tuple(_policy(proof, policy) for policy in policies)


def _policy(proof: Proof, policy: RawObject) -> Result:
    name = f"ClusterPolicy/{policy['metadata']['name']}"
    state = (policy.get("status") or {}).get("state") or "nothing"
    evidence = [Evidence(name, f"status.state: {state}")]
    if state == "ready" and not proof.nodes:
        title = f"{name} says ready, but no node has a GPU"
        return Result(Severity.ERROR, title, "no-gpu-node", (name,), tuple(evidence))
    if state == "ready":
        title = f"{name} says ready, which proves nothing by itself"
        return Result(Severity.INFO, title, None, (name,), tuple(evidence))
    for kind, condition in operators.conditions(policy).items():
        if kind == "Error" and condition.get("status") == "True":
            text = clean(f"{condition.get('reason')}: {condition.get('message')}")
            evidence.append(Evidence(f"condition Error of {name}", text))
    title = f"{name} says {state}"
    look = ("oc describe clusterpolicy",)
    return Result(Severity.WARNING, title, None, (name,), tuple(evidence), look)


OPERANDS = Check(
    "OCG1101",
    "operands",
    "validator",
    "every GPU node runs all operands",
    _operands,
    ("nodes", "pods", "daemonsets"),
)
CLUSTER_POLICY = Check(
    "OCG1102",
    "cluster-policy",
    "validator",
    "the ClusterPolicy is reconciled for nodes that have a GPU",
    _policies,
    ("clusterpolicies", "nodes"),
)
