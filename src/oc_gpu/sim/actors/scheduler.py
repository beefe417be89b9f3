"""The scheduler: binds pending pods to nodes."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from oc_gpu.kube import NotFoundError, RawObject, Resource
from oc_gpu.kube.resources import NODES, PODS
from oc_gpu.sim.actors.framework import Controller, EventSource, Watch
from oc_gpu.sim.actors.objects import (
    by_node,
    condition,
    is_terminating,
    name_of,
    namespace_of,
    uid_of,
    with_condition,
)
from oc_gpu.sim.actors.placement import Cluster, place

_ALL = "pending"
_ENDED = {"Succeeded", "Failed"}


def _has_ended(pod: RawObject) -> bool:
    return (pod.get("status") or {}).get("phase") in _ENDED


def _pending(pod: RawObject) -> str | None:
    """Return the queue in which a pod waits for a node: an index of caches."""
    bound = pod["spec"].get("nodeName") or is_terminating(pod) or _has_ended(pod)
    return None if bound else _ALL


class Scheduler(Controller):
    """Places pods without a node; a pod that fits nowhere waits for the cluster to change."""

    name = "default-scheduler"
    concurrency = 1

    def watches(self) -> Sequence[Watch]:
        """Return pods and nodes: any change may make room."""
        return (Watch(PODS, self._pod_keys), Watch(NODES, lambda _node: (_ALL,)))

    def _pod_keys(self, pod: RawObject) -> Iterable[Hashable]:
        waiting = not pod["spec"].get("nodeName") and not is_terminating(pod)
        gone = self.cache(PODS).get(name_of(pod), namespace_of(pod)) is None
        return (_ALL,) if waiting or gone or _has_ended(pod) else ()

    async def reconcile(self, key: Any) -> None:
        """Try to place every pending pod, oldest first."""
        del key
        pending = self._pending()
        if not pending:
            return
        cluster = self._cluster()
        for pod in pending:
            await self._place(pod, cluster)

    def _pending(self) -> list[RawObject]:
        return sorted(
            self.cache(PODS).lookup(_pending, _ALL),
            key=lambda p: (
                -int(p["spec"].get("priority") or 0),
                p["metadata"].get("creationTimestamp", ""),
                name_of(p),
            ),
        )

    def _cluster(self) -> Cluster:
        minor = int(self.scenario.openshift.kubernetes.lstrip("v").split(".")[1])
        return Cluster(self.cache(NODES).list(), self._pods_on, minor)

    def _pods_on(self, node: str) -> list[RawObject]:
        return [p for p in self.cache(PODS).lookup(by_node, node) if not _has_ended(p)]

    async def _place(self, pod: RawObject, cluster: Cluster) -> None:
        placement = place(pod, cluster)
        if placement.node is None:
            await self._report(pod, placement.message)
            return
        space, name = namespace_of(pod), name_of(pod)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": space, "uid": uid_of(pod)},
            "target": {"apiVersion": "v1", "kind": "Node", "name": placement.node},
        }
        try:
            await self.context.client.create(_binding(name), binding, space)
        except NotFoundError:
            self.cache(PODS).forget(pod)
            return
        cluster.bind(pod, placement.node)
        await self.context.refresh(PODS, pod)
        text = f"Successfully assigned {space}/{name} to {placement.node}"
        await self.context.event(pod, "Scheduled", text, source=EventSource(self.name))

    async def _report(self, pod: RawObject, message: str) -> None:
        entry = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
        }
        status = pod.get("status") or {}
        old = condition(pod, "PodScheduled")
        if old and old.get("message") == message:
            return
        conditions = with_condition(status.get("conditions"), entry, self.clock.now())
        await self.context.patch_status(PODS, pod, {"phase": "Pending", "conditions": conditions})
        source = EventSource(self.name, warning=True)
        await self.context.event(pod, "FailedScheduling", message, source=source)


def _binding(pod: str) -> Resource:
    """Return the binding subresource of a pod as a collection to create in."""
    return Resource("", "v1", f"pods/{pod}/binding", "Binding")
