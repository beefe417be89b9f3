"""What a recorder notes of a cluster that changes."""

import asyncio
from typing import Any

import pytest
from lab.tracing import looks
from lab.tracing.looks import Look
from lab.tracing.recorder import Recorder
from lab.tracing.trace import Said

from oc_gpu.kube import Client
from oc_gpu.kube.resources import CRDS, NAMESPACES, NODES
from oc_gpu.sim.cluster import Simulation
from oc_gpu.sim.scenario import load


def record(act: Any, *wanted: Look) -> list[tuple[str, str]]:
    async def run() -> tuple[Said, ...]:
        simulation = Simulation(load("no-gpu"))
        async with simulation, simulation.client() as client:
            recorder = Recorder(client, wanted, simulation.clock.now)
            async with recorder.recording():
                await act(client)
                await recorder.quiet(0.2)
                return recorder.take()

    return [(said.object, said.says) for said in asyncio.run(run())]


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def look(resource: Any) -> Look:
    return next(known for known in looks.ROAD if known.resource == resource)


def test_what_was_there_before_is_not_noted_and_what_comes_and_goes_is() -> None:
    async def act(client: Client) -> None:
        await client.create(NAMESPACES, namespace("new"))
        await client.delete(NAMESPACES, "new")

    told = record(act, look(NAMESPACES))
    assert told == [
        ("Namespace new", "Active"),
        ("Namespace new", "leaving"),
        ("Namespace new", "gone"),
    ]


def test_only_what_changes_of_an_object_is_noted() -> None:
    async def act(client: Client) -> None:
        name = (await client.list(NODES)).items[0]["metadata"]["name"]
        await client.patch(NODES, name, {"spec": {"unschedulable": True}})
        await client.patch(NODES, name, {"metadata": {"labels": {"a": "b"}}})

    ((_, says),) = record(act, look(NODES))
    assert says == "cordoned"


def test_a_kind_that_is_defined_meanwhile_is_watched_from_then_on() -> None:
    async def act(client: Client) -> None:
        names = {"kind": "NodeFeatureDiscovery", "plural": "nodefeaturediscoveries"}
        kind = looks.NODE_FEATURE_DISCOVERIES
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {"name": "v1", "served": True, "storage": True}
        version["schema"] = {"openAPIV3Schema": schema}
        spec = {"group": kind.group, "scope": "Namespaced", "names": names, "versions": [version]}
        definition = {"apiVersion": CRDS.api_version, "kind": CRDS.kind, "spec": spec}
        definition["metadata"] = {"name": f"{kind.plural}.{kind.group}"}
        await client.create(CRDS, definition)
        made = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "one"}}
        condition = {"type": "Available", "status": "True", "reason": "Well"}
        await client.create(kind, made | {"status": {"conditions": [condition]}}, "default")

    told = record(act, look(looks.NODE_FEATURE_DISCOVERIES))
    assert told == [("NodeFeatureDiscovery default/one", "Available (Well)")]


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({}, []),
        ({"state": "ready"}, [("", "ready")]),
        (
            {
                "state": "notReady",
                "conditions": [
                    {"type": "Ready", "status": "False", "reason": "Error"},
                    {"type": "Error", "status": "True", "reason": "OperandNotReady"},
                ],
            },
            [("", "notReady"), ("conditions", "Error (OperandNotReady)")],
        ),
    ],
)
def test_a_policy_says_its_state_and_the_conditions_that_hold(status: Any, says: Any) -> None:
    told = looks.LOOKS["ClusterPolicy"].says({"metadata": {"name": "p"}, "status": status})
    assert [(aspect, text) for aspect, text in told if text] == says


def test_pods_of_a_daemonset_are_named_after_it_and_their_node() -> None:
    owner = {"kind": "DaemonSet", "name": "nfd-worker"}
    meta = {"name": "nfd-worker-x7k2p", "ownerReferences": [owner]}
    pods = looks.LOOKS["Pod"]
    assert pods.name({"metadata": meta, "spec": {"nodeName": "n1"}}) == "nfd-worker on n1"
    assert pods.name({"metadata": {"name": "single"}, "spec": {}}) == ""
