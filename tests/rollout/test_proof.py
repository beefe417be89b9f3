"""Evidence of GPU nodes: what ran and what stayed off; nothing is left behind."""

import asyncio
from typing import Any

import pytest

from oc_gpu.checks import verify
from oc_gpu.checks.context import inputs
from oc_gpu.checks.evidence import NodeEvidence
from oc_gpu.checks.model import Severity
from oc_gpu.kube import Client, RawObject, TimeoutExceededError
from oc_gpu.kube.resources import NODES, PODS
from oc_gpu.kube.transport import WebSocket
from oc_gpu.manifests import verify as manifests
from oc_gpu.rollout import commands, proof
from oc_gpu.rollout.proof import collect
from oc_gpu.rollout.survey import survey
from oc_gpu.sim.scenario import DenyRule
from tests.rollout.clusters import QUIET, TAINT, Killed, Wire, on_cluster, wish

NODE = "gpu-a100-0"


def passed(item: NodeEvidence) -> bool:
    """Tell whether a node has one sample, and that one passed."""
    return ["PASSED" in sample.log for sample in item.samples] == [True]


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
        (sample,) = first.samples
        assert sample.node == NODE
        assert "Test PASSED" in sample.log
        assert "@sha256:" in sample.image_id
        assert first.stay_off is not None
        assert first.stay_off.placed_on == ""
        assert "nodetype" in first.stay_off.message
        assert first.misses == ()
        assert await test_pods(client) == []

    on_cluster(act)


def test_what_a_killed_run_left_is_removed_once_it_is_over() -> None:
    async def act(client: Client, wire: Wire) -> None:
        await commands.enable(client, wish(), QUIET)
        found = await survey(client, wish())
        cut = Wire(wire._server)
        cut.cut_after = 2
        with pytest.raises(Killed):
            await collect(Client(cut), found)
        left = await test_pods(client)
        assert left != []
        evidence = await collect(client, found)
        assert all(
            ["PASSED" in sample.log for sample in item.samples] == [True] for item in evidence
        )
        assert await test_pods(client) == left  # for all that is known, that run goes on
        for name in left:
            over = {"metadata": {"annotations": {manifests.UNTIL: "1000000000"}}}
            await client.patch(PODS, name, over, "oc-gpu")
        await collect(client, found)
        assert await test_pods(client) == []

    on_cluster(act)


def test_two_runs_at_a_time_leave_each_other_alone() -> None:
    async def act(client: Client, wire: Wire) -> None:
        await commands.enable(client, wish(TAINT), QUIET)
        found = await survey(client, wish(TAINT))
        both = await asyncio.gather(
            collect(client, found), collect(Client(Wire(wire._server)), found)
        )
        for evidence in both:
            assert [item.misses for item in evidence] == [(), ()]
            assert all(
                ["PASSED" in sample.log for sample in item.samples] == [True] for item in evidence
            )
        assert await test_pods(client) == []

    on_cluster(act)


class _Counting(Wire):
    """Counts the commands that run at one time."""

    running = most = 0

    async def websocket(self, *asked: Any, **how: Any) -> WebSocket:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0)
            return await super().websocket(*asked, **how)
        finally:
            self.running -= 1


def test_no_more_nodes_are_asked_at_a_time_than_is_fair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "_AT_ONCE", 1)

    async def act(client: Client, wire: Wire) -> None:
        await commands.enable(client, wish(), QUIET)
        counting = _Counting(wire._server)
        evidence = await collect(Client(counting), await survey(client, wish()))
        assert [len(item.samples) for item in evidence] == [1, 1]
        assert counting.most == 1

    on_cluster(act)


def holder(name: str, node: str, gpus: str) -> RawObject:
    main = {"name": "main", "image": "ubi", "resources": {"limits": {"nvidia.com/gpu": gpus}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": node, "containers": [{**main, "command": ["sleep", "inf"]}]},
    }


@pytest.mark.parametrize("readable", [True, False])
def test_who_holds_all_gpus_is_said_at_once(readable: bool) -> None:  # noqa: FBT001
    rule = DenyRule(verbs=("list",), resources=("pods",), namespaces=("",))

    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wish(), QUIET)
        await client.create(PODS, holder("training", NODE, "2"), "default")
        said: list[str] = []
        found = await survey(client, wish())
        (item,) = await collect(client, found, nodes=(NODE,), patience=1.0, tell=said.append)
        (line,) = said
        who = "default/training (2)" if readable else "may not be listed"
        assert f"all GPUs of {NODE} are in use" in line
        assert who in line
        (sample,) = item.samples
        assert any(who in holding for holding in sample.holders)
        finding = next(
            f
            for f in verify.judge(inputs(found.context), (item,))
            if f.check == "cuda-sample" and f"Node/{NODE}" in f.objects
        )
        assert finding.severity is Severity.UNKNOWN
        assert any(who in evidence.quote for evidence in finding.evidence)

    on_cluster(act, denied=() if readable else (rule,))


def test_a_cordoned_node_is_named_and_not_waited_for() -> None:
    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wish(), QUIET)
        await client.patch(NODES, NODE, {"spec": {"unschedulable": True}})
        found = await survey(client, wish())
        evidence = await collect(client, found, nodes=(NODE,))
        finding = next(
            f
            for f in verify.judge(inputs(found.context), evidence)
            if f.check == "cuda-sample" and f"Node/{NODE}" in f.objects
        )
        assert finding.severity is Severity.ERROR
        assert "the node is cordoned" in finding.title
        assert f"oc adm uncordon {NODE}" in " ".join(finding.remedy)

    on_cluster(act)


def test_a_log_that_may_not_be_read_is_named_and_not_waited_for() -> None:
    rule = DenyRule(verbs=("get",), resources=("pods/log",))

    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wish(), QUIET)
        found = await survey(client, wish())
        async with asyncio.timeout(10):
            (item,) = await collect(client, found, nodes=(NODE,))
        (sample,) = item.samples
        assert "forbidden" in sample.unread
        finding = next(
            f
            for f in verify.judge(inputs(found.context), (item,))
            if f.check == "cuda-sample" and f"Node/{NODE}" in f.objects
        )
        assert finding.severity is Severity.UNKNOWN
        assert "its log may not be read" in finding.title
        assert any("pods/log" in line or "--subresource=log" in line for line in finding.remedy)

    on_cluster(act, denied=(rule,))


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


def test_a_pod_of_somebody_else_with_our_name_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act(client: Client, _: Wire) -> None:
        offer = {"status": {"allocatable": {"nvidia.com/gpu": "2"}}}
        await client.patch(NODES, NODE, offer, subresource="status")
        found = await survey(client, wish())
        monkeypatch.setattr("secrets.token_hex", lambda _: "abcde")
        name = manifests.pod_name("cuda-sample", NODE, "abcde")
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
        assert not item.samples
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
    assert manifests.pod_name("cuda-sample", NODE, "abcde") == f"oc-gpu-cuda-sample-{NODE}-abcde"
    long = manifests.pod_name("cuda-sample", "n" * 253, "abcde")
    assert len(long) <= 253
    assert long.endswith("-abcde")
