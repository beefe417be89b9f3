"""A real API server whose nodes are `Machines`."""

import asyncio
import os
import subprocess
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import pytest
from lab.control_plane import ControlPlane, control_plane
from lab.kubelet.server import KubeletServer, tls_context
from lab.processes import Processes
from lab.programs import program
from lab.relay import Opener, listen

from oc_gpu.kube import Client, RawObject, Resource
from oc_gpu.kube.resources import NODES, PODS
from oc_gpu.sim.api.certificates import issue
from tests.lab_kubelet.machines import Machines

NODE, ADDRESS = "worker-a", "10.0.0.30"
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)
T = TypeVar("T")


Done = tuple[int, bytes, bytes]
"""Exit code, standard output, standard error."""


class Lab:
    """The control plane, in a loop of its own, so that a test can wait for `kubectl`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machines = Machines()
        self.plane: ControlPlane
        self.client: Client
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stop = asyncio.Event()
        self._ready: Future[None] = Future()
        self._life: Future[None]

    def up(self) -> None:
        self._thread.start()
        self._life = asyncio.run_coroutine_threadsafe(self._live(), self._loop)
        self._life.add_done_callback(self._ended)
        self._ready.result()

    def down(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._life.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something beside the servers, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def kubectl(self, *command: str | Path, given: bytes = b"", spdy: bool = False) -> Done:
        """Run kubectl as the admin, and wait for it."""
        return _finished(self.start(*command, spdy=spdy), given)

    def oc(self, *command: str | Path, given: bytes = b"") -> Done:
        """Run the real oc as the admin, and wait for it."""
        return _finished(self.start(*command, program=program("oc")), given)

    def start(
        self, *command: str | Path, program: str | Path = "kubectl", spdy: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start kubectl or oc; kubectl uses WebSockets unless told otherwise."""
        config = f"--kubeconfig={self.plane.kubeconfig()}"
        choice = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": str(not spdy).lower()}
        return subprocess.Popen(
            (program, config, *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **choice},
        )

    def pod(self, name: str, *containers: str) -> None:
        """Bind a pod to the node, and say that it runs."""
        self.do(self._pod(name, containers or ("main",)))

    def _ended(self, life: "Future[None]") -> None:
        if not self._ready.done():
            self._ready.set_exception(life.exception() or RuntimeError("the lab ended"))

    async def _live(self) -> None:
        egress = self.folder / "egress"
        async with (
            KubeletServer(self.machines, tls_context(*write_certificates(self.folder))) as server,
            await listen(egress, lambda host, port: _route(server, host, port)),
            Processes(self.folder / "logs") as processes,
            control_plane(
                self.folder / "plane", processes, egress=egress, controllers=False
            ) as self.plane,
            self.plane.client() as self.client,
        ):
            await self._node()
            self._ready.set_result(None)
            await self._stop.wait()

    async def _node(self) -> None:
        account = {"metadata": {"name": "default"}}
        await self.client.create(SERVICE_ACCOUNTS, account, "default")
        await self.client.create(NODES, {"metadata": {"name": NODE}})
        status = {
            "addresses": [{"type": "InternalIP", "address": ADDRESS}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        }
        await self.client.patch(NODES, NODE, {"status": status}, subresource="status")

    async def _pod(self, name: str, containers: tuple[str, ...]) -> None:
        spec = {
            "nodeName": NODE,
            "containers": [{"name": name, "image": "none"} for name in containers],
        }
        pod: RawObject = {"metadata": {"name": name}, "spec": spec}
        made = await self.client.create(PODS, pod, "default")
        self.machines.bound.append(made)
        status = {"status": {"phase": "Running"}}
        await self.client.patch(PODS, name, status, "default", subresource="status")


def write_certificates(folder: Path) -> tuple[Path, Path]:
    """Write what kubelets prove themselves with: certificate and key."""
    made = issue((ADDRESS,))
    paths = (folder / "kubelet.crt", folder / "kubelet.key")
    for path, text in zip(paths, (made.certificate, made.key), strict=True):
        path.write_text(text)
    return paths


def _finished(process: subprocess.Popen[bytes], given: bytes) -> Done:
    with process:
        out, err = process.communicate(given)
    return process.returncode, out, err


def _route(server: KubeletServer, host: str, port: int) -> Opener | None:
    return server.opener(NODE) if (host, port) == (ADDRESS, 10250) else None


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("lab"))
    made.up()
    made.pod("tools")
    yield made
    made.down()
