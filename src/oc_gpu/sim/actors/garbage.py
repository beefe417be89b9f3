"""The garbage collector: what nobody owns any more goes, in the background or before its owner."""

from collections.abc import Hashable, Sequence
from typing import Any

from msgspec import Struct

from oc_gpu.kube import NotFoundError, RawObject, Resource
from oc_gpu.kube.resources import CRDS
from oc_gpu.sim.actors.framework import ActorContext, Controller, Watch
from oc_gpu.sim.actors.objects import is_terminating, name_of, namespace_of, uid_of

_FOREGROUND = "foregroundDeletion"
_ORPHAN = "orphan"
_KINDS = "kinds"
_UNWATCHED_GROUPS = {
    "authorization.k8s.io",
    "authentication.k8s.io",
    "events.k8s.io",
    "packages.operators.coreos.com",
}
_UNWATCHED_KINDS = {"Event", "ComponentStatus", "Binding"}


class _Place(Struct, frozen=True):
    """Where an object is to be found."""

    resource: Resource
    namespace: str | None
    name: str


class GarbageCollector(Controller):
    """Follows owner references over all kinds that the server has."""

    name = "garbage-collector"
    concurrency = 1

    def __init__(self, context: ActorContext) -> None:
        super().__init__(context)
        self._places: dict[str, _Place] = {}
        self._owners: dict[str, tuple[str, ...]] = {}
        self._dependents: dict[str, dict[str, None]] = {}
        self._watched: set[Resource] = set()
        self._by_kind: dict[tuple[str, str], Resource] = {}

    def watches(self) -> Sequence[Watch]:
        """Return CRDs: each may bring a kind whose objects own or are owned."""
        return (Watch(CRDS, lambda _crd: (_KINDS,)),)

    def register(self) -> None:
        """Subscribe, and look at the kinds that are there from the start."""
        super().register()
        self.enqueue(_KINDS)

    async def reconcile(self, key: Any) -> None:
        """Look for new kinds, or judge the object with this uid."""
        if key == _KINDS:
            await self._discover()
        else:
            await self._judge(key)

    async def _discover(self) -> None:
        discovery = await self.context.client.discover()
        for resource in discovery.resources:
            self._by_kind[(resource.api_version, resource.kind)] = resource
            unwatched = resource.group in _UNWATCHED_GROUPS or resource.kind in _UNWATCHED_KINDS
            known = any(
                (w.group, w.plural) == (resource.group, resource.plural) for w in self._watched
            )
            if not unwatched and not known:
                self._watched.add(resource)
                self.cache(resource).add_handler(self._handler_for(resource))

    def _handler_for(self, resource: Resource) -> Any:
        def handle(obj: RawObject) -> None:
            uid = uid_of(obj)
            current = self.cache(resource).get(name_of(obj), namespace_of(obj))
            if current is None or uid_of(current) != uid:
                self._gone(uid)
            else:
                self._seen(resource, obj)

        return handle

    def _seen(self, resource: Resource, obj: RawObject) -> None:
        uid = uid_of(obj)
        owners = tuple(r["uid"] for r in obj["metadata"].get("ownerReferences") or [])
        for owner in self._owners.get(uid, ()):
            self._dependents.get(owner, {}).pop(uid, None)
        for owner in owners:
            self._dependents.setdefault(owner, {})[uid] = None
        self._owners[uid] = owners
        self._places[uid] = _Place(resource, namespace_of(obj), name_of(obj))
        finalizers = obj["metadata"].get("finalizers") or []
        marked = is_terminating(obj) and (_FOREGROUND in finalizers or _ORPHAN in finalizers)
        if marked or any(o not in self._places for o in owners):
            self.enqueue(uid)

    def _gone(self, uid: str) -> None:
        self._places.pop(uid, None)
        for dependent in self._dependents.pop(uid, {}):
            self.enqueue(dependent)
        for owner in self._owners.pop(uid, ()):
            self._dependents.get(owner, {}).pop(uid, None)
            if owner in self._places:
                self.enqueue(owner)

    def _object(self, uid: str) -> RawObject | None:
        place = self._places.get(uid)
        found = place and self.cache(place.resource).get(place.name, place.namespace)
        return found if found and uid_of(found) == uid else None

    async def _judge(self, uid: Hashable) -> None:
        obj = self._object(str(uid))
        if obj is None:
            return
        finalizers = obj["metadata"].get("finalizers") or []
        if is_terminating(obj):
            if _ORPHAN in finalizers:
                await self._orphan(obj)
            elif _FOREGROUND in finalizers:
                await self._foreground(obj)
            return
        references = obj["metadata"].get("ownerReferences") or []
        if references and not await self._any_solid(obj, references):
            await self.context.delete(self._places[uid_of(obj)].resource, obj)

    async def _any_solid(self, obj: RawObject, references: list[RawObject]) -> bool:
        """Tell whether an owner still exists; the server is asked about unknown ones."""
        for reference in references:
            if reference["uid"] in self._places or await self._exists(obj, reference):
                return True
        return False

    async def _exists(self, obj: RawObject, reference: RawObject) -> bool:
        """Ask the server for an owner; one of a kind that is not served counts as there."""
        kind = (reference["apiVersion"], reference["kind"])
        if kind not in self._by_kind:
            await self._discover()
        resource = self._by_kind.get(kind)
        if resource is None:
            return True
        namespace = namespace_of(obj) if resource.namespaced else None
        try:
            owner = await self.context.client.get(resource, reference["name"], namespace)
        except NotFoundError:
            return False
        return uid_of(owner) == str(reference["uid"])

    async def _foreground(self, owner: RawObject) -> None:
        """Delete what blocks the owner's end; let the owner go when nothing does."""
        blocking = 0
        for uid in list(self._dependents.get(uid_of(owner), {})):
            dependent = self._object(uid)
            if dependent is None:
                continue
            references = dependent["metadata"].get("ownerReferences") or []
            mine = next(r for r in references if r["uid"] == uid_of(owner))
            blocking += bool(mine.get("blockOwnerDeletion"))
            if not is_terminating(dependent):
                await self.context.delete(self._places[uid].resource, dependent)
        if not blocking:
            await self._release(owner, _FOREGROUND)

    async def _orphan(self, owner: RawObject) -> None:
        for uid in list(self._dependents.get(uid_of(owner), {})):
            dependent = self._object(uid)
            if dependent is None:
                continue
            references = dependent["metadata"].get("ownerReferences") or []
            kept = [r for r in references if r["uid"] != uid_of(owner)]
            patch = {"metadata": {"ownerReferences": kept or None}}
            await self.context.patch(self._places[uid].resource, dependent, patch)
        await self._release(owner, _ORPHAN)

    async def _release(self, owner: RawObject, finalizer: str) -> None:
        place = self._places[uid_of(owner)]
        finalizers = [f for f in owner["metadata"].get("finalizers") or [] if f != finalizer]
        patch = {"metadata": {"finalizers": finalizers or None}}
        try:
            await self.context.patch(place.resource, owner, patch)
        except NotFoundError:
            self.cache(place.resource).forget(owner)
            return
        await self.context.refresh(place.resource, owner)
