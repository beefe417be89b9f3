"""Another card, driver, kernel, node name or proxy in the document shows everywhere."""

import asyncio
from typing import Any

import msgspec
from tests.sim_core.harness import Cluster, cluster
from tests.sim_core.operands import operands
from tests.sim_core.test_pods import entitled_pod, secret
from tests.sim_core.views import changed

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import DAEMONSETS, EVENTS, NODES, PODS, SECRETS
from oc_gpu.sim.hardware.features import local_features
from oc_gpu.sim.scenario import Scenario, from_document, load, to_document

NAME, KERNEL, DRIVER = "rack7-node3", "5.14.0-999.1.1.el9_6.x86_64", "570.148.08"
OLD_NAME, OLD_KERNEL, OLD_DRIVER = "gpu-h100-0", "5.14.0-570.58.1.el9_6.x86_64", "580.105.08"


def other_world() -> Scenario:
    document = to_document(load("ocp-4.20"))
    document["driver"] = {"version": DRIVER}
    document["openshift"]["driverToolkit"][0]["kernel"] = KERNEL
    document["nodes"] = [n for n in document["nodes"] if n["name"] != "gpu-a100-0"]
    for node in document["nodes"]:
        node["kernel"] = KERNEL
    node = document["nodes"][-1]
    node["name"] = NAME
    device = next(d for d in node["pci"] if d.get("gpu"))
    device["address"] = "0000:af:00.0"
    device["gpu"] |= {
        "product": "NVIDIA L40S",
        "memoryMiB": 46068,
        "architecture": "Ada Lovelace",
        "computeCapability": "8.9",
        "migCapable": False,
    }
    return from_document(document)


async def everything(here: Cluster) -> str:
    """Return all that the cluster shows: objects, events and logs, as one text."""
    objects: list[RawObject] = []
    for resource in (NODES, PODS, DAEMONSETS, EVENTS):
        objects += (await here.client.list(resource)).items
    texts = [msgspec.json.encode(objects).decode()]
    for pod in await here.pods():
        texts += [
            await here.logs(pod["metadata"]["name"], c["name"])
            for c in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
        ]
    return "\n".join(texts)


async def on_gpu_node(here: Cluster, *command: str) -> str:
    [pod] = await here.pods(app="nvidia-driver-daemonset")
    name = pod["metadata"]["name"]
    return (await here.exec(name, *command, container="nvidia-driver-ctr"))[0]


def test_nothing_of_the_original_is_left_when_the_document_says_otherwise() -> None:
    async def run() -> None:
        scenario = other_world()
        facts = scenario.node(NAME)
        assert facts is not None
        async with cluster(scenario) as here:
            await here.client.patch(NODES, NAME, {"metadata": {"labels": {"gpu": "true"}}})
            for daemon_set in operands({"gpu": "true"}):
                await here.create(DAEMONSETS, daemon_set)

            async def has_gpu() -> bool:
                status = (await here.node(NAME))["status"]
                return bool(status["allocatable"].get("nvidia.com/gpu") == "1")

            await here.wait(has_gpu)
            await here.clock.sleep(120)
            shown = await everything(here)
            shown += await on_gpu_node(here, "nvidia-smi")
            shown += await on_gpu_node(here, "nvidia-smi", "-q", "-x")
            labels = local_features(scenario, facts, await here.pods())
        shown += repr(labels)
        for old in (OLD_NAME, OLD_KERNEL, OLD_DRIVER, "H100", "81559", "hopper", "19:00.0"):
            assert old not in shown
        for new in (NAME, KERNEL, DRIVER, "NVIDIA L40S", "46068", "ada-lovelace", "AF:00.0"):
            assert new in shown
        assert labels["nvidia.com/gpu.compute.minor"] == "9"
        assert labels["nvidia.com/mig.capable"] == "false"
        assert labels["nvidia.com/cuda.runtime-version.full"] == "12.8"

    asyncio.run(run())


def test_another_proxy_is_the_only_way_out() -> None:
    other = "http://gate.example.org:3128"
    network: dict[str, Any] = {
        "directInternet": False,
        "proxy": {"httpProxy": other, "httpsProxy": other},
    }

    async def run() -> None:
        async with cluster(changed("seed", network=network)) as here:
            await here.create(SECRETS, secret())
            await here.create(PODS, entitled_pod("old-proxy"))
            new = entitled_pod("new-proxy")
            env = [{"name": "https_proxy", "value": other}]
            new["spec"]["containers"][0]["env"] = env
            await here.create(PODS, new)
            await here.wait(lambda: here.ended("old-proxy"))
            await here.wait(lambda: here.ended("new-proxy"))
            assert await here.phase("old-proxy") == "Failed"
            assert await here.phase("new-proxy") == "Succeeded"

    asyncio.run(run())
