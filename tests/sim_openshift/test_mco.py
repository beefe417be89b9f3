"""The machine-config-controller alone; the daemons on the machines are played by the tests."""

from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import MACHINE_CONFIG_POOLS, MACHINE_CONFIGS, NODES, PODS
from oc_gpu.sim.actors.mco import DrainController, NodeController, RenderController
from oc_gpu.sim.actors.mco_status import CURRENT, DESIRED, DRAIN, DRAINED, STATE
from tests.sim_openshift.test_mco_render import ROLE, config
from tests.sim_openshift.world import World, named, run, state, world

_GOING = "deletionTimestamp"
WORKER = (None, "worker")
CONTROLLERS = (RenderController, NodeController)


def machine_config(name: str, version: str = "2.2.0") -> RawObject:
    made = config(name, f"/etc/{name}", version=version)
    return named(MACHINE_CONFIGS, name, spec=made["spec"]) | {
        "metadata": {"name": name, "labels": {ROLE: "worker"}}
    }


async def worker(here: World) -> RawObject:
    return await here.client.get(MACHINE_CONFIG_POOLS, "worker")


async def finish(here: World, node: str) -> None:
    """Play the daemon of a node that was asked for a configuration."""
    found = await here.client.get(NODES, node)
    desired = found["metadata"]["annotations"][DESIRED]
    notes = {CURRENT: desired, STATE: "Done"}
    await here.client.patch(NODES, node, {"metadata": {"annotations": notes}})


def asked(found: Any) -> list[str]:
    return [
        name
        for (_, name), node in found.items()
        if node["metadata"]["annotations"][DESIRED] != node["metadata"]["annotations"][CURRENT]
    ]


def test_pool_says_updated_until_rendered_then_moves_one_node_at_a_time() -> None:
    async def scene() -> None:
        async with world("seed", *CONTROLLERS) as here:
            before = (await worker(here))["spec"]["configuration"]["name"]
            for name in ("50-a", "50-b"):
                await here.client.create(MACHINE_CONFIGS, machine_config(name))
            assert state(await worker(here))["Updated"] == "True"
            for expected in ("worker01", "worker02", "worker03"):
                found = await here.until(NODES, asked)
                assert asked(found) == [expected]
                await finish(here, expected)
            pools = await here.until(
                MACHINE_CONFIG_POOLS, lambda p: p[WORKER]["status"]["updatedMachineCount"] == 3
            )
            status = pools[WORKER]["status"]
            assert {"50-a", "50-b"} < {s["name"] for s in status["configuration"]["source"]}
            assert status["configuration"]["name"] != before
            rendered = [
                c["metadata"]["name"]
                for c in (await here.client.list(MACHINE_CONFIGS)).items
                if c["metadata"]["name"].startswith("rendered-worker")
            ]
            assert len(rendered) == 2

    run(scene())


def test_removing_the_configs_returns_to_the_first_rendered_one_and_leaves_the_other() -> None:
    async def scene() -> None:
        async with world("seed", *CONTROLLERS) as here:
            first = (await worker(here))["spec"]["configuration"]["name"]
            await here.client.create(MACHINE_CONFIGS, machine_config("50-a"))
            pools = await here.until(
                MACHINE_CONFIG_POOLS,
                lambda p: p[WORKER]["spec"]["configuration"]["name"] != first,
            )
            second = pools[WORKER]["spec"]["configuration"]["name"]
            await here.client.delete(MACHINE_CONFIGS, "50-a")
            await here.until(
                MACHINE_CONFIG_POOLS,
                lambda p: p[WORKER]["spec"]["configuration"]["name"] == first,
            )
            assert await here.client.find(MACHINE_CONFIGS, second) is not None

    run(scene())


