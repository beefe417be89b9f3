"""Which nodes could take a pod: by taints, by its selector, by the GPUs that they have."""

from collections.abc import Iterator

from msgspec import to_builtins

from oc_gpu.checks.case import Case, key
from oc_gpu.checks.components import WORKLOAD
from oc_gpu.snapshot.kinds import Node, Pod, Taint
from oc_gpu.stages import tolerations

_VENDOR = "nvidia.com/"


def repelling(pod: Pod, node: Node) -> list[Taint]:
    """Return the lasting taints of a node that a pod does not tolerate."""
    given = [to_builtins(one) for one in pod.spec.tolerations]
    return [taint for taint in node.keeping_off if not tolerations.tolerates(given, taint)]


def barred(case: Case, pod: Pod) -> tuple[Node, Taint] | None:
    """Return a GPU node and its taint where each of them keeps a pod off, None where one is open.

    Args:
        case: The cluster.
        pod: A pod that waits for a node.
    """
    nodes = [node for node in case.gpu_nodes if selects(pod, node)]
    found = [(node, taints[0]) for node in nodes if (taints := repelling(pod, node))]
    return found[0] if found and len(found) == len(nodes) else None


def selects(pod: Pod, node: Node) -> bool:
    """Tell whether a node has the labels that a pod asks for."""
    return all(node.metadata.labels.get(k) == v for k, v in pod.spec.node_selector.items())


def asked(pod: Pod) -> dict[str, int]:
    """Return how much of which NVIDIA resource a pod asks for."""
    total: dict[str, int] = {}
    for one in pod.spec.containers:
        amounts = {**one.resources.requests, **one.resources.limits}
        for name, amount in amounts.items():
            if name.startswith(_VENDOR) and str(amount).isdigit():
                total[name] = total.get(name, 0) + int(amount)
    return {name: count for name, count in total.items() if count}


def holders(case: Case, resource: str) -> Iterator[tuple[Pod, int]]:
    """Yield the pods that hold some of a resource, each with how much."""
    for pod in case.pods_of(WORKLOAD):
        count = asked(pod).get(resource, 0)
        if count and pod.spec.node_name and pod.status.phase == "Running":
            yield pod, count


def waiting(case: Case) -> Iterator[Pod]:
    """Yield the pods with GPUs that no node takes."""
    for pod in case.pods_of(WORKLOAD):
        trouble = case.trouble.get(key(pod))
        if trouble is not None and trouble.state == "Unschedulable" and not pod.spec.node_name:
            yield pod
