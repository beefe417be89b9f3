"""A simulated cluster: API server, clock and actors, put together from a scenario."""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Self

from oc_gpu.kube import Client
from oc_gpu.sim.actors.core import core_actors
from oc_gpu.sim.actors.framework import ActorContext, Controller, Failure, Informers, running
from oc_gpu.sim.actors.openshift import openshift_actors
from oc_gpu.sim.api.backend import Identity
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.messages import ADMIN
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.bootstrap import install_all
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.sim.scenario import Scenario

SETTLE = 0.015
"""Wall seconds of quiet that clients behind sockets get before simulated time leaps."""


class Simulation:
    """One simulated OpenShift in this process.

    In the process, without sockets::

        async with Simulation(load("seed")) as simulation:
            await simulation.client().list(NODES)

    For programs that want a server, `serving` in `oc_gpu.sim.serving` puts sockets before it::

        async with serving(Simulation(load("seed"))) as endpoint:
            subprocess.run(["kubectl", "--kubeconfig", endpoint.kubeconfig_path, "get", "nodes"])

    Args:
        scenario: The cluster's facts.
        name: What the simulation calls itself, the scenario's name by default.
        settle: Wall seconds of quiet that outside clients are given after activity.
        speed: Simulated seconds in a wall second, None to leap over waiting.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        name: str | None = None,
        settle: float = SETTLE,
        speed: float | None = None,
    ) -> None:
        self.scenario = scenario
        self.name = name or scenario.name
        self.clock = VirtualClock(_start_of(scenario), settle=settle, speed=speed)
        release = scenario.openshift
        identity = Identity(self.name, scenario.name, release.kubernetes.removeprefix("v"))
        self.server = ApiServer(self.clock, identity, denied=scenario.denied)
        self._stack = AsyncExitStack()
        self._actors: Sequence[Controller] = ()

    async def __aenter__(self) -> Self:
        install_all(self.server.install, self.scenario, self.clock.now())
        client = Client(InProcessTransport(self.server), field_manager="openshift")
        informers = Informers(client)
        context = ActorContext(client, informers, self.clock, self.scenario)
        kubelets, core = core_actors(context)
        self.server.kubelet = kubelets
        self._actors = (*core, *openshift_actors(context))
        await self._stack.enter_async_context(running(self._actors, informers))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    @property
    def failures(self) -> list[Failure]:
        """Return what actors gave up on; empty in a sound simulation."""
        return [failure for actor in self._actors for failure in actor.failures]

    def client(self, *, external: bool = True, namespace: str = "default") -> Client:
        """Return a client of a cluster administrator in this process.

        Args:
            external: Let simulated time wait for this client, and count its writes.
            namespace: Where verbs that name an object look when none is given.
        """
        transport = InProcessTransport(self.server, user=ADMIN, external=external)
        return Client(transport, namespace=namespace)


def _start_of(scenario: Scenario) -> float:
    """Return the epoch seconds at which the scenario begins; now, when it does not say."""
    if scenario.starts_at is None:
        return time.time()
    return datetime.fromisoformat(scenario.starts_at).timestamp()
