"""Pods on machines: start, end, restart, logs, commands, volumes, images."""

import asyncio
import base64
from typing import Any

from tests.sim_core import entitlements as given
from tests.sim_core.harness import Cluster, cluster, container, named, pod
from tests.sim_core.views import PROXY_ENV, changed

from oc_gpu.kube import NotFoundError
from oc_gpu.kube.resources import EVENTS, PODS, SECRETS

SEARCH = "dnf search kernel-devel --showduplicates"
PROXY = [{"name": k, "value": v} for k, v in PROXY_ENV.items()]


def entitled_pod(name: str, **spec: Any) -> dict[str, Any]:
    mount = {"name": "pem", "mountPath": "/etc/pki/entitlement", "readOnly": True}
    return pod(
        name,
        container(SEARCH, env=PROXY, volumeMounts=[mount]),
        restartPolicy="Never",
        volumes=[{"name": "pem", "secret": {"secretName": "entitlement"}}],
        **spec,
    )


def secret() -> dict[str, Any]:
    pem = base64.b64encode(given.portal_file()).decode()
    data = {"entitlement.pem": pem, "entitlement-key.pem": pem}
    return named("v1", "Secret", "entitlement", data=data)


async def reasons(here: Cluster, name: str) -> list[str]:
    events = (await here.client.list(EVENTS, "default")).items
    return [e["reason"] for e in events if e["involvedObject"]["name"] == name]


def test_an_entitled_pod_runs_to_its_end_and_its_log_stays() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await here.create(SECRETS, secret())
            await here.create(PODS, entitled_pod("entitled-build-pod"))
            await here.wait(lambda: here.ended("entitled-build-pod"))
            done = await here.pod("entitled-build-pod")
            assert done["status"]["phase"] == "Succeeded"
            [status] = done["status"]["containerStatuses"]
            assert status["state"]["terminated"]["reason"] == "Completed"
            assert status["imageID"].startswith("registry.access.redhat.com/ubi8@sha256:")
            log = await here.logs("entitled-build-pod")
            assert log.rstrip().splitlines()[-1].startswith("kernel-devel-4.18.0-240.15.1.el8_3")
            tail = await here.logs("entitled-build-pod", tail=1)
            assert len(tail.rstrip().splitlines()) == 1

    asyncio.run(run())


def test_a_pod_waits_for_its_secret_and_starts_when_it_comes() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await here.create(PODS, entitled_pod("early"))
            await here.clock.sleep(60)
            waiting = await here.pod("early")
            [status] = waiting["status"]["containerStatuses"]
            assert status["state"] == {"waiting": {"reason": "ContainerCreating"}}
            assert "FailedMount" in await reasons(here, "early")
            await here.create(SECRETS, secret())
            await here.wait(lambda: here.ended("early"))
            assert await here.phase("early") == "Succeeded"

    asyncio.run(run())


def test_a_pod_that_completes_under_always_is_restarted_with_growing_pauses() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await here.create(PODS, pod("looping", container("echo done")))
            await here.clock.sleep(600)
            looping = await here.pod("looping")
            [status] = looping["status"]["containerStatuses"]
            assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
            assert status["lastState"]["terminated"]["reason"] == "Completed"
            assert status["lastState"]["terminated"]["exitCode"] == 0
            assert status["restartCount"] >= 5
            assert "BackOff" in await reasons(here, "looping")
            assert (await here.logs("looping", previous=True)).strip() == "done"

    asyncio.run(run())


def test_a_failed_pod_under_never_is_failed() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await here.create(PODS, pod("fails", container("false"), restartPolicy="Never"))
            await here.wait(lambda: here.ended("fails"))
            failed = await here.pod("fails")
            assert failed["status"]["phase"] == "Failed"
            [status] = failed["status"]["containerStatuses"]
            assert status["state"]["terminated"]["exitCode"] == 1

    asyncio.run(run())


