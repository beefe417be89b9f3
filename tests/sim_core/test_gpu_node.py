"""The GPU stack on machines: from driver to a pod that computes, over a reboot, and back."""

import asyncio
from typing import Any

from tests.sim_core.harness import Cluster, cluster, container, pod
from tests.sim_core.operands import operands

from oc_gpu.kube.resources import DAEMONSETS, NODES, PODS
from oc_gpu.sim.hardware.features import local_features
from oc_gpu.sim.scenario import load

A100, H100 = "gpu-a100-0", "gpu-h100-0"
SAMPLE = "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0"
ONE_GPU = {"limits": {"nvidia.com/gpu": 1}}
NAMES = {d["metadata"]["name"] for d in operands({})}


async def deploy(here: Cluster) -> None:
    for name in (A100, H100):
        node = await here.node(name)
        labels = {"metadata": {"labels": {"gpu": "true"}}}
        await here.client.patch(NODES, node["metadata"]["name"], labels)
    for daemon_set in operands({"gpu": "true"}):
        await here.create(DAEMONSETS, daemon_set)


async def all_ready(here: Cluster) -> bool:
    found = (await here.client.list(DAEMONSETS)).items
    return len(found) == len(NAMES) and all(
        d.get("status", {}).get("numberReady") == 2 for d in found
    )


async def gpus(here: Cluster, name: str) -> str | None:
    node = await here.node(name)
    amount: str | None = node["status"]["allocatable"].get("nvidia.com/gpu")
    return amount


def sample(name: str, **spec: Any) -> dict[str, Any]:
    work = {"name": "main", "image": SAMPLE, "resources": ONE_GPU}
    return pod(name, work, restartPolicy="Never", **spec)


def test_cards_become_schedulable_when_the_whole_stack_runs() -> None:
    async def run() -> None:
        async with cluster("ocp-4.20") as here:
            assert await gpus(here, A100) is None
            await deploy(here)
            await here.wait(lambda: all_ready(here))
            assert (await gpus(here, A100), await gpus(here, H100)) == ("2", "1")
            assert await gpus(here, "worker-0") is None
            assert len(await here.pods(app="nvidia-cuda-validator")) == 2
            await here.create(PODS, sample("vectoradd"))
            await here.wait(lambda: here.ended("vectoradd"))
            assert await here.phase("vectoradd") == "Succeeded"
            assert "Test PASSED" in await here.logs("vectoradd")

    asyncio.run(run())


def test_every_pod_gets_cards_of_its_own() -> None:
    async def run() -> None:
        async with cluster("ocp-4.20") as here:
            await deploy(here)
            await here.wait(lambda: all_ready(here))
            show = "nvidia-smi --query-gpu=uuid --format=csv,noheader; sleep inf"
            for number in range(4):
                work = container(show, resources=ONE_GPU)
                await here.create(PODS, pod(f"user-{number}", work))
            await here.clock.sleep(120)
            states = [await here.pod(f"user-{n}") for n in range(4)]
            placed = [p for p in states if p["spec"].get("nodeName")]
            [waiting] = [p for p in states if not p["spec"].get("nodeName")]
            logs = [await here.logs(p["metadata"]["name"]) for p in placed]
            assert len(set(logs)) == 3
            message = waiting["status"]["conditions"][0]["message"]
            assert "Insufficient nvidia.com/gpu" in message
            await here.client.delete(PODS, placed[0]["metadata"]["name"], "default")

            async def took_over() -> bool:
                return await here.phase(waiting["metadata"]["name"]) == "Running"

            await here.wait(took_over)

    asyncio.run(run())


def test_nvidia_smi_runs_in_the_driver_container() -> None:
    async def run() -> None:
        async with cluster("ocp-4.20") as here:
            await deploy(here)
            await here.wait(lambda: all_ready(here))
            found = await here.pods(app="nvidia-driver-daemonset")
            on_h100 = next(p for p in found if p["spec"]["nodeName"] == H100)
            name = on_h100["metadata"]["name"]
            shown, _ = await here.exec(name, "nvidia-smi", container="nvidia-driver-ctr")
            assert "NVIDIA H100 80GB HBM3" in shown
            assert "580.105.08" in shown

    asyncio.run(run())


def test_features_for_nfd_follow_from_the_pods_that_run() -> None:
    async def run() -> None:
        scenario = load("ocp-4.20")
        facts = scenario.node(H100)
        assert facts is not None
        async with cluster(scenario) as here:
            assert local_features(scenario, facts, await here.pods()) == {}
            await deploy(here)
            await here.wait(lambda: all_ready(here))
            labels = local_features(scenario, facts, await here.pods())
            assert labels["nvidia.com/gpu.product"] == "NVIDIA-H100-80GB-HBM3"

    asyncio.run(run())


def test_after_a_reboot_the_driver_is_built_again_and_the_stack_comes_back() -> None:
    async def run() -> None:
        async with cluster("ocp-4.20") as here:
            await deploy(here)
            await here.wait(lambda: all_ready(here))
            rebooting = asyncio.create_task(here.kubelets.reboot(H100))
            await here.clock.sleep(10)
            node = await here.node(H100)
            ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
            assert ready["status"] == "False"
            [driver] = [
                p
                for p in await here.pods(app="nvidia-driver-daemonset")
                if p["spec"]["nodeName"] == H100
            ]
            conditions = {c["type"]: c["status"] for c in driver["status"]["conditions"]}
            assert conditions["Ready"] == "False"
            await rebooting
            again = await here.node(H100)
            boots = [n["status"]["nodeInfo"]["bootID"] for n in (node, again)]
            assert boots[0] != boots[1]
            await here.clock.sleep(20)
            assert await gpus(here, H100) == "0"

            async def is_back() -> bool:
                return await gpus(here, H100) == "1" and await all_ready(here)

            await here.wait(is_back)
            found = await here.pods(app="nvidia-driver-daemonset")
            on_h100 = next(p for p in found if p["spec"]["nodeName"] == H100)
            assert on_h100["status"]["containerStatuses"][0]["restartCount"] == 1

    asyncio.run(run())


def test_without_the_device_plugin_no_card_can_be_asked_for() -> None:
    async def run() -> None:
        async with cluster("ocp-4.20") as here:
            await deploy(here)
            await here.wait(lambda: all_ready(here))
            await here.client.delete(DAEMONSETS, "nvidia-device-plugin-daemonset", "default")

            async def withdrawn() -> bool:
                return await gpus(here, A100) == "0"

            await here.wait(withdrawn, 60)

    asyncio.run(run())
