"""Nodes are asked by pods that are shown first, told of truly, and gone afterwards."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from oc_gpu.checks import preflight
from oc_gpu.checks.catalogue import run_all
from oc_gpu.checks.context import inputs
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.kube import Client
from oc_gpu.kube.resources import PODS
from oc_gpu.rollout import probing
from oc_gpu.rollout.probing import Probed
from oc_gpu.rollout.survey import survey
from oc_gpu.sim.scenario import DenyRule, Scenario, from_document, load, to_document
from tests.rollout.clusters import on_cluster, wish

NODE = "gpu-h100-0"
IMAGE = "registry.access.redhat.com/ubi8:latest"
CODES = ("OCG0801", "OCG0804", "OCG0805", "OCG1502", "OCG1503")


def _facts(*, unassigned: bool = False, **node: Any) -> Scenario:
    made = to_document(load("ocp-4.20"))
    (one,) = (facts for facts in made["nodes"] if facts["name"] == NODE)
    one.update(node)
    for device in one["pci"]:
        device["unassigned"] = unassigned and bool(device.get("gpu"))
    return from_document(made)


async def _probe(client: Client, *nodes: str) -> Probed:
    now = (await survey(client, wish())).snapshot.now
    pods = probing.planned(nodes or (NODE,), IMAGE, "default", now)
    return await probing.probe(client, pods, now)


async def _left(client: Client) -> list[str]:
    """Return the pods of a probe that nobody has told to go."""
    metas = [pod["metadata"] for pod in (await client.list(PODS, "default")).items]
    ours = [m["name"] for m in metas if "deletionTimestamp" not in m]
    return [name for name in ours if name.startswith("oc-gpu-probe")]


def _judged(scenario: Scenario) -> dict[str, list[Finding]]:
    """Return what the checks say of a node that was probed, by code."""

    async def act(client: Client, _: Any) -> tuple[Inputs, list[str]]:
        found = await survey(client, wish(), "check")
        probed = await _probe(client)
        seen = structs.replace(inputs(found.context), probes=probed.told, unprobed=probed.missed)
        return structs.replace(seen, gpu_nodes=(NODE,)), await _left(client)

    given, left = on_cluster(act, scenario)
    assert left == []
    every = run_all(preflight.CHECKS, given)
    return {code: [f for f in every if f.code == code] for code in CODES}


def test_a_good_machine_is_told_good() -> None:
    told = _judged(_facts(iommu=True))
    good = [told[code][0].severity for code in CODES]
    assert good == [Severity.OK, Severity.OK, Severity.OK, Severity.OK, Severity.INFO]
    assert "on (" in told["OCG1503"][0].title


@pytest.mark.parametrize(
    ("scenario", "code", "cause"),
    [
        (_facts(secureBoot=True), "OCG0801", "secure-boot-enabled"),
        (_facts(nouveau=True), "OCG0804", "nouveau-loaded"),
        (_facts(hostDriver="550.54.15"), "OCG0805", "host-driver-installed"),
        (_facts(unassigned=True), "OCG1502", "passthrough-bar-mmio"),
    ],
    ids=["secure-boot", "nouveau", "host-driver", "address-space"],
)
def test_what_is_wrong_with_a_machine_follows_from_its_facts(
    scenario: Scenario, code: str, cause: str
) -> None:
    told = _judged(scenario)
    assert [(f.severity, f.cause) for f in told[code]] == [(Severity.ERROR, cause)]
    others = [f for c in CODES if c != code for f in told[c]]
    assert not any(f.severity is Severity.ERROR for f in others)


def test_a_machine_that_boots_by_bios_is_judged_by_its_kernel() -> None:
    assert _judged(_facts(efi=False))["OCG0801"][0].severity is Severity.UNKNOWN


@pytest.mark.parametrize("wait", [0, 1, 2])
def test_an_interrupted_probe_leaves_no_pod(wait: int) -> None:
    """Wherever it is cancelled: while pods are made, while they run."""

    async def act(client: Client, _: Any) -> list[str]:
        work = asyncio.create_task(_probe(client, NODE, "gpu-a100-0", "worker-0"))
        async for _event in client.watch(PODS, "default"):
            if len(await _left(client)) >= wait:
                break
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        return await _left(client)

    assert on_cluster(act) == []


def test_pods_of_a_killed_run_are_removed_by_the_next_one() -> None:
    async def act(client: Client, _: Any) -> list[str]:
        old = probing.planned((NODE,), IMAGE, "default", 0.0)
        await client.create(PODS, old[0])
        await _probe(client)
        return await _left(client)

    assert on_cluster(act) == []


def test_pods_that_may_not_be_made_leave_the_node_unknown() -> None:
    async def act(client: Client, _: Any) -> Probed:
        return await _probe(client)

    probed = on_cluster(act, denied=(DenyRule(verbs=("create",), resources=("pods",)),))
    assert probed.told == {}
    assert "forbidden" in probed.missed[NODE]
