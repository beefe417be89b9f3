"""The lab's clock: real time, in which what the node actor plays may go faster."""

import asyncio
import time


class LabClock:
    """Real time; the pauses of actors are shorter.

    Args:
        speed: How many seconds of an actor's pause pass in a second. Real programs keep their own
            pace, whatever this is.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed

    def now(self) -> float:
        """Return epoch seconds."""
        return time.time()

    async def sleep(self, seconds: float, *, patient: bool = False) -> None:  # noqa: ARG002
        """Wait for an actor's pause; real time passes for everybody."""
        await asyncio.sleep(seconds / self._speed)
