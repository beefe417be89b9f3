"""The machine-config-daemon: drain, files, reboot, uncordon, in both eras."""

import asyncio
import base64
from typing import Any

import pytest
from tests.sim_core import entitlements as given
from tests.sim_core.harness import Cluster, cluster, container, named, pod, workload
from tests.sim_core.test_pods import PROXY, SEARCH

from oc_gpu.kube.resources import DEPLOYMENTS, MACHINE_CONFIGS, NODES, PODS

PREFIX = "machineconfiguration.openshift.io"
PEM = "/etc/pki/entitlement/entitlement.pem"
KEY = "/etc/pki/entitlement/entitlement-key.pem"


def rendered(name: str, ignition: str, **files: bytes) -> dict[str, Any]:
    def source(content: bytes) -> str:
        return f"data:text/plain;charset=utf-8;base64,{base64.b64encode(content).decode()}"

    entries = [{"path": p, "contents": {"source": source(c)}} for p, c in files.items()]
    config = {"ignition": {"version": ignition}, "storage": {"files": entries}}
    return named(
        "machineconfiguration.openshift.io/v1", "MachineConfig", name, None, spec={"config": config}
    )


async def annotate(here: Cluster, node: str, **notes: str) -> None:
    patch = {"metadata": {"annotations": {f"{PREFIX}/{k}": v for k, v in notes.items()}}}
    await here.client.patch(NODES, node, patch)


async def notes(here: Cluster, node: str) -> dict[str, str]:
    found = (await here.node(node))["metadata"].get("annotations") or {}
    return {k.removeprefix(f"{PREFIX}/"): v for k, v in found.items() if k.startswith(PREFIX)}


async def start(here: Cluster, node: str, ignition: str) -> None:
    await here.create(MACHINE_CONFIGS, rendered("rendered-worker-old", ignition))
    files = {PEM: given.portal_file(), KEY: given.portal_file()}
    await here.create(MACHINE_CONFIGS, rendered("rendered-worker-new", ignition, **files))
    await annotate(
        here,
        node,
        currentConfig="rendered-worker-old",
        desiredConfig="rendered-worker-old",
        state="Done",
    )
    await here.clock.sleep(5)
    await annotate(here, node, desiredConfig="rendered-worker-new")


def test_the_daemon_of_the_seed_drains_reboots_and_returns_entitled() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await here.create(
                DEPLOYMENTS, workload("Deployment", "web", container("sleep inf"), replicas=6)
            )
            await here.clock.sleep(60)
            await start(here, "worker01", "2.2.0")
            await here.clock.sleep(4)
            assert (await notes(here, "worker01"))["state"] == "Working"
            assert (await here.node("worker01"))["spec"].get("unschedulable") is True

            async def is_done() -> bool:
                return (await notes(here, "worker01")).get("currentConfig") == "rendered-worker-new"

            before = here.clock.now()
            await here.wait(is_done)
            assert here.clock.now() - before >= 180
            await here.clock.sleep(1)
            node = await here.node("worker01")
            assert (await notes(here, "worker01"))["state"] == "Done"
            assert not node["spec"].get("unschedulable")
            assert "taints" not in node["spec"]
            here_now = [
                p for p in await here.pods(app="web") if p["spec"]["nodeName"] == "worker01"
            ]
            assert here_now == []
            proof = pod(
                "cluster-entitled-build-pod",
                container(SEARCH, env=PROXY),
                nodeName="worker01",
                restartPolicy="Never",
            )
            await here.create(PODS, proof)
            await here.wait(lambda: here.ended("cluster-entitled-build-pod"))
            assert "kernel-devel-4.18.0-193.29.1.el8_2" in await here.logs(
                "cluster-entitled-build-pod"
            )

    asyncio.run(run())


def test_a_newer_daemon_asks_the_controller_to_drain_and_uncordon() -> None:
    async def run() -> None:
        async with cluster("ocp-4.20") as here:
            await start(here, "worker-0", "3.5.0")
            await here.clock.sleep(60)
            asked = await notes(here, "worker-0")
            assert asked["desiredDrain"] == "drain-rendered-worker-new"
            assert asked["currentConfig"] == "rendered-worker-old"
            await annotate(here, "worker-0", lastAppliedDrain="drain-rendered-worker-new")
            await here.clock.sleep(400)
            asked = await notes(here, "worker-0")
            assert asked["desiredDrain"] == "uncordon-rendered-worker-new"
            assert asked["state"] == "Working"
            await annotate(here, "worker-0", lastAppliedDrain="uncordon-rendered-worker-new")
            await here.clock.sleep(10)
            done = await notes(here, "worker-0")
            assert (done["state"], done["currentConfig"]) == ("Done", "rendered-worker-new")

    asyncio.run(run())


def test_a_configuration_that_does_not_exist_degrades_the_node() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await annotate(here, "worker01", desiredConfig="rendered-worker-lost")
            await here.clock.sleep(5)
            found = await notes(here, "worker01")
            assert found["state"] == "Degraded"
            assert "rendered-worker-lost" in found["reason"]

    asyncio.run(run())


@pytest.mark.parametrize("cordoned", [True, False])
def test_a_cordon_carries_its_taint(cordoned: bool) -> None:  # noqa: FBT001
    async def run() -> None:
        async with cluster("seed") as here:
            await here.client.patch(NODES, "worker01", {"spec": {"unschedulable": True}})
            await here.clock.sleep(1)
            if not cordoned:
                await here.client.patch(NODES, "worker01", {"spec": {"unschedulable": None}})
                await here.clock.sleep(1)
            spec = (await here.node("worker01"))["spec"]
            keys = [t["key"] for t in spec.get("taints") or []]
            assert keys == (["node.kubernetes.io/unschedulable"] if cordoned else [])

    asyncio.run(run())