def test_wrong_ignition_degrades_rendering_and_nothing_rolls_until_it_is_gone() -> None:
    async def scene() -> None:
        async with world("seed", *CONTROLLERS) as here:
            before = (await worker(here))["spec"]["configuration"]
            await here.client.create(MACHINE_CONFIGS, machine_config("50-a", "3.2.0"))
            pools = await here.until(
                MACHINE_CONFIG_POOLS, lambda p: state(p[WORKER])["Degraded"] == "True"
            )
            bad = pools[WORKER]
            condition = next(
                c for c in bad["status"]["conditions"] if c["type"] == "RenderDegraded"
            )
            assert condition["message"].startswith("Failed to render configuration for pool worker")
            assert bad["spec"]["configuration"] == before
            assert state(bad)["Updated"] == "True"
            await here.client.delete(MACHINE_CONFIGS, "50-a")
            await here.until(
                MACHINE_CONFIG_POOLS, lambda p: state(p[WORKER])["Degraded"] == "False"
            )

    run(scene())


def test_paused_pool_is_rendered_and_waits_until_it_is_let_go() -> None:
    async def scene() -> None:
        async with world("seed", *CONTROLLERS) as here:
            pause = {"spec": {"paused": True}}
            await here.client.patch(MACHINE_CONFIG_POOLS, "worker", pause)
            await here.client.create(MACHINE_CONFIGS, machine_config("50-a"))
            await here.until(MACHINE_CONFIG_POOLS, lambda p: state(p[WORKER])["Updated"] == "False")
            nodes = (await here.client.list(NODES)).items
            assert asked({(None, n["metadata"]["name"]): n for n in nodes}) == []
            go = {"spec": {"paused": False}}
            await here.client.patch(MACHINE_CONFIG_POOLS, "worker", go)
            await here.until(NODES, asked)

    run(scene())


def test_masters_are_left_alone_by_a_worker_config() -> None:
    async def scene() -> None:
        async with world("seed", *CONTROLLERS) as here:
            masters = await here.client.get(MACHINE_CONFIG_POOLS, "master")
            await here.client.create(MACHINE_CONFIGS, machine_config("50-a"))
            await here.until(NODES, asked)
            assert await here.client.get(MACHINE_CONFIG_POOLS, "master") == masters

    run(scene())


def test_controller_of_newer_releases_marks_drains_and_uncordons() -> None:
    async def scene() -> None:
        async with world("ocp-4.20", *CONTROLLERS, DrainController) as here:
            pod = named(PODS, "busy", "default", spec={"containers": [{"name": "a", "image": "b"}]})
            pod["spec"]["nodeName"] = "gpu-a100-0"
            await here.client.create(PODS, pod)
            await here.client.create(MACHINE_CONFIGS, machine_config("50-a", "3.2.0"))
            found = await here.until(NODES, asked)
            (first,) = asked(found)
            assert first == "gpu-a100-0"
            taints = found[None, first]["spec"]["taints"]
            assert {"key": "UpdateInProgress", "effect": "PreferNoSchedule"} in taints
            request = {"metadata": {"annotations": {DRAIN: "drain-x"}}}
            await here.client.patch(NODES, first, request)
            await here.until(PODS, lambda p: p["default", "busy"]["metadata"].get(_GOING))
            held = (await here.client.get(NODES, first))["metadata"]["annotations"]
            assert held.get(DRAINED) != "drain-x"
            await here.client.delete(PODS, "busy", grace_seconds=0)
            drained = await here.until(NODES, lambda n: _drained(n[None, first]) == "drain-x")
            assert drained[None, first]["spec"]["unschedulable"] is True
            assert not drained[None, first]["spec"].get("taints")
            request = {"metadata": {"annotations": {DRAIN: "uncordon-x"}}}
            await here.client.patch(NODES, first, request)
            back = await here.until(NODES, lambda n: _drained(n[None, first]) == "uncordon-x")
            assert not back[None, first]["spec"].get("unschedulable")

    run(scene())


def _drained(node: RawObject) -> str | None:
    value: str | None = node["metadata"]["annotations"].get(DRAINED)
    return value
