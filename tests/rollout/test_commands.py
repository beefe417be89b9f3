"""Whole roads on a simulated cluster: there, again, back, and cut off on the way."""

import asyncio
from contextlib import aclosing

import pytest

from oc_gpu.checks import catalogue, verify
from oc_gpu.checks.context import inputs
from oc_gpu.kube import Client, OcGpuError, UsageError
from oc_gpu.kube.resources import (
    CLUSTER_POLICIES,
    CONFIGMAPS,
    MACHINE_CONFIGS,
    NAMESPACES,
    NODES,
    PODS,
)
from oc_gpu.manifests.entitlement import SERIAL
from oc_gpu.rollout import commands
from oc_gpu.rollout.events import Event, Notice, StageChanged, Written
from oc_gpu.rollout.proof import collect
from oc_gpu.rollout.rights import MissingRightsError
from oc_gpu.rollout.survey import Survey, survey
from oc_gpu.sim.scenario import DenyRule
from oc_gpu.stages.entitlement import PROOF_PODS
from oc_gpu.stages.model import State
from tests.rollout.clusters import (
    DONE,
    QUIET,
    TAINT,
    Killed,
    Wire,
    on_cluster,
    passed,
    wanted,
    wish,
)


async def proven(client: Client) -> bool:
    evidence = await collect(client, await survey(client, wish(TAINT)))
    findings = verify.judge(inputs((await survey(client, wish(TAINT))).context), evidence)
    return catalogue.exit_code(findings, proof=True) == 0


def test_the_record_is_the_first_write_and_a_second_run_writes_nothing() -> None:
    async def act(client: Client, wire: Wire) -> None:
        events: list[Event] = []
        outcome = await commands.enable(client, wish(TAINT), events.append)
        assert passed(outcome)
        assert outcome.simulated
        assert outcome.seconds > 60
        written = [event.target for event in events if isinstance(event, Written)]
        assert written[:2] == ["Namespace/oc-gpu", "ConfigMap/oc-gpu-record in oc-gpu"]
        assert outcome.writes == len(wire.writes)
        assert await proven(client)
        wire.writes.clear()
        again = await commands.enable(client, wish(TAINT), QUIET)
        assert (again.writes, wire.writes) == (0, [])

    on_cluster(act)


@pytest.mark.long
@pytest.mark.parametrize("last_arrives", [True, False])
@pytest.mark.parametrize("writes", [1, 5, 11])
def test_a_run_that_is_cut_off_is_continued_by_another(writes: int, last_arrives: bool) -> None:  # noqa: FBT001
    async def act(client: Client, wire: Wire) -> None:
        wire.cut_after, wire.last_arrives = writes, last_arrives
        with pytest.raises(Killed):
            await commands.enable(client, wish(TAINT), QUIET)

    async def both(client: Client, wire: Wire) -> None:
        cut = Wire(wire._server)
        await act(Client(cut), cut)
        assert passed(await commands.enable(client, wish(TAINT), QUIET, timeout=30))
        assert await proven(client)

    on_cluster(both)


def test_what_was_made_is_taken_back_and_a_second_disable_writes_nothing() -> None:
    async def act(client: Client, wire: Wire) -> None:
        await commands.enable(client, wish(TAINT), QUIET)
        assert passed(await commands.disable(client, wish(), QUIET))
        assert await client.find(NAMESPACES, "oc-gpu") is None
        labels = {
            key for node in (await client.list(NODES)).items for key in node["metadata"]["labels"]
        }
        assert not [key for key in labels if key.startswith(("nvidia.com", "feature.node"))]
        wire.writes.clear()
        assert (await commands.disable(client, wish(), QUIET)).writes == 0
        assert wire.writes == []

    on_cluster(act)


@pytest.mark.long
def test_disable_that_is_cut_off_is_continued_by_another() -> None:
    async def act(client: Client, wire: Wire) -> None:
        await commands.enable(client, wish(TAINT), QUIET)
        cut = Wire(wire._server)
        cut.cut_after = 7
        with pytest.raises(Killed):
            await commands.disable(Client(cut), wish(), QUIET)
        assert passed(await commands.disable(client, wish(), QUIET, timeout=30))
        assert await client.find(NAMESPACES, "oc-gpu") is None

    on_cluster(act)


def test_missing_rights_are_named_before_the_first_write() -> None:
    rules = (
        DenyRule(verbs=("create", "patch"), resources=("subscriptions",)),
        DenyRule(verbs=("watch",), resources=("nodes",)),
    )

    async def act(client: Client, wire: Wire) -> None:
        with pytest.raises(MissingRightsError) as caught:
            await commands.enable(client, wish(), QUIET)
        text = str(caught.value)
        assert "create subscriptions.operators.coreos.com in openshift-nfd" in text
        assert "watch nodes" in text
        assert caught.value.exit_code == 3
        assert wire.writes == []

    on_cluster(act, denied=rules)


def test_who_does_not_agree_writes_nothing() -> None:
    async def no(found: Survey) -> None:
        assert found.actions
        raise OcGpuError("the user said no")

    async def act(client: Client, wire: Wire) -> None:
        for command in (commands.enable,):
            with pytest.raises(OcGpuError, match="said no"):
                await command(client, wish(), QUIET, agree=no)
            with pytest.raises(OcGpuError, match="said no"):
                await command(client, wish(), QUIET, check=no)
        assert wire.writes == []

    on_cluster(act)


