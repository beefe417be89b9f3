"""Commands over a WebSocket: the remote command protocols v5 and v4 of Kubernetes.

Each message begins with the number of its channel. Version 5 lets a client close its side of one
(channel 255, then the number); version 4 cannot say that the input has ended.
"""

from collections.abc import AsyncIterator
from typing import Final

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from lab.kubelet.backend import Backend, RefusedError
from lab.kubelet.execution import LINGER_SECONDS, Channel, ExecCall, perform
from lab.kubelet.http import Connection, Request
from lab.kubelet.inbox import Inbox
from lab.kubelet.wire import Wire, attended

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
_PROTOCOLS: Final = "sec-websocket-protocol"
_CLOSE: Final = 255
_PIECE: Final = 1 << 15
_NORMAL: Final = 1000


def is_asked(request: Request) -> bool:
    """Tell whether a request asks for a WebSocket."""
    return "websocket" in [name.lower() for name in request.values("upgrade")]


def check(request: Request) -> str:
    """Return the protocol that both sides speak.

    Raises:
        RefusedError: There is none.
    """
    offered = request.values(_PROTOCOLS)
    for protocol in (V5, V4):
        if protocol in offered:
            return protocol
    text = f"client supports [{' '.join(offered)}], server accepts [{V5} {V4}]"
    raise RefusedError(403, f"unable to upgrade: unable to negotiate protocol: {text}")


async def serve(connection: Connection, request: Request, backend: Backend, call: ExecCall) -> None:
    """Run a command whose request was checked.

    Raises:
        ConnectionError: The client is gone.
    """
    socket = _Socket(connection.wire, call)
    await socket.open(connection, request)
    await attended(perform(backend, call, socket), socket.run(), linger=LINGER_SECONDS)


class _Socket:
    """The streams of a command on one WebSocket."""

    def __init__(self, wire: Wire, call: ExecCall) -> None:
        self._wire = wire
        self._wanted = call.channels
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._input = Inbox()
        self._channel: int | None = None

    async def open(self, connection: Connection, request: Request) -> None:
        """Shake hands, and tell the client that it may begin."""
        raw = [(name.encode(), value.encode("latin-1")) for name, value in request.headers]
        self._protocol.initiate_upgrade_connection(raw, request.path)
        answer = self._protocol.send(AcceptConnection(subprotocol=check(request)))
        begun = connection.leave()
        await self._wire.send(answer)
        self._protocol.receive_data(begun)
        first = [c for c in (Channel.STDOUT, Channel.STDERR) if c in self._wanted]
        await self.write(next(iter(first), Channel.ERROR), b"")

    def stdin(self) -> AsyncIterator[bytes]:
        """Yield what the client sends."""
        return self._input.pieces()

    async def write(self, channel: Channel, data: bytes) -> None:
        """Send output; nothing when the client does not want this stream."""
        if channel is not Channel.ERROR and channel not in self._wanted:
            return
        number = bytes([channel.value])
        for start in range(0, max(len(data), 1), _PIECE):
            await self._send(BytesMessage(data=number + data[start : start + _PIECE]))

    async def end(self, status: bytes) -> None:
        """Send how the command ended, and close the socket."""
        self._input.discard()
        await self.write(Channel.ERROR, status)
        await self._send(CloseConnection(code=_NORMAL))

    async def run(self) -> None:
        """Read until the client is gone or breaks the protocol."""
        try:
            while True:
                for event in self._protocol.events():
                    await self._take(event)
                data = await self._wire.receive()
                if not data:
                    return
                self._protocol.receive_data(data)
        except (RemoteProtocolError, LocalProtocolError):
            return
        finally:
            self._input.end()

    async def _take(self, event: Event) -> None:
        if isinstance(event, Ping | CloseConnection):
            await self._send(event.response())
        elif isinstance(event, TextMessage):
            await self._hear(event.data.encode(), finished=event.message_finished)
        elif isinstance(event, BytesMessage):
            await self._hear(bytes(event.data), finished=event.message_finished)

    async def _hear(self, data: bytes, *, finished: bool) -> None:
        if self._channel is None and data:
            self._channel, data = data[0], data[1:]
        if self._channel == Channel.STDIN.value:
            await self._input.put(data)
        elif self._channel == _CLOSE and data[:1] == bytes([Channel.STDIN.value]):
            self._input.end()
        if finished:
            self._channel = None

    async def _send(self, event: Event) -> None:
        await self._wire.send(self._protocol.send(event))
