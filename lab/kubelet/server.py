"""The kubelets' HTTPS API for all machines: what kube-apiserver asks the nodes."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import h11
import msgspec

from lab.kubelet import websocket
from lab.kubelet.backend import Backend, RefusedError
from lab.kubelet.execution import exec_call
from lab.kubelet.http import JSON, Connection, Request
from lab.kubelet.logs import limited
from lab.kubelet.options import journal_query, log_options
from lab.kubelet.spdy import remote
from lab.kubelet.wire import Wire
from lab.relay import Opener
from oc_gpu.kube import RawObject

_NOT_FOUND = RefusedError(404, "404: Page Not Found")


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what the kubelets prove themselves with.

    Args:
        certificate: PEM file of a server certificate, its chain included.
        key: PEM file of its private key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


class KubeletServer:
    """Answers for the kubelets of all machines inside the block.

    Nothing listens: whoever reaches a machine, such as the gateway, is given a connection to its
    kubelet, which therefore knows which machine is meant.

    Args:
        backend: Plays the machines.
        tls: See `tls_context`.
    """

    def __init__(self, backend: Backend, tls: ssl.SSLContext) -> None:
        self._backend = backend
        self._tls = tls
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def opener(self, node: str) -> Opener:
        """Return the way to a machine's kubelet, port 10250."""

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            if not self._backend.answers(node):
                raise OSError(f"no route to host: {node} is down")
            near, far = socket.socketpair()
            self._spawn(self._serve(far, node))
            return await asyncio.open_connection(sock=near)

        return connect

    def _spawn(self, serving: Awaitable[None]) -> None:
        task = asyncio.ensure_future(serving)
        self._serving.add(task)
        task.add_done_callback(self._served)

    def _served(self, task: "asyncio.Task[None]") -> None:
        self._serving.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            told = {"message": "a kubelet's connection broke", "exception": error, "task": task}
            task.get_loop().call_exception_handler(told)

    async def _serve(self, far: socket.socket, node: str) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, far, ssl=self._tls)
        except (OSError, ssl.SSLError):
            return
        wire = Wire(reader, asyncio.StreamWriter(transport, protocol, reader, loop))
        try:
            with suppress(ConnectionError, h11.RemoteProtocolError, ssl.SSLError):
                await self._converse(Connection(wire), node)
                await wire.close()
        finally:
            transport.abort()

    async def _converse(self, connection: Connection, node: str) -> None:
        while (request := await connection.request()) is not None:
            if not self._backend.answers(node):
                return
            try:
                await self._answer(connection, request, node)
            except RefusedError as refused:
                await connection.answer(refused.code, refused.message.encode())

    async def _answer(self, connection: Connection, request: Request, node: str) -> None:
        """Answer a request; raises RefusedError while nothing has been sent."""
        first, *rest = request.path.strip("/").split("/")
        match (first, rest):
            case ("containerLogs", [namespace, name, container]) if request.method == "GET":
                await self._logs(connection, request, self._pod(node, namespace, name), container)
            case ("exec", [namespace, name, container] | [namespace, name, _, container]):
                pod = self._pod(node, namespace, name)
                await self._exec(connection, request, pod, container)
            case _:
                await self._read(connection, request, node)

    async def _read(self, connection: Connection, request: Request, node: str) -> None:
        if request.method != "GET":
            raise _NOT_FOUND
        match request.path:
            case "/healthz":
                await connection.answer(200, b"ok")
            case "/pods" | "/pods/":
                await connection.answer(200, _pod_list(self._backend.pods(node)), kind=JSON)
            case "/stats/summary":
                summary = _summary(node, self._backend.pods(node))
                await connection.answer(200, summary, kind=JSON)
            case "/logs/journal" | "/logs/journal/":
                text = await self._backend.journal(node, journal_query(request.query))
                await connection.answer(200, text.encode())
            case _:
                raise _NOT_FOUND

    def _pod(self, node: str, namespace: str, name: str) -> RawObject:
        pod = self._backend.pod(node, namespace, name)
        if pod is None:
            raise RefusedError(404, f'pod "{name}" does not exist')
        return pod

    async def _logs(
        self, connection: Connection, request: Request, pod: RawObject, container: str
    ) -> None:
        options = log_options(request.query)
        if container not in _containers(pod):
            name = pod["metadata"]["name"]
            raise RefusedError(404, f'container "{container}" not found in pod "{name}"')
        pieces = await self._backend.logs(pod, container, options)
        await connection.stream(limited(pieces, options.limit_bytes))

    async def _exec(
        self, connection: Connection, request: Request, pod: RawObject, container: str
    ) -> None:
        call = exec_call(request, pod, container)
        if not self._backend.runs(pod, container):
            raise RefusedError(500, f'container not found ("{container}")')
        if websocket.is_asked(request):
            websocket.check(request)
            await websocket.serve(connection, request, self._backend, call)
        else:
            remote.check(request)
            await remote.serve(connection, self._backend, call)


def _containers(pod: RawObject) -> set[str]:
    lists = ("containers", "initContainers", "ephemeralContainers")
    return {c["name"] for kind in lists for c in pod["spec"].get(kind) or ()}


def _pod_list(pods: Sequence[RawObject]) -> bytes:
    return msgspec.json.encode(
        {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": list(pods)}
    )


def _summary(node: str, pods: Sequence[RawObject]) -> bytes:
    """Return what the kubelet's statistics name; no figures, because nothing measures any."""
    references = [
        {key: pod["metadata"].get(key) for key in ("name", "namespace", "uid")} for pod in pods
    ]
    return msgspec.json.encode(
        {"node": {"nodeName": node}, "pods": [{"podRef": ref} for ref in references]}
    )
