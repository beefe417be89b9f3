"""WebSockets over an open connection, for commands in containers."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from msgspec import Struct
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from oc_gpu.kube.dialing import Endpoint
from oc_gpu.kube.errors import ConnectionFailedError
from oc_gpu.kube.transport import Response, UpgradeRefusedError
from oc_gpu.kube.wire import Wire

__all__ = ["Handshake", "Socket", "UpgradeRefusedError", "upgrade"]


class Handshake(Struct, frozen=True):
    """What a WebSocket begins with; `timeout` in seconds is for the whole handshake."""

    endpoint: Endpoint
    target: str
    subprotocols: tuple[str, ...]
    headers: tuple[tuple[bytes, bytes], ...]
    timeout: float


async def upgrade(wire: Wire, handshake: Handshake) -> "Socket":
    """Turn a fresh connection into a WebSocket; it is closed when that fails.

    Raises:
        UpgradeRefusedError: The server answered something else.
        ConnectionFailedError: No answer came.
    """
    socket = Socket(wire)
    try:
        async with asyncio.timeout(handshake.timeout):
            await socket.open(handshake)
    except (OSError, EOFError, ProtocolError) as error:
        wire.abort()
        what = "did not answer" if isinstance(error, TimeoutError) else "hung up"
        message = f"{handshake.endpoint.url} {what} when asked for a WebSocket"
        raise ConnectionFailedError(
            message, hints=("check that proxies on the way let WebSockets through",)
        ) from error
    except BaseException:
        wire.abort()
        raise
    return socket


class Socket:
    """An open WebSocket that carries binary messages."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._message = bytearray()
        self._events: list[Event] = []
        self._closed = False
        self.subprotocol = ""

    async def open(self, handshake: Handshake) -> None:
        """Shake hands.

        Raises:
            UpgradeRefusedError: The server answered something else.
        """
        headers = [pair for pair in handshake.headers if pair[0] != b"host"]
        await self._write(
            Request(
                host=handshake.endpoint.authority,
                target=handshake.target,
                subprotocols=list(handshake.subprotocols),
                extra_headers=headers,
            )
        )
        event = await self._next()
        if isinstance(event, AcceptConnection):
            self.subprotocol = event.subprotocol or ""
            return
        if isinstance(event, RejectConnection):
            body = await self._reason() if event.has_body else b""
            raise UpgradeRefusedError(Response(event.status_code, _decoded(event.headers), body))
        raise EOFError

    async def _reason(self) -> bytes:
        body = b""
        while isinstance(piece := await self._next(), RejectData):
            body += piece.data
            if piece.body_finished:
                break
        return body

    async def send(self, message: bytes) -> None:
        """Send one binary message."""
        await self._write(BytesMessage(data=message))

    async def receive(self) -> bytes | None:
        """Return the next message, None once the other side has closed."""
        while not self._closed:
            event = await self._next()
            if event is None or isinstance(event, CloseConnection):
                self._closed = True
                await self._say(event.response() if event else None)
            elif isinstance(event, Ping):
                await self._say(event.response())
            elif isinstance(event, BytesMessage | TextMessage):
                data = event.data
                self._message += data.encode() if isinstance(data, str) else data
                if event.message_finished:
                    message, self._message = bytes(self._message), bytearray()
                    return message
        return None

    async def close(self) -> None:
        """Close; harmless when closed already."""
        if not self._closed:
            self._closed = True
            await self._say(CloseConnection(code=1000))
        self._wire.abort()

    async def _say(self, event: Event | None) -> None:
        """Send what the other side need not hear any more."""
        if event is not None:
            with suppress(OSError, ProtocolError):
                await self._write(event)

    async def _write(self, event: Event) -> None:
        await self._wire.write(self._protocol.send(event))

    async def _next(self) -> Event | None:
        while not self._events:
            try:
                data = await self._wire.read()
            except OSError:
                return None
            if not data:
                return None
            self._protocol.receive_data(data)
            self._events.extend(self._protocol.events())
        return self._events.pop(0)


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
