"""The record was deleted: what is ours is known by our labels, and taken back all the same."""

import pytest

from oc_gpu.kube import Client, NotFoundError
from oc_gpu.kube.resources import CLUSTER_POLICIES, CONFIGMAPS, NAMESPACES, NODES
from oc_gpu.rollout import commands
from oc_gpu.rollout.events import Event, Notice, Outcome
from oc_gpu.stages.model import State
from tests.acceptance.conftest import difference, everything
from tests.rollout.clusters import (
    QUIET,
    TAINT,
    Killed,
    Wire,
    on_cluster,
    passed,
    wanted,
    wish,
)

pytestmark = pytest.mark.long

SCENARIOS = ("ocp-4.20", "seed")


async def lose_record(client: Client) -> None:
    await client.delete(NAMESPACES, "oc-gpu")
    async for _ in client.watch(NAMESPACES, field_selector="metadata.name=oc-gpu"):
        if await client.find(NAMESPACES, "oc-gpu") is None:
            return


def states(outcome: Outcome) -> dict[str, State]:
    return {assessment.stage: assessment.state for assessment in outcome.assessments}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_without_a_record_disable_takes_back_all_that_carries_our_label(scenario: str) -> None:
    async def act(client: Client, _: Wire) -> None:
        before = await everything(client)
        await commands.enable(client, wanted(scenario, TAINT), QUIET)
        await lose_record(client)
        events: list[Event] = []
        assert passed(await commands.disable(client, wish(), events.append, timeout=20))
        told = " ".join(event.message for event in events if isinstance(event, Notice))
        assert "the record of what was here before is lost" in told
        assert "labels" in told
        assert difference(before, await everything(client)) == ""

    on_cluster(act, scenario)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_enable_after_a_lost_record_makes_it_again(scenario: str) -> None:
    async def act(client: Client, wire: Wire) -> None:
        before = await everything(client)
        await commands.enable(client, wanted(scenario, TAINT), QUIET)
        await lose_record(client)
        found = await commands.status(client, wish())
        assert {a.stage: a.state for a in found.assessments}["record"] is State.DUE
        wire.writes.clear()
        assert passed(await commands.enable(client, wanted(scenario), QUIET, timeout=20))
        assert len(wire.writes) == 2
        assert "nodetype=gpu" in str(await client.get(CONFIGMAPS, "oc-gpu-record", "oc-gpu"))
        assert passed(await commands.disable(client, wish(), QUIET, timeout=20))
        assert difference(before, await everything(client)) == ""

    on_cluster(act, scenario)


@pytest.mark.parametrize("writes", [1, 4, 9])
def test_disable_without_a_record_that_is_cut_off_is_continued(writes: int) -> None:
    async def act(client: Client, wire: Wire) -> None:
        before = await everything(client)
        await commands.enable(client, wish(TAINT), QUIET)
        await lose_record(client)
        cut = Wire(wire._server)
        cut.cut_after = writes
        with pytest.raises(Killed):
            await commands.disable(Client(cut), wish(), QUIET, timeout=20)
        assert passed(await commands.disable(client, wish(), QUIET, timeout=20))
        assert difference(before, await everything(client)) == ""

    on_cluster(act)


def test_a_taint_of_somebody_else_stays_without_a_record() -> None:
    theirs = {"key": "theirs", "value": "x", "effect": "NoSchedule"}

    async def act(client: Client, _: Wire) -> None:
        await client.patch(NODES, "gpu-a100-0", {"spec": {"taints": [theirs]}})
        before = await everything(client)
        await commands.enable(client, wish(TAINT), QUIET)
        await lose_record(client)
        assert passed(await commands.disable(client, wish(), QUIET, timeout=20))
        assert difference(before, await everything(client)) == ""

    on_cluster(act)


def test_a_taint_is_taken_back_alone_without_a_record() -> None:
    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wish(TAINT), QUIET)
        await lose_record(client)
        assert passed(await commands.isolate(client, wish(), QUIET, remove=True, timeout=20))
        nodes = (await client.list(NODES)).items
        assert "nodetype" not in str([node["spec"].get("taints") for node in nodes])
        assert "nodetype" not in str(await client.get(CLUSTER_POLICIES, "gpu-cluster-policy"))

    on_cluster(act)


def test_a_cluster_on_which_nothing_is_ours_needs_no_record() -> None:
    async def act(client: Client, wire: Wire) -> None:
        outcome = await commands.disable(client, wish(), QUIET, timeout=20)
        assert set(states(outcome).values()) <= {State.DONE, State.NOT_NEEDED}
        assert wire.writes == []
        with pytest.raises(NotFoundError):
            await client.get(NAMESPACES, "oc-gpu")

    on_cluster(act)
