"""What operators have in common: finding themselves running, keeping their objects in place."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube.resources import (
    CONFIGMAPS,
    DAEMONSETS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from oc_gpu.sim import bundles
from oc_gpu.sim.actors.framework import ActorContext
from oc_gpu.sim.actors.objects import (
    annotations_of,
    condition,
    is_terminating,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
)
from oc_gpu.sim.bundles import Bundle

RUNTIME_CLASSES = Resource("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", namespaced=False)
_RESOURCES = {
    r.kind: r
    for r in (
        CONFIGMAPS,
        DAEMONSETS,
        DEPLOYMENTS,
        NAMESPACES,
        PODS,
        RUNTIME_CLASSES,
        SERVICES,
        SERVICE_ACCOUNTS,
    )
}
READ = tuple(_RESOURCES.values())
"""Kinds whose caches `ensure` looks into."""
_GROWING = frozenset({"DaemonSet", "Deployment", "ConfigMap"})


class RunningOperator(Struct, frozen=True):
    """An operator whose pod runs: its Deployment and the bundle it came from."""

    deployment: RawObject
    bundle: Bundle

    @property
    def namespace(self) -> str:
        """Return the namespace that it runs in."""
        return namespace_of(self.deployment) or ""

    @property
    def env(self) -> dict[str, str]:
        """Return the plain variables of its containers."""
        containers = self.deployment["spec"]["template"]["spec"]["containers"]
        return {
            e["name"]: e["value"] for c in containers for e in c.get("env") or [] if "value" in e
        }

    def watches(self, namespace: str) -> bool:
        """Tell whether its OperatorGroup lets it act in a namespace."""
        notes = annotations_of(self.deployment["spec"]["template"])
        targets = notes.get("olm.targetNamespaces", "").split(",")
        return targets == [""] or namespace in targets


def running_operator(context: ActorContext, package: str) -> RunningOperator | None:
    """Return the operator of a package that OLM installed and that is available."""
    for deployment in context.informers.of(DEPLOYMENTS).list():
        csv = labels_of(deployment).get("olm.owner")
        if csv is None or is_terminating(deployment):
            continue
        bundle = bundles.by_csv(context.scenario, csv)
        if bundle and bundle.package == package and is_true(deployment, "Available"):
            return RunningOperator(deployment, bundle)
    return None


async def ensure(context: ActorContext, owner: RawObject, wanted: RawObject) -> RawObject:
    """Create an object of an operator's custom resource, or change what differs.

    Args:
        context: API and caches.
        owner: The custom resource; it will own the object.
        wanted: The object, without owner.
    """
    resource = _RESOURCES[wanted["kind"]]
    namespace = namespace_of(wanted)
    meta = {**wanted["metadata"], "ownerReferences": [owner_reference(owner)]}
    found = context.informers.of(resource).get(name_of(wanted), namespace)
    if found is None:
        return await context.create(resource, {**wanted, "metadata": meta}, namespace)
    if wanted["kind"] not in _GROWING or is_terminating(found):
        return found
    parts = {k: v for k, v in wanted.items() if k in {"spec", "data"}}
    if covers(found, parts):
        return found
    return await context.patch(resource, found, parts)


def covers(found: Any, wanted: Any) -> bool:
    """Tell whether everything wanted is in what was found; more may be there."""
    if found == wanted:  # fast, and most parts are
        return True
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            k in found and covers(found[k], v) for k, v in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(covers(f, w) for f, w in zip(found, wanted, strict=True))
        )
    return False


def is_settled(workload: RawObject) -> bool:
    """Tell whether a DaemonSet or Deployment has all its pods; one that wants none has them."""
    status = workload.get("status") or {}
    if status.get("observedGeneration") != workload["metadata"].get("generation", 1):
        return False
    if workload["kind"] == "Deployment":
        return (condition(workload, "Available") or {}).get("status") == "True"
    return not status.get("numberUnavailable")


def ready_pods(pods: Iterable[RawObject], labels: Mapping[str, str]) -> list[RawObject]:
    """Return the ready pods with these labels."""
    return [
        p
        for p in pods
        if labels.items() <= labels_of(p).items() and is_true(p, "Ready") and not is_terminating(p)
    ]


def namespace_object(name: str) -> RawObject:
    """Return a namespace as an operator makes it for its operands."""
    labels = {"openshift.io/cluster-monitoring": "true"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def account(name: str, namespace: str) -> RawObject:
    """Return a ServiceAccount."""
    return _simple("v1", "ServiceAccount", name, namespace)


def service(name: str, namespace: str, port: int, selector: Mapping[str, str]) -> RawObject:
    """Return a Service with one port."""
    ports = [{"name": "http", "port": port, "targetPort": port, "protocol": "TCP"}]
    spec = {"type": "ClusterIP", "selector": dict(selector), "ports": ports}
    return _simple("v1", "Service", name, namespace) | {"spec": spec}


def config_map(name: str, namespace: str, data: Mapping[str, str]) -> RawObject:
    """Return a ConfigMap."""
    return _simple("v1", "ConfigMap", name, namespace) | {"data": dict(data)}


def runtime_class(name: str) -> RawObject:
    """Return a RuntimeClass whose handler has its name."""
    return {
        "apiVersion": RUNTIME_CLASSES.api_version,
        "kind": RUNTIME_CLASSES.kind,
        "metadata": {"name": name},
        "handler": name,
    }


def field_env(names: Mapping[str, str]) -> Sequence[RawObject]:
    """Return variables that take fields of the pod."""
    return [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in names.items()
    ]


def _simple(api_version: str, kind: str, name: str, namespace: str) -> RawObject:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
    }
