"""What the server fills in for built-in kinds when an object does not say it."""

import base64
from collections.abc import Callable
from typing import Any

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.kinds import ServedKind

_EVICTED_AFTER = 300
"""Seconds that a pod stays on a node that is not ready or unreachable."""


def complete(kind: ServedKind, obj: RawObject) -> None:
    """Fill in the defaults of a built-in kind, in place."""
    filler = _FILLERS.get(kind.key)
    if filler is not None:
        filler(obj)


def admit(kind: ServedKind, obj: RawObject) -> None:
    """Fill in, in place, what is nobody's field: what admission and the kind's own rules add."""
    filler = _ADMITTERS.get(kind.key)
    if filler is not None:
        filler(obj)
    if kind.key in _FIRST_STATUS:
        obj["status"] = {**_FIRST_STATUS[kind.key], **(obj.get("status") or {})}


def _namespace(obj: RawObject) -> None:
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"]["name"]


def _active_namespace(obj: RawObject) -> None:
    if "deletionTimestamp" not in obj["metadata"]:
        obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    obj.setdefault("status", {}).setdefault("phase", "Active")


def _secret(obj: RawObject) -> None:
    plain = obj.pop("stringData", None) or {}
    if plain:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    obj.setdefault("type", "Opaque")


def _pod(obj: RawObject) -> None:
    spec = obj.setdefault("spec", {})
    _pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)


def _admitted_pod(obj: RawObject) -> None:
    spec = obj["spec"]
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", 0)
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(t.get("key") in {key, None} and _tolerates(t) for t in tolerations):
            tolerations.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": _EVICTED_AFTER,
                }
            )
    status = obj.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", qos_class(spec))


def _tolerates(toleration: RawObject) -> bool:
    return toleration.get("effect", "NoExecute") in {"NoExecute", ""}


def qos_class(spec: RawObject) -> str:
    """Return the quality of service that a pod's requests and limits amount to."""
    every = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    demands = [c.get("resources") or {} for c in every]
    named = [d.get(what) or {} for d in demands for what in ("requests", "limits")]
    if not any(key in amounts for amounts in named for key in ("cpu", "memory")):
        return "BestEffort"
    if all(_is_guaranteed(demand) for demand in demands):
        return "Guaranteed"
    return "Burstable"


def _is_guaranteed(demand: RawObject) -> bool:
    limits = demand.get("limits") or {}
    requests = {**limits, **(demand.get("requests") or {})}
    return all(key in limits and requests[key] == limits[key] for key in ("cpu", "memory"))


def _pod_spec(spec: RawObject) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for group in ("initContainers", "containers"):
        for container in spec.get(group) or []:
            _container(container)


def _container(container: RawObject) -> None:
    image = container.get("image", "")
    latest = "@" not in image and image.rpartition("/")[2].partition(":")[2] in {"", "latest"}
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
    limits = container["resources"].get("limits")
    if limits:
        requests = container["resources"].setdefault("requests", {})
        for key, amount in limits.items():
            requests.setdefault(key, amount)


def _template(spec: RawObject) -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    _pod_spec(template.setdefault("spec", {}))


def _deployment(obj: RawObject) -> None:
    spec = obj.setdefault("spec", {})
    _template(spec)
    _fill(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        _fill(rolling, {"maxUnavailable": "25%", "maxSurge": "25%"})


def _replica_set(obj: RawObject) -> None:
    spec = obj.setdefault("spec", {})
    _template(spec)
    spec.setdefault("replicas", 1)


def _daemon_set(obj: RawObject) -> None:
    spec = obj.setdefault("spec", {})
    _template(spec)
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        _fill(strategy.setdefault("rollingUpdate", {}), {"maxUnavailable": 1, "maxSurge": 0})


def _job(obj: RawObject) -> None:
    spec = obj.setdefault("spec", {})
    _template(spec)
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    _fill(
        spec,
        {"parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False},
    )


def _admitted_job(obj: RawObject) -> None:
    spec = obj["spec"]
    uid, name = obj["metadata"]["uid"], obj["metadata"]["name"]
    if not spec.get("manualSelector"):
        spec.setdefault("selector", {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})
        labels = spec["template"]["metadata"].setdefault("labels", {})
        for prefix in ("", "batch.kubernetes.io/"):
            _fill(labels, {f"{prefix}controller-uid": uid, f"{prefix}job-name": name})


def _service(obj: RawObject) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, {"type": "ClusterIP", "sessionAffinity": "None"})
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    obj.setdefault("status", {"loadBalancer": {}})


def _role_binding(obj: RawObject) -> None:
    group = "rbac.authorization.k8s.io"
    obj.setdefault("roleRef", {}).setdefault("apiGroup", group)
    for subject in obj.get("subjects") or []:
        is_account = subject.get("kind") == "ServiceAccount"
        if not is_account:
            subject.setdefault("apiGroup", group)


def _fill(target: RawObject, values: dict[str, Any]) -> None:
    for key, value in values.items():
        target.setdefault(key, value)


_ADMITTERS: dict[tuple[str, str], Callable[[RawObject], None]] = {
    ("", "namespaces"): _active_namespace,
    ("", "pods"): _admitted_pod,
    ("batch", "jobs"): _admitted_job,
}
_FIRST_STATUS: dict[tuple[str, str], RawObject] = {
    ("apps", "daemonsets"): {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    },
    ("apps", "deployments"): {},
    ("apps", "replicasets"): {"replicas": 0},
    ("batch", "jobs"): {},
    ("policy", "poddisruptionbudgets"): {
        "disruptionsAllowed": 0,
        "currentHealthy": 0,
        "desiredHealthy": 0,
        "expectedPods": 0,
    },
}
"""What a status tells before anybody wrote it: counts that are always there."""
_FILLERS: dict[tuple[str, str], Callable[[RawObject], None]] = {
    ("", "namespaces"): _namespace,
    ("", "secrets"): _secret,
    ("", "pods"): _pod,
    ("", "services"): _service,
    ("apps", "deployments"): _deployment,
    ("apps", "replicasets"): _replica_set,
    ("apps", "daemonsets"): _daemon_set,
    ("batch", "jobs"): _job,
    ("rbac.authorization.k8s.io", "rolebindings"): _role_binding,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _role_binding,
}
