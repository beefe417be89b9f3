"""A cluster of core actors on the in-process API, for tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct
from tests.sim_core.entitlements import NOW

from oc_gpu.kube import Client, NotFoundError, RawObject, Resource
from oc_gpu.kube.resources import NAMESPACES, NODES, PODS
from oc_gpu.sim.actors.core import core_actors
from oc_gpu.sim.actors.framework import ActorContext, Controller, Informers, running
from oc_gpu.sim.actors.kubelet import Kubelets
from oc_gpu.sim.actors.node.runtime import Runtime
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.sim.scenario import Scenario, load


class Cluster(Struct):
    """What a test works with."""

    client: Client
    clock: VirtualClock
    kubelets: Kubelets
    actors: tuple[Controller, ...]

    async def pod(self, name: str, namespace: str = "default") -> RawObject:
        return await self.client.get(PODS, name, namespace)

    async def pods(self, **labels: str) -> list[RawObject]:
        selector = ",".join(f"{k}={v}" for k, v in labels.items()) or None
        return (await self.client.list(PODS, label_selector=selector)).items

    async def node(self, name: str) -> RawObject:
        return await self.client.get(NODES, name)

    async def create(self, resource: Resource, obj: RawObject) -> RawObject:
        return await self.client.create(resource, obj, obj["metadata"].get("namespace"))

    async def wait(self, holds: Callable[[], Any], seconds: float = 3600) -> None:
        """Let time pass until an awaitable condition holds."""
        end = self.clock.now() + seconds
        while not await holds():
            assert self.clock.now() < end, "out of simulated time"
            await self.clock.sleep(1)

    async def gone(self, resource: Resource, name: str, namespace: str | None = None) -> bool:
        try:
            await self.client.get(resource, name, namespace)
        except NotFoundError:
            return True
        return False

    async def phase(self, name: str) -> str:
        return str((await self.pod(name))["status"].get("phase"))

    async def ended(self, name: str) -> bool:
        return await self.phase(name) in {"Succeeded", "Failed"}

    async def logs(self, name: str, container: str = "main", **options: Any) -> str:
        return await self.client.logs("default", name, container=container, **options)

    async def exec(self, name: str, *command: str, container: str = "main") -> tuple[str, int]:
        """Run a command by the node actor, as the API server would."""
        pod = await self.pod(name)
        out, err, code = await self.kubelets.exec(pod, container, command, b"")
        return (out + err).decode(), code

    def assert_no_failures(self) -> None:
        assert [f for actor in self.actors for f in actor.failures] == []


@asynccontextmanager
async def cluster(
    scenario: Scenario | str, runtime: Callable[[VirtualClock], Runtime] | None = None
) -> AsyncIterator[Cluster]:
    facts = load(scenario) if isinstance(scenario, str) else scenario
    clock = VirtualClock(NOW)
    server = ApiServer(clock)
    client = Client(InProcessTransport(server))
    informers = Informers(client)
    context = ActorContext(client, informers, clock, facts)
    kubelets, actors = core_actors(context, runtime(clock) if runtime else None)
    server.kubelet = kubelets
    async with running(actors, informers):
        if await client.find(NAMESPACES, "default") is None:
            await client.create(NAMESPACES, named("v1", "Namespace", "default", None))
        here = Cluster(client, clock, kubelets, actors)

        async def all_registered() -> bool:
            return len((await client.list(NODES)).items) == len(facts.nodes)

        await here.wait(all_registered)
        yield here
        here.assert_no_failures()
        assert informers.errors == []


def named(
    api_version: str, kind: str, name: str, namespace: str | None = "default", **fields: Any
) -> RawObject:
    metadata: RawObject = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def container(command: str | None = None, **fields: Any) -> RawObject:
    given: RawObject = {"name": "main", "image": "registry.access.redhat.com/ubi8:latest"} | fields
    return given | ({"command": ["sh", "-c", command]} if command else {})


def pod(name: str, *containers: RawObject, **spec: Any) -> RawObject:
    return named("v1", "Pod", name, spec={"containers": list(containers) or [container()], **spec})


def template(labels: dict[str, str], *containers: RawObject, **spec: Any) -> RawObject:
    return {
        "metadata": {"labels": labels},
        "spec": {"containers": list(containers) or [container()], **spec},
    }


def workload(kind: str, name: str, *containers: RawObject, **fields: Any) -> RawObject:
    """Return a DaemonSet or Deployment; `spec` fields of the pod go in `pod_spec`."""
    labels = {"app": name}
    body = template(labels, *containers, **fields.pop("pod_spec", {}))
    spec = {"selector": {"matchLabels": labels}, "template": body, **fields}
    return named("apps/v1", kind, name, spec=spec)
