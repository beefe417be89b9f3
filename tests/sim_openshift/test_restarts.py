"""Actors that are cut off and started again go on from the objects that are there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from oc_gpu.kube import Client
from oc_gpu.kube.resources import (
    CLUSTER_POLICIES,
    CSVS,
    MACHINE_CONFIG_POOLS,
    MACHINE_CONFIGS,
    NODES,
)
from oc_gpu.sim.actors.core import core_actors
from oc_gpu.sim.actors.framework import ActorContext, Informers, running
from oc_gpu.sim.actors.nfd import discovery_resource
from oc_gpu.sim.actors.openshift import openshift_actors
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.messages import ADMIN
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.bootstrap import install_all
from oc_gpu.sim.bootstrap_machines import machine_configs
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.sim.scenario import Scenario, ScenarioError, load
from tests.sim_openshift.test_roads import GPU, PACKAGE
from tests.sim_openshift.world import NOW, changed, offered, run, subscribe, until

SPACE, NFD_SPACE = "nvidia-gpu-operator", "openshift-nfd"


class Cluster:
    """A server whose OpenShift actors come and go; machines and their kubelets stay up."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.clock = VirtualClock(NOW)
        self.server = ApiServer(self.clock)
        install_all(self.server.install, scenario, NOW)
        self.client = Client(InProcessTransport(self.server, user=ADMIN))

    def context(self) -> tuple[ActorContext, Informers]:
        client = Client(InProcessTransport(self.server))
        informers = Informers(client)
        return ActorContext(client, informers, self.clock, self.scenario), informers

    @asynccontextmanager
    async def machines(self) -> AsyncIterator[None]:
        context, informers = self.context()
        kubelets, actors = core_actors(context)
        self.server.kubelet = kubelets
        async with running(actors, informers):
            yield

    @asynccontextmanager
    async def openshift(self) -> AsyncIterator[None]:
        context, informers = self.context()
        async with running(openshift_actors(context), informers):
            yield

    async def in_pieces(self, seconds: float, done: Callable[[], bool]) -> int:
        """Start the actors anew every so many simulated seconds, until done; return how often."""
        for count in range(200):
            async with self.openshift():
                await self.clock.sleep(seconds)
                if done():
                    return count
        raise AssertionError


@pytest.mark.long
def test_road_is_walked_by_actors_that_are_restarted_every_few_seconds() -> None:
    async def scene() -> None:
        here = Cluster(load("ocp-4.20"))
        async with here.machines():
            walk = asyncio.create_task(_walk(here.client))
            restarts = await here.in_pieces(11, walk.done)
            walk.result()
            assert restarts > 10

    run(scene())


async def _walk(client: Client) -> None:
    parts = machine_configs("worker", load("ocp-4.20").openshift)
    extra = {**parts[0], "metadata": {**parts[0]["metadata"], "name": "50-extra"}}
    extra["spec"]["config"]["storage"]["files"][0]["path"] = "/etc/extra"
    await client.create(MACHINE_CONFIGS, extra)
    await until(
        client,
        MACHINE_CONFIG_POOLS,
        lambda p: any(
            s["name"] == "50-extra" for s in p[None, "worker"]["status"]["configuration"]["source"]
        ),
    )
    await subscribe(client, "nfd", NFD_SPACE, "stable")
    await subscribe(client, PACKAGE, SPACE, "v25.10")
    await until(
        client,
        CSVS,
        lambda c: [o.get("status", {}).get("phase") for o in c.values()] == ["Succeeded"] * 2,
    )
    _, discovery = await offered(client, "nfd", "stable", "NodeFeatureDiscovery")
    await client.create(discovery_resource((4, 20)), discovery, NFD_SPACE)
    _, policy = await offered(client, PACKAGE, "v25.10", "ClusterPolicy")
    await client.create(CLUSTER_POLICIES, policy)
    await until(
        client,
        NODES,
        lambda n: n[None, "gpu-h100-0"]["status"]["allocatable"].get(GPU) == "1",
    )


def test_object_that_a_scenario_cannot_have_is_named() -> None:
    scenario = changed(
        "seed",
        lambda d: d["preexisting"].append(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "nix"}}
        ),
    )
    with pytest.raises(ScenarioError, match="cannot have Secret/s"):
        Cluster(scenario)
