"""A small HTTP server on loopback whose every answer the test writes itself."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Exchange:
    """One request and the means to answer it."""

    method: str
    target: str
    headers: dict[str, str]
    lines: list[tuple[str, str]]
    body: bytes
    writer: asyncio.StreamWriter
    connection: int
    closed: bool = False

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))

    async def reply(
        self, status: int, content: Any = b"", headers: dict[str, str] | None = None
    ) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        await self._head(status, {**(headers or {}), "content-length": str(len(body))})
        self.writer.write(body)
        await self.writer.drain()

    async def begin(self, status: int = 200) -> None:
        await self._head(status, {"transfer-encoding": "chunked"})

    async def chunk(self, data: bytes) -> None:
        self.writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self.writer.drain()

    async def end(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    def hang_up(self) -> None:
        self.closed = True
        self.writer.transport.abort()

    async def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} Said", *(f"{k}: {v}" for k, v in headers.items())]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        await self.writer.drain()


Handler = Callable[[Exchange], Awaitable[None]]


@dataclass
class Server:
    port: int
    scheme: str
    requests: list[Exchange] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@asynccontextmanager
async def listen(
    client: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Give the port of a server whose connections `client` handles; none outlives the context."""
    tasks: set[asyncio.Task[Any]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                await client(reader, writer)
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


@asynccontextmanager
async def serve(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Serve requests with a handler, connections kept alive."""
    server = Server(0, "https" if tls else "http")

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        number = server.connections
        while True:
            exchange = await _request(reader, writer, number)
            server.requests.append(exchange)
            await handler(exchange)
            if exchange.closed:
                return

    async with listen(client, tls) as port:
        server.port = port
        yield server


async def _request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
) -> Exchange:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    lines = [(n.lower(), v.strip()) for n, v in (line.split(":", 1) for line in head[1:] if line)]
    headers = dict(lines)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Exchange(method, target, headers, lines, body, writer, number)


def status(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    """Return a `Status` object of a failure."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }
