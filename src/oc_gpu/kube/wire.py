"""Bytes to and from a socket, without copies where there are many.

asyncio's streams copy what they read three times. A list of 10,000 pods is more than 100 MB, so
here the event loop writes large bodies right to where they will be decoded.
"""

import asyncio
import socket
from contextlib import suppress

_SCRATCH = 1 << 16
_FULL = 1 << 21
"""Unread bytes at which the socket is left to wait."""
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""A watch is silent for minutes; this notices within one that the other side has vanished."""


class Wire(asyncio.BufferedProtocol):
    """An open connection that one task reads."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._scratch = memoryview(bytearray(_SCRATCH))
        self._unread = bytearray()
        self._target: memoryview | None = None
        self._ended = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    @property
    def quiet(self) -> bool:
        """Tell whether it is open and nothing has come unasked."""
        return not (self._ended or self._unread or self.transport.is_closing())

    async def read(self) -> bytes:
        """Return what has come, at least a byte; nothing at the end.

        Raises:
            OSError: The connection broke.
        """
        while not self._unread and not self._ended:
            await self._wait()
        if not self._unread and self._error is not None:
            raise self._error
        data = bytes(self._unread)
        self._unread.clear()
        self.transport.resume_reading()
        return data

    async def fill(self, target: memoryview, timeout_s: float) -> None:
        """Read until a buffer is full.

        Args:
            target: Where the bytes go.
            timeout_s: Seconds to wait for any of them.

        Raises:
            OSError: The connection broke or ended, or nothing came in time.
        """
        count = min(len(self._unread), len(target))
        target[:count] = self._unread[:count]
        del self._unread[:count]
        self._target = target[count:] if count < len(target) else None
        self.transport.resume_reading()
        try:
            while (left := self._target) is not None:
                if self._ended:
                    raise self._error or ConnectionResetError
                with suppress(TimeoutError):
                    async with asyncio.timeout(timeout_s):
                        await self._wait()
                        continue
                if self._target is left:
                    raise TimeoutError
        finally:
            self._target = None

    async def write(self, data: bytes) -> None:
        """Send bytes, waiting while too many are on their way.

        Raises:
            OSError: The connection broke.
        """
        if self._ended:
            raise self._error or ConnectionResetError
        self.transport.write(data)
        await self._writable.wait()

    def abort(self) -> None:
        """Close at once: nothing that is still buffered matters to anybody."""
        self.transport.abort()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: asyncio calls this and the following."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - promised by asyncio
        self.transport = transport
        connection: socket.socket = transport.get_extra_info("socket")
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE.items():
                option = getattr(socket, name, None)
                if option is not None:
                    connection.setsockopt(socket.IPPROTO_TCP, option, value)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Give the place for the next bytes."""
        return self._scratch if self._target is None else self._target

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of bytes that have come."""
        if self._target is None:
            self._unread += self._scratch[:nbytes]
            if len(self._unread) > _FULL:
                self.transport.pause_reading()
            self._wake()
        elif nbytes < len(self._target):
            self._target = self._target[nbytes:]
        else:
            self._target = None
            self._wake()

    def eof_received(self) -> None:
        """Take note of the end; asyncio then closes the transport."""
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the end, and of why."""
        self._ended = True
        self._error = exc
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        """Make writers wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._writable.set()
