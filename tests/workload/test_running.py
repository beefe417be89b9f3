"""A run on a simulated cluster of this process: rights, queues, interruptions, what is left."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from oc_gpu.kube import Client, OcGpuError, Resource, TimeoutExceededError, Updated, UsageError
from oc_gpu.kube.resources import CONFIGMAPS, CRDS, JOBS, PODS, PROXIES
from oc_gpu.manifests.jobs import Limits
from oc_gpu.rollout.rights import MissingRightsError
from oc_gpu.sim.cluster import Simulation
from oc_gpu.sim.scenario import DenyRule, load
from oc_gpu.workload import running
from oc_gpu.workload.model import Ended, Event, Line, Notice, Patience, Request
from tests.rollout.clusters import Wire

T = TypeVar("T")
FOREVER = "echo started; sleep 1000"
PATIENCE = Patience(start=40.0)
QUEUES = Resource("kueue.x-k8s.io", "v1beta1", "localqueues", "LocalQueue")


def on_cluster(act: Callable[[Client, Wire], Awaitable[T]], folder: Path, *denied: DenyRule) -> T:
    """Act on a cluster whose pods run as processes of this machine."""

    async def main() -> T:
        scenario = msgspec.structs.replace(load("no-gpu"), denied=denied)
        async with Simulation(scenario, pods=folder / "pods") as simulation:
            wire = Wire(simulation.server)
            async with asyncio.timeout(90):
                result = await act(Client(wire), wire)
            assert simulation.failures == []
            return result

    return asyncio.run(main())


def request(script: str, **more: Any) -> Request:
    command = ("sh", "-c", script)
    return Request(
        title="job.sh",
        command=command,
        limits=Limits({"nvidia.com/gpu": 0}),
        namespace="default",
        **more,
    )


async def run(client: Client, asked: Request, told: list[Event]) -> Ended:
    return await running.run(client, await running.prepare(client, asked), PATIENCE, told.append)


async def left(client: Client) -> list[str]:
    return [
        item["metadata"]["name"]
        for kind in (JOBS, PODS, CONFIGMAPS)
        for item in (await client.list(kind, label_selector="oc-gpu.io/stage=run")).items
        if "deletionTimestamp" not in item["metadata"]
    ]


def test_output_is_told_line_by_line_and_nothing_is_left(tmp_path: Path) -> None:
    async def act(client: Client, _: Wire) -> None:
        told: list[Event] = []
        ended = await run(client, request("echo one; echo two >&2; exit 5"), told)
        assert [e.text for e in told if isinstance(e, Line)] == ["one", "two"]
        assert (ended.exit_code, ended.state, ended.last_lines) == (5, "ended", ("one", "two"))
        assert ended.pod.startswith(ended.job)
        assert ended.started <= ended.finished
        assert await left(client) == []

    on_cluster(act, tmp_path)


def test_without_a_right_nothing_is_written(tmp_path: Path) -> None:
    async def act(client: Client, wire: Wire) -> None:
        with pytest.raises(MissingRightsError, match=r"create jobs\.batch in default") as caught:
            await running.prepare(client, request("true"))
        assert "oc-gpu rbac" in caught.value.hints[1]
        assert wire.writes == []

    rule = DenyRule(verbs=("create",), api_groups=("batch",), resources=("jobs",))
    on_cluster(act, tmp_path, rule)


def test_files_ask_for_one_more_right(tmp_path: Path) -> None:
    async def act(client: Client, _: Wire) -> None:
        await running.prepare(client, request("true"))
        with pytest.raises(MissingRightsError, match="pods/exec in default"):
            await running.prepare(client, request("true", output=tmp_path))

    rule = DenyRule(verbs=("create", "get"), resources=("pods/exec",))
    on_cluster(act, tmp_path, rule)


def test_where_nodes_and_namespaces_may_not_be_read_it_runs_all_the_same(tmp_path: Path) -> None:
    async def act(client: Client, _: Wire) -> None:
        assert (await run(client, request("exit 4"), [])).exit_code == 4

    rule = DenyRule(verbs=("list", "get"), resources=("nodes", "namespaces", "events"))
    on_cluster(act, tmp_path, rule)


def test_a_config_map_that_is_refused_takes_the_job_back(tmp_path: Path) -> None:
    async def act(client: Client, wire: Wire) -> None:
        found = await running.prepare(client, request("true", scripts={"a.sh": b""}))
        wire.failures = [OcGpuError("refused")]
        with pytest.raises(OcGpuError, match="refused"):
            await running.run(client, found, PATIENCE, lambda _: None)
        assert await left(client) == []

    on_cluster(act, tmp_path)


@pytest.mark.parametrize("after", ["started", "Job "])
def test_an_interruption_removes_what_was_made(tmp_path: Path, after: str) -> None:
    """Once while the program runs, once as soon as the Job is made."""

    async def act(client: Client, _: Wire) -> None:
        seen = asyncio.Event()

        def observe(event: Event) -> None:
            text = event.text if isinstance(event, Line) else event.message
            if text.startswith(after):
                seen.set()

        found = await running.prepare(client, request(FOREVER))
        task = asyncio.create_task(running.run(client, found, PATIENCE, observe))
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await left(client) == []

    on_cluster(act, tmp_path)


class Writes(list[str]):
    """Writes that tell of the first of them, which is then on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.first = asyncio.Event()

    def append(self, item: str) -> None:
        super().append(item)
        self.first.set()


