"""Sending one action: what is sent, what is reported, what is tried again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from oc_gpu.kube import (
    Client,
    ConflictError,
    ConnectionFailedError,
    InvalidError,
    RawObject,
    Retry,
    ServerError,
)
from oc_gpu.kube.errors import Asked
from oc_gpu.kube.resources import CONFIGMAPS, NAMESPACES, PODS
from oc_gpu.rollout.memory import Write
from oc_gpu.rollout.perform import Performer
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages.model import Action, Apply, Delete, ObjectRef, Patch
from tests.rollout.clusters import Wire

REF = ObjectRef(CONFIGMAPS, "a", "default")


class Seen:
    """A view that takes every answer."""

    def __init__(self) -> None:
        self.objects: list[RawObject] = []

    def observe(self, _: Any, obj: RawObject) -> bool:
        self.objects.append(obj)
        return True


class Bench:
    """A server, a performer on it, and what it said."""

    def __init__(self) -> None:
        self.server = ApiServer(VirtualClock(1_600_000_000.0))
        self.server.install(namespace("default"))
        self.wire = Wire(self.server)
        self.client = Client(self.wire, retry=Retry(unreachable=0.0, first_delay=0.001))
        self.seen = Seen()
        self.notices: list[str] = []
        retry = Retry(first_delay=0.001)
        self.perform = Performer(self.client, self.seen, self.notices.append, retry)

    async def sees(self) -> Snapshot:
        maps = (await self.client.list(CONFIGMAPS, "default")).items
        return Snapshot("https://test", tables={"configmaps": tuple(maps)})

    async def send(self, action: Action) -> Write:
        return await self.perform(action, await self.sees())


def on(act: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(10):
            await act(Bench())

    asyncio.run(main())


def namespace(name: str, **labels: str) -> RawObject:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def manifest(**data: str) -> RawObject:
    meta = {"name": "a", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def test_an_apply_creates_then_configures_then_has_nothing_to_do() -> None:
    async def act(bench: Bench) -> None:
        verbs = [
            (await bench.send(Apply(REF, manifest(**data)))).verb
            for data in ({"x": "1"}, {"x": "2"}, {"x": "2"})
        ]
        assert verbs == ["created", "configured", ""]
        assert bench.seen.objects[-1]["data"] == {"x": "2"}
        entry = bench.seen.objects[-1]["metadata"]["managedFields"][0]
        assert (entry["manager"], entry["operation"]) == ("oc-gpu", "Apply")

    on(act)


def test_fields_of_another_manager_are_never_forced() -> None:
    async def act(bench: Bench) -> None:
        await bench.client.apply(CONFIGMAPS, manifest(x="theirs"), field_manager="argocd")
        with pytest.raises(ConflictError) as caught:
            await bench.send(Apply(REF, manifest(x="ours")))
        assert any("argocd" in cause for cause in caught.value.causes)
        assert (await bench.client.get(CONFIGMAPS, "a", "default"))["data"] == {"x": "theirs"}

    on(act)


def test_a_conflict_that_names_no_field_is_tried_again() -> None:
    async def act(bench: Bench) -> None:
        conflict = ConflictError(Asked("apply", CONFIGMAPS, "a", "default"), 409, message="busy")
        bench.wire.failures = [conflict, conflict]
        assert (await bench.send(Apply(REF, manifest(x="1")))).verb == "created"
        bench.wire.failures = [conflict] * 9
        with pytest.raises(ConflictError):
            await bench.send(Apply(REF, manifest(x="2")))

    on(act)


def test_fields_of_others_are_forced_where_that_was_said() -> None:
    async def act(bench: Bench) -> None:
        await bench.client.apply(CONFIGMAPS, manifest(x="theirs"), field_manager="argocd")
        await bench.send(Apply(REF, manifest(x="ours"), forces=True))
        assert (await bench.client.get(CONFIGMAPS, "a", "default"))["data"] == {"x": "ours"}

    on(act)


def test_a_namespace_that_somebody_made_meanwhile_is_used_and_not_taken_over() -> None:
    async def act(bench: Bench) -> None:
        action = Apply(ObjectRef(NAMESPACES, "gpu"), namespace("gpu", owner="us"), adopt=True)
        before = await bench.sees()
        await bench.client.create(NAMESPACES, namespace("gpu", owner="them"))
        assert (await bench.perform(action, before)).verb == ""
        found = await bench.client.get(NAMESPACES, "gpu")
        assert found["metadata"]["labels"]["owner"] == "them"

    on(act)


def test_a_patch_that_was_overtaken_is_refused() -> None:
    async def act(bench: Bench) -> None:
        made = await bench.client.create(CONFIGMAPS, manifest(x="1"))
        guard = {"resourceVersion": made["metadata"]["resourceVersion"]}
        patch = Patch(REF, {"metadata": guard, "data": {"x": "2"}}, holds=False, why="test")
        before = await bench.sees()
        assert (await bench.perform(patch, before)).verb == "patched"
        with pytest.raises(ConflictError):
            await bench.perform(patch, before)

    on(act)


def test_a_delete_takes_the_object_that_was_seen_and_no_namesake() -> None:
    async def act(bench: Bench) -> None:
        await bench.client.create(CONFIGMAPS, manifest(x="1"))
        before = await bench.sees()
        assert (await bench.perform(Delete(REF), before)).verb == "deleted"
        assert (await bench.perform(Delete(REF), before)).verb == ""
        await bench.client.create(CONFIGMAPS, manifest(x="2"))
        with pytest.raises(ConflictError):
            await bench.perform(Delete(REF), before)
        assert (await bench.client.get(CONFIGMAPS, "a", "default"))["data"] == {"x": "2"}

    on(act)


def test_a_server_that_goes_away_is_waited_for_and_told_of_once() -> None:
    async def act(bench: Bench) -> None:
        bench.wire.failures = [ConnectionFailedError("the server hung up") for _ in range(3)]
        assert (await bench.send(Apply(REF, manifest(x="1")))).verb == "created"
        assert bench.notices == ["the server hung up; it is tried again"]

    on(act)


def test_a_server_that_cannot_be_trusted_is_not_waited_for() -> None:
    async def act(bench: Bench) -> None:
        bench.wire.failures = [ConnectionFailedError("unknown authority", permanent=True)]
        with pytest.raises(ConnectionFailedError):
            await bench.send(Apply(REF, manifest(x="1")))

    on(act)


def bare_pod() -> Apply:
    meta = {"name": "a", "namespace": "default"}
    wrong = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": []}}
    return Apply(ObjectRef(PODS, "a", "default"), wrong)


def test_an_object_that_is_wrong_is_sent_once() -> None:
    async def act(bench: Bench) -> None:
        with pytest.raises(InvalidError):
            await bench.send(bare_pod())
        assert len(bench.wire.writes) == 1

    on(act)


def test_a_store_that_elects_a_leader_is_waited_for() -> None:
    async def act(bench: Bench) -> None:
        asked = Asked("apply", CONFIGMAPS, "a", "default")
        message = "etcdserver: leader changed"
        bench.wire.failures = [ServerError(asked, 500, message=message) for _ in range(3)]
        assert (await bench.send(Apply(REF, manifest(x="1")))).verb == "created"
        assert len(bench.notices) == 1

    on(act)


def test_a_server_that_breaks_over_an_object_is_not_asked_for_ever() -> None:
    async def act(bench: Bench) -> None:
        action = Apply(REF, {**manifest(), "unheard": "of"})
        with pytest.raises(ServerError) as caught:
            await bench.send(action)
        assert caught.value.status == 500

    on(act)
