"""The live view over a simulated API server: always current, waking at every change."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from oc_gpu.kube import (
    Client,
    ConnectionFailedError,
    ForbiddenError,
    RawObject,
    Resource,
    ServerError,
)
from oc_gpu.kube.errors import Asked
from oc_gpu.kube.resources import CONFIGMAPS, CRDS, NODES, PODS
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.messages import ADMIN
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.sim.scenario import DenyRule
from oc_gpu.snapshot.kinds import Node, Pod
from oc_gpu.snapshot.live import LiveView, read
from oc_gpu.snapshot.sources import Source

WIDGETS = Resource("example.com", "v1", "widgets", "Widget")
MAPS = Source("configmaps", CONFIGMAPS, namespaces=("default", "other"))
SOURCES = (MAPS, Source("nodes", NODES, Node), Source("widgets", WIDGETS))


class Logs:
    """Stands in for the kubelets: every pod printed its name."""

    async def logs(self, pod: RawObject, container: str, options: Any) -> Any:
        del container, options

        async def pieces() -> Any:
            yield f"I am {pod['metadata']['name']}\n".encode()

        return pieces()


def with_server(
    act: Callable[[Client], Awaitable[None]], *, denied: tuple[DenyRule, ...] = ()
) -> None:
    """Run something against a server with two namespaces."""

    async def main() -> None:
        server = ApiServer(VirtualClock(1_600_000_000.0), denied=denied)
        server.kubelet = Logs()  # type: ignore[assignment]
        for name in ("default", "other"):
            server.install({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        async with asyncio.timeout(10):
            await act(Client(InProcessTransport(server, user=ADMIN)))

    asyncio.run(main())


def config_map(name: str, **data: str) -> RawObject:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def definition() -> RawObject:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def names(rows: Any) -> list[str]:
    return sorted(row["metadata"]["name"] for row in rows)


async def until(view: LiveView, true: Callable[[], bool]) -> None:
    while not true():
        await view.changed()


def test_one_look_reads_all_namespaces_and_marks_what_is_not_served() -> None:
    async def act(client: Client) -> None:
        await client.create(CONFIGMAPS, config_map("a"), "default")
        await client.create(CONFIGMAPS, config_map("b"), "other")
        snapshot = await read(client, SOURCES)
        assert names(snapshot.table("configmaps")) == ["a", "b"]
        assert snapshot.unread["widgets"].reason == "absent"
        assert snapshot.known("widgets")

    with_server(act)


def test_one_look_marks_what_may_not_be_read_as_unknown() -> None:
    async def act(client: Client) -> None:
        snapshot = await read(client, SOURCES)
        assert snapshot.unread["nodes"].reason == "forbidden"
        assert not snapshot.known("nodes")

    with_server(act, denied=(DenyRule(verbs=("list",), resources=("nodes",)),))


@pytest.mark.parametrize(("status", "group"), [(503, "image.openshift.io"), (500, "x"), (503, "")])
def test_only_an_aggregated_api_that_is_away_leaves_the_rest_of_a_look(
    status: int, group: str
) -> None:
    kind = Resource(group, "v1", "things", "Thing")

    async def act(client: Client) -> None:
        lists = client.list

        async def trouble(resource: Resource, *args: Any, **options: Any) -> Any:
            if resource == kind:
                raise ServerError(Asked("list", kind), status, message="no")
            return await lists(resource, *args, **options)

        client.list = trouble  # type: ignore[method-assign]
        sources = (*SOURCES, Source("things", kind))
        if status == 503 and group:
            snapshot = await read(client, sources)
            assert snapshot.unread["things"].reason == "failed"
            assert "configmaps" in snapshot.tables
        else:
            with pytest.raises(ServerError):
                await read(client, sources)

    with_server(act)


def test_the_view_wakes_at_a_change_and_shows_it() -> None:
    async def act(client: Client) -> None:
        async with LiveView(client, SOURCES) as view:
            assert names(view.snapshot().table("configmaps")) == []
            waiting = asyncio.create_task(view.changed())
            await asyncio.sleep(0)
            assert not waiting.done()
            await client.create(CONFIGMAPS, config_map("a"), "other")
            await waiting
            assert names(view.snapshot().table("configmaps")) == ["a"]

    with_server(act)


def test_a_change_before_the_wait_wakes_at_once() -> None:
    async def act(client: Client) -> None:
        async with LiveView(client, SOURCES) as view:
            view.snapshot()
            await client.create(CONFIGMAPS, config_map("a"), "other")
            await until(view, lambda: bool(view.snapshot().table("configmaps")))

    with_server(act)


def test_tables_that_did_not_change_are_shared() -> None:
    async def act(client: Client) -> None:
        async with LiveView(client, SOURCES) as view:
            before = view.snapshot()
            made = await client.create(CONFIGMAPS, config_map("a"), "default")
            assert view.observe(CONFIGMAPS, made)
            after = view.snapshot()
            assert after.tables["nodes"] is before.tables["nodes"]
            assert before.table("configmaps") == ()

    with_server(act)


def test_the_answer_to_a_write_shows_at_once_and_its_echo_wakes_nobody() -> None:
    async def act(client: Client) -> None:
        async with LiveView(client, SOURCES) as view:
            made = await client.create(CONFIGMAPS, config_map("a"), "default")
            view.observe(CONFIGMAPS, made)
            assert names(view.snapshot().table("configmaps")) == ["a"]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(view.changed(), 0.05)

    with_server(act)


def test_an_answer_of_another_namespace_or_kind_is_not_taken() -> None:
    async def act(client: Client) -> None:
        async with LiveView(
            client, (Source("configmaps", CONFIGMAPS, namespaces=("other",)),)
        ) as v:
            made = await client.create(CONFIGMAPS, config_map("a"), "default")
            assert not v.observe(CONFIGMAPS, made)
            assert not v.observe(PODS, made)
            assert v.snapshot().table("configmaps") == ()

    with_server(act)


def test_a_kind_is_shown_once_it_is_served_and_is_absent_again_when_it_goes() -> None:
    async def act(client: Client) -> None:
        async with LiveView(client, SOURCES) as view:
            assert "widgets" in view.snapshot().unread
            await client.create(CRDS, definition())
            await until(view, lambda: "widgets" not in view.snapshot().unread)
            widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
            await client.create(WIDGETS, widget, "default")
            await until(view, lambda: bool(view.snapshot().table("widgets")))
            await client.delete(CRDS, "widgets.example.com")
            await until(view, lambda: "widgets" in view.snapshot().unread)
            assert view.snapshot().table("widgets") == ()

    with_server(act)


def test_a_kind_that_comes_goes_and_comes_again_is_shown_again() -> None:
    async def act(client: Client) -> None:
        async with LiveView(client, SOURCES) as view:
            for _ in range(2):
                await client.create(CRDS, definition())
                await until(view, lambda: "widgets" not in view.snapshot().unread)
                await client.delete(CRDS, "widgets.example.com")
                await until(view, lambda: "widgets" in view.snapshot().unread)

    with_server(act)


def test_what_may_not_be_watched_is_unknown_and_not_empty() -> None:
    async def act(client: Client) -> None:
        async with LiveView(client, SOURCES) as view:
            assert view.snapshot().unread["nodes"].reason == "forbidden"
            assert "nodes" not in view.snapshot().tables

    with_server(act, denied=(DenyRule(verbs=("list",), resources=("nodes",)),))


def test_a_watch_that_is_refused_later_is_told_to_who_waits() -> None:
    async def act(client: Client) -> None:
        async def wait() -> None:
            async with LiveView(client, SOURCES) as view:
                while True:
                    view.snapshot()
                    await view.changed()

        with pytest.raises(ForbiddenError):
            await wait()

    with_server(act, denied=(DenyRule(verbs=("watch",), resources=("nodes",)),))


def test_a_watch_lost_before_a_look_is_told_to_who_waits_after_it() -> None:
    async def act(client: Client) -> None:
        async with LiveView(client, SOURCES) as view:
            await asyncio.sleep(0.05)
            view.snapshot()
            with pytest.raises(ForbiddenError):
                await asyncio.wait_for(view.changed(), 1)

    with_server(act, denied=(DenyRule(verbs=("watch",), resources=("nodes",)),))


def proof_pod(name: str, phase: str) -> RawObject:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"oc-gpu.io/proof": "x"}},
        "spec": {"nodeName": "n", "containers": [{"name": "main", "image": "ubi"}]},
        "status": {"phase": phase},
    }


async def set_phase(client: Client, name: str, phase: str) -> None:
    await client.patch(PODS, name, {"status": {"phase": phase}}, "default", subresource="status")


def test_the_log_of_a_proof_pod_is_read_when_it_has_ended() -> None:
    async def act(client: Client) -> None:
        pods = Source("pods", PODS, Pod, ("default",))
        async with LiveView(client, (pods,)) as view:
            await client.create(PODS, proof_pod("p", "Running"))
            await until(view, lambda: bool(view.snapshot().pods))
            assert view.snapshot().logs == {}
            await set_phase(client, "p", "Succeeded")
            await until(view, lambda: bool(view.snapshot().logs))
            assert view.snapshot().logs == {"default/p": "I am p\n"}
            assert (await read(client, (pods,))).logs == {"default/p": "I am p\n"}
            await client.delete(PODS, "p", "default", grace_seconds=0)
            await until(view, lambda: not view.snapshot().pods)
            assert view.snapshot().logs == {}

    with_server(act)


def test_a_view_that_is_entered_shows_the_logs_that_one_look_shows() -> None:
    async def act(client: Client) -> None:
        pods = Source("pods", PODS, Pod, ("default",))
        await client.create(PODS, proof_pod("p", "Running"))
        await set_phase(client, "p", "Succeeded")
        async with LiveView(client, (pods,)) as view:
            assert view.snapshot().logs == {"default/p": "I am p\n"}

    with_server(act)


def test_a_log_that_cannot_be_read_holds_nobody_up() -> None:
    async def act(client: Client) -> None:
        async def logs(*_args: Any, **_options: Any) -> str:
            raise ConnectionFailedError("the kubelet is away")

        client.logs = logs  # type: ignore[method-assign]
        pods = Source("pods", PODS, Pod, ("default",))
        await client.create(PODS, proof_pod("p", "Running"))
        await set_phase(client, "p", "Succeeded")
        async with asyncio.timeout(1), LiveView(client, (pods,)) as view:
            assert view.snapshot().logs == {}

    with_server(act)


async def failing(*errors: Exception) -> AsyncGenerator[Any]:
    for error in errors:
        raise error
    yield


def test_an_aggregated_api_that_is_away_leaves_the_view_and_is_shown_when_it_is_back() -> None:
    kind = Resource("example.com", "v1", "widgets", "Widget")

    async def act(client: Client) -> None:
        watch, tries = client.watch, []

        def trouble(resource: Resource, *args: Any, **options: Any) -> Any:
            if resource != kind:
                return watch(resource, *args, **options)
            tries.append(options["patient"])
            if len(tries) < 3:
                return failing(ServerError(Asked("list", kind), 503, message="no"))
            return watch(resource, *args, **options)

        await client.create(CRDS, definition())
        client.watch = trouble  # type: ignore[method-assign]
        async with LiveView(client, SOURCES) as view:
            first = view.snapshot()
            assert first.unread["widgets"].reason == "failed"
            assert not first.known("widgets")
            assert "configmaps" in first.tables
            await until(view, lambda: "widgets" in view.snapshot().tables)
            assert view.snapshot().unread == {}
        assert tries == [False, True, True]

    with_server(act)


@pytest.mark.parametrize(("status", "source"), [(500, SOURCES[2]), (503, SOURCES[1])])
def test_a_server_that_fails_otherwise_ends_the_view(status: int, source: Source) -> None:
    async def act(client: Client) -> None:
        error = ServerError(Asked("list", source.resource), status, message="no")
        client.watch = lambda *_, **__: failing(error)  # type: ignore[method-assign]
        with pytest.raises(ServerError):
            async with LiveView(client, (source,)):
                pass

    with_server(act)


@pytest.mark.parametrize("trouble", ["unable to retrieve container logs for cri-o://1", None])
def test_a_log_that_could_not_be_read_is_no_proof_and_is_read_again(trouble: str | None) -> None:
    async def act(client: Client) -> None:
        answers: list[str | None] = [trouble, trouble, "PROOF"]

        async def logs(*_args: Any, **_options: Any) -> str:
            answer = answers.pop(0)
            if answer is None:
                raise ConnectionFailedError("the kubelet is away")
            return answer

        client.logs = logs  # type: ignore[method-assign]
        pods = Source("pods", PODS, Pod, ("default",))
        await client.create(PODS, proof_pod("p", "Running"))
        await set_phase(client, "p", "Succeeded")
        assert (await read(client, (pods,))).logs == {}
        async with LiveView(client, (pods,)) as view:
            await until(view, lambda: bool(view.snapshot().logs))
            assert view.snapshot().logs == {"default/p": "PROOF"}

    with_server(act)


def test_leaving_the_view_leaves_no_task_behind() -> None:
    async def act(client: Client) -> None:
        before = len(asyncio.all_tasks())
        async with LiveView(client, SOURCES) as view:
            view.snapshot()
        assert len(asyncio.all_tasks()) == before

    with_server(act)
