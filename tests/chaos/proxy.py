"""An HTTPS proxy in front of an API server that does to requests what goes wrong in life.

Each connection of a client has one of its own to the server, so that what is cut here is cut there.
It knows HTTP/1.1 and the Kubernetes API as far as its faults need: which request is a watch, which
is an apply. WebSockets pass as they are, once they were let through.
"""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h11

from oc_gpu.sim.api.certificates import issue
from tests.chaos.audit import Audit
from tests.chaos.faults import DONE_BUT_BROKEN, HALF, MUTE, SLOW, Chaos, Fault
from tests.chaos.upstream import Upstream

_PIECE = 1 << 16
_APPLY = b"application/apply-patch"
_RETRY_AFTER = b"1"
_REASONS = {
    401: "Unauthorized",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}
_ENDS = (OSError, EOFError, h11.RemoteProtocolError, asyncio.IncompleteReadError)
_Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Ask:
    """One request with its body."""

    head: h11.Request
    body: bytes

    @property
    def method(self) -> str:
        return self.head.method.decode()

    @property
    def target(self) -> str:
        return self.head.target.decode()

    @property
    def watch(self) -> bool:
        return b"watch=true" in self.head.target

    @property
    def apply(self) -> bool:
        return self.header(b"content-type").startswith(_APPLY)

    @property
    def upgrade(self) -> bool:
        return bool(self.header(b"upgrade"))

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.head.headers if key == name), b"")


