"""Simulated time: it stands still while anything happens and leaps when nothing does.

Actors wait with `sleep`. When the event loop has been quiet for some turns, the clock jumps to the
next waiter. Clients behind sockets live in wall time: after they asked for or were sent something,
the clock stays put until they have been quiet for a moment, so that what they do next happens at
the simulated time at which they saw its cause. Time in which this process was kept from running is
no quiet: on a busy machine they were likely kept waiting too.
"""

import asyncio
import heapq
import time
from collections.abc import Iterator
from contextlib import contextmanager

_QUIET_TURNS = 16
"""Loop turns without activity that count as quiet; one API call of an actor takes about four."""

_FAR = 1e9
"""Seconds after which nothing is waited for any more."""

_PIECES = 3
"""Pieces of the moment that clients are given: a piece counts once, however late it ends."""

_SAME_MOMENT = 1e-6
"""Waiters this close together, in seconds, wake in one leap."""


_Waiter = tuple[float, int, asyncio.Future[None]]
"""When it is woken, its number, what it waits for."""


class VirtualClock:
    """A clock for discrete events.

    Args:
        start: Epoch seconds at which simulated time begins.
        settle: Wall seconds of quiet that outside clients are given after activity.
        speed: Simulated seconds that pass in a wall second, None to leap without waiting.
    """

    def __init__(
        self, start: float = 0.0, *, settle: float = 0.015, speed: float | None = None
    ) -> None:
        self.started = start
        self.settle = settle
        self.speed = speed
        self._now = start
        self._waiters: list[_Waiter] = []
        self._patient: list[_Waiter] = []
        self._count = 0
        self._activity = 0
        self._held = 0
        self._external = 0
        self._given = _PIECES
        self._driver: asyncio.Task[None] | None = None
        self._changed: asyncio.Event | None = None
        self._pace: tuple[float, float, float] | None = None
        self._real = 0

    def now(self) -> float:
        """Return epoch seconds of simulated time."""
        if self._pace is None:
            return self._now
        since, until, speed = self._pace
        return min(until, self._now + (time.monotonic() - since) * speed)

    @property
    def elapsed(self) -> float:
        """Return the simulated seconds since the start."""
        return self.now() - self.started

    def touch(self, *, external: bool = False) -> None:
        """Mark activity: time does not leap in this moment.

        Args:
            external: A client behind a socket asked for or was sent something.
        """
        self._activity += 1
        if external:
            self._external += 1
            self._given = 0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep time standing still inside the block, for work the loop cannot see (threads)."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self.touch()

    @contextmanager
    def real(self) -> Iterator[None]:
        """Let time pass as on the wall inside the block: a real program runs."""
        self._real += 1
        end = self._wait_until(self.now() + _FAR, self._waiters)
        try:
            yield
        finally:
            self._real -= 1
            end.cancel()
            if self._changed is not None:
                self._changed.set()

    async def sleep(self, seconds: float, *, patient: bool = False) -> None:
        """Wait for simulated seconds; none or fewer give way to others only.

        Args:
            seconds: How long, in simulated seconds.
            patient: Time does not leap for this one: it is woken when time has passed for others.
        """
        self.touch()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        await self._wait_until(self.now() + seconds, self._patient if patient else self._waiters)
        self.touch()

    def _wait_until(self, when: float, waiters: list[_Waiter]) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._count += 1
        heapq.heappush(waiters, (when, self._count, waiter))
        self._drive_from(loop)
        return waiter

    def _drive_from(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._driver is None or self._driver.done():
            self._changed = asyncio.Event()
            self._driver = loop.create_task(self._drive(), name="virtual clock")
        elif self._changed is not None:
            self._changed.set()

    async def _drive(self) -> None:
        while self._next() is not None:
            await self._quiet()
            when = self._next()
            if when is None:
                return
            speed = self._pacing()
            if speed is None or await self._paced(when, speed):
                self._leap(when)

    def _pacing(self) -> float | None:
        return 1.0 if self._real else self.speed

    def _next(self) -> float | None:
        """Return the time to go to: somebody's on the way to that of one who is not patient."""
        if self.speed is None and not _trim(self._waiters):
            return None
        waiting = (self._waiters, self._patient)
        return min((heap[0][0] for heap in waiting if _trim(heap)), default=None)

    def _leap(self, when: float) -> None:
        self._now = max(self._now, when)
        for heap in (self._waiters, self._patient):
            while heap and heap[0][0] <= self._now + _SAME_MOMENT:
                waiter = heapq.heappop(heap)[2]
                if not waiter.done():
                    waiter.set_result(None)
        self.touch()

    async def _quiet(self) -> None:
        await self._quiet_loop()
        while self._given < _PIECES:
            await self._give_a_piece()
            await self._quiet_loop()

    async def _give_a_piece(self) -> None:
        seen = self._external
        await asyncio.sleep(self.settle / _PIECES)
        if seen == self._external:
            self._given += 1

    async def _quiet_loop(self) -> None:
        turns, seen = 0, self._activity
        while turns < _QUIET_TURNS:
            await asyncio.sleep(0.001 if self._held else 0)
            if self._held or seen != self._activity:
                turns, seen = 0, self._activity
            else:
                turns += 1

    async def _paced(self, when: float, speed: float) -> bool:
        """Let wall time pass on the way to `when`; False when something came up before."""
        assert self._changed is not None  # noqa: S101  # made with the driver
        self._pace = (time.monotonic(), when, speed)
        try:
            while (rest := (when - self.now()) / speed) > 0:
                self._changed.clear()
                try:
                    await asyncio.wait_for(self._changed.wait(), rest)
                except TimeoutError:
                    break
                if self._next() != when or self._pacing() != speed:
                    return False
            return True
        finally:
            self._now = self.now()
            self._pace = None


def _trim(heap: list[_Waiter]) -> bool:
    """Drop who no longer waits from the top; tell whether anybody is left."""
    while heap and heap[0][2].done():
        heapq.heappop(heap)
    return bool(heap)
