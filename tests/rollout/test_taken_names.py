"""Names that we need and somebody else has: told before the first write, with whose they are."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from oc_gpu.kube import Client, OcGpuError, RawObject
from oc_gpu.kube.resources import PODS, SECRETS
from oc_gpu.report import plan as report
from oc_gpu.report.look import Look
from oc_gpu.rollout import commands
from oc_gpu.rollout.preview import preview
from oc_gpu.rollout.survey import survey
from oc_gpu.stages.model import Allowed, State
from oc_gpu.stages.ownership import is_ours
from tests.rollout.clusters import QUIET, Wire, on_cluster, passed, wanted


def pod(name: str) -> RawObject:
    """Return a pod of somebody else; masters are not drained by what is done here."""
    main = {"name": "main", "image": "ubi", "command": ["sleep", "inf"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "nodeName": "master01",
            "tolerations": [{"operator": "Exists"}],
            "containers": [main],
        },
    }


SECRET: RawObject = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "entitlement", "namespace": "default"},
    "data": {"theirs": "eA=="},
}


@pytest.mark.parametrize(
    ("resource", "obj", "name"),
    [
        (PODS, pod("entitled-build-pod"), "Pod/entitled-build-pod"),
        (PODS, pod("cluster-entitled-build-pod"), "Pod/cluster-entitled-build-pod"),
        (SECRETS, SECRET, "Secret/entitlement"),
    ],
)
def test_a_name_that_is_taken_is_told_with_its_owner_before_the_first_write(
    resource: Any, obj: RawObject, name: str
) -> None:
    async def act(client: Client, wire: Wire) -> None:
        await client.apply(resource, obj, field_manager="other-admin")
        wire.writes.clear()
        with pytest.raises(OcGpuError) as caught:
            await commands.enable(client, wanted("seed"), QUIET, timeout=20)
        assert f"{name} in default" in str(caught.value)
        assert "field manager other-admin" in str(caught.value)
        assert any("oc delete" in hint for hint in caught.value.hints)
        assert caught.value.exit_code == 1
        assert wire.writes == []

    on_cluster(act, "seed")


@pytest.mark.parametrize(
    ("resource", "obj"), [(SECRETS, SECRET), (PODS, pod("entitled-build-pod"))]
)
def test_the_plan_shows_a_name_that_is_taken_as_refused(resource: Any, obj: RawObject) -> None:
    async def act(client: Client, _: Wire) -> None:
        await client.apply(resource, obj, field_manager="other-admin")
        found = await survey(client, wanted("seed"))
        plan = report.document(found, await preview(client, found.actions))
        assert not plan.clean
        text = "\n".join(report.text(plan, Look()))
        assert "refused" in text
        assert "belongs to field manager other-admin" in text

    on_cluster(act, "seed")


def test_a_name_that_is_taken_on_the_way_stops_the_stage() -> None:
    name = "cluster-entitled-build-pod"

    async def meddle(client: Client) -> None:
        """Take the second proof's name as soon as the first proof is there."""
        async for _ in client.watch(PODS, "default"):
            if await client.find(PODS, "entitled-build-pod", "default"):
                await client.apply(PODS, pod(name), field_manager="other-admin")
                return

    async def act(client: Client, wire: Wire) -> None:
        meddling = asyncio.create_task(meddle(Client(Wire(wire._server))))
        outcome = await commands.enable(client, wanted("seed"), QUIET, timeout=20)
        await meddling
        stage = next(a for a in outcome.assessments if a.stage == "entitlement")
        assert stage.state is State.BLOCKED
        assert "other-admin" in stage.detail
        assert any(f"oc delete pod {name} -n default" in hint for hint in stage.hints)

    on_cluster(act, "seed")


def test_what_is_taken_over_is_said_to_be_and_is_ours_from_then_on() -> None:
    async def act(client: Client, _: Wire) -> None:
        await client.apply(SECRETS, SECRET, field_manager="helm")
        adopting = structs.replace(wanted("seed"), allowed=Allowed(adopt=True))
        found = await survey(client, adopting)
        plan = report.document(found, await preview(client, found.actions))
        assert plan.clean
        assert "taken over from Helm" in "\n".join(report.text(plan, Look()))
        outcome = await commands.enable(client, adopting, QUIET, timeout=40)
        assert passed(outcome)
        made = await client.get(SECRETS, "entitlement", "default")
        assert is_ours(made)
        with pytest.raises(OcGpuError, match=r"Secret/entitlement in default by helm"):
            await commands.disable(client, wanted("seed"), QUIET, timeout=40)
        losing = structs.replace(wanted("seed"), allowed=Allowed(force_conflicts=True))
        await commands.disable(client, losing, QUIET, timeout=40)
        assert await client.find(SECRETS, "entitlement", "default") is None

    on_cluster(act, "seed")
