"""A small cluster in values, good by default: each test changes the one thing that it is about."""

from collections.abc import Iterable
from typing import Any

import msgspec

from oc_gpu.checks.evidence import NodeEvidence, Sample, StayOff
from oc_gpu.checks.inputs import (
    Certificate,
    Entitlement,
    Inputs,
    Operator,
    Release,
    Rights,
    Software,
)
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.kube import RawObject
from oc_gpu.snapshot.kinds import DaemonSet, Node, Pod, Taint
from oc_gpu.snapshot.model import Snapshot
from tests.checks import smi_text

NOW = 1_700_000_000.0
NAMESPACE = "nvidia-gpu-operator"
OPERANDS = ("nvidia-driver-daemonset", "nvidia-device-plugin-daemonset")
TAINT = Taint("nodetype", "gpu", "NoSchedule")
CARD_LINE = "[    0.61] pci 0000:13:00.0: [10de:1eb8] type 00 class 0x030200"
OTHER_LINE = "[    0.52] pci 0000:00:0f.0: [15ad:0405] type 00 class 0x030000"
UNSECURED = "[    0.00] secureboot: Secure boot disabled"
MESSAGE = (
    "0/4 nodes are available: 1 node(s) had taint {nodetype: gpu}, that the pod didn't tolerate."
)
GPU_LABELS = {
    "feature.node.kubernetes.io/pci-10de.present": "true",
    "nvidia.com/gpu.present": "true",
    "nvidia.com/gpu.product": "Tesla-T4",
    "nvidia.com/gpu.count": "1",
}


def node(name: str, *, ready: str = "True", gpus: int = 0, **metadata: Any) -> Node:
    amounts = {"cpu": "16"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    condition = {"type": "Ready", "status": ready, "reason": "KubeletNotReady", "message": "m"}
    taints = metadata.pop("taints", ())
    build = metadata.pop("build", "9.6.20251028-0")
    raw = {
        "metadata": {"name": name, **metadata},
        "spec": {"taints": [msgspec.to_builtins(taint) for taint in taints]},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [condition],
            "nodeInfo": {"osImage": f"Red Hat Enterprise Linux CoreOS {build} (Plow)"},
        },
    }
    return msgspec.convert(raw, Node)


def gpu_node(name: str = "worker03", **changes: Any) -> Node:
    labels = GPU_LABELS | changes.pop("labels", {})
    kept = {key: value for key, value in labels.items() if value is not None}
    return node(name, gpus=changes.pop("gpus", 1), labels=kept, **changes)


def pool(name: str = "worker", *, paused: bool = False, **conditions: str) -> RawObject:
    return {
        "metadata": {"name": name},
        "spec": {
            "paused": paused,
            "machineConfigSelector": {
                "matchLabels": {"machineconfiguration.openshift.io/role": "worker"}
            },
        },
        "status": {
            "machineCount": 3,
            "conditions": [
                {"type": kind, "status": "True", "message": message}
                for kind, message in conditions.items()
            ],
        },
    }


def daemon_set(name: str, desired: int = 1, **template: Any) -> DaemonSet:
    raw = {
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"template": {"spec": template}},
        "status": {"desiredNumberScheduled": desired},
    }
    return msgspec.convert(raw, DaemonSet)


def pod(owner: str, on: str = "worker03", *, ready: bool = True) -> Pod:
    waiting = {} if ready else {"waiting": {"reason": "CrashLoopBackOff"}}
    raw = {
        "metadata": {
            "name": f"{owner}-x7k2m",
            "namespace": NAMESPACE,
            "ownerReferences": [{"kind": "DaemonSet", "name": owner, "controller": True}],
        },
        "spec": {"nodeName": on},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "c", "ready": ready, "state": waiting}],
        },
    }
    return msgspec.convert(raw, Pod)


def raw(name: str, namespace: str = "", **rest: Any) -> RawObject:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"metadata": metadata | rest.pop("metadata", {}), **rest}


BUILD = "9.6.20251028-0"
TOOLKIT = raw("driver-toolkit", "openshift", status={"tags": [{"tag": BUILD}, {"tag": "latest"}]})
REGISTRY = raw("cluster", spec={"managementState": "Managed", "storage": {"pvc": {"claim": ""}}})
WORKERS = (node("worker01"), node("worker02"), gpu_node())


