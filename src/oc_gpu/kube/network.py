"""The transport over a network: connections kept open, credentials on each request."""

import asyncio
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Self, cast

import h11
from msgspec import Struct

from oc_gpu import __version__
from oc_gpu.kube import tls
from oc_gpu.kube.credentials import Credentials, Proof
from oc_gpu.kube.dialing import Endpoint, dial
from oc_gpu.kube.errors import ConnectionFailedError
from oc_gpu.kube.http1 import Connection, Headers, HungUpError
from oc_gpu.kube.tls import Certificate
from oc_gpu.kube.transport import NO_HEADERS, Body, Response, WebSocket
from oc_gpu.kube.wire import Wire

_UNAUTHORIZED = 401
_PARALLEL = 6
"""Ordinary requests at one time; more only means more TLS handshakes. Streams come on top."""
_FRESH, _STALE = 2.0, 60.0
"""Seconds of idleness after which a connection may carry no write, nothing at all: a server may
close it at the very moment, and a write must not be sent twice."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_GZIP = 31
_AGENT = (b"user-agent", f"oc-gpu/{__version__}".encode())


class Settings(Struct, frozen=True):
    """What a network transport needs to know.

    Attributes:
        endpoint: Where the server is.
        prefix: Path in front of every target, such as `/k8s/clusters/c-1`.
        ca: PEM of trusted certificates, None for the system's.
        insecure: Trust anyone.
        headers: Headers of every request, such as those of impersonation.
        timeout: Seconds to wait for a connection, an answer, and each piece of it.
    """

    endpoint: Endpoint
    prefix: str = ""
    ca: bytes | None = None
    insecure: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    timeout: float = 30.0
    connect_timeout: float = 10.0


class _Tls(Struct):
    """The TLS settings last made, and for which client certificate."""

    context: ssl.SSLContext | None = None
    certificate: Certificate | None = None


class NetworkTransport:
    """Speaks HTTP/1.1 to one server."""

    def __init__(self, settings: Settings, credentials: Credentials) -> None:
        self.settings = settings
        self._credentials = credentials
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._tls = _Tls()

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes = b"",
    ) -> Response:
        """Send a request and return the whole answer.

        Raises:
            ConnectionFailedError: No answer came.
        """
        async with self._slots, self._exchange(method, target, headers, body) as stream:
            content = await stream.read_all()
            if stream.headers.get("content-encoding") == "gzip":
                content = self._expand(content)
            return Response(stream.status, stream.headers, content)

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> AsyncIterator["Stream"]:
        """Send a request; the body is read inside the context, as slowly as it comes."""
        async with self._exchange(method, target, headers, b"") as stream:
            yield stream

    async def websocket(
        self,
        target: str,
        *,
        subprotocols: Sequence[str],
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> WebSocket:
        """Open a WebSocket on a connection of its own.

        Raises:
            UpgradeRefusedError: The server answered something else.
            ConnectionFailedError: No answer came.
        """
        from oc_gpu.kube import websocket  # noqa: PLC0415 - only exec needs it

        while True:
            proof = await self._credentials.current()
            wire = await self._dial(proof)
            try:
                return await websocket.upgrade(
                    wire,
                    websocket.Handshake(
                        self.settings.endpoint,
                        self.settings.prefix + target,
                        tuple(subprotocols),
                        tuple(self._headers(proof, headers)),
                        self.settings.timeout,
                    ),
                )
            except websocket.UpgradeRefusedError as error:
                refused = error.response.status == _UNAUTHORIZED
                if not (refused and await self._credentials.renew(proof)):
                    raise

    async def aclose(self) -> None:
        """Close all connections."""
        self._close_idle()
        for connection in self._busy:
            connection.abort()
        self._busy.clear()
        await asyncio.sleep(0)

    @asynccontextmanager
    async def _exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> AsyncIterator["Stream"]:
        """Send a request, again where the credentials were stale, and lend out its answer."""
        proof = await self._credentials.current()
        connection, head = await self._ask(proof, method, target, headers, body)
        if head.status_code == _UNAUTHORIZED and await self._credentials.renew(proof):
            self._give_back(connection)
            proof = await self._credentials.current()
            connection, head = await self._ask(proof, method, target, headers, body)
        try:
            yield Stream(connection, head)
        finally:
            self._give_back(connection)

    async def _ask(
        self, proof: Proof, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Connection, h11.Response]:
        """Send a request on a connection that is open, or on a new one."""
        lines = self._headers(proof, headers)
        if body:
            lines.append((b"content-length", str(len(body)).encode()))
        path = self.settings.prefix + target
        connection = self._take(proof, method)
        if connection is not None:
            try:
                return connection, await self._send(connection, method, path, lines, body)
            except HungUpError:
                if method not in _SAFE:
                    raise
        connection = Connection(
            await self._dial(proof), self.settings.endpoint, self.settings.timeout
        )
        return connection, await self._send(connection, method, path, lines, body)

    async def _send(
        self, connection: Connection, method: str, path: str, lines: Headers, body: bytes
    ) -> h11.Response:
        self._busy.add(connection)
        try:
            return await connection.send(method, path, lines, body)
        except BaseException:
            self._give_back(connection)
            raise

    def _take(self, proof: Proof, method: str) -> Connection | None:
        """Return the connection used last, if it may still be open."""
        if proof.certificate != self._tls.certificate:
            self._close_idle()
        oldest = time.monotonic() - (_STALE if method in _SAFE else _FRESH)
        while self._idle:
            connection = self._idle.pop()
            if connection.open and connection.idle_since >= oldest:
                return connection
            connection.abort()
        return None

    def _give_back(self, connection: Connection) -> None:
        self._busy.discard(connection)
        if connection.recycle():
            self._idle.append(connection)
        else:
            connection.abort()

    def _close_idle(self) -> None:
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    async def _dial(self, proof: Proof) -> Wire:
        return await dial(
            self.settings.endpoint,
            lambda: self._context(proof.certificate),
            self.settings.connect_timeout,
        )

    def _context(self, certificate: Certificate | None) -> ssl.SSLContext:
        if self._tls.context is None or self._tls.certificate != certificate:
            made = tls.context(
                self.settings.ca, insecure=self.settings.insecure, certificate=certificate
            )
            self._tls = _Tls(made, certificate)
        return cast("ssl.SSLContext", self._tls.context)

    def _expand(self, content: Body) -> bytes:
        try:
            return zlib.decompress(content, _GZIP)
        except zlib.error as error:
            message = f"{self.settings.endpoint.url} sent an answer that cannot be decompressed"
            raise ConnectionFailedError(
                message, hints=("look at proxies on the way to the cluster",)
            ) from error

    def _headers(self, proof: Proof, headers: Mapping[str, str]) -> Headers:
        lines = [(b"host", self.settings.endpoint.authority.encode()), _AGENT]
        if proof.authorization:
            lines.append((b"authorization", proof.authorization.encode()))
        lines += [(name.encode(), value.encode()) for name, value in self.settings.headers]
        lines += [(name.encode(), value.encode()) for name, value in headers.items()]
        return lines


class Stream:
    """An answer whose head has come."""

    def __init__(self, connection: Connection, head: h11.Response) -> None:
        self._connection = connection
        self.status = head.status_code
        self.headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in head.headers}

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._connection.piece(None)
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def read_all(self) -> Body:
        """Return what is left of the body."""
        return await self._connection.read()