@dataclass
class Proxy:
    """A proxy that is being served.

    Attributes:
        upstream: The server behind it.
        chaos: What goes wrong.
        audit: What the server took.
        away: While set, nobody is answered and every connection is cut.
        valid: Tells whether a bearer token is good; None lets the server judge.
        token: Bearer token that goes to the server in place of a good one.
        asked: Is called with every request before it is answered.
    """

    upstream: Upstream
    chaos: Chaos
    audit: Audit = field(default_factory=Audit)
    away: bool = False
    valid: Callable[[str], bool] | None = None
    token: str = ""
    asked: Callable[[Ask], None] = lambda _: None
    url: str = ""
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def leave(self) -> None:
        """Go away, as the servers of a cluster do whose only node reboots."""
        self.away = True
        for writer in list(self._open):
            writer.transport.abort()

    async def end(self) -> None:
        """Go away for good."""
        self.leave()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def come_back(self) -> None:
        """Answer again."""
        self.away = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a client until either side has had enough."""
        if self.away:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            with suppress(*_ENDS):
                await _Exchange(self, (reader, writer)).run()
        finally:
            self._open.discard(writer)
            self._tasks.discard(task)
            with suppress(*_ENDS):
                writer.close()


class _Exchange:
    """One client's connection, with its own to the server."""

    def __init__(self, proxy: Proxy, client: _Pair) -> None:
        self._proxy = proxy
        self._reader, self._writer = client
        self._here = h11.Connection(h11.SERVER, 1 << 20)
        self._server: _Pair | None = None
        self._there = h11.Connection(h11.CLIENT, 1 << 20)

    async def run(self) -> None:
        try:
            while (ask := await self._next()) is not None:
                if not await self._answer(ask):
                    return
                if self._here.our_state is not h11.DONE or self._here.their_state is not h11.DONE:
                    return
                self._here.start_next_cycle()
        finally:
            if self._server is not None:
                self._server[1].transport.abort()

    async def _next(self) -> Ask | None:
        head = await self._event(self._here, self._reader)
        if not isinstance(head, h11.Request):
            return None
        body = b""
        while isinstance(event := await self._event(self._here, self._reader), h11.Data):
            body += event.data
        return Ask(head, body) if isinstance(event, h11.EndOfMessage) else None

    async def _event(self, http: h11.Connection, reader: asyncio.StreamReader) -> Any:
        while (event := http.next_event()) is h11.NEED_DATA:
            http.receive_data(await reader.read(_PIECE))
        return event

    async def _answer(self, ask: Ask) -> bool:
        """Answer a request; tell whether the connection goes on."""
        proxy = self._proxy
        proxy.asked(ask)
        token = ask.header(b"authorization").decode().removeprefix("Bearer ")
        if proxy.valid is not None and not proxy.valid(token):
            return await self._refuse(401)
        if ask.apply and b"dryRun" not in ask.head.target and proxy.chaos.conflict(ask.target):
            return await self._refuse(409)
        fault = proxy.chaos.roll(watch=ask.watch)
        if fault is not None and fault.when == "before":
            if fault is SLOW:
                await asyncio.sleep(proxy.chaos.slowness)
            else:
                return await self._refuse(fault.status) if fault.status else self._cut()
        if ask.upgrade:
            return await self._pass(ask)
        if proxy.token:
            ask = _with_token(ask, proxy.token)
        return await self._forward(ask, fault)

    async def _refuse(self, status: int) -> bool:
        reason = _REASONS[status]
        body = _status(status, reason)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        if status == 429:
            headers.append((b"retry-after", _RETRY_AFTER))
        await self._send(h11.Response(status_code=status, headers=headers), body)
        return True

    def _cut(self) -> bool:
        self._writer.transport.abort()
        return False

    async def _send(self, head: h11.Response, body: bytes) -> None:
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self._writer.write(self._here.send(event) or b"")
        await self._writer.drain()

    async def _connect(self) -> _Pair:
        if self._server is None:
            upstream = self._proxy.upstream
            self._server = await asyncio.open_connection(
                upstream.host, upstream.port, ssl=upstream.tls
            )
        return self._server

    async def _forward(self, ask: Ask, fault: Fault | None) -> bool:
        reader, writer = await self._connect()
        if self._there.our_state is h11.DONE and self._there.their_state is h11.DONE:
            self._there.start_next_cycle()
        for event in (
            ask.head,
            *([h11.Data(data=ask.body)] if ask.body else ()),
            h11.EndOfMessage(),
        ):
            writer.write(self._there.send(event) or b"")
        await writer.drain()
        head = await self._event(self._there, reader)
        if not isinstance(head, h11.Response):
            return self._cut()
        if ask.watch and head.status_code == 200:
            return await self._stream(head, fault)
        body = b""
        while isinstance(event := await self._event(self._there, reader), h11.Data):
            body += event.data
        if head.status_code < 300:
            self._proxy.audit.note(ask.method, ask.target, ask.body, body)
        return await self._hand_over(head, body, fault)

    async def _hand_over(self, head: h11.Response, body: bytes, fault: Fault | None) -> bool:
        if fault is DONE_BUT_BROKEN:
            return await self._refuse(500)
        if fault is HALF:
            length = str(len(body)).encode()
            headers = [(k, v) for k, v in self._headers(head) if k != b"transfer-encoding"]
            headers = [(k, v) for k, v in headers if k != b"content-length"]
            start = h11.Response(
                status_code=head.status_code, headers=[*headers, (b"content-length", length)]
            )
            self._writer.write(self._here.send(start) or b"")
            self._writer.write(body[: len(body) // 2])
            await self._writer.drain()
            self._writer.close()
            return False
        if fault is not None and fault is not SLOW:
            return self._cut()
        await self._send(
            h11.Response(status_code=head.status_code, headers=self._headers(head)), body
        )
        return True

    async def _stream(self, head: h11.Response, fault: Fault | None) -> bool:
        """Pass a watch on, piece by piece, until it ends; a fault ends it after one piece."""
        start = h11.Response(status_code=200, headers=self._headers(head))
        self._writer.write(self._here.send(start) or b"")
        await self._writer.drain()
        reader, _ = await self._connect()
        gone = asyncio.create_task(self._reader.read(1))  # a client that hangs up is heard here
        coming: asyncio.Task[Any] | None = None
        try:
            while True:
                coming = asyncio.create_task(self._event(self._there, reader))
                await asyncio.wait({coming, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    return self._cut()
                event = coming.result()
                if not isinstance(event, h11.Data):
                    break
                self._writer.write(self._here.send(h11.Data(data=bytes(event.data))) or b"")
                await self._writer.drain()
                # A server tells of an error between two events, and one may come in pieces.
                if fault is not None and (not fault.status or event.data.endswith(b"\n")):
                    if fault is MUTE:
                        await gone
                        return self._cut()
                    if fault.status:
                        told = {"type": "ERROR", "object": json.loads(_status(410, "Expired"))}
                        line = json.dumps(told).encode() + b"\n"
                        self._writer.write(self._here.send(h11.Data(data=line)) or b"")
                    break
            self._writer.write(self._here.send(h11.EndOfMessage()) or b"")
            await self._writer.drain()
            self._writer.close()
        finally:
            for task in filter(None, (gone, coming)):
                task.cancel()
            await asyncio.gather(*filter(None, (gone, coming)), return_exceptions=True)
        return False

    def _headers(self, head: h11.Response) -> list[tuple[bytes, bytes]]:
        skew = self._proxy.chaos.skew
        if not skew:
            return list(head.headers)
        return [
            (key, _later(value, skew) if key == b"date" else value) for key, value in head.headers
        ]

    async def _pass(self, ask: Ask) -> bool:
        """Let a WebSocket through, byte by byte."""
        upstream = self._proxy.upstream
        reader, writer = await asyncio.open_connection(
            upstream.host, upstream.port, ssl=upstream.tls
        )
        lines = [b"%s %s HTTP/1.1" % (ask.head.method, ask.head.target)]
        lines += [b"%s: %s" % pair for pair in ask.head.headers.raw_items()]
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
        rest, _ = self._here.trailing_data
        writer.write(rest)
        try:
            pumps = {
                asyncio.create_task(_pump(reader, self._writer)),
                asyncio.create_task(_pump(self._reader, writer)),
            }
            _, left = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in left:
                pump.cancel()
        finally:
            writer.close()
        return False


def _with_token(ask: Ask, token: str) -> Ask:
    mine = (b"authorization", f"Bearer {token}".encode())
    others = [pair for pair in ask.head.headers if pair[0] != mine[0]]
    head = h11.Request(method=ask.head.method, target=ask.head.target, headers=[*others, mine])
    return Ask(head, ask.body)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(*_ENDS):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()


def _status(code: int, reason: str) -> bytes:
    message = "the object has been modified" if reason == "Conflict" else f"chaos: {reason}"
    return json.dumps(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }
    ).encode()


def _later(date: bytes, seconds: float) -> bytes:
    told = parsedate_to_datetime(date.decode()).timestamp()
    return formatdate(told + seconds, usegmt=True).encode()


@asynccontextmanager
async def served(kubeconfig: str, chaos: Chaos, path: Path) -> AsyncGenerator[Proxy]:
    """Serve a proxy on the loopback inside the block.

    Args:
        kubeconfig: Leads to the server behind it.
        chaos: What goes wrong.
        path: Where the kubeconfig that leads to the proxy is written.
    """
    proxy = Proxy(Upstream(kubeconfig), chaos)
    certificates = issue()
    server = await asyncio.start_server(
        proxy.serve, "127.0.0.1", 0, ssl=_tls(certificates.certificate + certificates.key)
    )
    proxy.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    proxy.upstream.write(path, proxy.url, certificates.authority)
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()


def _tls(pem: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "server.pem"
        path.touch(mode=0o600)
        path.write_text(pem)
        context.load_cert_chain(path)
    return context


def run_for_ever(kubeconfig: str, chaos: Chaos, path: Path) -> None:
    """Serve until this process is interrupted, and then tell what was met."""

    async def main() -> None:
        async with served(kubeconfig, chaos, path) as proxy:
            started = time.monotonic()
            print(f"{proxy.url}; kubeconfig: {path}", flush=True)  # noqa: T201
            try:
                await asyncio.Event().wait()
            finally:
                told = {
                    "requests": chaos.requests,
                    "faults": chaos.counts,
                    "writtenTwice": proxy.audit.twice(),
                    "seconds": round(time.monotonic() - started, 1),
                }
                print(json.dumps(told), flush=True)  # noqa: T201

    with suppress(KeyboardInterrupt):
        asyncio.run(main())