def test_init_containers_run_in_order_before_the_others() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            inits = [container(f"sleep {n}", name=f"step-{n}") for n in (5, 7)]
            await here.create(PODS, pod("steps", container("sleep inf"), initContainers=inits))

            async def is_running() -> bool:
                return await here.phase("steps") == "Running"

            await here.wait(is_running)
            status = (await here.pod("steps"))["status"]
            first, second = (s["state"]["terminated"] for s in status["initContainerStatuses"])
            main = status["containerStatuses"][0]["state"]["running"]
            assert first["finishedAt"] <= second["startedAt"]
            assert second["finishedAt"] <= main["startedAt"]

    asyncio.run(run())


def test_an_image_of_an_unreachable_registry_is_not_pulled() -> None:
    scenario = changed("ocp-4.20", network={"unreachableRegistries": ["nvcr.io"]})

    async def run() -> None:
        async with cluster(scenario) as here:
            image = "nvcr.io/nvidia/cuda:12"
            await here.create(PODS, pod("no-image", container("true", image=image)))
            await here.clock.sleep(120)
            [status] = (await here.pod("no-image"))["status"]["containerStatuses"]
            assert status["state"]["waiting"]["reason"] == "ImagePullBackOff"
            events = (await here.client.list(EVENTS, "default")).items
            failed = [e["message"] for e in events if e["reason"] == "Failed"]
            assert any("nvcr.io" in text for text in failed)

    asyncio.run(run())


def test_a_deleted_pod_is_stopped_and_then_gone() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await here.create(PODS, pod("short", container("sleep inf")))
            await here.clock.sleep(60)
            await here.client.delete(PODS, "short", "default")
            await here.wait(lambda: here.gone(PODS, "short", "default"), 60)
            assert "Killing" in await reasons(here, "short")

    asyncio.run(run())


def test_commands_run_in_containers_of_their_node() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            spec = {"nodeName": "worker02"}
            await here.create(PODS, pod("box", container("sleep inf"), **spec))
            await here.clock.sleep(60)
            assert await here.exec("box", "uname", "-r") == ("4.18.0-193.29.1.el8_2.x86_64\n", 0)
            _, code = await here.exec("box", "nvidia-smi")
            assert code == 127
            release, _ = await here.exec("box", "cat", "/etc/os-release")
            assert 'VERSION_ID="4.4"' in release

    asyncio.run(run())


def test_a_variable_from_a_missing_secret_holds_the_container_back() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            source = {"secretKeyRef": {"name": "entitlement", "key": "entitlement.pem"}}
            env = [{"name": "PEM", "valueFrom": source}]
            await here.create(PODS, pod("env", container("true", env=env), restartPolicy="Never"))
            await here.clock.sleep(60)
            [status] = (await here.pod("env"))["status"]["containerStatuses"]
            assert status["state"]["waiting"]["reason"] == "CreateContainerConfigError"
            await here.create(SECRETS, secret())
            await here.wait(lambda: here.ended("env"))
            assert await here.phase("env") == "Succeeded"

    asyncio.run(run())


def test_simulated_time_stands_still_when_only_a_crash_loop_is_left() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            await here.create(PODS, pod("looping", container("false")))
            await here.clock.sleep(3600)
            before = here.clock.now()
            for _ in range(200):
                await asyncio.sleep(0)
            assert here.clock.now() == before
            assert not await here.gone(PODS, "looping", "default")

    asyncio.run(run())


def test_a_followed_log_ends_with_its_container() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            script = "sleep 30; echo late"
            await here.create(PODS, pod("slow", container(script), restartPolicy="Never"))
            await here.clock.sleep(15)
            lines = [
                line async for line in here.client.follow_logs("default", "slow", container="main")
            ]
            assert [line.strip() for line in lines] == ["late"]
            assert await here.ended("slow")

    asyncio.run(run())


def test_the_log_of_a_container_that_does_not_exist_is_an_error() -> None:
    async def run() -> None:
        async with cluster("seed") as here:
            try:
                await here.logs("nobody")
            except NotFoundError:
                return
            raise AssertionError

    asyncio.run(run())
