"""Waiting for something to change, without missing a change and without polling."""

import asyncio
from collections.abc import Callable


class Signal:
    """Lets coroutines wait until something that they look at has changed."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()

    def fire(self) -> None:
        """Wake everyone who waits."""
        self.count += 1
        self._event.set()
        self._event = asyncio.Event()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as `holds` does; it is asked again after every change."""
        while not holds():
            await self._event.wait()

    async def past(self, count: int) -> None:
        """Wait until there have been more changes than `count`."""
        await self.until(lambda: self.count > count)
