"""What all actors are built on: cached watches, a keyed work queue, events.

An actor declares what it watches and how each object maps to a key; `reconcile` is then called
with that key, once at a time per key, after every change. The cache always shows the actor's own
writes (`ActorContext` feeds answers back), so nobody needs expectations. Nothing here polls: time
passes only where an actor asks the clock for it.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

from msgspec import Struct, field

from oc_gpu.kube import Client, RawObject, Resource
from oc_gpu.kube.errors import AlreadyExistsError, ConflictError, NotFoundError, OcGpuError
from oc_gpu.kube.resources import EVENTS
from oc_gpu.sim.actors.informers import Handler, Informer, Informers
from oc_gpu.sim.actors.objects import name_of, namespace_of, stable_hash, timestamp
from oc_gpu.sim.scenario import Scenario

__all__ = [
    "ActorContext",
    "Clock",
    "Controller",
    "EventSource",
    "Failure",
    "Informer",
    "Informers",
    "Key",
    "Watch",
    "running",
]

_log = logging.getLogger(__name__)
_MAX_RETRIES = 8
_MAX_DELAY = 60.0


class Clock(Protocol):
    """What actors need of the virtual clock."""

    def now(self) -> float:
        """Return epoch seconds of simulated time."""

    async def sleep(self, seconds: float, *, patient: bool = False) -> None:
        """Wait for simulated seconds; time does not leap for who is patient."""


class Key(Struct, frozen=True, order=True):
    """Identifies an object for a work queue."""

    namespace: str | None
    name: str

    @classmethod
    def of(cls, obj: RawObject) -> "Key":
        """Return the key of an object."""
        return cls(namespace_of(obj), name_of(obj))


class Watch(Struct, frozen=True):
    """One kind that an actor watches, and the keys that a change of an object means work for."""

    resource: Resource
    keys: Callable[[RawObject], Iterable[Hashable]] = lambda obj: (Key.of(obj),)


class ActorContext:
    """What an actor is given: the API, the caches, the time and the scenario's facts."""

    def __init__(
        self, client: Client, informers: Informers, clock: Clock, scenario: Scenario
    ) -> None:
        self.client = client
        self.informers = informers
        self.clock = clock
        self.scenario = scenario
        self.layouts: dict[str, dict[str, tuple[str, ...]]] = {}
        """How cards are divided now, by node and PCI address: hardware that programs change."""
        self._events: dict[tuple[str, str, str], tuple[str, int]] = {}

    async def create(
        self, resource: Resource, obj: RawObject, namespace: str | None = None
    ) -> RawObject:
        """Create an object and show it in the cache."""
        return self._seen(resource, await self.client.create(resource, obj, namespace))

    async def patch(
        self,
        resource: Resource,
        obj: RawObject,
        patch: RawObject,
        *,
        subresource: str | None = None,
    ) -> RawObject:
        """Merge a patch into an object and show the answer in the cache."""
        answer = await self.client.patch(
            resource, name_of(obj), patch, namespace_of(obj), subresource=subresource
        )
        return self._seen(resource, answer)

    async def patch_status(
        self, resource: Resource, obj: RawObject, status: RawObject
    ) -> RawObject:
        """Merge fields into an object's status; no request when they are there already."""
        current = obj.get("status") or {}
        if all(current.get(k) == v for k, v in status.items() if v is not None) and all(
            k not in current for k, v in status.items() if v is None
        ):
            return obj
        return await self.patch(resource, obj, {"status": status}, subresource="status")

    async def delete(
        self, resource: Resource, obj: RawObject, *, grace_seconds: int | None = None
    ) -> None:
        """Delete this very object (by uid); one that is gone already is fine."""
        with suppress(NotFoundError, ConflictError):
            await self.client.delete(
                resource,
                name_of(obj),
                namespace_of(obj),
                uid=obj["metadata"].get("uid"),
                grace_seconds=grace_seconds,
            )
            await self.refresh(resource, obj)

    async def refresh(self, resource: Resource, obj: RawObject) -> RawObject | None:
        """Read an object anew, show it in the cache, and return it; None when it is gone."""
        current = await self.client.find(resource, name_of(obj), namespace_of(obj))
        if current is None:
            self.informers.of(resource).forget(obj)
            return None
        return self._seen(resource, current)

    async def event(
        self, about: RawObject, reason: str, message: str, *, source: "EventSource"
    ) -> None:
        """Record an Event about an object; a repeated one counts up.

        Events are best effort: one that the API refuses (namespace going away) is dropped.
        """
        key = (about["metadata"].get("uid", ""), reason, message)
        namespace = namespace_of(about) or "default"
        now = timestamp(self.clock.now())
        with suppress(OcGpuError):
            if key in self._events:
                name, count = self._events[key]
                self._events[key] = (name, count + 1)
                changed = {"count": count + 1, "lastTimestamp": now}
                await self.client.patch(EVENTS, name, changed, namespace)
                return
            name = f"{name_of(about)}.{stable_hash([*key, now], 16)}"
            self._events[key] = (name, 1)
            event = _event(about, reason, message, source)
            event["metadata"] = {"name": name, "namespace": namespace}
            event |= {"firstTimestamp": now, "lastTimestamp": now, "count": 1}
            await self.client.create(EVENTS, event, namespace)

    def _seen(self, resource: Resource, obj: RawObject) -> RawObject:
        self.informers.of(resource).observe(obj)
        return obj


