"""Layer driver: nodes on which the driver is not replaced, or is beside pods of before."""

from oc_gpu import facts
from oc_gpu.checks.ages import is_starting
from oc_gpu.checks.case import Case, key
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.components import DRIVER, ON_NODE, WORKLOAD, wants_gpu
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import of_pod
from oc_gpu.snapshot.kinds import Node, Pod

FAILED = "upgrade-failed"
"""State in which the upgrade controller leaves a node (NVIDIA/k8s-operator-libs pkg/upgrade)."""
_SHOWN = 2


def not_upgraded(case: Case, says: str) -> Results:
    """Find GPU nodes that the upgrade controller gave up, by their label.

    It deletes pods that use GPUs when something makes them anew; a pod without a controller it
    leaves, and with it the earlier driver.
    """
    label = facts.gpu_labels().upgrade_state
    nodes = [n for n in case.snapshot.nodes if n.metadata.labels.get(label) == FAILED]
    if not nodes:
        return ()
    alone = [pod for node in nodes for pod in _alone(case, node)]
    evidence = (
        *(Evidence(f"Node/{node.metadata.name}", _told(node, label)) for node in nodes[:_SHOWN]),
        *(Evidence(f"Pod/{p.metadata.name} in {p.metadata.namespace}", _WHY) for p in alone[:1]),
    )
    objects = tuple(f"Node/{node.metadata.name}" for node in nodes)
    confidence = 0.8 if alone else 0.5
    told = {"node": nodes[0].metadata.name}
    found = Result(Severity.ERROR, says, None, objects, evidence, confidence=confidence, about=told)
    return (found,)


def outlived(case: Case, says: str) -> Results:
    """Guess where a new driver does not get ready, and says nothing, beside pods of before."""
    heard = {(key(pod), ref.container) for ref, pod, _ in case.logs if pod is not None}
    for one in case.troubles_of(DRIVER, fails=False):
        pod, born = one.pod, one.pod.metadata.creation_timestamp
        quiet = (key(pod), one.container) not in heard and not one.init and one.container
        if not quiet or not born or is_starting(case, one):
            continue
        for other in case.pods_on(pod.spec.node_name, WORKLOAD):
            began = other.metadata.creation_timestamp
            if began and began < born and wants_gpu(other) and other.status.phase == "Running":
                evidence = (
                    Evidence(f"Pod/{other.metadata.name}", f"holds a GPU, created {began}"),
                    Evidence(f"Pod/{pod.metadata.name}", f"created {born}, {one.state}"),
                )
                return (of_pod(other, says, evidence, 0.45),)
    return ()


def held(case: Case, says: str) -> Results:
    """Guess why validations do not see a driver that is ready, beside pods of before.

    A pod with a GPU holds files of the driver that was there when it began.
    """
    for one in case.troubles_of(*ON_NODE):
        name = one.pod.spec.node_name
        drivers = [p for p in case.pods_on(name, DRIVER) if key(p) not in case.trouble]
        if one.container != "driver-validation" or not drivers or is_starting(case, one):
            continue
        born = drivers[0].metadata.creation_timestamp
        for other in case.pods_on(name, WORKLOAD):
            began = other.metadata.creation_timestamp
            runs = wants_gpu(other) and other.status.phase == "Running"
            if runs and began and began < born:
                evidence = (
                    Evidence(f"Pod/{other.metadata.name}", f"holds a GPU, created {began}"),
                    Evidence(f"Pod/{drivers[0].metadata.name}", f"ready, created {born}"),
                    Evidence(f"status of Pod/{one.pod.metadata.name}", one.container),
                )
                return (of_pod(other, says, evidence, 0.48),)
    return ()


_WHY = "holds a GPU and has no controller, so that nothing deletes it"


def _told(node: Node, label: str) -> str:
    return f"{label}={FAILED}{', cordoned' if node.spec.unschedulable else ''}"


def _alone(case: Case, node: Node) -> list[Pod]:
    return [
        pod
        for pod in case.pods_of(WORKLOAD)
        if pod.spec.node_name == node.metadata.name
        and wants_gpu(pod)
        and not any(owner.controller for owner in pod.metadata.owner_references)
        and not pod.has_ended
    ]
