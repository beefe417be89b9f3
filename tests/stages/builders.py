"""Small builders of cluster objects for tests of pure functions."""

from typing import Any

import msgspec

from oc_gpu.snapshot.kinds import DaemonSet, Node, Pod
from oc_gpu.snapshot.model import Snapshot


def snapshot(**tables: Any) -> Snapshot:
    """Return a snapshot of some tables."""
    return Snapshot("https://test", tables={name: tuple(rows) for name, rows in tables.items()})


def meta(name: str, **more: Any) -> dict[str, Any]:
    """Return metadata."""
    return {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", **more}


def node(name: str, *, role: str = "worker", **more: Any) -> Node:
    """Return a ready node of a role."""
    labels = {f"node-role.kubernetes.io/{role}": "", **more.pop("labels", {})}
    annotations = more.pop("annotations", {})
    document = {
        "metadata": meta(name, labels=labels, annotations=annotations),
        "spec": {"taints": more.pop("taints", []), "unschedulable": more.pop("cordoned", False)},
        "status": {
            "allocatable": more.pop("allocatable", {}),
            "conditions": [{"type": "Ready", "status": more.pop("ready", "True")}],
        },
    }
    assert not more
    return msgspec.convert(document, Node)


def pod(name: str, *, namespace: str = "ns", phase: str = "Running", **more: Any) -> Pod:
    """Return a pod in a phase."""
    document = {
        "metadata": meta(
            name,
            namespace=namespace,
            labels=more.pop("labels", {}),
            ownerReferences=more.pop("owners", []),
        ),
        "spec": {"nodeName": more.pop("node", "")},
        "status": {"phase": phase, **more},
    }
    return msgspec.convert(document, Pod)


def daemon_set(name: str, *, namespace: str = "ns", desired: int = 1, ready: int = 1) -> DaemonSet:
    """Return a DaemonSet that observed its spec."""
    document = {
        "metadata": meta(name, namespace=namespace, generation=1),
        "status": {
            "desiredNumberScheduled": desired,
            "updatedNumberScheduled": desired,
            "numberReady": ready,
            "observedGeneration": 1,
        },
    }
    return msgspec.convert(document, DaemonSet)


def pool(name: str = "worker", *sources: str, **more: Any) -> dict[str, Any]:
    """Return a MachineConfigPool whose machines all have the rendered configuration."""
    rendered = more.pop("rendered", f"rendered-{name}-1")
    count = more.pop("count", 3)
    configuration = {"name": rendered, "source": [{"name": source} for source in sources]}
    status = {
        "configuration": more.pop("has", configuration),
        "machineCount": count,
        "updatedMachineCount": more.pop("updated", count),
        "readyMachineCount": more.pop("ready", count),
        "unavailableMachineCount": 0,
        "observedGeneration": 1,
        "conditions": [
            {"type": "Updated", "status": more.pop("is_updated", "True")},
            *more.pop("conditions", []),
        ],
    }
    role = "machineconfiguration.openshift.io/role"
    return {
        "metadata": meta(name, generation=1),
        "spec": {
            "configuration": configuration,
            "machineConfigSelector": {"matchLabels": {role: name}},
            "nodeSelector": {"matchLabels": {f"node-role.kubernetes.io/{name}": ""}},
            **more,
        },
        "status": status,
    }
