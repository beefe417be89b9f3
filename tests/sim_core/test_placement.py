"""Where pods fit: the scheduler's filters and its words."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.sim_core.harness import container, named, pod

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.placement import Cluster, place, quantity

GPU = {"limits": {"nvidia.com/gpu": 1}}
TAINT = {"key": "nodetype", "value": "gpu", "effect": "NoSchedule"}
MASTER = {"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"}


def node(name: str, *taints: RawObject, gpus: int = 0, **labels: str) -> RawObject:
    made = named("v1", "Node", name, None, spec={"taints": list(taints)})
    made["metadata"]["labels"] = {"kubernetes.io/hostname": name, **labels}
    amounts = {"cpu": "4", "memory": "16Gi", "pods": "250", "nvidia.com/gpu": str(gpus)}
    made["status"] = {"allocatable": amounts}
    return made


def bound(name: str, where: str, **resources: Any) -> RawObject:
    return pod(name, container(resources=resources), nodeName=where)


def on(*pods: RawObject) -> Callable[[str], list[RawObject]]:
    """Return what tells the pods of a node."""
    return lambda node: [one for one in pods if one["spec"]["nodeName"] == node]


def requires(key: str, operator: str, *values: str) -> dict[str, Any]:
    expression = {"key": key, "operator": operator, "values": list(values)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


@pytest.mark.parametrize(
    ("text", "number"),
    [("500m", 0.5), ("2", 2.0), ("1Ki", 1024.0), ("2Gi", 2 * 1024.0**3), ("1k", 1000.0)],
)
def test_quantities_are_read_with_their_suffixes(text: str, number: float) -> None:
    assert quantity(text) == number


def test_a_pod_goes_to_the_least_loaded_node_that_fits() -> None:
    nodes = [node("a"), node("b"), node("master", MASTER)]
    placed = place(pod("p"), Cluster(nodes, on(bound("x", "a"), bound("y", "a"))))
    assert placed.node == "b"


def test_a_taint_keeps_pods_off_that_do_not_tolerate_it() -> None:
    nodes = [node("gpu", TAINT, gpus=1)]
    assert place(pod("p"), Cluster(nodes, on())).node is None
    equal = {"key": "nodetype", "value": "gpu", "effect": "NoSchedule"}
    for toleration in (equal, {"key": "nodetype", "operator": "Exists"}, {"operator": "Exists"}):
        assert place(pod("p", tolerations=[toleration]), Cluster(nodes, on())).node == "gpu"
    other = {"key": "nodetype", "value": "cpu", "effect": "NoSchedule"}
    assert place(pod("p", tolerations=[other]), Cluster(nodes, on())).node is None


@pytest.mark.parametrize(
    ("affinity", "fits"),
    [
        (requires("gpu", "In", "true"), True),
        (requires("gpu", "NotIn", "true"), False),
        (requires("gpu", "Exists"), True),
        (requires("gpu", "DoesNotExist"), False),
        (requires("memory", "Gt", "15000"), True),
        (requires("memory", "Lt", "15000"), False),
        (requires("other", "In", "true"), False),
    ],
)
def test_required_affinity_is_honoured(affinity: dict[str, Any], fits: bool) -> None:  # noqa: FBT001
    nodes = [node("n", gpu="true", memory="15109")]
    assert (place(pod("p", affinity=affinity), Cluster(nodes, on())).node == "n") is fits


def test_cards_are_counted_per_node() -> None:
    nodes = [node("gpu", gpus=1)]
    user = pod("p", container(resources=GPU))
    assert place(user, Cluster(nodes, on())).node == "gpu"
    taken = Cluster(nodes, on(bound("x", "gpu", **GPU)))
    assert place(user, taken).node is None


@pytest.mark.parametrize(
    ("minor", "message"),
    [
        (
            17,
            (
                "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, "
                "2 node(s) had taints that the pod didn't tolerate."
            ),
        ),
        (
            22,
            (
                "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, "
                "1 node(s) had taint {node-role.kubernetes.io/master: }, "
                "that the pod didn't tolerate, "
                "1 node(s) had taint {nodetype: gpu}, that the pod didn't tolerate."
            ),
        ),
        (
            33,
            (
                "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, "
                "1 node(s) had untolerated taint {node-role.kubernetes.io/master: }, "
                "1 node(s) had untolerated taint {nodetype: gpu}. "
                "preemption: 0/3 nodes are available: "
                "1 No preemption victims found for incoming pod, "
                "2 Preemption is not helpful for scheduling."
            ),
        ),
    ],
)
def test_an_unschedulable_pod_is_told_why_in_the_words_of_the_release(
    minor: int, message: str
) -> None:
    nodes = [node("worker"), node("gpu", TAINT, gpus=1), node("master", MASTER)]
    user = pod("p", container(resources=GPU))
    assert place(user, Cluster(nodes, on(), minor)).message == message


def test_a_cordoned_node_takes_no_pods() -> None:
    cordoned = node("n")
    cordoned["spec"]["unschedulable"] = True
    placed = place(pod("p"), Cluster([cordoned], on(), 17))
    assert placed.node is None
    assert placed.message == "0/1 nodes are available: 1 node(s) were unschedulable."
