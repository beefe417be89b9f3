"""Evidence of GPU nodes: what ran and what stayed off; nothing is left behind."""

import asyncio

import pytest

from oc_gpu.kube import Client, RawObject, TimeoutExceededError
from oc_gpu.kube.resources import NODES, PODS
from oc_gpu.manifests import verify as manifests
from oc_gpu.rollout import commands
from oc_gpu.rollout.proof import collect
from oc_gpu.rollout.survey import survey
from oc_gpu.sim.scenario import DenyRule
from tests.rollout.clusters import QUIET, TAINT, Killed, Wire, on_cluster, wish

NODE = "gpu-a100-0"


async def test_pods(client: Client) -> list[str]:
    listed = await client.list(PODS, label_selector="oc-gpu.io/stage=verify")
    return [pod["metadata"]["name"] for pod in listed.items]


test_pods.__test__ = False  # type: ignore[attr-defined]


def test_each_node_gives_evidence_and_keeps_no_test_pod() -> None:
    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wish(TAINT), QUIET)
        evidence = await collect(client, await survey(client, wish(TAINT)))
        assert [item.node for item in evidence] == [NODE, "gpu-h100-0"]
        first = evidence[0]
        assert first.driver_pod.startswith("nvidia-gpu-operator/nvidia-driver-daemonset")
        assert "<nvidia_smi_log>" in first.smi_xml
        assert "NVIDIA-SMI" in first.smi_table
        assert first.sample is not None
        assert first.sample.node == NODE
        assert "Test PASSED" in first.sample.log
        assert "@sha256:" in first.sample.image_id
        assert first.stay_off is not None
        assert first.stay_off.placed_on == ""
        assert "nodetype" in first.stay_off.message
        assert first.misses == ()
        assert await test_pods(client) == []

    on_cluster(act)


def test_what_a_killed_run_left_is_removed_first() -> None:
    async def act(client: Client, wire: Wire) -> None:
        await commands.enable(client, wish(), QUIET)
        found = await survey(client, wish())
        cut = Wire(wire._server)
        cut.cut_after = 2
        with pytest.raises(Killed):
            await collect(Client(cut), found)
        assert await test_pods(client) != []
        evidence = await collect(client, found)
        assert all(item.sample is not None and "PASSED" in item.sample.log for item in evidence)
        assert await test_pods(client) == []

    on_cluster(act)


def test_an_interrupted_run_removes_its_pods() -> None:
    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wish(), QUIET)
        found = await survey(client, wish())
        running = asyncio.create_task(collect(client, found))
        async for _event in client.watch(PODS, "oc-gpu"):
            if await test_pods(client):
                break
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await test_pods(client) == []

    on_cluster(act)


def leftover(name: str, **meta: object) -> RawObject:
    labels = {"oc-gpu.io/stage": "verify"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            **meta,
            "labels": meta.get("labels", labels),
        },
        "spec": {"containers": [{"name": "main", "image": "ubi"}], "schedulerName": "nobody"},
    }


def test_a_leftover_that_does_not_go_ends_the_run_in_time() -> None:
    async def act(client: Client, _: Wire) -> None:
        found = await survey(client, wish())
        await client.create(PODS, leftover("old", finalizers=["example.com/stuck"]), "default")
        with pytest.raises(TimeoutExceededError, match="default/old"):
            async with asyncio.timeout(5):
                await collect(client, found, namespace="default", nodes=(NODE,), patience=0.1)

    on_cluster(act)


def test_a_pod_of_somebody_else_with_our_name_is_left_alone() -> None:
    async def act(client: Client, _: Wire) -> None:
        offer = {"status": {"allocatable": {"nvidia.com/gpu": "2"}}}
        await client.patch(NODES, NODE, offer, subresource="status")
        found = await survey(client, wish())
        name = manifests.pod_name("cuda-sample", NODE)
        await client.create(PODS, leftover(name, labels={"theirs": "yes"}), "default")
        (item,) = await collect(client, found, namespace="default", nodes=(NODE,), patience=0.1)
        assert "exists" in (item.miss("sample") or "")
        assert await client.find(PODS, name, "default") is not None

    on_cluster(act)


def test_a_node_without_driver_pod_says_so() -> None:
    async def act(client: Client, _: Wire) -> None:
        found = await survey(client, wish())
        (item,) = await collect(client, found, nodes=(NODE,), patience=0.1)
        assert (
            item.miss("nvidia-smi")
            == f"no running pod with a container nvidia-driver-ctr on {NODE}"
        )
        assert item.sample is None
        assert "offers no GPU" in (item.miss("sample") or "")
        assert item.stay_off is None
        assert await test_pods(client) == []

    on_cluster(act)


def test_a_node_that_is_not_there_is_left_out() -> None:
    async def act(client: Client, _: Wire) -> None:
        assert await collect(client, await survey(client, wish()), nodes=("gone",)) == ()

    on_cluster(act)


def test_a_refused_test_pod_is_a_miss_with_the_reason() -> None:
    rules = (DenyRule(verbs=("get",), resources=("pods/exec",)),)

    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wish(), QUIET)
        evidence = await collect(client, await survey(client, wish()))
        assert all(item.smi_xml or item.miss("nvidia-smi") for item in evidence)

    on_cluster(act, denied=rules)


def test_pod_names_tell_their_node() -> None:
    assert manifests.pod_name("cuda-sample", NODE) == f"oc-gpu-cuda-sample-{NODE}"
