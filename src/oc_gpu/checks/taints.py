"""Checks of taints against the tolerations of what has to run on GPU nodes."""

from collections.abc import Iterator

from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.hardware import gpu_nodes
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.snapshot.kinds import Node, Taint
from oc_gpu.stages.tolerations import tolerates


def _tolerated(inputs: Inputs) -> Results:
    names = set(gpu_nodes(inputs))
    nodes = [n for n in inputs.workers if n.metadata.name in names]
    found = (*_nowhere(inputs), *(r for node in nodes for r in _on_node(inputs, node)))
    good = Result(Severity.OK, "what has to run on the GPU nodes tolerates their taints")
    return found or ((good,) if nodes else ())


def _nowhere(inputs: Inputs) -> Iterator[Result]:
    """Yield that the operators, which tolerate nothing, find no node at all."""
    nodes = inputs.snapshot.nodes
    if nodes and not any(_is_open(node) for node in nodes):
        title = "every node has a taint, and the operators themselves tolerate none"
        remedy = (
            "leave one worker without a taint, or give spec.config.tolerations to the Subscription",
        )
        yield Result(Severity.WARNING, title, "operand-missing-toleration", remedy=remedy)


def _is_open(node: Node) -> bool:
    return not any(taint.repels for taint in node.spec.taints)


def _on_node(inputs: Inputs, node: Node) -> Iterator[Result]:
    software = inputs.software
    for taint in node.keeping_off:
        if taint == inputs.taint:
            continue
        if software.tolerations and not tolerates(software.tolerations, taint):
            yield _kept_off(node, taint)
        if taint.effect not in software.nfd_tolerates:
            yield _unlabelled(node, taint)


def _seen(node: Node, taint: Taint) -> tuple[Evidence, ...]:
    return (Evidence(f"spec.taints of Node/{node.metadata.name}", str(taint)),)


def _kept_off(node: Node, taint: Taint) -> Result:
    name = node.metadata.name
    title = f"the GPU Operator's pods do not tolerate {taint} of {name}"
    remedy = (
        f"let oc-gpu add the toleration: oc-gpu enable --taint {taint}",
        f"or take it off until the GPUs work: oc adm taint node {name} {taint.key}-",
    )
    cause = "operand-missing-toleration"
    return Result(Severity.ERROR, title, cause, (f"Node/{name}",), _seen(node, taint), remedy)


def _unlabelled(node: Node, taint: Taint) -> Result:
    name = node.metadata.name
    title = f"Node Feature Discovery's worker does not tolerate {taint} of {name}"
    same = f"{taint.key}={taint.value}" if taint.value else taint.key
    remedy = (
        f"use the effect NoSchedule: oc adm taint node {name} {same}:NoSchedule {same}:NoExecute-",
    )
    cause = "nfd-worker-not-tolerating-taint"
    return Result(Severity.ERROR, title, cause, (f"Node/{name}",), _seen(node, taint), remedy)


TAINTS = Check(
    "OCG1302",
    "taints",
    "scheduling",
    "what has to run on the GPU nodes tolerates their taints",
    _tolerated,
    ("nodes", "clusterpolicies"),
)
