"""A simulated cluster: API server, clock and actors, put together from a scenario."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import msgspec
from msgspec import Struct

from oc_gpu.kube import Client
from oc_gpu.sim.actors.core import core_actors
from oc_gpu.sim.actors.framework import ActorContext, Controller, Failure, Informers, running
from oc_gpu.sim.actors.openshift import openshift_actors
from oc_gpu.sim.api.backend import Identity
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.messages import ADMIN
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.bootstrap import install_all
from oc_gpu.sim.changing import Changing
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.sim.faults import with_faults
from oc_gpu.sim.local_pods import LocalPods, NoLocalPods
from oc_gpu.sim.scenario import Scenario, ScenarioError

SETTLE = 0.015
"""Wall seconds of quiet that clients behind sockets get before simulated time leaps."""


class Served(Struct, frozen=True):
    """Where a simulation is served, and what opens it.

    Attributes:
        url: The server's URL on the loopback.
        token: Bearer token of the cluster's administrator.
        authority: PEM of the certificate authority to trust.
        kubeconfig_path: A kubeconfig with all of it, readable by its owner only.
    """

    url: str
    token: str
    authority: str
    kubeconfig_path: Path


class Simulation:
    """One simulated OpenShift in this process.

    In the process, without sockets::

        async with Simulation(load("seed")) as simulation:
            await simulation.client().list(NODES)

    For clients that want a server, `serving` starts it and puts a socket before it::

        async with Simulation(load("seed")).serving() as served:
            client = Client.connect(ConnectOptions(kubeconfig=str(served.kubeconfig_path)))

    It can be entered once. What it does is repeatable but for names that the server makes up and
    the moments at which outside clients ask.

    Args:
        scenario: The cluster's facts.
        name: What the simulation calls itself, the scenario's name by default.
        settle: Wall seconds of quiet that outside clients are given after activity.
        speed: Simulated seconds in a wall second, None to leap over waiting.
        pods: Folder for pods that run as processes of this machine; None refuses them.

    Raises:
        ScenarioError: The scenario's start is not a time; on entering, an object that it brings
            along is refused.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        name: str | None = None,
        settle: float = SETTLE,
        speed: float | None = None,
        pods: Path | None = None,
    ) -> None:
        self._pods = pods
        self._base = msgspec.structs.replace(scenario, faults=())
        self.scenario = with_faults(self._base, scenario.faults)
        self.name = name or scenario.name
        self.clock = VirtualClock(_start_of(scenario), settle=settle, speed=speed)
        release = scenario.openshift
        identity = Identity(self.name, scenario.name, release.kubernetes.removeprefix("v"))
        self.server = ApiServer(self.clock, identity, denied=self.scenario.denied)
        self._stack = AsyncExitStack()
        self._actors: Sequence[Controller] = ()
        self._changing: Changing | None = None

    async def __aenter__(self) -> Self:
        install_all(self.server.install, self.scenario, self.clock.now())
        client = Client(InProcessTransport(self.server), field_manager="openshift")
        informers = Informers(client)
        context = ActorContext(client, informers, self.clock, self.scenario)
        runtime = NoLocalPods() if self._pods is None else LocalPods(self._pods, self.clock)
        kubelets, core = core_actors(context, runtime)
        self.server.kubelet = kubelets
        kubelets.on_outage = self.server.go
        self.server.set_facts(self.scenario)
        self._actors = (*core, *openshift_actors(context))
        self.server.control = self
        self._changing = Changing(self.server, context, kubelets, self._actors)
        await self._stack.enter_async_context(running(self._actors, informers))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def serving(self, folder: Path | None = None, *, port: int = 0) -> AsyncIterator[Served]:
        """Run, and serve the API over HTTPS on the loopback, inside the block.

        Args:
            folder: Where the kubeconfig is written, a temporary one by default.
            port: TCP port, 0 for a free one.

        Raises:
            OSError: The port is taken.
        """
        from oc_gpu.sim.api.http import serve  # noqa: PLC0415  # only servers pay for it

        async with AsyncExitStack() as stack:
            if folder is None:
                folder = Path(stack.enter_context(TemporaryDirectory(prefix="oc-gpu-sim-")))
            await stack.enter_async_context(self)
            endpoint = await stack.enter_async_context(serve(self.server, port=port))
            path = folder / "kubeconfig"
            endpoint.write_kubeconfig(path, self.name)
            yield Served(endpoint.url, endpoint.token, endpoint.authority, path)

    @property
    def faults(self) -> tuple[str, ...]:
        """Return the names of the faults that the cluster has now."""
        return self.scenario.faults

    async def add_fault(self, name: str) -> None:
        """Change the facts of the running cluster as a fault does.

        Raises:
            ScenarioError: There is no such fault, or nothing in this cluster that it changes.
        """
        await self._change((*self.faults, name))

    async def remove_fault(self, name: str) -> None:
        """Set the facts right that a fault changed; what came of them heals as in life.

        Raises:
            ScenarioError: The cluster does not have this fault.
        """
        if name not in self.faults:
            msg = f"simulation {self.name} has no fault {name}"
            told = ", ".join(self.faults) or "none"
            raise ScenarioError(msg, hints=(f"faults that it has: {told}",))
        await self._change(tuple(one for one in self.faults if one != name))

    async def _change(self, names: Sequence[str]) -> None:
        if self._changing is None:
            msg = f"simulation {self.name} does not run"
            raise ScenarioError(msg)
        wanted = with_faults(self._base, names)
        self.scenario = wanted
        await self._changing.to(wanted)

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
    try:
        moment = datetime.fromisoformat(scenario.starts_at)
    except ValueError as error:
        msg = f"startsAt of scenario {scenario.name} is not a time: {scenario.starts_at!r}"
        raise ScenarioError(msg, hints=("write it like 2021-03-01T12:00:00Z",)) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
