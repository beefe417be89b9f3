"""Clients of the kubelets' API that say exactly what a test wants said."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from urllib.parse import urlencode

import h11
from lab.kubelet.backend import Backend
from lab.kubelet.server import KubeletServer, tls_context
from lab.kubelet.spdy.frames import Decoder, Encoder, Frame, SynStream
from lab.relay import Opener

from oc_gpu.sim.api.certificates import issue

NODE = "worker-a"
SPDY = {
    "Connection": "Upgrade",
    "Upgrade": "SPDY/3.1",
    "X-Stream-Protocol-Version": "v5.channel.k8s.io, v4.channel.k8s.io",
}
_MADE = issue(("127.0.0.1",))
Fields = Mapping[str, str]


@asynccontextmanager
async def serving(backend: Backend, node: str = NODE) -> AsyncIterator[Opener]:
    """Serve a backend, and yield a way to one of its kubelets, TLS already begun."""
    with TemporaryDirectory() as folder:
        paths = (Path(folder) / "tls.crt", Path(folder) / "tls.key")
        for path, text in zip(paths, (_MADE.certificate, _MADE.key), strict=True):
            path.write_text(text)
        context = tls_context(*paths)
    trusted = ssl.create_default_context(cadata=_MADE.authority)
    async with KubeletServer(backend, context) as server:

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await server.opener(node)()
            await writer.start_tls(trusted, server_hostname="127.0.0.1")
            return reader, writer

        yield connect


async def ask(opened: Opener, target: str, method: str = "GET", **fields: str) -> tuple[int, str]:
    """Send a request on a fresh connection, and return status and body."""
    reader, writer = await opened()
    http = h11.Connection(h11.CLIENT)
    headers = [("host", "node"), ("connection", "close"), *fields.items()]
    writer.write(http.send(h11.Request(method=method, target=target, headers=headers)) or b"")
    writer.write(http.send(h11.EndOfMessage()) or b"")
    status, body = 0, b""
    while not isinstance(event := http.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(1 << 16))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
    writer.close()
    await writer.wait_closed()
    return status, body.decode()


def exec_target(*command: str, **streams: int) -> str:
    """Return where a command is run."""
    query = [("command", word) for word in command] + list(streams.items())
    return f"/exec/default/tools/main?{urlencode(query)}"


class SpdyPeer:
    """The client's side of SPDY."""

    def __init__(self, opened: Opener, target: str, fields: Fields = SPDY) -> None:
        self._opened = opened
        self._target = target
        self._fields = fields
        self._encoder = Encoder()
        self._decoder = Decoder()
        self.status = 0
        self.said = b""
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await self._opened()
        lines = [f"POST {self._target} HTTP/1.1", "Host: node", "Content-Length: 0"]
        lines += [f"{name}: {value}" for name, value in self._fields.items()]
        self.writer.write("\r\n".join((*lines, "", "")).encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.status = int(head.split()[1])
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.writer.transport.abort()

    async def send(self, *frames: Frame) -> None:
        for frame in frames:
            await self.send_raw(self._encoder.encode(frame))

    async def send_raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def open(self, *types: str) -> None:
        """Open streams 1, 3, 5, ..."""
        for number, kind in enumerate(types):
            await self.send(SynStream(2 * number + 1, {"streamtype": kind}))

    async def frames(self, count: int) -> list[Frame]:
        """Return the next frames."""
        got: list[Frame] = []
        while len(got) < count and (data := await self.reader.read(1)):
            got += self._decoder.feed(data)
        return got
