"""A view of a cluster that is always current: a list and watch of every source.

`snapshot` is cheap and shares what did not change with the one before; `changed` wakes whoever
waits after any change since then, so that nothing is missed and nothing is polled.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import aclosing
from itertools import chain
from typing import Any, Self, TypeVar

import msgspec
from msgspec import Struct, field

from oc_gpu.kube import (
    Client,
    ForbiddenError,
    NotFoundError,
    OcGpuError,
    RawObject,
    Replaced,
    Resource,
    Retry,
    ServerError,
    Updated,
    WatchEvent,
)
from oc_gpu.kube.resources import CRDS
from oc_gpu.snapshot.kinds import Condition, Meta
from oc_gpu.snapshot.model import Snapshot, Unread
from oc_gpu.snapshot.reading import (
    PACKAGES,
    is_away,
    is_ended_proof,
    offers,
    read,
    read_log,
)
from oc_gpu.snapshot.sources import Source
from oc_gpu.snapshot.tables import Key, Shard

__all__ = ["LiveView", "read"]

T = TypeVar("T")

_LOG_TRIES = 8
"""Tries to read a log in a row, over some 15 seconds: a kubelet restarts in less."""


class _ServedVersion(Struct, frozen=True):
    name: str = ""
    served: bool = False


class _DefinitionSpec(Struct, frozen=True):
    versions: list[_ServedVersion] = field(default_factory=list)


class _DefinitionStatus(Struct, frozen=True):
    conditions: list[Condition] = field(default_factory=list)


class _Definition(Struct, frozen=True):
    """What of a CustomResourceDefinition tells whether its API is served."""

    metadata: Meta = field(default_factory=Meta)
    spec: _DefinitionSpec = field(default_factory=_DefinitionSpec)
    status: _DefinitionStatus = field(default_factory=_DefinitionStatus)

    def serves(self, version: str) -> bool:
        """Tell whether a version is served and stays so."""
        established = any(
            c.type == "Established" and c.status == "True" for c in self.status.conditions
        )
        named = any(v.name == version and v.served for v in self.spec.versions)
        return established and named and self.metadata.deletion_timestamp is None


class _Part:
    """The objects of one source in one namespace, as its watch tells them."""

    def __init__(self, source: Source, namespace: str | None) -> None:
        self.source = source
        self.namespace = namespace
        self.shard = Shard()
        self.unread: Unread | None = None
        self.settled = False
        """Whether its first list was taken, or cannot be."""

    def take(self, event: WatchEvent[Any]) -> bool:
        """Take an event; tell whether anything changed."""
        if isinstance(event, Replaced):
            first = not self.settled or self.unread is not None
            self.settled, self.unread = True, None
            return self.shard.replace(event.items, event.resource_version) or first
        if isinstance(event, Updated):
            return self.shard.update(event.object)
        return self.shard.delete(event.object)

    @property
    def has_logs(self) -> bool:
        """Tell whether the logs of some of its objects are shown, too."""
        return self.source.name == "pods"

    def lose(self, why: Unread) -> None:
        """Note that the objects cannot be read."""
        self.shard.clear()
        self.settled, self.unread = True, why

    def holds(self, resource: Resource, namespace: str, name: str) -> bool:
        """Tell whether an object belongs here, as far as can be told without its server."""
        source = self.source
        if (source.resource.group, source.resource.plural) != (resource.group, resource.plural):
            return False
        if source.label_selector is not None or self.namespace not in (None, namespace):
            return False
        return source.field_selector in (None, f"metadata.name={name}")


class LiveView:
    """The live view of a cluster; enter it to start its watches.

    Args:
        client: The cluster.
        sources: What to watch.
        packages: Packages whose offers are read, with the preferred catalog of each; read again
            when a CatalogSource changes, since offers themselves cannot be watched.
    """

    def __init__(
        self,
        client: Client,
        sources: Iterable[Source],
        *,
        packages: Mapping[str, str] | None = None,
    ) -> None:
        self._client = client
        self._parts = [
            _Part(source, where) for source in sources for where in source.namespaces or (None,)
        ]
        self._packages = packages
        self._offers: list[Any] | Unread = []
        self._offers_due = asyncio.Event()
        self._wake = asyncio.Event()
        self._error: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._built: dict[str, tuple[Any, ...]] = {}
        self._logs: dict[str, str] = {}
        """By the pod's uid: a namesake made later has a log of its own."""
        self._unlogged: dict[str, str] = {}
        """Why a log may not be read, by the pod's uid."""
        self._asked: dict[str, Key] = {}
        """Namespace and name of the pods whose logs were asked for, by uid."""
        self._missed: dict[str, Meta] = {}
        """Those whose log could not be read: they are tried again when a pod changes."""
        self._tried: set[str] = set()
        self._clock = _ClusterClock(client)
        self._base = Snapshot(client.server)

    async def __aenter__(self) -> Self:
        try:
            version = await self._client.version()
            self._clock.leaps = version.simulated
            self._base = Snapshot(
                self._client.server, version.simulated, version.git_version, self._clock.now()
            )
            for part in self._parts:
                self._start(self._follow(part), f"watch {part.source.name}")
            if self._packages is not None:
                self._offers = await offers(self._client, self._packages)
                self._start(self._follow_offers(self._packages), "read packages")
            while not self._whole():
                self._wake.clear()
                await self.changed()
        except BaseException:
            await self.__aexit__()
            raise
        self._wake.set()
        return self

    def _whole(self) -> bool:
        """Tell whether everything was read once, or cannot be: no less than one look shows."""
        return all(part.settled for part in self._parts) and self._asked.keys() <= self._tried

    async def __aexit__(self, *_exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def snapshot(self) -> Snapshot:
        """Return what is known now; `changed` counts from here."""
        self._wake.clear()
        tables: dict[str, tuple[Any, ...]] = {}
        unread: dict[str, Unread] = {}
        for name in dict.fromkeys(part.source.name for part in self._parts):
            why = next((p.unread for p in self._parts_of(name) if p.unread is not None), None)
            if why is not None:
                unread[name] = why
            if why is None or any(len(part.shard) for part in self._parts_of(name)):
                tables[name] = self._table(name)
        if isinstance(self._offers, Unread):
            unread[PACKAGES] = self._offers
        elif self._packages:
            tables[PACKAGES] = tuple(self._offers)
        return msgspec.structs.replace(
            self._base,
            now=self._clock.now(),
            tables=tables,
            unread=unread,
            logs=self._by_name(self._logs),
            unlogged=self._by_name(self._unlogged),
        )

    async def changed(self) -> None:
        """Return as soon as anything changed since the last `snapshot`.

        Raises:
            ApiError: A watch was refused.
            ConnectionFailedError: The server was away for too long.
        """
        self._raise_lost()
        await self._wake.wait()
        self._raise_lost()

    def _raise_lost(self) -> None:
        """Raise what ended a watch: nothing wakes for it again, and the view is no longer whole."""
        if self._error is not None:
            raise self._error

    @property
    def now(self) -> float:
        """Return epoch seconds by the cluster's clock, as far as its last answer tells."""
        return self._clock.now()

    async def time(self) -> float:
        """Return epoch seconds by the cluster's clock, asked for where that leaps."""
        return await self._clock.ask()

    def observe(self, resource: Resource, obj: RawObject) -> bool:
        """Take the answer to a write at once, before its watch event comes.

        Returns:
            Whether any source shows the object.
        """
        meta = obj["metadata"]
        shown = False
        for part in self._parts:
            if part.holds(resource, meta.get("namespace", ""), meta["name"]):
                shown = True
                raw = part.source.type == RawObject
                told = Updated(obj if raw else msgspec.convert(obj, part.source.type))
                if part.take(told):
                    self._note(part, told)
        return shown

    def _parts_of(self, name: str) -> list[_Part]:
        return [part for part in self._parts if part.source.name == name]

    def _table(self, name: str) -> tuple[Any, ...]:
        if name not in self._built:
            parts = self._parts_of(name)
            self._built[name] = tuple(chain.from_iterable(part.shard for part in parts))
        return self._built[name]

    def _note(self, part: _Part, event: WatchEvent[Any] | None = None) -> None:
        """Let the next snapshot show a change, and what follows from it be read."""
        self._built.pop(part.source.name, None)
        self._wake.set()
        if event is not None and part.has_logs:
            self._look_for_logs(_told(event))
        if part.source.name == "catalogsources":
            self._offers_due.set()

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = self._error or error
            self._wake.set()

    async def _follow(self, part: _Part) -> None:
        """Watch a source for ever, whether its API is served yet, later or no more."""
        failures = 0
        while True:
            why = await self._show(part)
            if part.settled and part.unread is None:
                failures = 0
            part.lose(why)
            self._note(part)
            if why.reason == "forbidden":
                return
            if failures or why.reason == "failed":  # also: real servers lag behind their own word
                await asyncio.sleep(Retry().delay(failures + 1))
            failures += 1
            try:
                if why.reason == "absent":
                    await self._served(part.source.resource)
            except ForbiddenError:  # who may not see definitions sees no kind come
                return

    async def _show(self, part: _Part) -> Unread:
        """Show what the watch of a source tells, until it can be read no more; return why."""
        try:
            async with aclosing(self._events(part)) as events:
                async for event in events:
                    if part.take(event):
                        self._note(part, event)
        except NotFoundError as error:
            return Unread("absent", str(error))
        except ForbiddenError as error:
            if part.settled and part.unread is None:
                raise
            return Unread("forbidden", str(error))
        except ServerError as error:
            if not is_away(error, part.source):
                raise
            return Unread("failed", str(error))
        raise AssertionError  # a watch ends with an error only

    def _events(self, part: _Part) -> Any:
        return self._client.watch(
            part.source.resource,
            part.namespace,
            label_selector=part.source.label_selector,
            field_selector=part.source.field_selector,
            patient=part.settled,
            type=part.source.type,
        )

    async def _served(self, resource: Resource) -> None:
        """Wait until the definition of a kind says that it is served."""
        name = f"metadata.name={resource.plural}.{resource.group}"
        watch = self._client.watch(CRDS, field_selector=name, patient=True, type=_Definition)
        async with aclosing(watch) as events:
            async for event in events:
                if any(found.serves(resource.version) for found in _told(event)):
                    return

    async def _follow_offers(self, packages: Mapping[str, str]) -> None:
        while True:
            await self._offers_due.wait()
            self._offers_due.clear()
            found = await offers(self._client, packages)
            if found != self._offers:
                self._offers = found
                self._wake.set()

    def _look_for_logs(self, pods: Iterable[Any]) -> None:
        """Read the logs of proof pods that have ended, each once."""
        fresh = (pod.metadata for pod in pods if is_ended_proof(pod))
        due = {meta.uid: meta for meta in fresh if meta.uid not in self._asked} | self._missed
        self._missed = {}
        for uid, meta in due.items():
            key = (meta.namespace, meta.name)
            if any(_holds(part.shard, uid, key) for part in self._parts_of("pods")):
                self._asked[uid] = key
                self._start(self._read_log(meta), f"log {meta.namespace}/{meta.name}")

    async def _read_log(self, meta: Meta) -> None:
        for attempt in range(1, _LOG_TRIES + 1):
            text = await read_log(self._client, meta.namespace, meta.name)
            if isinstance(text, Unread):
                self._unlogged[meta.uid] = text.detail
            elif text is not None:
                self._logs[meta.uid] = text
            self._tried.add(meta.uid)
            self._wake.set()
            if text is not None:
                return
            await asyncio.sleep(Retry().delay(attempt))
        self._missed[meta.uid] = meta

    def _by_name(self, told: Mapping[str, str]) -> dict[str, str]:
        """Return what is kept of pods by their uid, for those that are still there."""
        keys = {uid: self._asked[uid] for uid in told if uid in self._asked}
        return {
            f"{namespace}/{name}": told[uid]
            for uid, (namespace, name) in keys.items()
            if any(_holds(part.shard, uid, (namespace, name)) for part in self._parts_of("pods"))
        }


def _holds(shard: Shard, uid: str, key: Key) -> bool:
    found = shard.get(key)
    return found is not None and found.metadata.uid == uid


def _told(event: WatchEvent[T]) -> Iterable[T]:
    """Return the objects that an event shows, not what it takes away."""
    if isinstance(event, Replaced):
        return event.items
    return (event.object,) if isinstance(event, Updated) else ()


class _ClusterClock:
    """Tells time by the cluster's clock.

    The Date header of the last answer is carried on by this machine's clock. A simulated cluster
    leaps instead, so it has to be asked.
    """

    def __init__(self, client: Client) -> None:
        self.leaps = False
        self._client = client
        self._told: float | None = None
        self._at = 0.0

    def now(self) -> float:
        told = self._client.server_time
        if told != self._told:
            self._told, self._at = told, time.monotonic()
        if told is None:
            return time.time()
        return told if self.leaps else told + time.monotonic() - self._at

    async def ask(self) -> float:
        if self.leaps:
            try:
                await self._client.version()
            except OcGpuError:
                return self.now()
        return self.now()