def test_an_interruption_while_the_job_is_made_removes_it(tmp_path: Path) -> None:
    async def act(client: Client, wire: Wire) -> None:
        found = await running.prepare(client, request(FOREVER))
        wire.writes = writes = Writes()
        task = asyncio.create_task(running.run(client, found, PATIENCE, lambda _: None))
        await writes.first.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await left(client) == []

    on_cluster(act, tmp_path)


def test_a_job_that_somebody_deletes_is_told(tmp_path: Path) -> None:
    async def act(client: Client, _: Wire) -> None:
        started = asyncio.Event()
        found = await running.prepare(client, request(FOREVER))

        def observe(event: Event) -> None:
            if isinstance(event, Line):
                started.set()

        task = asyncio.create_task(running.run(client, found, PATIENCE, observe))
        await started.wait()
        await client.delete(JOBS, found.task.name, "default")
        with pytest.raises(OcGpuError, match=r"job.sh did not run: .* (was deleted|was taken off)"):
            await task

    on_cluster(act, tmp_path)


def test_the_time_for_everything_bounds_a_program_that_does_not_end(tmp_path: Path) -> None:
    async def act(client: Client, _: Wire) -> None:
        found = await running.prepare(client, request(FOREVER))
        with pytest.raises(TimeoutExceededError, match=r"has not (started|ended) after"):
            await running.run(client, found, Patience(start=60.0, all=3.0), lambda _: None)
        assert await left(client) == []

    on_cluster(act, tmp_path)


def test_a_program_finds_the_clusters_own_certificates(tmp_path: Path) -> None:
    async def act(client: Client, _: Wire) -> None:
        bundle = await client.get(CONFIGMAPS, "trusted-ca-bundle", "openshift-config-managed")
        trusted = {"spec": {"trustedCA": {"name": "user-ca-bundle"}}}
        await client.patch(PROXIES, "cluster", trusted)
        told: list[Event] = []
        asked = request('[ "$SSL_CERT_FILE" = "$CURL_CA_BUNDLE" ] && cat "$SSL_CERT_FILE"')
        assert (await run(client, asked, told)).exit_code == 0
        lines = [event.text for event in told if isinstance(event, Line)]
        assert lines == bundle["data"]["ca-bundle.crt"].splitlines() != []
        assert await left(client) == []

    on_cluster(act, tmp_path)


def _kueue() -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1beta1", "served": True, "storage": True}
    names = {"plural": "localqueues", "kind": "LocalQueue", "singular": "localqueue"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "localqueues.kueue.x-k8s.io"},
        "spec": {
            "group": "kueue.x-k8s.io",
            "scope": "Namespaced",
            "names": names,
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }


async def _queue(client: Client, name: str) -> None:
    await client.create(CRDS, _kueue())
    queue = {
        "apiVersion": QUEUES.api_version,
        "kind": "LocalQueue",
        "metadata": {"name": name, "namespace": "default"},
    }
    await client.create(QUEUES, queue, "default")


def test_a_job_waits_in_its_queue_until_it_is_admitted(tmp_path: Path) -> None:
    async def act(client: Client, _: Wire) -> None:
        await _queue(client, "fast")
        waits = asyncio.Event()

        def observe(event: Event) -> None:
            if isinstance(event, Notice) and "its queue has not admitted it yet" in event.message:
                waits.set()

        found = await running.prepare(client, request("exit 6", queue="fast"))
        task = asyncio.create_task(running.run(client, found, PATIENCE, observe))
        await waits.wait()
        made = await client.get(JOBS, found.task.name, "default")
        assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "fast"
        await client.patch(JOBS, found.task.name, {"spec": {"suspend": False}}, "default")
        assert (await task).exit_code == 6

    on_cluster(act, tmp_path)


def test_a_queue_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async def act(client: Client, wire: Wire) -> None:
        with pytest.raises(UsageError, match="this cluster has no Kueue"):
            await running.prepare(client, request("true", queue="fast"))
        await _queue(client, "slow")
        wire.writes.clear()
        with pytest.raises(UsageError, match="no queue fast in namespace default") as caught:
            await running.prepare(client, request("true", queue="fast"))
        assert caught.value.hints == ("it has slow",)
        assert wire.writes == []

    on_cluster(act, tmp_path)


def _has_ended(pod: dict[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") == "Succeeded"


def test_a_run_that_is_left_running_gets_its_files_first(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a").write_text("content")

    async def act(client: Client, _: Wire) -> None:
        asked = request("cat a", mount=folder, detach=True)
        ended = await run(client, asked, [])
        assert ended.state == "detached"
        assert ended.job in await left(client)
        async with aclosing(client.watch(PODS, "default")) as events:
            async for event in events:
                if isinstance(event, Updated) and _has_ended(event.object):
                    break
        assert await client.logs("default", ended.pod, container="main") == "content\n"
        await client.delete(JOBS, ended.job, "default")

    on_cluster(act, tmp_path)
