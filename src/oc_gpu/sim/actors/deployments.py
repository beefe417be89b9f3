"""The Deployment and ReplicaSet controllers."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import DEPLOYMENTS, PODS, REPLICASETS
from oc_gpu.sim.actors.framework import ActorContext, Controller, EventSource, Key, Watch
from oc_gpu.sim.actors.objects import (
    annotations_of,
    controller_of,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    owned_by,
    owner_reference,
    stable_hash,
    with_condition,
)
from oc_gpu.sim.actors.podsets import REFUSED, Refusals, active, is_ready, pod_from

_HASH = "pod-template-hash"
_REVISION = "deployment.kubernetes.io/revision"


def _keys_of_owner(obj: RawObject, kind: str) -> Iterable[Hashable]:
    owner = controller_of(obj)
    if owner and owner["kind"] == kind:
        yield Key(namespace_of(obj), owner["name"])


def _replicas(obj: RawObject) -> int:
    count = obj["spec"].get("replicas")
    return 1 if count is None else int(count)


class ReplicaSets(Controller):
    """Keeps as many pods as asked for."""

    name = "replicaset-controller"

    def __init__(self, context: ActorContext) -> None:
        super().__init__(context)
        self._refusals = Refusals(self)

    def watches(self) -> Sequence[Watch]:
        """Return ReplicaSets and their pods."""
        return (Watch(REPLICASETS), Watch(PODS, lambda p: _keys_of_owner(p, "ReplicaSet")))

    async def reconcile(self, key: Any) -> None:
        """Create or delete pods until the number fits, then update the status."""
        owner = self.cache(REPLICASETS).get(key.name, key.namespace)
        if owner is None or is_terminating(owner):
            return
        pods = active(owned_by(self.cache(PODS).list(key.namespace), owner))
        missing = _replicas(owner) - len(pods)
        source = EventSource(self.name)
        for _ in range(missing):
            pod = pod_from(owner, owner["spec"]["template"], {})
            try:
                created = await self.context.create(PODS, pod, key.namespace)
            except REFUSED as error:
                await self._refusals.note(owner, error, key)
                break
            text = f"Created pod: {name_of(created)}"
            await self.context.event(owner, "SuccessfulCreate", text, source=source)
        for pod in sorted(pods, key=lambda p: (is_ready(p), name_of(p)))[: max(0, -missing)]:
            await self.context.delete(PODS, pod)
            text = f"Deleted pod: {name_of(pod)}"
            await self.context.event(owner, "SuccessfulDelete", text, source=source)
        await self._report(owner)

    async def _report(self, owner: RawObject) -> None:
        pods = active(owned_by(self.cache(PODS).list(namespace_of(owner)), owner))
        ready = sum(is_ready(p) for p in pods)
        current = self.cache(REPLICASETS).get(name_of(owner), namespace_of(owner)) or owner
        status = {
            "replicas": len(pods),
            "fullyLabeledReplicas": len(pods) or None,
            "readyReplicas": ready or None,
            "availableReplicas": ready or None,
            "observedGeneration": owner["metadata"].get("generation", 1),
        }
        await self.context.patch_status(REPLICASETS, current, status)


class Deployments(Controller):
    """Rolls ReplicaSets: one per template, the newest scaled up, the others down."""

    name = "deployment-controller"

    def watches(self) -> Sequence[Watch]:
        """Return Deployments and their ReplicaSets."""
        return (Watch(DEPLOYMENTS), Watch(REPLICASETS, lambda r: _keys_of_owner(r, "Deployment")))

    async def reconcile(self, key: Any) -> None:
        """Make the ReplicaSet of the current template, scale all, then update the status."""
        owner = self.cache(DEPLOYMENTS).get(key.name, key.namespace)
        if owner is None or is_terminating(owner):
            return
        sets = [s for s in self._sets(owner) if not is_terminating(s)]
        value = stable_hash(owner["spec"]["template"])
        newest = next((s for s in sets if labels_of(s).get(_HASH) == value), None)
        others = [s for s in sets if s is not newest]
        if newest is None:
            newest = await self._create(owner, value, others)
        await self._scale(owner, newest, others)
        await self._report(owner, newest)

    def _sets(self, owner: RawObject) -> list[RawObject]:
        return owned_by(self.cache(REPLICASETS).list(namespace_of(owner)), owner)

    async def _create(self, owner: RawObject, value: str, others: list[RawObject]) -> RawObject:
        revisions = [int(annotations_of(s).get(_REVISION, "0")) for s in others]
        revision = str(1 + max(revisions, default=0))
        template = owner["spec"]["template"]
        labels = {**((template.get("metadata") or {}).get("labels") or {}), _HASH: value}
        meta = {**(template.get("metadata") or {}), "labels": labels}
        selector = owner["spec"].get("selector") or {}
        chosen = {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), _HASH: value}}
        wait = _recreates(owner) and any(_pods_of(s) for s in others)
        replica_set = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{name_of(owner)}-{value}",
                "namespace": namespace_of(owner),
                "labels": labels,
                "annotations": {_REVISION: revision},
                "ownerReferences": [owner_reference(owner)],
            },
            "spec": {
                "replicas": 0 if wait else _replicas(owner),
                "selector": chosen,
                "template": {**template, "metadata": meta},
            },
        }
        created = await self.context.create(REPLICASETS, replica_set, namespace_of(owner))
        await self.context.patch(
            DEPLOYMENTS, owner, {"metadata": {"annotations": {_REVISION: revision}}}
        )
        if not wait:
            await self._tell(owner, created, 0, _replicas(owner))
        return created

    async def _scale(self, owner: RawObject, newest: RawObject, others: list[RawObject]) -> None:
        wanted = _replicas(owner)
        old_gone = not any(_pods_of(s) for s in others)
        if _replicas(newest) != wanted and (old_gone or not _recreates(owner)):
            await self._resize(owner, newest, wanted)
        enough = _recreates(owner) or _available(newest) >= wanted
        for replica_set in others if enough else ():
            if _replicas(replica_set):
                await self._resize(owner, replica_set, 0)

    async def _resize(self, owner: RawObject, replica_set: RawObject, size: int) -> None:
        before = _replicas(replica_set)
        await self.context.patch(REPLICASETS, replica_set, {"spec": {"replicas": size}})
        await self._tell(owner, replica_set, before, size)

    async def _tell(self, owner: RawObject, replica_set: RawObject, old: int, new: int) -> None:
        way = "up" if new > old else "down"
        text = f"Scaled {way} replica set {name_of(replica_set)} from {old} to {new}"
        source = EventSource(self.name)
        await self.context.event(owner, "ScalingReplicaSet", text, source=source)

    async def _report(self, owner: RawObject, newest: RawObject) -> None:
        current = self.cache(DEPLOYMENTS).get(name_of(owner), namespace_of(owner)) or owner
        newest = self.cache(REPLICASETS).get(name_of(newest), namespace_of(newest)) or newest
        sets = self._sets(owner)
        total = sum(_pods_of(s) for s in sets)
        ready = sum(int((s.get("status") or {}).get("readyReplicas") or 0) for s in sets)
        available, wanted = sum(_available(s) for s in sets), _replicas(owner)
        status = {
            "observedGeneration": owner["metadata"].get("generation", 1),
            "replicas": total or None,
            "updatedReplicas": _pods_of(newest) or None,
            "readyReplicas": ready or None,
            "availableReplicas": available or None,
            "unavailableReplicas": max(0, wanted - available) or None,
            "conditions": self._conditions(current, newest),
        }
        await self.context.patch_status(DEPLOYMENTS, current, status)

    def _conditions(self, owner: RawObject, newest: RawObject) -> list[RawObject]:
        wanted = _replicas(owner)
        enough = sum(_available(s) for s in self._sets(owner)) >= wanted
        rolled = _available(newest) >= wanted
        name = name_of(newest)
        words = "has" if enough else "does not have"
        available = {
            "type": "Available",
            "status": str(enough),
            "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
            "message": f"Deployment {words} minimum availability.",
        }
        done = f'ReplicaSet "{name}" has successfully progressed.'
        progressing = {
            "type": "Progressing",
            "status": "True",
            "reason": "NewReplicaSetAvailable" if rolled else "ReplicaSetUpdated",
            "message": done if rolled else f'ReplicaSet "{name}" is progressing.',
        }
        conditions = (owner.get("status") or {}).get("conditions")
        for entry in (available, progressing):
            conditions = with_condition(conditions, entry, self.clock.now())
        return conditions or []


def _recreates(owner: RawObject) -> bool:
    return (owner["spec"].get("strategy") or {}).get("type") == "Recreate"


def _pods_of(replica_set: RawObject) -> int:
    return int((replica_set.get("status") or {}).get("replicas") or 0)


def _available(replica_set: RawObject) -> int:
    return int((replica_set.get("status") or {}).get("availableReplicas") or 0)
