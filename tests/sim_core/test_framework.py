"""Caches and work queue of the actors."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.sim_core.harness import named

from oc_gpu.kube import Client, RawObject, Resource
from oc_gpu.kube.resources import CONFIGMAPS, CRDS, EVENTS, NAMESPACES
from oc_gpu.sim.actors.framework import (
    ActorContext,
    Controller,
    EventSource,
    Informers,
    Key,
    Watch,
    running,
)
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.sim.scenario import load

WIDGETS = Resource("example.com", "v1", "widgets", "Widget")


class Recorder(Controller):
    name = "recorder"

    def __init__(self, context: ActorContext, watched: Resource) -> None:
        super().__init__(context)
        self.watched = watched
        self.seen: list[tuple[str, bool]] = []
        self.fail = 0
        self.busy: set[Key] = set()

    def watches(self) -> Sequence[Watch]:
        return (Watch(self.watched),)

    async def reconcile(self, key: Any) -> None:
        assert key not in self.busy, "a key is worked on twice at once"
        self.busy.add(key)
        try:
            await self.clock.sleep(1)
            if self.fail:
                self.fail -= 1
                msg = "not now"
                raise RuntimeError(msg)
            there = self.cache(self.watched).get(key.name, key.namespace) is not None
            self.seen.append((key.name, there))
        finally:
            self.busy.discard(key)


def crd() -> RawObject:
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    spec = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": names,
        "versions": [version],
    }
    api = "apiextensions.k8s.io/v1"
    return named(api, "CustomResourceDefinition", "widgets.example.com", None, spec=spec)


async def start(watched: Resource) -> tuple[Client, ActorContext, Recorder]:
    clock = VirtualClock(1000.0)
    client = Client(InProcessTransport(ApiServer(clock)))
    if await client.find(NAMESPACES, "default") is None:
        await client.create(NAMESPACES, named("v1", "Namespace", "default", None))
    context = ActorContext(client, Informers(client), clock, load("seed"))
    return client, context, Recorder(context, watched)


def test_every_change_is_reconciled_and_no_key_twice_at_once() -> None:
    async def run() -> None:
        client, context, recorder = await start(CONFIGMAPS)
        async with running([recorder], context.informers):
            await client.create(CONFIGMAPS, named("v1", "ConfigMap", "a"), "default")
            for number in range(5):
                await client.patch(CONFIGMAPS, "a", {"data": {"n": str(number)}}, "default")
            await context.clock.sleep(10)
            assert ("a", True) in recorder.seen
            assert len([s for s in recorder.seen if s[0] == "a"]) <= 3
            await client.delete(CONFIGMAPS, "a", "default")
            await context.clock.sleep(10)
            assert recorder.seen[-1] == ("a", False)

    asyncio.run(run())


def test_a_failing_reconcile_is_tried_again_and_given_up_on_at_last() -> None:
    async def run() -> None:
        client, context, recorder = await start(CONFIGMAPS)
        recorder.fail = 2
        async with running([recorder], context.informers):
            await client.create(CONFIGMAPS, named("v1", "ConfigMap", "a"), "default")
            await context.clock.sleep(20)
            assert ("a", True) in recorder.seen
            recorder.fail = 1000
            await client.create(CONFIGMAPS, named("v1", "ConfigMap", "b"), "default")
            await context.clock.sleep(3600)
            assert [f.key for f in recorder.failures] == [Key("default", "b")]

    asyncio.run(run())


def test_the_cache_shows_an_actors_own_write_at_once() -> None:
    async def run() -> None:
        _, context, recorder = await start(CONFIGMAPS)
        async with running([recorder], context.informers):
            made = await context.create(CONFIGMAPS, named("v1", "ConfigMap", "a"), "default")
            cache = context.informers.of(CONFIGMAPS)
            assert cache.get("a", "default") == made
            await context.delete(CONFIGMAPS, made)
            assert cache.get("a", "default") is None

    asyncio.run(run())


def test_a_repeated_event_counts_up() -> None:

    async def run() -> None:
        client, context, recorder = await start(CONFIGMAPS)
        async with running([recorder], context.informers):
            made = await context.create(CONFIGMAPS, named("v1", "ConfigMap", "a"), "default")
            for _ in range(3):
                await context.event(made, "Told", "again", source=EventSource("test"))
            [event] = (await client.list(EVENTS, "default")).items
            assert (event["count"], event["reason"], event["type"]) == (3, "Told", "Normal")

    asyncio.run(run())


def test_a_kind_is_watched_as_soon_as_its_definition_comes() -> None:
    async def run() -> None:
        client, context, recorder = await start(WIDGETS)
        async with running([recorder], context.informers):
            await context.clock.sleep(5)
            await client.create(CRDS, crd())
            await client.create(WIDGETS, named("example.com/v1", "Widget", "w"), "default")
            await context.clock.sleep(5)
            assert ("w", True) in recorder.seen
            await client.delete(CRDS, "widgets.example.com")
            await context.clock.sleep(5)
            assert recorder.seen[-1] == ("w", False)

    asyncio.run(run())