class EventSource(Struct, frozen=True):
    """Who reports an Event, and whether it is a warning."""

    component: str
    host: str | None = None
    warning: bool = False


def _event(about: RawObject, reason: str, message: str, source: EventSource) -> RawObject:
    meta = about["metadata"]
    involved = {
        "apiVersion": about.get("apiVersion", "v1"),
        "kind": about.get("kind", ""),
        "name": meta["name"],
        "namespace": meta.get("namespace"),
        "uid": meta.get("uid"),
        "resourceVersion": meta.get("resourceVersion"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "involvedObject": {k: v for k, v in involved.items() if v},
        "reason": reason,
        "message": message,
        "type": "Warning" if source.warning else "Normal",
        "source": {"component": source.component} | ({"host": source.host} if source.host else {}),
        "reportingComponent": source.component,
    }


class Failure(Struct, frozen=True):
    """A key that an actor gave up on after retries, until the object changes again."""

    controller: str
    key: Hashable
    error: str


class _Queue(Struct):
    """Keys waiting for work; a key is worked on by one at a time."""

    waiting: dict[Hashable, None] = field(default_factory=dict)
    active: set[Hashable] = field(default_factory=set)
    retries: dict[Hashable, int] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, key: Hashable) -> None:
        self.waiting.setdefault(key, None)
        self.ready.set()

    async def take(self) -> Hashable:
        while True:
            for key in self.waiting:
                if key not in self.active:
                    del self.waiting[key]
                    self.active.add(key)
                    return key
            self.ready.clear()
            await self.ready.wait()

    def done(self, key: Hashable) -> None:
        self.active.discard(key)
        self.ready.set()


class Controller(ABC):
    """Base of actors: subclasses set `name`, give `watches()` and write `reconcile`."""

    name = "controller"
    concurrency = 4

    def __init__(self, context: ActorContext) -> None:
        self.context = context
        self.failures: list[Failure] = []
        self._queue = _Queue()
        self._tasks: asyncio.TaskGroup | None = None
        self._background: set[asyncio.Task[None]] = set()

    @property
    def clock(self) -> Clock:
        """Return the virtual clock."""
        return self.context.clock

    @property
    def scenario(self) -> Scenario:
        """Return the facts of the simulated cluster."""
        return self.context.scenario

    def watches(self) -> Sequence[Watch]:
        """Return the kinds to watch and their mapping to keys."""
        return ()

    @abstractmethod
    async def reconcile(self, key: Any) -> None:
        """Bring the world closer to what the object of this key asks for."""

    def cache(self, resource: Resource) -> Informer:
        """Return the shared cache of a kind."""
        return self.context.informers.of(resource)

    def enqueue(self, key: Hashable) -> None:
        """Ask for a reconcile of this key."""
        self._queue.add(key)

    def enqueue_after(self, key: Hashable, seconds: float, *, patient: bool = False) -> None:
        """Ask for a reconcile of this key after simulated seconds, see `Clock.sleep`."""

        async def wait() -> None:
            await self.clock.sleep(seconds, patient=patient)
            self.enqueue(key)

        self.spawn(wait())

    def spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Run something beside the work queue for as long as the actor runs."""

        async def run() -> None:
            await work

        task = asyncio.get_running_loop().create_task(run())
        self._background.add(task)
        task.add_done_callback(self._finished)
        return task

    def register(self) -> None:
        """Subscribe to the watched kinds; called before the caches start."""
        for watch in self.watches():
            self.cache(watch.resource).add_handler(self._handler(watch))

    def resync(self) -> None:
        """Ask for a reconcile of everything that is watched: facts around it have changed."""
        for watch in self.watches():
            for obj in self.cache(watch.resource).list():
                self._handler(watch)(obj)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self.concurrency):
                    tasks.create_task(self._work())
        finally:
            background = list(self._background)
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)

    def _handler(self, watch: Watch) -> Handler:
        def handle(obj: RawObject) -> None:
            for key in watch.keys(obj):
                self.enqueue(key)

        return handle

    async def _work(self) -> None:
        while True:
            key = await self._queue.take()
            try:
                await self.reconcile(key)
            except (ConflictError, AlreadyExistsError, NotFoundError) as error:
                self._retry(key, error, 0.1)
            except Exception as error:  # noqa: BLE001  # one broken object must not stop the actor
                _log.warning("%s: %s: %s", self.name, key, error, exc_info=True)
                self._retry(key, error, 1.0)
            else:
                self._queue.retries.pop(key, None)
            finally:
                self._queue.done(key)

    def _retry(self, key: Hashable, error: Exception, first: float) -> None:
        tries = self._queue.retries.get(key, 0) + 1
        self._queue.retries[key] = tries
        if tries > _MAX_RETRIES:
            del self._queue.retries[key]
            text = f"{type(error).__name__}: {error}"
            self.failures.append(Failure(self.name, key, text))
            return
        self.enqueue_after(key, min(first * 2 ** (tries - 1), _MAX_DELAY))

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("%s: background work failed: %r", self.name, error)
            self.failures.append(Failure(self.name, "background", repr(error)))


@asynccontextmanager
async def running(controllers: Sequence[Controller], informers: Informers) -> AsyncIterator[None]:
    """Run actors inside the block."""
    for controller in controllers:
        controller.register()
    async with informers.running():
        tasks = [asyncio.create_task(c.run(), name=c.name) for c in controllers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
