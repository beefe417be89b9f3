"""The way back where others are about: what is theirs is told, and left unless the user says so."""

from typing import Any

import pytest
from msgspec import structs

from oc_gpu.kube import Client, OcGpuError, RawObject, Resource
from oc_gpu.kube.resources import CLUSTER_POLICIES, DEPLOYMENTS, NAMESPACES, PODS, SUBSCRIPTIONS
from oc_gpu.rollout import commands
from oc_gpu.rollout.events import Event, Written
from oc_gpu.rollout.survey import Wish
from oc_gpu.stages.model import Allowed, Assessment, State
from tests.rollout.clusters import QUIET, Wire, on_cluster, passed, wish

pytestmark = pytest.mark.long

LIMIT = 100
GPU_NODE = "gpu-a100-0"
NFD = Resource("nfd.openshift.io", "v1", "nodefeaturediscoveries", "NodeFeatureDiscovery")


def allowing(**what: bool) -> Wish:
    return structs.replace(wish(), allowed=Allowed(**what))


def training(count: str = "1") -> RawObject:
    limits = {"limits": {"nvidia.com/gpu": count}}
    main = {"name": "main", "image": "cuda", "command": ["sleep", "inf"], "resources": limits}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "training", "namespace": "default", "labels": {"app": "training"}},
        "spec": {
            "nodeName": GPU_NODE,
            "tolerations": [{"operator": "Exists"}],
            "containers": [main],
        },
    }


def test_pods_that_use_gpus_are_named_and_nothing_is_removed() -> None:
    async def act(client: Client, wire: Wire) -> None:
        await commands.enable(client, wish(), QUIET, timeout=LIMIT)
        await client.create(PODS, training())
        wire.writes.clear()
        with pytest.raises(OcGpuError, match="pods use GPUs, so nothing was removed") as caught:
            await commands.disable(client, wish(), QUIET, timeout=LIMIT)
        assert f"default/training on {GPU_NODE} (1)" in str(caught.value)
        assert any("--evict-workloads" in hint for hint in caught.value.hints)
        assert wire.writes == []
        events: list[Event] = []
        outcome = await commands.disable(
            client, allowing(evict_workloads=True), events.append, timeout=LIMIT
        )
        assert passed(outcome)
        written = [(e.verb, e.target) for e in events if isinstance(e, Written)]
        gone = written.index(("deleted", "ClusterPolicy/gpu-cluster-policy"))
        assert ("evicted", "Pod/training in default") in written[gone:]
        assert await client.find(PODS, "training", "default") is None

    on_cluster(act, patience=110)


def budget() -> RawObject:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "training", "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "training"}}},
    }


def stage(assessments: tuple[Assessment, ...], name: str) -> Assessment:
    return next(a for a in assessments if a.stage == name)


def test_a_budget_that_holds_a_pod_is_told() -> None:
    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wish(), QUIET, timeout=LIMIT)
        await client.create(PODS, training())
        budgets = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
        await client.create(budgets, budget())
        given = allowing(evict_workloads=True)
        outcome = await commands.disable(client, given, QUIET, timeout=LIMIT)
        stuck = stage(outcome.assessments, "gpu-operator")
        assert stuck.state is State.FAILED
        assert "disruption budget" in stuck.detail
        assert any("poddisruptionbudgets -n default" in hint for hint in stuck.hints)
        await client.delete(budgets, "training", "default")
        assert passed(await commands.disable(client, given, QUIET, timeout=LIMIT))

    on_cluster(act, patience=110)


