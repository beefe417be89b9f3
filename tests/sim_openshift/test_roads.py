"""The whole road and the way back, with every actor, by plain client calls."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from oc_gpu.kube import Client, ConnectOptions, RawObject, Replaced, Updated
from oc_gpu.kube.resources import (
    CLUSTER_POLICIES,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CRDS,
    CSVS,
    DAEMONSETS,
    DEPLOYMENTS,
    INSTALL_PLANS,
    MACHINE_CONFIG_POOLS,
    MACHINE_CONFIGS,
    NAMESPACES,
    NODES,
    OPERATORS,
    PODS,
    SERVICE_ACCOUNTS,
    SUBSCRIPTIONS,
)
from oc_gpu.sim.actors.nfd import discovery_resource
from oc_gpu.sim.cluster import Simulation
from oc_gpu.sim.scenario import Scenario, load
from tests.sim_core.entitlements import NOW, portal_file
from tests.sim_openshift.test_mco_render import ROLE, config
from tests.sim_openshift.world import NODE_FEATURES, changed, named, offered, run, subscribe, until

GPU, PACKAGE = "nvidia.com/gpu", "gpu-operator-certified"
NFD_SPACE, GPU_SPACE = "openshift-nfd", "nvidia-gpu-operator"


@asynccontextmanager
async def simulation(scenario: Scenario | str) -> AsyncIterator[Simulation]:
    facts = load(scenario) if isinstance(scenario, str) else scenario
    async with Simulation(facts) as running:
        yield running
        assert running.failures == []


async def entitle(client: Client) -> None:
    """Roll the entitlement out to the workers."""
    pem = base64.b64encode(portal_file()).decode()
    folder = "/etc/pki/entitlement"
    files = {
        "50-rhsm-conf": ("/etc/rhsm/rhsm.conf", "Cg=="),
        "50-entitlement-pem": (f"{folder}/entitlement.pem", pem),
        "50-entitlement-key-pem": (f"{folder}/entitlement-key.pem", pem),
    }
    for name, (path, text) in files.items():
        source = f"data:text/plain;charset=utf-8;base64,{text}"
        made = named(MACHINE_CONFIGS, name, spec=config(name, path, source)["spec"])
        made["metadata"]["labels"] = {ROLE: "worker"}
        await client.create(MACHINE_CONFIGS, made)
    await until(client, MACHINE_CONFIG_POOLS, lambda p: _rolled_out(p[None, "worker"], set(files)))


def _rolled_out(pool: RawObject, names: set[str]) -> bool:
    status = pool["status"]
    parts = {s["name"] for s in status["configuration"]["source"]}
    return names <= parts and status["updatedMachineCount"] == status["machineCount"]


async def offers(client: Client, cards: dict[str, int]) -> dict[str, RawObject]:
    """Wait until nodes offer their cards and carry what feature discovery found."""
    found = await until(
        client,
        NODES,
        lambda n: all(
            n[None, name]["status"]["allocatable"].get(GPU) == str(count)
            and f"{GPU}.product" in n[None, name]["metadata"]["labels"]
            for name, count in cards.items()
        ),
    )
    return {name: found[None, name] for name in cards}


async def seed_road(running: Simulation, cards: dict[str, int]) -> dict[str, RawObject]:
    client = running.client()
    await entitle(client)
    for name in ("ocp-nfd", "gpu-operator-resources"):
        await client.create(NAMESPACES, named(NAMESPACES, name))
    await subscribe(client, "nfd", "openshift-operators", "4.4")
    await subscribe(client, PACKAGE, "openshift-operators", "stable")
    await until(client, CSVS, lambda c: _succeeded(c, "openshift-operators") == 2)
    _, discovery = await offered(client, "nfd", "4.4", "NodeFeatureDiscovery")
    await client.create(discovery_resource((4, 4)), discovery, "ocp-nfd")
    _, policy = await offered(client, PACKAGE, "stable", "ClusterPolicy")
    proxy = running.scenario.network.proxy
    assert proxy is not None
    policy["spec"]["driver"]["env"] = [
        {"name": "http_proxy", "value": proxy.http_proxy},
        {"name": "https_proxy", "value": proxy.https_proxy},
    ]
    await client.create(CLUSTER_POLICIES, policy)
    nodes = await offers(client, cards)
    await until(client, CLUSTER_POLICIES, lambda p: _state(p) == "ready")
    return nodes


def _succeeded(csvs: Any, namespace: str) -> int:
    return sum(
        (o.get("status") or {}).get("reason") == "InstallSucceeded"
        and o["status"]["phase"] == "Succeeded"
        for (space, _), o in csvs.items()
        if space == namespace
    )


def _state(policies: Any) -> str:
    return str((policies[None, "gpu-cluster-policy"].get("status") or {}).get("state", ""))


async def phases(client: Client, namespace: str) -> dict[str, str]:
    """Return pod name, without its random end, -> phase."""
    found: dict[str, str] = {}
    for pod in (await client.list(PODS, namespace)).items:
        generated = pod["metadata"].get("generateName", "")
        name = generated.rstrip("-") or pod["metadata"]["name"]
        found[name] = pod["status"]["phase"]
    return found


def _seed_at(document: RawObject) -> None:
    document["startsAt"] = "2021-03-01T12:00:00+00:00"


def test_seed_road_leads_to_the_walkthroughs_pods_and_labels_within_three_seconds() -> None:
    async def scene() -> None:
        begun = time.monotonic()
        async with simulation(changed("seed", _seed_at)) as running:
            assert running.clock.now() == pytest.approx(NOW)
            nodes = await seed_road(running, {"worker03": 1})
            assert time.monotonic() - begun < 3
            labels = nodes["worker03"]["metadata"]["labels"]
            assert labels[f"{GPU}.product"] == "Tesla-T4"
            assert labels[f"{GPU}.memory"] == "15109"
            assert labels["nvidia.com/cuda.driver.major"] == "450"
            client = running.client()
            assert await phases(client, "gpu-operator-resources") == {
                "gpu-feature-discovery": "Running",
                "nvidia-container-toolkit-daemonset": "Running",
                "nvidia-dcgm-exporter": "Running",
                "nvidia-device-plugin-daemonset": "Running",
                "nvidia-device-plugin-validation": "Succeeded",
                "nvidia-driver-daemonset": "Running",
                "nvidia-driver-validation": "Succeeded",
            }
            assert set(await phases(client, "ocp-nfd")) == {"nfd-master", "nfd-worker"}
            assert len((await client.list(PODS, "ocp-nfd")).items) == 6
            operators = await phases(client, "openshift-operators")
            assert {n.rpartition("-")[0] for n in operators} == {"gpu-operator", "nfd-operator"}

    run(scene())


def test_seed_without_entitlement_has_a_driver_that_fails_and_says_why() -> None:
    async def scene() -> None:
        async with simulation("seed") as running:
            client = running.client()
            await client.create(NAMESPACES, named(NAMESPACES, "gpu-operator-resources"))
            await subscribe(client, "nfd", "openshift-operators", "4.4")
            await subscribe(client, PACKAGE, "openshift-operators", "stable")
            await until(client, CSVS, lambda c: _succeeded(c, "openshift-operators") == 2)
            _, discovery = await offered(client, "nfd", "4.4", "NodeFeatureDiscovery")
            await client.create(discovery_resource((4, 4)), discovery, "default")
            _, policy = await offered(client, PACKAGE, "stable", "ClusterPolicy")
            proxy = running.scenario.network.proxy
            assert proxy is not None
            env = [{"name": "https_proxy", "value": proxy.https_proxy}]
            policy["spec"]["driver"]["env"] = env
            await client.create(CLUSTER_POLICIES, policy)
            space = "gpu-operator-resources"
            pods = await until(client, PODS, _restarted, space)
            name = next(n for _, n in pods if n.startswith("nvidia-driver-daemonset"))
            log = await client.logs(space, name, previous=True)
            assert "RHEL entitlement may be improperly deployed" in log
            assert "status" not in await client.get(CLUSTER_POLICIES, "gpu-cluster-policy")

    run(scene())


def _restarted(pods: Any) -> bool:
    return any(
        s["restartCount"] > 0
        for (_, name), pod in pods.items()
        if name.startswith("nvidia-driver-daemonset")
        for s in pod["status"].get("containerStatuses") or []
    )


async def new_road(client: Client, cards: dict[str, int]) -> dict[str, RawObject]:
    await subscribe(client, "nfd", NFD_SPACE, "stable")
    await subscribe(client, PACKAGE, GPU_SPACE, "v25.10")
    await until(client, CSVS, lambda c: _succeeded(c, NFD_SPACE) == _succeeded(c, GPU_SPACE) == 1)
    _, discovery = await offered(client, "nfd", "stable", "NodeFeatureDiscovery")
    await client.create(discovery_resource((4, 20)), discovery, NFD_SPACE)
    _, policy = await offered(client, PACKAGE, "v25.10", "ClusterPolicy")
    await client.create(CLUSTER_POLICIES, policy)
    return await offers(client, cards) if cards else {}


def test_road_of_4_20_ends_ready_with_both_kinds_of_cards() -> None:
    async def scene() -> None:
        async with simulation("ocp-4.20") as running:
            client = running.client()
            nodes = await new_road(client, {"gpu-a100-0": 2, "gpu-h100-0": 1})
            products = {n: o["metadata"]["labels"][f"{GPU}.product"] for n, o in nodes.items()}
            assert products == {
                "gpu-a100-0": "NVIDIA-A100-80GB-PCIe",
                "gpu-h100-0": "NVIDIA-H100-80GB-HBM3",
            }
            driver = f"nvidia-driver-daemonset-{_ostree(running)}"
            sets = (await client.list(DAEMONSETS, GPU_SPACE)).items
            desired = {d["metadata"]["name"]: d["status"]["desiredNumberScheduled"] for d in sets}
            assert desired[driver] == 2
            assert desired["nvidia-device-plugin-mps-control-daemon"] == 0
            assert len(desired) == 10
            label = "nvidia.com/gpu-driver-upgrade-state"
            found = await until(
                client,
                NODES,
                lambda n: all(
                    n[None, name]["metadata"]["labels"].get(label) == "upgrade-done"
                    and n[None, name]["metadata"]["labels"].get("nvidia.com/mig.config.state")
                    for name in nodes
                ),
            )
            deployed = [
                k for k in found[None, "worker-0"]["metadata"]["labels"] if k.startswith("nvidia")
            ]
            assert deployed == []
            await until(client, CLUSTER_POLICIES, lambda p: _state(p) == "ready")

    run(scene())


def _ostree(running: Simulation) -> str:
    node = running.scenario.node("gpu-h100-0")
    assert node is not None
    return node.os_release["OSTREE_VERSION"]


def test_way_back_leaves_what_the_real_operators_leave() -> None:
    async def scene() -> None:
        async with simulation("ocp-4.20") as running:
            client = running.client()
            await new_road(client, {"gpu-a100-0": 2, "gpu-h100-0": 1})
            await client.delete(CLUSTER_POLICIES, "gpu-cluster-policy")
            await until(client, DAEMONSETS, lambda d: not any(s == GPU_SPACE for s, _ in d))
            await until(
                client,
                NODES,
                lambda n: all(o["status"]["allocatable"].get(GPU, "0") == "0" for o in n.values()),
            )
            await client.delete(discovery_resource((4, 20)), "nfd-instance", NFD_SPACE)
            await until(client, DAEMONSETS, lambda d: not d)
            for package, space in (("nfd", NFD_SPACE), (PACKAGE, GPU_SPACE)):
                csv = (await client.get(SUBSCRIPTIONS, package, space))["status"]["installedCSV"]
                await client.delete(SUBSCRIPTIONS, package, space)
                await client.delete(CSVS, csv, space)
            await until(client, PODS, lambda p: not p)
            for gone in (CSVS, SUBSCRIPTIONS, INSTALL_PLANS, DEPLOYMENTS, SERVICE_ACCOUNTS):
                await until(client, gone, lambda found: not found)
            assert (await client.list(CLUSTER_ROLE_BINDINGS)).items == []
            await _check_leftovers(client)

    run(scene())


async def _check_leftovers(client: Client) -> None:
    node = await client.get(NODES, "gpu-h100-0")
    labels = node["metadata"]["labels"]
    for name in (
        "feature.node.kubernetes.io/pci-10de.present",
        "nvidia.com/gpu.present",
        "nvidia.com/gpu.deploy.driver",
        "nvidia.com/gpu-driver-upgrade-state",
    ):
        assert name in labels, name
    assert await client.get(NODE_FEATURES, "gpu-h100-0", NFD_SPACE)
    operators = {o["metadata"]["name"] for o in (await client.list(OPERATORS)).items}
    assert operators == {f"nfd.{NFD_SPACE}", f"{PACKAGE}.{GPU_SPACE}"}
    crds = {o["metadata"]["name"] for o in (await client.list(CRDS)).items}
    assert {"clusterpolicies.nvidia.com", "nodefeaturediscoveries.nfd.openshift.io"} <= crds
    roles = {o["metadata"]["name"] for o in (await client.list(CLUSTER_ROLES)).items}
    assert "clusterpolicies.nvidia.com-v1-crdview" in roles
    assert any(r.startswith(f"olm.og.{GPU_SPACE}.admin-") for r in roles)
    assert not any(r.startswith("nfd-") for r in roles)


def test_cluster_without_cards_is_called_ready_all_the_same() -> None:
    async def scene() -> None:
        async with simulation("no-gpu") as running:
            client = running.client()
            await new_road(client, {})
            found = await until(client, CLUSTER_POLICIES, lambda p: "NoGPUNodes" in str(p))
            assert _state(found) == "ready"
            workers = await until(client, NODES, _labelled)
            assert not any("10de" in k for o in workers.values() for k in o["metadata"]["labels"])
            assert (await client.list(DAEMONSETS, GPU_SPACE)).items == []

    run(scene())


def _labelled(nodes: Any) -> bool:
    label = "feature.node.kubernetes.io/kernel-version.full"
    return all(label in nodes[None, n]["metadata"]["labels"] for n in ("worker-0", "worker-1"))


def test_other_card_driver_and_node_name_show_everywhere() -> None:
    def other(document: RawObject) -> None:
        _seed_at(document)
        node = document["nodes"][5]
        node["name"] = "gpu-x"
        card = node["pci"][3]["gpu"]
        card |= {"product": "Quadro RTX 6000", "memoryMiB": 24190}
        document["driver"] = {"version": "460.32.03"}

    async def scene() -> None:
        async with simulation(changed("seed", other)) as running:
            labels = (await seed_road(running, {"gpu-x": 1}))["gpu-x"]["metadata"]["labels"]
            assert labels[f"{GPU}.product"] == "Quadro-RTX-6000"
            assert labels[f"{GPU}.memory"] == "24190"
            assert labels["nvidia.com/cuda.driver.major"] == "460"
            assert labels["nvidia.com/cuda.runtime.minor"] == "2"

    run(scene())


def test_served_simulation_is_reached_through_its_kubeconfig() -> None:
    async def scene() -> None:
        async with Simulation(load("seed")).serving() as served:
            assert served.kubeconfig_path.stat().st_mode & 0o077 == 0
            options = ConnectOptions(kubeconfig=str(served.kubeconfig_path))
            async with Client.connect(options) as client:
                assert (await client.version()).simulated
                assert len((await client.list(NODES)).items) == 6
                async with asyncio.timeout(10):
                    async for event in client.watch(MACHINE_CONFIG_POOLS):
                        assert isinstance(event, Replaced | Updated)
                        break

    run(scene())
