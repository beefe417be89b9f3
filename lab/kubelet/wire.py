"""A connection as two asyncio streams, and work that lasts as long as its other side listens."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from msgspec import Struct

_PIECE = 1 << 16


class Wire(Struct, frozen=True):
    """Both directions of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def receive(self) -> bytes:
        """Return the next bytes, none when the other side has ended."""
        try:
            return await self.reader.read(_PIECE)
        except ConnectionError:
            return b""

    async def send(self, data: bytes) -> None:
        """Send bytes; wait while the other side does not take them.

        Raises:
            ConnectionError: The other side is gone.
        """
        self.writer.write(data)
        await self.writer.drain()

    async def close(self) -> None:
        """Close the connection once all is sent.

        Raises:
            OSError: The other side is gone.
        """
        self.writer.close()
        await self.writer.wait_closed()


async def attended(
    work: Coroutine[Any, Any, None], reading: Coroutine[Any, Any, None], *, linger: float = 0
) -> None:
    """Run something while the other side is there.

    Args:
        work: What is to be done; it is cancelled when the other side goes away.
        reading: Reads from the other side, and returns when it is gone.
        linger: Seconds in which the other side may hang up once the work is done. A connection
            that is closed with input unread is reset, and what was sent last may be lost.
    """
    working, listening = asyncio.create_task(work), asyncio.create_task(reading)
    try:
        await asyncio.wait((working, listening), return_when=asyncio.FIRST_COMPLETED)
        if working.done() and linger:
            await asyncio.wait((listening,), timeout=linger)
    finally:
        working.cancel()
        listening.cancel()
        results = await asyncio.gather(working, listening, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, ConnectionError):
            raise result