def test_what_others_changed_is_told_and_not_removed() -> None:
    async def act(client: Client, wire: Wire) -> None:
        await commands.enable(client, wish(), QUIET, timeout=LIMIT)
        change = {"spec": {"mig": {"strategy": "mixed"}}}
        await client.patch(
            CLUSTER_POLICIES, "gpu-cluster-policy", change, field_manager="kubectl-edit"
        )
        wire.writes.clear()
        with pytest.raises(OcGpuError, match="so nothing was removed") as caught:
            await commands.disable(client, wish(), QUIET, timeout=LIMIT)
        assert "ClusterPolicy/gpu-cluster-policy by kubectl-edit" in str(caught.value)
        assert "spec.mig.strategy" in str(caught.value)
        assert wire.writes == []
        given = allowing(force_conflicts=True)
        assert passed(await commands.disable(client, given, QUIET, timeout=LIMIT))

    on_cluster(act, patience=110)


def test_finalizers_that_nobody_is_left_for_are_told_and_taken_off_where_allowed() -> None:
    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wish(), QUIET, timeout=LIMIT)
        await client.delete(SUBSCRIPTIONS, "nfd", "openshift-nfd")
        csvs = Resource(
            "operators.coreos.com", "v1alpha1", "clusterserviceversions", "ClusterServiceVersion"
        )
        for csv in (await client.list(csvs, "openshift-nfd")).items:
            await client.delete(csvs, csv["metadata"]["name"], "openshift-nfd")
        await _gone(client, DEPLOYMENTS, "nfd-controller-manager", "openshift-nfd")
        outcome = await commands.disable(client, wish(), QUIET, timeout=LIMIT)
        stuck = stage(outcome.assessments, "nfd")
        assert stuck.state is State.BLOCKED
        assert "NodeFeatureDiscovery/nfd-instance in openshift-nfd waits for" in stuck.detail
        assert "Deployment/nfd-controller-manager" in stuck.detail
        assert any("--remove-finalizers" in hint for hint in stuck.hints)
        given = allowing(remove_finalizers=True)
        assert passed(await commands.disable(client, given, QUIET, timeout=LIMIT))

    on_cluster(act, patience=110)


async def _gone(client: Client, resource: Resource, name: str, namespace: str) -> None:
    async for _ in client.watch(resource, namespace):
        if await client.find(resource, name, namespace) is None:
            return


async def _install(client: Client, namespace: str) -> None:
    labels = {"app": "guest"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "x", "image": "y"}]},
    }
    await client.create(
        DEPLOYMENTS,
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "guest", "namespace": namespace},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
    )


def test_a_namespace_of_ours_in_which_others_live_stays_and_is_told() -> None:
    async def act(client: Client, _: Wire) -> None:
        await commands.enable(client, wish(), QUIET, timeout=LIMIT)
        await _install(client, "nvidia-gpu-operator")
        outcome = await commands.disable(client, wish(), QUIET, timeout=LIMIT)
        stuck = stage(outcome.assessments, "gpu-operator")
        assert stuck.state is State.BLOCKED
        assert "Deployment/guest" in stuck.detail
        assert await client.find(NAMESPACES, "nvidia-gpu-operator") is not None
        await client.delete(DEPLOYMENTS, "guest", "nvidia-gpu-operator")
        assert passed(await commands.disable(client, wish(), QUIET, timeout=LIMIT))
        assert await client.find(NAMESPACES, "nvidia-gpu-operator") is None

    on_cluster(act, patience=110)


def test_a_namespace_that_was_there_before_stays_with_what_is_in_it() -> None:
    async def act(client: Client, _: Wire) -> None:
        space: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace"}
        await client.create(NAMESPACES, {**space, "metadata": {"name": "nvidia-gpu-operator"}})
        await commands.enable(client, wish(), QUIET, timeout=LIMIT)
        await _install(client, "nvidia-gpu-operator")
        assert passed(await commands.disable(client, wish(), QUIET, timeout=LIMIT))
        found = await client.get(NAMESPACES, "nvidia-gpu-operator")
        assert "deletionTimestamp" not in found["metadata"]
        assert await client.find(DEPLOYMENTS, "guest", "nvidia-gpu-operator") is not None

    on_cluster(act, patience=110)
