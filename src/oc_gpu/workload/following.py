"""The log of a program, line by line to its end, across broken connections."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from oc_gpu.kube import Client, ForbiddenError, OcGpuError
from oc_gpu.manifests.jobs import MAIN
from oc_gpu.snapshot.kinds import Pod

LAST = 20
"""Lines of the end that are kept."""
_SETTLES = 5.0
"""Seconds between the end of a log and the word that its container has ended: where that does not
come, only the connection ended, as load balancers do with quiet ones."""


class Follower:
    """Follows the log of a program.

    Args:
        client: The cluster.
        pod: The pod.
        take: Takes each line.

    Attributes:
        last: The last lines.
    """

    def __init__(self, client: Client, pod: Pod, take: Callable[[str], object]) -> None:
        self.last: deque[str] = deque(maxlen=LAST)
        self._client = client
        self._pod = pod.metadata
        self._take = take
        self._seen = 0

    async def to_the_end(self, ended: Callable[[], Awaitable[object]]) -> OcGpuError | None:
        """Take every line until the program has ended.

        Args:
            ended: Returns when the cluster says so.

        Returns:
            What kept the end of the log from being read: a program that could not be started has
            none, and a node may be gone. How it ended is known all the same.

        Raises:
            ForbiddenError: The log may not be read.
        """
        over = asyncio.ensure_future(ended())
        try:
            while True:
                was_over = over.done()
                lost = await self._once()
                if not was_over:
                    await asyncio.wait((over,), timeout=_SETTLES)
                if over.done():
                    over.result()
                    if lost is None or was_over:
                        return lost
        finally:
            over.cancel()
            await asyncio.gather(over, return_exceptions=True)

    async def _once(self) -> OcGpuError | None:
        """Take the lines that were not seen yet, and return what broke the connection."""
        try:
            await self._read()
        except ForbiddenError:
            raise
        except OcGpuError as error:
            return error
        return None

    async def _read(self) -> None:
        following = self._client.follow_logs(self._pod.namespace, self._pod.name, container=MAIN)
        number = 0
        async with aclosing(following) as lines:
            async for line in lines:
                number += 1
                if number > self._seen:
                    self._seen = number
                    self.last.append(line)
                    self._take(line)
