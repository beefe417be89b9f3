"""DaemonSets, Deployments, Jobs and the garbage collector on the in-process API."""

import asyncio
from typing import Any

from tests.sim_core.harness import Cluster, cluster, container, named, template, workload

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import (
    CONFIGMAPS,
    CONTROLLER_REVISIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NODES,
    PODS,
    REPLICASETS,
)

SERVE = container("sleep inf")
TAINT = {"key": "nodetype", "value": "gpu", "effect": "NoSchedule"}


def job(name: str, command: str, policy: str = "Never", **spec: Any) -> RawObject:
    body = template({}, container(command), restartPolicy=policy)
    return named("batch/v1", "Job", name, spec={"template": body, **spec})


async def status(here: Cluster, resource: Any, name: str) -> dict[str, Any]:
    found = await here.client.get(resource, name, "default")
    return dict(found.get("status") or {})


def test_a_daemon_set_runs_on_every_matching_node_and_follows_labels() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            picky = workload("DaemonSet", "ds", SERVE, pod_spec={"nodeSelector": {"gpu": "yes"}})
            await here.create(DAEMONSETS, picky)
            await here.clock.sleep(60)
            assert (await status(here, DAEMONSETS, "ds"))["desiredNumberScheduled"] == 0
            labels = {"metadata": {"labels": {"gpu": "yes"}}}
            await here.client.patch(NODES, "worker03", labels)
            await here.clock.sleep(60)
            [pod] = await here.pods(app="ds")
            assert pod["spec"]["nodeName"] == "worker03"
            assert (await status(here, DAEMONSETS, "ds"))["numberReady"] == 1
            await here.client.patch(NODES, "worker03", {"metadata": {"labels": {"gpu": None}}})
            await here.clock.sleep(60)
            assert await here.pods(app="ds") == []

    asyncio.run(run())


def test_a_pod_deleted_from_a_newly_tainted_node_does_not_come_back() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await here.create(DAEMONSETS, workload("DaemonSet", "ds", SERVE))
            await here.clock.sleep(60)
            await here.client.patch(NODES, "worker03", {"spec": {"taints": [TAINT]}})
            await here.clock.sleep(60)
            pods = {p["spec"]["nodeName"]: p["metadata"]["name"] for p in await here.pods()}
            assert set(pods) == {"worker01", "worker02", "worker03"}
            await here.client.delete(PODS, pods["worker03"], "default")
            await here.clock.sleep(60)
            left = {p["spec"]["nodeName"] for p in await here.pods()}
            assert left == {"worker01", "worker02"}
            now = await status(here, DAEMONSETS, "ds")
            assert (now["desiredNumberScheduled"], now["numberReady"]) == (2, 2)

    asyncio.run(run())


def test_a_changed_template_replaces_pods_one_by_one_unless_on_delete() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            on_delete = {"updateStrategy": {"type": "OnDelete"}}
            await here.create(DAEMONSETS, workload("DaemonSet", "rolls", SERVE))
            await here.create(DAEMONSETS, workload("DaemonSet", "stays", SERVE, **on_delete))
            await here.clock.sleep(60)
            before = {p["metadata"]["uid"] for p in await here.pods(app="stays")}
            image = {"name": "main", "image": "quay.io/x/y:2"}
            patch = {"spec": {"template": {"spec": {"containers": [image]}}}}
            for name in ("rolls", "stays"):
                await here.client.patch(DAEMONSETS, name, patch, "default")
            await here.clock.sleep(300)
            images = {p["spec"]["containers"][0]["image"] for p in await here.pods(app="rolls")}
            assert images == {"quay.io/x/y:2"}
            assert (await status(here, DAEMONSETS, "rolls"))["updatedNumberScheduled"] == 3
            assert {p["metadata"]["uid"] for p in await here.pods(app="stays")} == before
            assert (await status(here, DAEMONSETS, "stays")).get("updatedNumberScheduled", 0) == 0

    asyncio.run(run())


