"""The transport of clients in this process: no socket, no encryption, the same answers."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from oc_gpu.kube.transport import NO_HEADERS, Response, StreamResponse, WebSocket
from oc_gpu.sim.api.messages import SIMULATOR, ApiRequest, ApiResponse, ApiStream
from oc_gpu.sim.api.server import ApiServer


class InProcessTransport:
    """Carries requests of actors (and tests) straight to the server.

    Args:
        server: Where to.
        user: Who asks; the simulated actors by default, whom no denied right concerns.
        external: Treat this client as one from outside: time waits for it, its writes are counted.
    """

    def __init__(self, server: ApiServer, *, user: str = SIMULATOR, external: bool = False) -> None:
        self.server_url = "in-process"
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
        content = {"content-type": answer.content_type}
        if isinstance(answer, ApiResponse):
            return Response(answer.status, content | dict(answer.headers), answer.body)
        return Response(answer.status, content, b"".join([c async for c in answer.chunks]))

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> AsyncIterator[StreamResponse]:
        """Send a request; the body is read inside the context."""
        answer = await self._server.handle(self._asked(method, target, headers, b""))
        chunks = answer.chunks if isinstance(answer, ApiStream) else _once(answer.body)
        try:
            yield _Streamed(answer.status, {"content-type": answer.content_type}, chunks)
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()

    async def websocket(
        self,
        target: str,
        *,
        subprotocols: Sequence[str],
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> WebSocket:
        """Open a WebSocket."""
        msg = f"{target} {subprotocols} {headers}"
        raise NotImplementedError(msg)

    async def aclose(self) -> None:
        """Release nothing: there is no connection."""

    def _asked(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> ApiRequest:
        lower = {key.lower(): value for key, value in headers.items()}
        return ApiRequest.of(
            method, target, headers=lower, body=body, user=self._user, external=self._external
        )


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
