"""Taints on a cluster that runs already: drivers follow, one taint after another, ours only."""

from typing import Any

import msgspec
import pytest

from oc_gpu.kube import Client, RawObject
from oc_gpu.kube.resources import CLUSTER_POLICIES, NODES, PODS
from oc_gpu.report import plan as report
from oc_gpu.report.look import Look
from oc_gpu.rollout import commands
from oc_gpu.rollout.events import Event, Notice, Outcome
from oc_gpu.rollout.preview import preview
from oc_gpu.rollout.survey import Wish, survey
from oc_gpu.sim.actors.nfd import discovery_resource
from oc_gpu.stages.model import State
from tests.rollout.clusters import QUIET, TAINT, Wire, on_cluster, passed, wanted, wish
from tests.rollout.test_commands import proven
from tests.rollout.test_lost_record import states

pytestmark = pytest.mark.long

NODE = "gpu-a100-0"
THEIRS = {"key": "theirs", "value": "x", "effect": "NoSchedule"}


async def taints(client: Client, node: str = NODE) -> list[str]:
    spec = (await client.get(NODES, node))["spec"]
    return [f"{t['key']}={t.get('value', '')}:{t['effect']}" for t in spec.get("taints", [])]


async def drivers(client: Client) -> dict[str, str]:
    pods = (await client.list(PODS)).items
    return {
        pod["spec"]["nodeName"]: pod["metadata"]["uid"]
        for pod in pods
        if pod["metadata"]["name"].startswith("nvidia-driver-daemonset")
    }


async def isolate(client: Client, taint: str, **more: Any) -> Outcome:
    return await commands.isolate(client, wish(taint), QUIET, timeout=20, **more)


def user(name: str, **meta: Any) -> RawObject:
    limits = {"nvidia.com/gpu": "1"}
    container = {"name": "main", "image": "ubi", "command": ["sleep", "inf"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", **meta},
        "spec": {
            "nodeName": NODE,
            "containers": [{**container, "resources": {"limits": limits}}],
            "tolerations": [{"operator": "Exists"}],
        },
    }


@pytest.mark.parametrize("taint", ["a=b:NoSchedule", "a=b:NoExecute"])
def test_drivers_are_replaced_node_by_node_before_the_taint_is_set(taint: str) -> None:
    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wish(), QUIET)
        before = await drivers(client)
        assert passed(await isolate(client, taint))
        after = await drivers(client)
        assert before.keys() == after.keys()
        assert not set(before.values()) & set(after.values())
        assert await taints(client) == [taint]
        nodes = (await client.list(NODES)).items
        assert not any(node["spec"].get("unschedulable") for node in nodes)

    on_cluster(act)


def test_a_taint_that_only_asks_restarts_nothing() -> None:
    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wanted("seed"), QUIET)
        before = await drivers(client)
        assert passed(await isolate(client, "nodetype=gpu:NoSchedule"))
        between = await drivers(client)
        assert between != before
        assert passed(await isolate(client, "a=b:PreferNoSchedule"))
        assert await drivers(client) == between
        assert await taints(client, "worker03") == ["a=b:PreferNoSchedule"]

    on_cluster(act, "seed")


def test_another_taint_takes_the_place_of_ours_and_leaves_those_of_others() -> None:
    async def act(client: Client, _: Wire) -> None:
        await client.patch(NODES, NODE, {"spec": {"taints": [THEIRS]}})
        await commands.enable(client, wish(TAINT), QUIET)
        assert passed(await isolate(client, "a=b:NoExecute"))
        assert await taints(client) == ["theirs=x:NoSchedule", "a=b:NoExecute"]
        assert passed(await isolate(client, "theirs=x:NoSchedule"))
        assert await taints(client) == ["theirs=x:NoSchedule"]
        assert passed(await commands.isolate(client, wish(), QUIET, remove=True, timeout=20))
        assert await taints(client) == ["theirs=x:NoSchedule"]
        assert await taints(client, "gpu-h100-0") == []

    on_cluster(act)


def test_tolerations_of_a_taint_are_gone_after_its_removal() -> None:
    instance = (discovery_resource((4, 20)), "nfd-instance", "openshift-nfd")
    operands = ((CLUSTER_POLICIES, "gpu-cluster-policy"), instance)

    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wish(), QUIET)
        before = [await client.get(*name) for name in operands]
        for taint in (TAINT, "a=b:NoExecute"):
            assert passed(await isolate(client, taint))
        workers = (await client.list(PODS, "openshift-nfd", label_selector="app=nfd-worker")).items
        assert NODE in {pod["spec"].get("nodeName") for pod in workers}
        assert await proven(client) is False  # the taint that is asked for is another one
        assert passed(await commands.isolate(client, wish(), QUIET, remove=True, timeout=20))
        after = [await client.get(*name) for name in operands]
        assert [obj["spec"] for obj in after] == [obj["spec"] for obj in before]

    on_cluster(act)


def test_the_plan_and_the_walk_warn_of_drivers_that_restart() -> None:
    async def act(client: Client, _: Wire) -> None:
        fresh = await survey(client, wish(TAINT))
        bare = report.document(fresh, await preview(client, fresh.actions))
        assert "Running workloads" not in "\n".join(report.text(bare, Look(width=200)))
        await commands.enable(client, wish(), QUIET)
        found = commands.isolated(await survey(client, wish(TAINT)), remove=False)
        plan = report.document(found, await preview(client, found.actions))
        text = "\n".join(report.text(plan, Look(width=200)))
        assert "Running workloads: driver pods restart node by node" in text
        assert "pods that use its GPUs are deleted" in text
        events: list[Event] = []
        await commands.isolate(client, wish(TAINT), events.append, timeout=20)
        assert any("driver pods restart" in e.message for e in events if isinstance(e, Notice))

    on_cluster(act)


def test_a_gpu_pod_that_nobody_makes_again_stops_the_upgrade_and_is_named() -> None:
    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wish(), QUIET)
        await client.create(PODS, user("notebook"), "default")
        outcome = await isolate(client, TAINT)
        assert states(outcome)["gpu-operator"] is State.FAILED
        stage = next(a for a in outcome.assessments if a.stage == "gpu-operator")
        assert f"could not replace the driver on {NODE}" in stage.detail
        assert f"spec.nodeName={NODE}" in stage.hints[0]
        assert await taints(client) == ["node.kubernetes.io/unschedulable=:NoSchedule"]

    on_cluster(act)


def test_where_nobody_replaces_drivers_a_taint_that_evicts_them_is_not_set() -> None:
    overrides = {"driver": {"upgradePolicy": {"autoUpgrade": False}}}

    def with_override(taint: str | None) -> Wish:
        config = wish(taint).config
        operator = msgspec.structs.replace(config.spec.gpu_operator, cluster_policy=overrides)
        spec = msgspec.structs.replace(config.spec, gpu_operator=operator)
        return Wish(msgspec.structs.replace(config, spec=spec))

    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, with_override(None), QUIET)
        before = await drivers(client)
        outcome = await commands.isolate(client, with_override("a=b:NoExecute"), QUIET, timeout=20)
        stage = next(a for a in outcome.assessments if a.stage == "isolation")
        assert stage.state is State.BLOCKED
        assert "autoUpgrade" in stage.detail
        assert any("oc delete pod" in hint for hint in stage.hints)
        assert await taints(client) == []
        assert await drivers(client) == before

    on_cluster(act)