def snapshot(**tables: Any) -> Snapshot:
    """A cluster that works; every source was read."""
    changes = {name: tables.pop(name) for name in ("unread", "journals", "logs") if name in tables}
    good: dict[str, Iterable[Any]] = {
        "nodes": (node("master01"), *WORKERS),
        "clusterversions": (raw("version"),),
        "proxies": (raw("cluster", spec={}),),
        "machineconfigs": (),
        "machineconfigpools": (pool(),),
        "imagestreams": (TOOLKIT,),
        "catalogsources": (),
        "packagemanifests": (),
        "subscriptions": (),
        "operatorgroups": (),
        "nodefeaturediscoveries": (),
        "clusterpolicies": (raw("gpu-cluster-policy", status={"state": "ready"}),),
        "namespaces": (),
        "csvs": (),
        "crds": (),
        "poddisruptionbudgets": (),
        "configs.imageregistry.operator.openshift.io": (REGISTRY,),
        "configmaps/openshift-config": (),
        "daemonsets.apps": (),
        "deployments.apps": (),
        "daemonsets": tuple(daemon_set(name) for name in OPERANDS),
        "pods": tuple(pod(name) for name in OPERANDS),
    }
    read = {name: tuple(items) for name, items in (good | tables).items() if items is not None}
    return Snapshot("https://api.example.com:6443", now=NOW, tables=read, **changes)


GPU_OPERATOR = Operator(
    title="the GPU Operator",
    package="gpu-operator-certified",
    csv="gpu-operator-certified.v25.10.1",
    channel="v25.10",
    catalog="certified-operators",
    namespace=NAMESPACE,
    own_group=True,
    reason="the newest release that supports OpenShift 4.20",
)


def inputs(cluster: Snapshot | None = None, **changes: Any) -> Inputs:
    cluster = cluster or snapshot()
    workers = tuple(n for n in cluster.nodes if n.metadata.name != "master01")
    good: dict[str, Any] = {
        "snapshot": cluster,
        "release": Release("4.20.4", ("4.4", "4.20", "4.22")),
        "workers": workers,
        "gpu_nodes": tuple(
            n.metadata.name for n in workers if GPU_LABELS.keys() & n.metadata.labels.keys()
        ),
        "operators": (GPU_OPERATOR,),
        "entitlement": Entitlement(needed=False, reason="the Driver Toolkit has all packages"),
        "operand_namespace": NAMESPACE,
        "operands": OPERANDS,
        "rights": Rights(asked=5),
        "software": Software(operator="25.10.1", driver="580.105.08"),
    }
    return Inputs(**(good | changes))


NEEDED = Entitlement(needed=True, reason="OpenShift 4.4 has no Driver Toolkit")
CERTIFICATE = Certificate(NOW - 86_400, NOW + 300 * 86_400)
LOG = f"GPU 0: Tesla T4 (UUID: {smi_text.UUID})\n[Vector addition]\nTest PASSED\nDone\n"


def sample(**changes: Any) -> Sample:
    good: dict[str, Any] = {
        "pod": "oc-gpu/cuda-sample-worker03",
        "node": "worker03",
        "phase": "Succeeded",
        "image_id": "nvcr.io/nvidia/k8s/cuda-sample@sha256:0123",
        "log": LOG,
    }
    return Sample(**(good | changes))


def evidence(**changes: Any) -> NodeEvidence:
    boards = changes.pop("boards", [smi_text.Board()])
    good: dict[str, Any] = {
        "node": "worker03",
        "driver_pod": f"{NAMESPACE}/nvidia-driver-daemonset-x7k2m",
        "container": "smi-container-of-the-facts",
        "smi_xml": smi_text.xml(11, boards, "450.80.02", "11.0"),
        "smi_table": smi_text.table("450", boards, "450.80.02", "11.0"),
        "smi_list": "",
        "samples": (sample(),),
        "stay_off": StayOff("oc-gpu/no-gpu-worker03", message=MESSAGE),
    }
    return NodeEvidence(**(good | changes))


def only(findings: Iterable[Finding], code: str) -> Finding:
    """Return the one finding of a code."""
    found = [finding for finding in findings if finding.code == code]
    assert len(found) == 1, found
    return found[0]


def said(findings: Iterable[Finding], code: str) -> list[tuple[Severity, str]]:
    return [(f.severity, f.title) for f in findings if f.code == code]
