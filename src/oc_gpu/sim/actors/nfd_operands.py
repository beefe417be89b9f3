"""What the NFD operator makes of a NodeFeatureDiscovery, per release. Pure."""

from collections.abc import Iterator
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.objects import namespace_of
from oc_gpu.sim.actors.operands import account, config_map, field_env, service

MASTER_DEPLOYMENT_SINCE = (4, 12)
CONDITIONS_SINCE = (4, 8)
V1_SINCE = (4, 7)
_GC_SINCE = (4, 17)
_ALL_EFFECTS_UNTIL = (4, 5)
_PORT = 12000
_MASTER = "node-role.kubernetes.io/master"
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_WORKER = "node-role.kubernetes.io/worker"
_HOST_PATHS = {
    "host-boot": ("/boot", "/host-boot"),
    "host-os-release": ("/etc/os-release", "/host-etc/os-release"),
    "host-sys": ("/sys", "/host-sys"),
    "nfd-hooks": (
        "/etc/kubernetes/node-feature-discovery/source.d",
        "/etc/kubernetes/node-feature-discovery/source.d",
    ),
    "nfd-features": (
        "/etc/kubernetes/node-feature-discovery/features.d",
        "/etc/kubernetes/node-feature-discovery/features.d",
    ),
}
CONFIG_KEY = "nfd-worker-conf"


def operands(cr: RawObject, minor: tuple[int, int], default_image: str) -> Iterator[RawObject]:
    """Yield the objects for a NodeFeatureDiscovery; they live in its own namespace.

    Args:
        cr: The custom resource.
        minor: OpenShift release of the operator.
        default_image: Image of the operator's environment, for resources that name none.
    """
    namespace = namespace_of(cr) or ""
    operand: RawObject = (cr.get("spec") or {}).get("operand") or {}
    image = operand.get("image") or default_image
    if minor < MASTER_DEPLOYMENT_SINCE:
        yield account("nfd-master", namespace)
        yield account("nfd-worker", namespace)
        yield service("nfd-master", namespace, _PORT, {"app": "nfd-master"})
    yield config_map("nfd-worker", namespace, {CONFIG_KEY: _config(cr)})
    yield _master(namespace, minor, image, operand)
    yield _worker(namespace, minor, image, operand)
    if minor >= _GC_SINCE:
        yield _collector(namespace, image)


def _config(cr: RawObject) -> str:
    return str((((cr.get("spec") or {}).get("workerConfig")) or {}).get("configData") or "")


def _container(name: str, image: str, operand: RawObject, **more: Any) -> RawObject:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": operand.get("imagePullPolicy") or "IfNotPresent",
        "command": [name],
        "env": field_env({"NODE_NAME": "spec.nodeName"}),
        **more,
    }


def _workload(kind: str, name: str, namespace: str, pod: RawObject) -> RawObject:
    labels = {"app": name}
    spec: RawObject = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    if kind == "Deployment":
        spec["replicas"] = 1
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "nfd"}},
        "spec": spec,
    }


def _master(namespace: str, minor: tuple[int, int], image: str, operand: RawObject) -> RawObject:
    container = _container("nfd-master", image, operand, args=[f"--port={_PORT}"])
    tolerations = [
        {"key": _MASTER, "operator": "Equal", "effect": "NoSchedule"},
        {"key": _CONTROL_PLANE, "operator": "Equal", "effect": "NoSchedule"},
        *(operand.get("masterTolerations") or []),
    ]
    pod: RawObject = {
        "serviceAccountName": "nfd-master",
        "containers": [container],
        "tolerations": tolerations,
    }
    if minor < MASTER_DEPLOYMENT_SINCE:
        pod["nodeSelector"] = {_MASTER: ""}
        return _workload("DaemonSet", "nfd-master", namespace, pod)
    preferences = [
        {
            "weight": 1,
            "preference": {"matchExpressions": [{"key": k, "operator": "In", "values": [""]}]},
        }
        for k in (_MASTER, _CONTROL_PLANE)
    ]
    pod["affinity"] = {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferences}
    }
    container["readinessProbe"] = {"grpc": {"port": 8082}, "initialDelaySeconds": 5}
    return _workload("Deployment", "nfd-master", namespace, pod)


def _worker(namespace: str, minor: tuple[int, int], image: str, operand: RawObject) -> RawObject:
    mounts = [{"name": n, "mountPath": inside} for n, (_, inside) in _HOST_PATHS.items()]
    mounts.append({"name": "config", "mountPath": "/etc/kubernetes/node-feature-discovery"})
    volumes: list[RawObject] = [
        {"name": n, "hostPath": {"path": outside}} for n, (outside, _) in _HOST_PATHS.items()
    ]
    items = [{"key": CONFIG_KEY, "path": "nfd-worker.conf"}]
    volumes.append({"name": "config", "configMap": {"name": "nfd-worker", "items": items}})
    terms = [
        {"matchExpressions": [{"key": _MASTER, "operator": "DoesNotExist"}]},
        {"matchExpressions": [{"key": _WORKER, "operator": "Exists"}]},
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    pod: RawObject = {
        "serviceAccountName": "nfd-worker",
        "hostNetwork": True,
        "affinity": {"nodeAffinity": required},
        "containers": [_container("nfd-worker", image, operand, volumeMounts=mounts)],
        "volumes": volumes,
        "tolerations": worker_tolerations(minor, operand),
    }
    if operand.get("workerNodeSelector"):
        pod["nodeSelector"] = operand["workerNodeSelector"]
    return _workload("DaemonSet", "nfd-worker", namespace, pod)


def worker_tolerations(minor: tuple[int, int], operand: RawObject) -> list[RawObject]:
    """Return what nfd-worker tolerates: everything, later every NoSchedule, later what is given."""
    if minor <= _ALL_EFFECTS_UNTIL:
        return [{"operator": "Exists"}]
    given: list[RawObject] = operand.get("workerTolerations") or []
    return [{"operator": "Exists", "effect": "NoSchedule"}, *given]


def _collector(namespace: str, image: str) -> RawObject:
    container = _container("nfd-gc", image, {"imagePullPolicy": "Always"})
    pod = {"serviceAccountName": "nfd-gc", "containers": [container]}
    return _workload("Deployment", "nfd-gc", namespace, pod)
