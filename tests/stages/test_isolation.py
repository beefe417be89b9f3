"""Taints that the operands of a release cannot be made to tolerate."""

import msgspec

from oc_gpu.config import GpuPlatform, IsolationSpec, Spec
from oc_gpu.snapshot.kinds import DaemonSet
from oc_gpu.stages import context as contexts
from oc_gpu.stages import isolation
from oc_gpu.stages.model import Progress, State
from tests.stages.builders import meta, node, snapshot

NAMESPACE, PACKAGE = "gpu-operator-resources", "gpu-operator-certified"
CARD = {"feature.node.kubernetes.io/pci-10de.present": "true"}


def tolerated(csv: str, taint: str) -> Progress:
    sub = {
        "metadata": meta(PACKAGE, namespace="openshift-operators"),
        "spec": {"name": PACKAGE},
        "status": {"installedCSV": csv},
    }
    own = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    document = {
        "metadata": meta("nvidia-driver-daemonset", namespace=NAMESPACE, generation=1),
        "spec": {"template": {"spec": {"tolerations": [own]}}},
        "status": {"observedGeneration": 1, "desiredNumberScheduled": 1, "numberReady": 1}
        | {"updatedNumberScheduled": 1},
    }
    operand = msgspec.convert(document, DaemonSet)
    tables = snapshot(subscriptions=[sub], daemonsets=[operand], nodes=[node("n", labels=CARD)])
    config = GpuPlatform(spec=Spec(isolation=IsolationSpec(taint=taint)))
    first, *_ = isolation.plan(contexts.build(config, tables)).milestones
    assert first.progress is not None
    return first.progress


def test_a_release_without_tolerations_blocks_a_taint_of_another_key() -> None:
    progress = tolerated(f"{PACKAGE}.v1.1.7", "nodetype=gpu:NoSchedule")
    assert progress.state is State.BLOCKED
    assert "GPU Operator 1.1.7" in progress.detail
    assert "nvidia.com/gpu" in " ".join(progress.hints)


def test_the_taint_that_operands_tolerate_by_themselves_needs_nothing() -> None:
    assert tolerated(f"{PACKAGE}.v1.1.7", "nvidia.com/gpu=present:NoSchedule").state is State.DONE


def test_a_later_release_gets_the_toleration() -> None:
    assert tolerated(f"{PACKAGE}.v1.3.0", "nodetype=gpu:NoSchedule").state is State.WAITING
