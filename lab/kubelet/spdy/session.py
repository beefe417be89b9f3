"""The accepting side of a SPDY/3.1 connection."""

from collections.abc import Callable
from typing import Final

from lab.kubelet.inbox import Inbox
from lab.kubelet.spdy.frames import (
    PROTOCOL_ERROR,
    Data,
    Decoder,
    Encoder,
    Fields,
    Frame,
    GoAway,
    Ping,
    RstStream,
    SpdyError,
    SynReply,
    SynStream,
)
from lab.kubelet.wire import Wire

_PIECE: Final = 1 << 15


class Stream:
    """A stream that the other side has begun.

    Attributes:
        number: Its id.
        fields: The header fields that it began with.
        inbox: What arrives on it.
    """

    def __init__(self, session: "Session", number: int, fields: Fields) -> None:
        self._session = session
        self._finished = False
        self.number = number
        self.fields = fields
        self.inbox = Inbox()

    async def write(self, data: bytes) -> None:
        """Send bytes; nothing once the stream has ended.

        Raises:
            ConnectionError: The other side is gone.
        """
        for start in range(0, len(data), _PIECE):
            if self._finished:
                return
            await self._session.send(Data(self.number, data[start : start + _PIECE]))

    async def finish(self) -> None:
        """Say that nothing more will be sent.

        Raises:
            ConnectionError: The other side is gone.
        """
        if not self._finished:
            self._finished = True
            await self._session.send(Data(self.number, b"", fin=True))

    def reset(self) -> None:
        """Take note that the other side has ended both directions."""
        self._finished = True
        self.inbox.end()


class Session:
    """Streams over one connection.

    Args:
        wire: The connection, past its HTTP upgrade.
        opened: Called with each new stream, before anything of it is read.
    """

    def __init__(self, wire: Wire, opened: Callable[[Stream], None]) -> None:
        self._wire = wire
        self._opened = opened
        self._encoder = Encoder()
        self._streams: dict[int, Stream] = {}
        self._last = 0

    async def run(self, begun: bytes) -> None:
        """Read until the other side is gone or breaks the protocol.

        Args:
            begun: Bytes that were read with the upgrade.
        """
        decoder, data = Decoder(), begun
        try:
            while True:
                for frame in decoder.feed(data):
                    await self._take(frame)
                data = await self._wire.receive()
                if not data:
                    return
        except SpdyError:
            await self.send(GoAway(self._last, PROTOCOL_ERROR))
        finally:
            for stream in self._streams.values():
                stream.reset()

    async def send(self, frame: Frame) -> None:
        """Send a frame.

        Raises:
            ConnectionError: The other side is gone.
        """
        await self._wire.send(self._encoder.encode(frame))

    async def _take(self, frame: Frame) -> None:
        match frame:
            case SynStream():
                await self._accept(frame)
            case Data():
                stream = self._streams.get(frame.stream)
                if stream is not None:
                    await stream.inbox.put(frame.data)
                    if frame.fin:
                        stream.inbox.end()
            case RstStream():
                stream = self._streams.pop(frame.stream, None)
                if stream is not None:
                    stream.reset()
            case Ping() if frame.number % 2:
                await self.send(frame)
            # Nothing depends on what the others tell (settings, windows, more fields), nor on
            # GOAWAY: what was begun is finished, and the connection's end comes after it.

    async def _accept(self, frame: SynStream) -> None:
        if frame.stream % 2 == 0 or frame.stream <= self._last:
            await self.send(RstStream(frame.stream, PROTOCOL_ERROR))
            return
        self._last = frame.stream
        stream = self._streams[frame.stream] = Stream(self, frame.stream, frame.fields)
        if frame.fin:
            stream.inbox.end()
        await self.send(SynReply(frame.stream, {}))
        self._opened(stream)
