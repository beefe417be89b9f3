"""The simulator's node actor behind a real kube-apiserver, asked by our own client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from lab.clock import LabClock
from lab.control_plane import control_plane
from lab.kubelet.actor import NodeActor
from lab.kubelet.server import KubeletServer, tls_context
from lab.processes import Processes
from lab.relay import listen, table

from oc_gpu.kube import ApiError, Client, ExecResult
from oc_gpu.kube.resources import PODS
from oc_gpu.sim.actors.framework import ActorContext, Informers, running
from oc_gpu.sim.actors.kubelet import Kubelets
from oc_gpu.sim.scenario import load
from tests.lab_kubelet.conftest import SERVICE_ACCOUNTS, write_certificates
from tests.sim_openshift.world import named, until

pytestmark = pytest.mark.lab

SCENARIO = load("ocp-4.20")
GPU_NODE = next(node for node in SCENARIO.nodes if any(pci.vendor == "10de" for pci in node.pci))


@asynccontextmanager
async def machines(folder: Path) -> AsyncIterator[Client]:
    """Play a scenario's machines for a real API server, and yield an admin's client."""
    async with (
        Processes(folder / "logs") as processes,
        control_plane(
            folder / "plane", processes, egress=folder / "egress", controllers=False
        ) as plane,
        plane.client("node-actor") as actors_client,
        plane.client() as client,
    ):
        informers = Informers(actors_client)
        kubelets = Kubelets(ActorContext(actors_client, informers, LabClock(30), SCENARIO))
        tls = tls_context(*write_certificates(folder))
        async with running((kubelets,), informers), KubeletServer(NodeActor(kubelets), tls) as here:
            routes = {(node.address, 10250): here.opener(node.name) for node in SCENARIO.nodes}
            async with await listen(folder / "egress", table(routes)):
                yield client


def test_played_machines_serve_logs_commands_and_their_journal(tmp_path: Path) -> None:
    async def go() -> None:
        async with machines(tmp_path) as client:
            await client.create(SERVICE_ACCOUNTS, {"metadata": {"name": "default"}}, "default")
            for name, tail in (("job", "echo two"), ("service", "sleep infinity")):
                command = ["sh", "-c", f"echo one; {tail}"]
                container = {"name": "main", "image": "registry/cuda", "command": command}
                spec = {
                    "nodeName": GPU_NODE.name,
                    "restartPolicy": "Never",
                    "containers": [container],
                }
                await client.create(PODS, named(PODS, name, "default", spec=spec))
            wanted = {"job": "Succeeded", "service": "Running"}
            await until(
                client,
                PODS,
                lambda found: all(
                    found["default", name].get("status", {}).get("phase") == phase
                    for name, phase in wanted.items()
                ),
                "default",
            )
            assert await client.logs("default", "job") == "one\ntwo\n"
            assert [line async for line in client.follow_logs("default", "job")] == ["one", "two"]
            done = await client.exec("default", "service", ["echo", "hello"], stdin=b"unread")
            assert done == ExecResult("hello\n", "", 0)
            with pytest.raises(ApiError, match='container not found \\("main"\\)'):
                await client.exec("default", "job", ["echo", "hello"])
            cards = await client.journal(GPU_NODE.name, "10de:")
            found = [pci for pci in GPU_NODE.pci if pci.vendor == "10de"]
            assert cards.count("[10de:") == len(found)

    asyncio.run(go())