def test_a_taint_is_set_later_and_taken_back_with_what_it_brought() -> None:
    async def act(client: Client, wire: Wire) -> None:
        with pytest.raises(UsageError, match="no ClusterPolicy"):
            await commands.isolate(client, wish(TAINT), QUIET)
        await commands.enable(client, wish(), QUIET)
        before = await client.get(CLUSTER_POLICIES, "gpu-cluster-policy")
        with pytest.raises(UsageError, match="no taint"):
            await commands.isolate(client, wish(), QUIET)
        assert passed(await commands.isolate(client, wish(TAINT), QUIET, timeout=30))
        assert await proven(client)
        told: list[str] = []
        planned: list[str] = []

        def observe(event: Event) -> None:
            if isinstance(event, Notice):
                told.append(event.message)

        async def agree(found: Survey) -> None:
            planned.extend(str(action.ref) for action in found.actions)

        ended = await commands.isolate(
            client, wish(), observe, remove=True, agree=agree, timeout=30
        )
        assert passed(ended)
        assert "ClusterPolicy/gpu-cluster-policy" in planned
        assert any("driver pods restart" in message for message in told), told
        after = await client.get(CLUSTER_POLICIES, "gpu-cluster-policy")
        assert after["spec"] == before["spec"]
        nodes = (await client.list(NODES)).items
        assert "nodetype" not in str([node["spec"].get("taints") for node in nodes])
        record = await client.get(CONFIGMAPS, "oc-gpu-record", "oc-gpu")
        assert "nodetype" not in record["data"]["record.json"]
        wire.writes.clear()
        await commands.isolate(client, wish(), QUIET, remove=True, timeout=30)
        assert wire.writes == []

    on_cluster(act)


def test_status_is_followed_change_by_change() -> None:
    async def act(client: Client, wire: Wire) -> None:
        walking = asyncio.create_task(
            commands.enable(Client(Wire(wire._server)), wish(), QUIET, timeout=30)
        )
        looks = 0
        async for found in commands.follow(client, wish()):
            looks += 1
            states = {a.stage: a.state for a in found.assessments}
            if states["gpu-operator"] is State.DONE:
                break
        assert looks > 5
        assert passed(await walking)
        assert wire.writes == []

    on_cluster(act)


def test_what_may_not_be_read_is_named_even_where_nothing_is_left_to_do() -> None:
    rules = (DenyRule(verbs=("list",), resources=("daemonsets",)),)

    async def act(client: Client, wire: Wire) -> None:
        with pytest.raises(MissingRightsError, match=r"list daemonsets\.apps in openshift-nfd"):
            await commands.disable(client, wish(), QUIET)
        assert wire.writes == []

    on_cluster(act, denied=rules)


def test_who_follows_sees_each_change_at_the_clusters_time_of_it() -> None:
    async def act(client: Client, wire: Wire) -> None:
        seen: list[Survey] = []

        async def follow() -> None:
            async with aclosing(commands.follow(Client(Wire(wire._server)), wish())) as surveys:
                async for found in surveys:
                    seen.append(found)
                    if all(assessment.state in DONE for assessment in found.assessments[1:]):
                        return

        following = asyncio.create_task(follow())
        outcome = await commands.enable(client, wish(), QUIET)
        await following
        times = [found.snapshot.now for found in seen]
        assert times == sorted(times)
        assert times[-1] - times[0] > outcome.seconds / 2

    on_cluster(act)


def test_the_steps_of_a_stage_are_counted_up_to_the_same_number() -> None:
    async def act(client: Client, _wire: Wire) -> None:
        given = wanted("seed")
        steps: list[tuple[int, int]] = []

        def note(event: Event) -> None:
            if isinstance(event, StageChanged) and event.assessment.stage == "entitlement":
                steps.append((event.assessment.reached, event.assessment.total))

        await commands.enable(client, given, note)
        assert steps == sorted(steps)
        assert {total for _, total in steps} == {3}

    on_cluster(act, "seed")


def test_a_walk_does_not_wait_for_a_log_that_may_not_be_read() -> None:
    rules = (
        DenyRule(verbs=("get",), resources=("pods/log",)),
        DenyRule(verbs=("create",), resources=("selfsubjectaccessreviews",)),
    )

    async def act(client: Client, _: Wire) -> None:
        outcome = await commands.enable(client, wanted("seed"), QUIET, timeout=20)
        stage = next(a for a in outcome.assessments if a.stage == "entitlement")
        assert stage.state is State.BLOCKED
        assert "the log of pod entitled-build-pod is the proof" in stage.detail
        assert "forbidden" in stage.detail
        assert any("oc auth can-i get pods --subresource=log" in hint for hint in stage.hints)

    on_cluster(act, "seed", denied=rules)


async def drained(client: Client) -> None:
    """Take away the proof pods, as the drain of their nodes does."""
    for name in PROOF_PODS:
        await client.delete(PODS, name, "default")
    async for _ in client.watch(PODS, "default"):
        if not (await client.list(PODS, "default")).items:
            return


def test_a_proof_outlasts_the_pods_that_gave_it() -> None:
    async def act(client: Client, wire: Wire) -> None:
        await commands.enable(client, wanted("seed"), QUIET)
        await drained(client)
        for look in (wish(), wanted("seed")):
            found = await commands.status(client, look)
            assert {a.stage: a.state for a in found.assessments}["entitlement"] is State.DONE
        wire.writes.clear()
        assert passed(await commands.enable(client, wanted("seed"), QUIET, timeout=20))
        assert wire.writes == []

    on_cluster(act, "seed")


def test_the_proof_of_one_certificate_is_none_of_another() -> None:
    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wanted("seed"), QUIET)
        await drained(client)
        serial = {"metadata": {"annotations": {SERIAL: "1"}}}
        await client.patch(MACHINE_CONFIGS, "50-entitlement-pem", serial)
        found = await commands.status(client, wish())
        stage = next(a for a in found.assessments if a.stage == "entitlement")
        assert stage.state is State.DUE
        assert "entitled-build-pod" in stage.detail

    on_cluster(act, "seed")
