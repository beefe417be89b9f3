"""A cluster with only the actors that a test names, and ways to wait for what they do."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from msgspec import Struct

from oc_gpu.kube import Client, Deleted, RawObject, Replaced, Resource, Updated
from oc_gpu.kube.resources import (
    CRDS,
    DAEMONSETS,
    DEPLOYMENTS,
    NAMESPACES,
    OPERATOR_GROUPS,
    PACKAGE_MANIFESTS,
    PODS,
    SUBSCRIPTIONS,
)
from oc_gpu.sim import bundles
from oc_gpu.sim.actors.framework import ActorContext, Controller, Informers, running
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.messages import ADMIN
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.bootstrap import install_all
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.sim.scenario import Scenario, from_document, load, to_document

NOW = 1_614_600_000.0
NODE_FEATURES = Resource("nfd.k8s-sigs.io", "v1alpha1", "nodefeatures", "NodeFeature")
MARKETPLACE = "openshift-marketplace"
_T = TypeVar("_T")
Objects = Mapping[tuple[str | None, str], RawObject]


class World(Struct):
    """What a test works with."""

    client: Client
    clock: VirtualClock
    scenario: Scenario

    async def until(
        self, resource: Resource, holds: Callable[[Objects], Any], namespace: str | None = None
    ) -> Objects:
        """Wait until something holds of all objects of a kind, and return them."""
        return await until(self.client, resource, holds, namespace)

    async def available(self, namespace: str, name: str) -> None:
        """Play the Deployment controller: call a Deployment available once it is there."""
        await self.until(DEPLOYMENTS, lambda found: (namespace, name) in found)
        condition = {"type": "Available", "status": "True", "message": "has pods"}
        status = {"observedGeneration": 1, "conditions": [condition], "availableReplicas": 1}
        await self.client.patch(
            DEPLOYMENTS, name, {"status": status}, namespace, subresource="status"
        )


async def until(
    client: Client,
    resource: Resource,
    holds: Callable[[Objects], Any],
    namespace: str | None = None,
) -> Objects:
    """Wait until something holds of all objects of a kind, and return them."""
    found: dict[tuple[str | None, str], RawObject] = {}
    async with asyncio.timeout(20):
        async for event in client.watch(resource, namespace):
            match event:
                case Replaced(items):
                    found = {key(o): o for o in items}
                case Updated(obj):
                    found[key(obj)] = obj
                case Deleted(obj):
                    found.pop(key(obj), None)
            if holds(found):
                return found
    raise AssertionError


def key(obj: RawObject) -> tuple[str | None, str]:
    return obj["metadata"].get("namespace"), obj["metadata"]["name"]


@asynccontextmanager
async def world(
    scenario: Scenario | str, *actors: Callable[[ActorContext], Controller]
) -> AsyncIterator[World]:
    """Run some actors on a fresh cluster."""
    facts = load(scenario) if isinstance(scenario, str) else scenario
    clock = VirtualClock(NOW)
    server = ApiServer(clock)
    install_all(server.install, facts, NOW)
    client = Client(InProcessTransport(server))
    informers = Informers(client)
    context = ActorContext(client, informers, clock, facts)
    controllers = [make(context) for make in actors]
    async with running(controllers, informers):
        yield World(Client(InProcessTransport(server, user=ADMIN)), clock, facts)
        assert [f for c in controllers for f in c.failures] == []


def run(work: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(work)


def named(resource: Resource, name: str, namespace: str | None = None, **fields: Any) -> RawObject:
    metadata: RawObject = {"name": name} | ({"namespace": namespace} if namespace else {})
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    return {**kind, "metadata": metadata, **fields}


async def subscribe(
    client: Client, package: str, namespace: str, channel: str, *, approval: str = "Automatic"
) -> None:
    """Create a Subscription, and OperatorGroup and namespace where they are missing."""
    if await client.find(NAMESPACES, namespace) is None:
        await client.create(NAMESPACES, named(NAMESPACES, namespace))
        group = named(OPERATOR_GROUPS, namespace, namespace, spec={"targetNamespaces": [namespace]})
        await client.create(OPERATOR_GROUPS, group)
    catalog = "redhat-operators" if package == "nfd" else "certified-operators"
    spec = {
        "name": package,
        "channel": channel,
        "source": catalog,
        "sourceNamespace": MARKETPLACE,
        "installPlanApproval": approval,
    }
    await client.create(SUBSCRIPTIONS, named(SUBSCRIPTIONS, package, namespace, spec=spec))


async def offered(client: Client, package: str, channel: str, kind: str) -> tuple[str, RawObject]:
    """Return the CSV at the head of a channel, and one of its examples."""
    found = (await client.list(PACKAGE_MANIFESTS, MARKETPLACE)).items
    manifest = next(m for m in found if m["status"]["packageName"] == package)
    head = next(c for c in manifest["status"]["channels"] if c["name"] == channel)
    examples = json.loads(head["currentCSVDesc"]["annotations"]["alm-examples"])
    return head["currentCSV"], next(e for e in examples if e["kind"] == kind)


def changed(scenario: str, change: Callable[[RawObject], None]) -> Scenario:
    """Return a built-in scenario with other facts."""
    document = json.loads(json.dumps(to_document(load(scenario))))
    change(document)
    return from_document(document)


def state(obj: RawObject) -> dict[str, str]:
    """Return condition type -> status."""
    return {c["type"]: c["status"] for c in obj["status"]["conditions"]}


async def play_operator(here: World, bundle: str, namespace: str, targets: str = "") -> None:
    """Have an operator's kinds and its available Deployment, as OLM leaves them."""
    data = bundles.load(bundle)
    for crd in data.crds:
        await here.client.create(CRDS, crd)
    if await here.client.find(NAMESPACES, namespace) is None:
        await here.client.create(NAMESPACES, named(NAMESPACES, namespace))
    entry = data.csv.spec["install"]["spec"]["deployments"][0]
    template = json.loads(json.dumps(entry["spec"]["template"]))
    template["metadata"]["annotations"] = {"olm.targetNamespaces": targets}
    made = named(
        DEPLOYMENTS, entry["name"], namespace, spec={**entry["spec"], "template": template}
    )
    made["metadata"]["labels"] = {"olm.owner": data.name}
    await here.client.create(DEPLOYMENTS, made)
    await here.available(namespace, entry["name"])


