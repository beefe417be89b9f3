"""The transport of clients in this process: no socket, no encryption, the same answers."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

from oc_gpu.kube.transport import (
    NO_HEADERS,
    Response,
    StreamResponse,
    UpgradeRefusedError,
    WebSocket,
)
from oc_gpu.sim.api import channels
from oc_gpu.sim.api.messages import SIMULATOR, ApiRequest, ApiResponse, ApiStream, StatusError
from oc_gpu.sim.api.pods import ExecCall
from oc_gpu.sim.api.server import ApiServer


class InProcessTransport:
    """Carries requests of actors (and tests) straight to the server.

    Args:
        server: Where to.
        user: Who asks; the simulated actors by default, whom no denied right concerns.
        external: Treat this client as one from outside: time waits for it, its writes are counted.
    """

    def __init__(self, server: ApiServer, *, user: str = SIMULATOR, external: bool = False) -> None:
        self._server = server
        self._user = user
        self._external = external

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes = b"",
    ) -> Response:
        """Send a request and return the whole answer."""
        answer = await self._server.handle(self._asked(method, target, headers, body))
        content = {"content-type": answer.content_type, "date": self._server.date()}
        if isinstance(answer, ApiResponse):
            return Response(answer.status, content | dict(answer.headers), answer.body)
        return Response(answer.status, content, b"".join([c async for c in answer.chunks]))

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> AsyncIterator[StreamResponse]:
        """Send a request; the body is read inside the context."""
        answer = await self._server.handle(self._asked(method, target, headers, b""))
        if isinstance(answer, ApiResponse):
            answer = ApiStream(answer.status, _once(answer.body), answer.content_type)
        headers = {"content-type": answer.content_type, "date": self._server.date()}
        try:
            yield _Streamed(answer.status, headers, answer.chunks)
        finally:
            await answer.aclose()

    async def websocket(
        self,
        target: str,
        *,
        subprotocols: Sequence[str],
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> WebSocket:
        """Open a WebSocket for a command.

        Raises:
            UpgradeRefusedError: The command cannot run.
        """
        try:
            protocol = channels.choose(subprotocols)
            call = self._server.command(self._asked("GET", target, headers, b""))
        except StatusError as error:
            answer = error.response()
            headers = {"content-type": answer.content_type}
            raise UpgradeRefusedError(Response(answer.status, headers, answer.body)) from error
        socket = _LocalSocket(protocol)
        socket.run(call)
        return socket

    async def aclose(self) -> None:
        """Release nothing: there is no connection."""

    def _asked(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> ApiRequest:
        lower = {key.lower(): value for key, value in headers.items()}
        return ApiRequest.of(
            method, target, headers=lower, body=body, user=self._user, external=self._external
        )


class _LocalSocket:
    """Both ends of a WebSocket within this process."""

    def __init__(self, subprotocol: str) -> None:
        self.subprotocol = subprotocol
        self._to_server: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._to_client: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def run(self, call: ExecCall) -> None:
        """Run the command at the server's end."""

        async def work() -> None:
            try:
                await channels.run(
                    call, _ServerEnd(self._to_server, self._to_client), self.subprotocol
                )
            finally:
                self._to_client.put_nowait(None)

        self._task = asyncio.create_task(work())

    async def send(self, message: bytes) -> None:
        await self._to_server.put(message)

    async def receive(self) -> bytes | None:
        return await self._to_client.get()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class _ServerEnd(Struct):
    incoming: "asyncio.Queue[bytes | None]"
    outgoing: "asyncio.Queue[bytes | None]"

    async def receive(self) -> bytes | None:
        return await self.incoming.get()

    async def send(self, message: bytes) -> None:
        await self.outgoing.put(message)


class _Streamed:
    def __init__(
        self, status: int, headers: Mapping[str, str], chunks: AsyncIterator[bytes]
    ) -> None:
        self.status = status
        self.headers = headers
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def read_all(self) -> bytes:
        return b"".join([chunk async for chunk in self._chunks])


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
