"""Draining a node: which pods leave, and how each is asked to, by daemon and controller alike."""

from oc_gpu.kube import NotFoundError, RawObject, Resource
from oc_gpu.kube.resources import PODS
from oc_gpu.sim.actors.framework import ActorContext
from oc_gpu.sim.actors.objects import (
    annotations_of,
    by_node,
    controller_of,
    is_terminating,
    labels_of,
    matches,
    name_of,
    namespace_of,
)

_MIRROR = "kubernetes.io/config.mirror"
_V1_SINCE = 22
"""Minor release of Kubernetes that serves policy/v1 evictions."""


def evictable(context: ActorContext, node: str) -> list[RawObject]:
    """Return the pods of a node that leave it: no DaemonSet runs them, and no static manifest."""
    return [
        pod
        for pod in context.informers.of(PODS).lookup(by_node, node)
        if (controller_of(pod) or {}).get("kind") != "DaemonSet"
        and _MIRROR not in annotations_of(pod)
    ]


BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")


def is_kept(context: ActorContext, pod: RawObject) -> bool:
    """Tell whether a disruption budget forbids the eviction of a pod at the moment."""
    return any(
        matches(budget["spec"].get("selector"), labels_of(pod))
        and int((budget.get("status") or {}).get("disruptionsAllowed") or 0) <= 0
        for budget in context.informers.of(BUDGETS).list(namespace_of(pod))
    )


async def evict(context: ActorContext, pod: RawObject) -> None:
    """Ask for the eviction of a pod that is not leaving already, unless a budget forbids it."""
    if is_terminating(pod) or is_kept(context, pod):
        return
    minor = int(context.scenario.openshift.kubernetes.lstrip("v").split(".")[1])
    name, namespace = name_of(pod), namespace_of(pod)
    eviction = {
        "apiVersion": "policy/v1" if minor >= _V1_SINCE else "policy/v1beta1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
    }
    resource = Resource("", "v1", f"pods/{name}/eviction", "Eviction")
    try:
        await context.client.create(resource, eviction, namespace)
    except NotFoundError:
        context.informers.of(PODS).forget(pod)
    else:
        await context.refresh(PODS, pod)