def test_a_deployment_becomes_available_rolls_and_replaces_lost_pods() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await here.create(DEPLOYMENTS, workload("Deployment", "web", SERVE, replicas=2))
            await here.clock.sleep(60)
            conditions = {
                c["type"]: c for c in (await status(here, DEPLOYMENTS, "web"))["conditions"]
            }
            assert conditions["Available"]["status"] == "True"
            assert conditions["Progressing"]["reason"] == "NewReplicaSetAvailable"
            [first, _] = await here.pods(app="web")
            await here.client.delete(PODS, first["metadata"]["name"], "default")
            await here.clock.sleep(60)
            assert (await status(here, DEPLOYMENTS, "web"))["readyReplicas"] == 2
            image = {"name": "main", "image": "quay.io/x/y:2"}
            patch = {"spec": {"template": {"spec": {"containers": [image]}}}}
            await here.client.patch(DEPLOYMENTS, "web", patch, "default")
            await here.clock.sleep(120)
            images = [p["spec"]["containers"][0]["image"] for p in await here.pods(app="web")]
            assert images == ["quay.io/x/y:2"] * 2
            sets = (await here.client.list(REPLICASETS, "default")).items
            assert sorted(s["spec"]["replicas"] for s in sets) == [0, 2]

    asyncio.run(run())


def test_a_job_completes_and_a_failing_one_gives_up() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await here.create(JOBS, job("good", "sleep 3", completions=2))
            await here.create(JOBS, job("bad", "false", backoffLimit=1))
            await here.create(JOBS, job("brief", "true", ttlSecondsAfterFinished=60))
            await here.clock.sleep(50)
            good = await status(here, JOBS, "good")
            assert good["succeeded"] == 2
            assert good["conditions"][0]["type"] == "Complete"
            await here.clock.sleep(200)
            bad = await status(here, JOBS, "bad")
            assert (bad["failed"], bad["conditions"][0]["reason"]) == (2, "BackoffLimitExceeded")
            assert await here.gone(JOBS, "brief", "default")

    asyncio.run(run())


def test_what_an_owner_leaves_behind_is_collected() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await here.create(DEPLOYMENTS, workload("Deployment", "web", SERVE))
            await here.create(DAEMONSETS, workload("DaemonSet", "ds", SERVE))
            await here.create(JOBS, job("done", "true"))
            await here.clock.sleep(60)
            for resource, name in ((DEPLOYMENTS, "web"), (DAEMONSETS, "ds"), (JOBS, "done")):
                await here.client.delete(resource, name, "default")
            await here.clock.sleep(60)
            assert await here.pods() == []
            assert (await here.client.list(REPLICASETS)).items == []
            assert (await here.client.list(CONTROLLER_REVISIONS)).items == []

    asyncio.run(run())


def test_foreground_deletion_keeps_the_owner_until_its_pods_are_gone() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await here.create(DAEMONSETS, workload("DaemonSet", "ds", SERVE))
            await here.clock.sleep(60)
            await here.client.delete(DAEMONSETS, "ds", "default", propagation="Foreground")
            while await here.pods():
                assert not await here.gone(DAEMONSETS, "ds", "default")
                await here.clock.sleep(0.2)
            await here.clock.sleep(5)
            assert await here.gone(DAEMONSETS, "ds", "default")

    asyncio.run(run())


def test_orphans_stay_and_an_object_with_another_owner_stays_too() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await here.create(DEPLOYMENTS, workload("Deployment", "web", SERVE))
            await here.clock.sleep(60)
            await here.client.delete(DEPLOYMENTS, "web", "default", propagation="Orphan")
            await here.clock.sleep(10)
            [replica_set] = (await here.client.list(REPLICASETS, "default")).items
            assert not replica_set["metadata"].get("ownerReferences")
            owners = [await here.create(CONFIGMAPS, named("v1", "ConfigMap", n)) for n in "ab"]
            child = named("v1", "ConfigMap", "child")
            child["metadata"]["ownerReferences"] = [
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "name": o["metadata"]["name"],
                    "uid": o["metadata"]["uid"],
                }
                for o in owners
            ]
            await here.create(CONFIGMAPS, child)
            await here.client.delete(CONFIGMAPS, "a", "default")
            await here.clock.sleep(5)
            assert not await here.gone(CONFIGMAPS, "child", "default")
            await here.client.delete(CONFIGMAPS, "b", "default")
            await here.clock.sleep(5)
            assert await here.gone(CONFIGMAPS, "child", "default")

    asyncio.run(run())


def test_an_object_whose_owner_is_of_an_unknown_kind_stays() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            child = named("v1", "ConfigMap", "child")
            owner = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "x", "uid": "u"}
            child["metadata"]["ownerReferences"] = [owner]
            await here.create(CONFIGMAPS, child)
            await here.clock.sleep(30)
            assert not await here.gone(CONFIGMAPS, "child", "default")

    asyncio.run(run())
