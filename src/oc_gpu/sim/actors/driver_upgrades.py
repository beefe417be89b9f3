"""The GPU Operator's upgrade controller: driver pods are replaced node by node.

Releases from 22.9.2 on let nobody else replace a driver pod (its DaemonSet is `OnDelete`). Where
the ClusterPolicy says `autoUpgrade`, a node whose driver pod is outdated is cordoned, pods that use
its GPUs are deleted, the driver pod is deleted, and when the new one is validated the node is freed
(NVIDIA/k8s-operator-libs pkg/upgrade, NVIDIA/gpu-operator controllers/upgrade_controller.go). Pods
without a controller are only deleted by force; without it the upgrade of their node has failed.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import CLUSTER_POLICIES, DAEMONSETS, NODES, PODS
from oc_gpu.sim.actors.daemonsets import template_hash
from oc_gpu.sim.actors.framework import ActorContext, Controller, Watch
from oc_gpu.sim.actors.gpu_operator_nodes import GPU, by_gpu, has_gpu
from oc_gpu.sim.actors.objects import (
    annotations_of,
    by_node,
    controller_of,
    is_terminating,
    is_true,
    labels_of,
    name_of,
    namespace_of,
)
from oc_gpu.sim.actors.podsets import ENDED, hash_of, phase

STATE = "nvidia.com/gpu-driver-upgrade-state"
REQUIRED, DONE, FAILED = "upgrade-required", "upgrade-done", "upgrade-failed"
_CORDON, _JOBS, _PODS = "cordon-required", "wait-for-jobs-required", "pod-deletion-required"
_RESTART, _VALIDATE, _UNCORDON = "pod-restart-required", "validation-required", "uncordon-required"
_AT_REST = frozenset({"", REQUIRED, DONE, FAILED})
_WAS_CORDONED = "nvidia.com/gpu-driver-upgrade.node-initial-state.unschedulable"
_HASH = "controller-revision-hash"
_DRIVER = {"app.kubernetes.io/component": "nvidia-driver"}
_VALIDATOR = {"app": "nvidia-operator-validator"}
_RESOURCES = ("nvidia.com/gpu", "nvidia.com/mig-")


def _by_driver(pod: RawObject) -> Hashable:
    """Index driver pods by the node that they run on."""
    return by_node(pod) if _DRIVER.items() <= labels_of(pod).items() else None


class DriverUpgrades(Controller):
    """Moves each GPU node through the states of a driver upgrade."""

    name = "driver-upgrades"
    concurrency = 1

    def __init__(self, context: ActorContext) -> None:
        super().__init__(context)
        self._hashes: dict[tuple[str, str], str | None] = {}
        """What pods of each driver DaemonSet are to carry, in one turn."""

    def watches(self) -> Sequence[Watch]:
        """Return policies, driver DaemonSets, nodes and pods; all are one piece of work."""
        return tuple(Watch(kind, self._all) for kind in (CLUSTER_POLICIES, DAEMONSETS, NODES, PODS))

    @staticmethod
    def _all(_: RawObject) -> Iterable[Hashable]:
        return ("upgrades",)

    async def reconcile(self, key: Any) -> None:
        """Move each node on as far as it can go now."""
        del key
        how = self._upgrade_policy()
        if not how.get("autoUpgrade"):
            return
        self._hashes.clear()
        limit = how.get("maxParallelUpgrades", 1)
        nodes = [n for n in self.cache(NODES).lookup(by_gpu, GPU) if has_gpu(n)]
        busy = sum(_state(n) not in _AT_REST for n in nodes)
        for node in sorted(nodes, key=name_of):
            begins = _state(node) == REQUIRED and (not limit or busy < limit)
            busy += begins
            step = _CORDON if begins else await self._next(node, how)
            if step:
                await self.context.patch(NODES, node, {"metadata": {"labels": {STATE: step}}})

    def _upgrade_policy(self) -> RawObject:
        for policy in self.cache(CLUSTER_POLICIES).list():
            if not is_terminating(policy):
                driver = policy["spec"].get("driver") or {}
                return dict(driver.get("upgradePolicy") or {})
        return {}

    async def _next(self, node: RawObject, how: RawObject) -> str:
        """Do the work of a node's state; return the next one, empty while this one lasts."""
        steps: dict[str, Callable[[RawObject, RawObject], Awaitable[str]]] = {
            "": self._begin,
            DONE: self._begin,
            _CORDON: self._cordon,
            _JOBS: self._wait_for_jobs,
            _PODS: self._delete_users,
            _RESTART: self._restart,
            _VALIDATE: self._validate,
            _UNCORDON: self._uncordon,
        }
        step = steps.get(_state(node))
        return await step(node, how) if step is not None else ""

    def _on(self, node: RawObject) -> list[RawObject]:
        return self.cache(PODS).lookup(by_node, name_of(node))

    def _driver(self, node: RawObject) -> RawObject | None:
        return next(iter(self.cache(PODS).lookup(_by_driver, name_of(node))), None)

    def _is_outdated(self, pod: RawObject) -> bool:
        name, namespace = (controller_of(pod) or {}).get("name", ""), namespace_of(pod) or ""
        if (namespace, name) not in self._hashes:
            made = self.cache(DAEMONSETS).get(name, namespace)
            self._hashes[namespace, name] = None if made is None else template_hash(made)
        return self._hashes[namespace, name] not in (None, hash_of(pod, _HASH))

    async def _begin(self, node: RawObject, _how: RawObject) -> str:
        pod = self._driver(node)
        if pod is None or is_terminating(pod):
            return ""
        if self._is_outdated(pod):
            return REQUIRED
        return DONE if not _state(node) and is_true(pod, "Ready") else ""

    async def _cordon(self, node: RawObject, _how: RawObject) -> str:
        if node["spec"].get("unschedulable"):
            change: RawObject = {"metadata": {"annotations": {_WAS_CORDONED: "true"}}}
        else:
            change = {"spec": {"unschedulable": True}}
        await self.context.patch(NODES, node, change)
        return _JOBS

    async def _wait_for_jobs(self, _node: RawObject, _how: RawObject) -> str:
        return _PODS  # nothing is waited for where the policy selects no jobs

    async def _delete_users(self, node: RawObject, how: RawObject) -> str:
        users = [p for p in self._on(node) if _uses_gpu(p) and phase(p) not in ENDED]
        force = (how.get("podDeletion") or {}).get("force")
        if not force and any(controller_of(p) is None for p in users):
            return FAILED
        for pod in users:
            if not is_terminating(pod):
                await self.context.delete(PODS, pod)
        return "" if users else _RESTART

    async def _restart(self, node: RawObject, _how: RawObject) -> str:
        pod = self._driver(node)
        if pod is None or is_terminating(pod):
            return ""
        if self._is_outdated(pod):
            await self.context.delete(PODS, pod)
            return ""
        return _VALIDATE if is_true(pod, "Ready") else ""

    async def _validate(self, node: RawObject, _how: RawObject) -> str:
        ready = any(
            _VALIDATOR.items() <= labels_of(p).items() and is_true(p, "Ready")
            for p in self._on(node)
        )
        return _UNCORDON if ready else ""

    async def _uncordon(self, node: RawObject, _how: RawObject) -> str:
        if _WAS_CORDONED in annotations_of(node):
            change: RawObject = {"metadata": {"annotations": {_WAS_CORDONED: None}}}
        else:
            change = {"spec": {"unschedulable": None}}
        await self.context.patch(NODES, node, change)
        return DONE


def _state(node: RawObject) -> str:
    return str(labels_of(node).get(STATE, ""))


def _uses_gpu(pod: RawObject) -> bool:
    """Tell whether a pod asks for a GPU; pods of DaemonSets are none of the controller's."""
    if (controller_of(pod) or {}).get("kind") == "DaemonSet":
        return False
    limits = (c.get("resources", {}).get("limits") or {} for c in pod["spec"]["containers"])
    return any(name.startswith(_RESOURCES) for given in limits for name in given)
