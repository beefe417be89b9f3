"""Sending until the server answers: an API server that goes away for a while is waited for."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from oc_gpu.kube import (
    ConnectionFailedError,
    OcGpuError,
    Retry,
    ServerError,
    TooManyRequestsError,
)

T = TypeVar("T")

_AWAY = (ConnectionFailedError, ServerError, TooManyRequestsError)
_BROKEN = 500
"""What a server answers while its store elects a leader or a webhook restarts, which passes, and
when it met a mistake of its own, which does not."""
_BROKEN_TRIES = 8
"""Tries after which that is taken for a mistake: some 20 seconds, with those of the client."""


class Patience:
    """Sends what may be sent twice without harm, for as long as a watch would wait for the server.

    Args:
        retry: How patient it is.
        notice: Is told what is being waited for.
    """

    def __init__(self, retry: Retry, notice: Callable[[str], None] = lambda _: None) -> None:
        self.retry = retry
        self._notice = notice

    async def __call__(self, send: Callable[[], Awaitable[T]]) -> T:
        """Send until the server answers.

        Raises:
            ApiError: The server refuses.
            ConnectionFailedError: The server was away for too long.
        """
        started, failures, broken = time.monotonic(), 0, 0
        while True:
            try:
                return await send()
            except _AWAY as error:
                if isinstance(error, TooManyRequestsError) and error.by_budget:
                    raise
                failures += 1
                broken += isinstance(error, ServerError) and error.status == _BROKEN
                if broken >= _BROKEN_TRIES:
                    raise
                self._bear(error, time.monotonic() - started, failures)
            await self.retry.sleep(self.retry.delay(failures))

    def _bear(self, error: OcGpuError, waited: float, failures: int) -> None:
        permanent = isinstance(error, ConnectionFailedError) and error.permanent
        if permanent or waited > self.retry.outage:
            raise error
        if failures == 1:
            self._notice(f"{error}; it is tried again")
