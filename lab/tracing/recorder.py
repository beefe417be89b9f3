"""Recording a trace: watches on every kind of it, and what is new in each event."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from lab.tracing.looks import GONE, Look, is_established
from lab.tracing.trace import Said
from oc_gpu.kube import Client, Deleted, NotFoundError, RawObject, Replaced, Resource, Updated
from oc_gpu.kube.resources import CRDS

_LEAVING: Final = "leaving"
_LAG: Final = 0.02
"""Seconds for which a server may not serve what it calls served already."""


class Recorder:
    """Notes what objects say that they did not say before.

    Args:
        client: The cluster.
        looks: The kinds, and how each of them is looked at.
        now: The cluster's clock.
    """

    def __init__(self, client: Client, looks: Sequence[Look], now: Callable[[], float]) -> None:
        self._client = client
        self._looks = looks
        self._now = now
        self._said: dict[tuple[str, str, str], str] = {}
        self._names: dict[str, dict[str, str]] = {}
        self._changed = asyncio.Event()
        self._began = 0.0
        self._events: list[Said] = []

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Watch inside the block; what is there at the beginning is not noted."""
        first = [asyncio.Event() for _ in self._looks]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._follow(look, seen))
                for look, seen in zip(self._looks, first, strict=True)
            ]
            await asyncio.gather(*(seen.wait() for seen in first))
            self.take()
            yield
            for task in tasks:
                task.cancel()

    def take(self) -> tuple[Said, ...]:
        """Return what was noted since the last time."""
        events, self._events = tuple(self._events), []
        self._began = self._now()
        return events

    async def quiet(self, seconds: float) -> None:
        """Return once nothing new was said for so long, by this machine's clock."""
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                return

    async def _follow(self, look: Look, seen: asyncio.Event) -> None:
        """Watch a kind for ever, whether it is served yet or not."""
        while True:
            with suppress(NotFoundError):
                async for event in self._client.watch(look.resource, patient=True):
                    for obj in _told(event):
                        self._note(look, obj, gone=isinstance(event, Deleted))
                    seen.set()
            seen.set()
            await self._served(look.resource)
            await asyncio.sleep(_LAG)

    async def _served(self, resource: Resource) -> None:
        """Wait until the definition of a kind says that it is served."""
        name = f"metadata.name={resource.plural}.{resource.group}"
        async for event in self._client.watch(CRDS, field_selector=name, patient=True):
            if any(map(is_established, _told(event))):
                return

    def _note(self, look: Look, obj: RawObject, *, gone: bool) -> None:
        name = look.name(obj)
        if not name:
            return
        meta = obj["metadata"]
        where = f"{meta['namespace']}/" if meta.get("namespace") else ""
        called = self._numbered(f"{look.resource.kind} {where}{name}", meta["uid"])
        if gone:
            self._say(called, meta["uid"], "", GONE)
            return
        if meta.get("deletionTimestamp"):
            self._say(called, meta["uid"], "", _LEAVING)
            return
        for aspect, says in look.says(obj):
            self._say(called, meta["uid"], aspect, says)

    def _numbered(self, name: str, uid: str) -> str:
        """Tell apart objects that have the same name in a trace, by their order."""
        known = self._names.setdefault(name, {})
        if uid not in known:
            known[uid] = name if not known else f"{name} #{len(known) + 1}"
        return known[uid]

    def _say(self, name: str, uid: str, aspect: str, says: str) -> None:
        key = (name, uid, aspect)
        if says in ("", self._said.get(key)):
            return
        self._said[key] = says
        shown = f"{name}, {aspect}" if aspect else name
        self._events.append(Said(self._now() - self._began, shown, says))
        self._changed.set()


def _told(event: Replaced[RawObject] | Updated[RawObject] | Deleted[RawObject]) -> list[RawObject]:
    return event.items if isinstance(event, Replaced) else [event.object]