async def play_pods(here: World, desired: Mapping[str, int], *, ready: bool = True) -> None:
    """Play the DaemonSet controller once, for all DaemonSets; unnamed ones want no pods."""
    for item in (await here.client.list(DAEMONSETS)).items:
        namespace, name = key(item)
        count = desired.get(name, 0)
        have = count if ready else 0
        status = {
            "observedGeneration": item["metadata"]["generation"],
            "desiredNumberScheduled": count,
            "currentNumberScheduled": count,
            "numberReady": have,
            "numberUnavailable": count - have or None,
        }
        change = {"status": status}
        await here.client.patch(DAEMONSETS, name, change, namespace, subresource="status")


async def play_pod(here: World, name: str, namespace: str, node: str, **fields: Any) -> None:
    """Have a ready pod on a node."""
    container = {"name": name, "image": fields.pop("image", "image")}
    spec = {"nodeName": node, "containers": [container], **fields.pop("spec", {})}
    pod = named(PODS, f"{name}-{node}", namespace, spec=spec)
    pod["metadata"]["labels"] = {"app": name, **fields.pop("labels", {})}
    await here.client.create(PODS, pod)
    started = {"running": {"startedAt": "2021-03-01T12:00:00Z"}}
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": name, "ready": True, "state": started}],
    }
    name = f"{name}-{node}"
    await here.client.patch(PODS, name, {"status": status}, namespace, subresource="status")
