"""Bytes on their way from a connection to a reader that may be slower."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

_ROOM = 1 << 18
"""Bytes that wait here before the connection is read no further."""


class Inbox:
    """A queue of bytes with an end."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._deaf = False
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Add bytes; wait while there are too many."""
        if self._deaf or self._ended or not data:
            return
        self._pieces.append(data)
        self._size += len(data)
        self._filled.set()
        while self._size > _ROOM:
            self._drained.clear()
            await self._drained.wait()

    def end(self) -> None:
        """Say that nothing will be added."""
        self._ended = True
        self._filled.set()

    def discard(self) -> None:
        """Throw away what is here and what is still to come: nobody reads it."""
        self._deaf = True
        self._pieces.clear()
        self._size = 0
        self._drained.set()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what was added until the end."""
        while True:
            while not self._pieces:
                if self._ended:
                    return
                self._filled.clear()
                await self._filled.wait()
            piece = self._pieces.popleft()
            self._size -= len(piece)
            self._drained.set()
            yield piece
