"""Containers that are real programs: operators run in boxes of their own, as their pods say."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, TextIO

from lab.ground import Site
from lab.processes import end, mortal
from lab.programs import module, program
from lab.relay import to_relay
from lab.sandbox import Box
from lab.services import API_SERVER, IN_CLUSTER
from lab.volumes import Volumes
from oc_gpu.kube import RawObject, Resource
from oc_gpu.sim.actors.node.files import Sources
from oc_gpu.sim.hardware.model import View

_PROGRAMS: Final = {
    "gpu-operator": "gpu-operator",
    "nfd-gc": "nfd-gc",
    "nfd-master": "nfd-master",
    "nfd-worker": "nfd-worker",
    "node-feature-discovery-operator": "cluster-nfd-operator",
}
_MOVED_PORTS: Final = {("nfd-master", 8082): 12000}
"""Health ports that OpenShift's operator asks for -> where upstream's newer programs have them."""
_KERNEL: Final = "/proc/sys/kernel/osrelease"
_REFERENCE: Final = re.compile(r"\$\((\w+)\)")
_PROBE_SECONDS: Final = 1.0
_LINE: Final = 1 << 20


class OperatorPods:
    """Runs the operators' containers; everything else is left to the simulator.

    Args:
        site: The lab.
        hosts: The machines' file systems, by node.
        sources: Gives the Secrets and ConfigMaps of a namespace.
    """

    def __init__(
        self, site: Site, hosts: Mapping[str, Path], sources: Callable[[str], Sources]
    ) -> None:
        self.site = site
        self._hosts = hosts
        self._sources = sources

    def program(
        self, pod: RawObject, container: RawObject, view: View
    ) -> "OperatorContainer | None":
        """Return the container as a program, None when it is none of the lab's."""
        command = container.get("command") or [""]
        known = _PROGRAMS.get(Path(command[0]).name)
        if known is None:
            return None
        return OperatorContainer(self, known, pod, container, view)

    def forget(self, uid: str) -> None:
        """Keep what a pod wrote: it is looked at when the lab is down."""

    def volumes(self, pod: RawObject, folder: Path) -> Volumes:
        """Return a pod's volumes, kept below a folder."""
        meta = pod["metadata"]
        host = self._hosts[pod["spec"]["nodeName"]]
        sources = self._sources(meta["namespace"])

        async def token(wanted: Mapping[str, Any]) -> str:
            return await self._request_token(pod, wanted)

        return Volumes(pod, folder, host, sources, token)

    def host(self, pod: RawObject) -> Path:
        """Return the root of the file system of a pod's machine."""
        return self._hosts[pod["spec"]["nodeName"]]

    async def _request_token(self, pod: RawObject, wanted: Mapping[str, Any]) -> str:
        meta = pod["metadata"]
        account = pod["spec"].get("serviceAccountName") or "default"
        resource = Resource("", "v1", f"serviceaccounts/{account}/token", "TokenRequest")
        bound = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        spec: RawObject = {
            "audiences": [wanted["audience"]] if wanted.get("audience") else [],
            "expirationSeconds": wanted.get("expirationSeconds") or 3600,
            "boundObjectRef": bound,
        }
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self.site.client.create(resource, request, meta["namespace"])
        return str(answer["status"]["token"])


class OperatorContainer:
    """One container that is about to start."""

    def __init__(
        self, pods: OperatorPods, name: str, pod: RawObject, container: RawObject, view: View
    ) -> None:
        self._pods = pods
        self._name = name
        self._pod = pod
        self._container = container
        self._view = view

    @asynccontextmanager
    async def running(self, log: Callable[[str], None]) -> AsyncIterator["OperatorProcess"]:
        """Run it inside the block; its output goes to `log`, line by line."""
        network = self._pods.site.network
        folder = network.new_folder()
        box = await self._box(folder)
        command, env = network.boxed(box, folder)
        process = await asyncio.create_subprocess_exec(
            *mortal(command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **env},
            start_new_session=True,
            limit=_LINE,
        )
        copy = (network.folder / f"{self._pod['metadata']['name']}.log").open("a")
        reading = asyncio.create_task(_read(process, log, copy))
        try:
            yield OperatorProcess(self._name, process, reading, Path(box.incoming))
        finally:
            await end(process)
            reading.cancel()
            copy.close()

    async def _box(self, folder: Path) -> Box:
        mounts, writable = await self._pods.volumes(self._pod, folder / "v").mounts(self._container)
        inside, *arguments = (_expand(word, self._view.env) for word in self._view.command)
        path = inside if inside.startswith("/") else f"/usr/bin/{inside}"
        return Box(
            root=str(folder / "root"),
            command=(path, *arguments),
            env={
                **IN_CLUSTER,
                "PATH": "/usr/bin:/",
                "HOME": "/",
                "HOSTNAME": self._pod["metadata"]["name"],
                **self._view.env,
            },
            mounts={
                path: str(program(self._name)),
                _KERNEL: str(self._pods.host(self._pod) / _KERNEL[1:]),
                **_image_files(self._name),
                **mounts,
            },
            writable=writable,
            outgoing=(API_SERVER,),
            gateway=str(self._pods.site.network.gateway),
            incoming=str(folder / "in.sock"),
        )


class OperatorProcess:
    """A container's program while it runs."""

    def __init__(
        self,
        name: str,
        process: asyncio.subprocess.Process,
        reading: asyncio.Task[None],
        socket: Path,
    ) -> None:
        self._name = name
        self._process = process
        self._reading = reading
        self._socket = socket

    async def wait(self) -> int:
        """Return its exit code, as a shell gives it, once it has ended and its output was read."""
        code = await self._process.wait()
        await self._reading
        return code if code >= 0 else 128 - code

    async def probe(self, probe: Mapping[str, Any]) -> bool:
        """Ask the program; of a gRPC probe only the connection is made."""
        asked = probe.get("httpGet") or probe.get("tcpSocket") or probe.get("grpc")
        if asked is None:
            return True
        port = _MOVED_PORTS.get((self._name, asked["port"]), asked["port"])
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                reader, writer = await to_relay(self._socket, "127.0.0.1", int(port))()
                try:
                    return "httpGet" not in probe or await _answers(reader, writer, asked)
                finally:
                    writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False


async def _answers(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Mapping[str, Any]
) -> bool:
    path = asked.get("path") or "/"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    status = (await reader.readline()).split()
    return len(status) > 1 and status[1][:1] in (b"2", b"3")


async def _read(
    process: asyncio.subprocess.Process, log: Callable[[str], None], copy: TextIO
) -> None:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    with suppress(asyncio.LimitOverrunError):
        async for line in process.stdout:
            text = line.decode(errors="replace").rstrip("\n")
            log(text)
            print(text, file=copy, flush=True)


def _expand(word: str, env: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda found: env.get(found[1], found[0]), word)


def _image_files(name: str) -> dict[str, str]:
    """Return what an operator's image brings besides its program, path inside -> path here."""
    if name != "gpu-operator":
        return {}
    source = module("github.com/NVIDIA/gpu-operator")
    states = {f"/opt/gpu-operator/{f.name}": str(f) for f in (source / "assets").iterdir()}
    return states | {"/opt/gpu-operator/manifests": str(source / "manifests")}
