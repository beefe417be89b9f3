"""Caches of what the API server has, kept by watches and shared by all actors."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from oc_gpu.kube import Client, Deleted, NotFoundError, RawObject, Replaced, Resource, Updated
from oc_gpu.kube.resources import CRDS
from oc_gpu.sim.actors.objects import name_of, namespace_of, version_of
from oc_gpu.sim.actors.signals import Signal

_log = logging.getLogger(__name__)

Handler = Callable[[RawObject], None]
Index = Callable[[RawObject], Hashable]
"""What objects are looked up by; None leaves an object out. It must be a function of a module, for
each cache builds it once."""


class Informer:
    """A cache of all objects of one kind, kept by a watch."""

    def __init__(self, client: Client, resource: Resource, crd_changed: Signal) -> None:
        self.resource = resource
        self.synced = asyncio.Event()
        self._client = client
        self._crd_changed = crd_changed
        self._objects: dict[tuple[str | None, str], RawObject] = {}
        self._indexes: dict[Index, dict[Hashable, dict[tuple[str | None, str], RawObject]]] = {}
        self._handlers: list[Handler] = []

    def get(self, name: str, namespace: str | None = None) -> RawObject | None:
        """Return an object from the cache. It must not be changed in place."""
        return self._objects.get((namespace, name))

    def lookup(self, index: Index, value: Hashable) -> list[RawObject]:
        """Return the cached objects of which an index says this value, without looking at all."""
        found = self._indexes.get(index)
        if found is None:
            found = self._indexes[index] = {}
            for key, obj in self._objects.items():
                if (named := index(obj)) is not None:
                    found.setdefault(named, {})[key] = obj
        return list(found.get(value, {}).values())

    def list(self, namespace: str | None = None) -> list[RawObject]:
        """Return the cached objects, of one namespace or of all."""
        if namespace is None:
            return list(self._objects.values())
        return [o for (space, _), o in self._objects.items() if space == namespace]

    def add_handler(self, handler: Handler) -> None:
        """Call `handler` with every object that is added, changed or gone."""
        self._handlers.append(handler)
        for obj in list(self._objects.values()):
            handler(obj)

    def observe(self, obj: RawObject) -> None:
        """Take an object as a write answered it, unless a newer one is known."""
        obj.setdefault("apiVersion", self.resource.api_version)
        obj.setdefault("kind", self.resource.kind)
        key = (namespace_of(obj), name_of(obj))
        known = self._objects.get(key)
        if known is not None and version_of(known) >= version_of(obj):
            return
        self._objects[key] = obj
        self._index(key, known, obj)
        self._notify(obj)

    def forget(self, obj: RawObject) -> None:
        """Drop an object that is gone."""
        key = (namespace_of(obj), name_of(obj))
        known = self._objects.pop(key, None)
        if known is not None:
            self._index(key, known, None)
            self._notify(obj)

    def _index(
        self, key: tuple[str | None, str], old: RawObject | None, new: RawObject | None
    ) -> None:
        for index, found in self._indexes.items():
            before = index(old) if old is not None else None
            after = index(new) if new is not None else None
            if before is not None and before != after:
                found[before].pop(key, None)
            if new is not None and after is not None:
                found.setdefault(after, {})[key] = new

    async def run(self) -> None:
        """Follow the API for ever; a kind that is not served (yet) has no objects."""
        while True:
            kinds = self._crd_changed.count
            try:
                await self._follow()
            except NotFoundError:
                self._replace([])
                self.synced.set()
                await self._crd_changed.past(kinds)

    async def _follow(self) -> None:
        async for event in self._client.watch(self.resource):
            match event:
                case Replaced(items):
                    self._replace(items)
                    self.synced.set()
                case Updated(obj):
                    self.observe(obj)
                case Deleted(obj):
                    self._drop(obj)

    def _drop(self, obj: RawObject) -> None:
        known = self._objects.get((namespace_of(obj), name_of(obj)))
        if known is None or known["metadata"].get("uid") == obj["metadata"].get("uid"):
            self.forget(obj)

    def _replace(self, items: Sequence[RawObject]) -> None:
        fresh = {(namespace_of(o), name_of(o)) for o in items}
        for key in [k for k in self._objects if k not in fresh]:
            self.forget(self._objects[key])
        for obj in items:
            self.observe(obj)

    def _notify(self, obj: RawObject) -> None:
        for handler in self._handlers:
            handler(obj)


class Informers:
    """The shared caches of all actors over one client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._informers: dict[Resource, Informer] = {}
        self._crd_changed = Signal()
        self.errors: list[BaseException] = []
        self._active = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.of(CRDS).add_handler(self._on_crd)

    def of(self, resource: Resource) -> Informer:
        """Return the cache of a kind; it is filled as soon as the actors run."""
        informer = self._informers.get(resource)
        if informer is None:
            informer = Informer(self._client, resource, self._crd_changed)
            self._informers[resource] = informer
            self._start(informer)
        return informer

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep all caches filled inside the block; a watch that fails for good is logged."""
        self._active = True
        try:
            for informer in list(self._informers.values()):
                self._start(informer)
            await asyncio.gather(*(i.synced.wait() for i in list(self._informers.values())))
            yield
        finally:
            self._active = False
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, informer: Informer) -> None:
        if self._active:
            self._spawn(informer.run(), f"informer of {informer.resource.plural}")

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed: %s", task.get_name(), error)
            self.errors.append(error)
            for informer in self._informers.values():
                informer.synced.set()

    def _on_crd(self, _obj: RawObject) -> None:
        self._crd_changed.fire()
