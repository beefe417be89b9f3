"""Sending requests: retries, errors by status, the cluster's clock.

What is tried again: 429 always (the server did nothing), 5xx and broken connections only for
requests that may be repeated, refused connections always. A 409 is never tried again here.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from msgspec import Struct, field

from oc_gpu.kube.codec import api_error
from oc_gpu.kube.errors import Asked, ConnectionFailedError
from oc_gpu.kube.transport import (
    Response,
    StreamResponse,
    Transport,
    UpgradeRefusedError,
    WebSocket,
)

T = TypeVar("T")

_JSON = "application/json"
_SERVER_FAULTS = frozenset({500, 502, 503, 504})
_TOO_MANY = 429
_FIRST_ERROR = 400
CHANCE = random.SystemRandom()
"""Spreads load. It has no state, for who seeds `random` wants to have its numbers alone."""


class Retry(Struct, frozen=True):
    """How patient a client is.

    Attributes:
        attempts: Answers with 429 or 5xx that are accepted before giving up.
        first_delay: Seconds before the second attempt; doubled each time, with jitter.
        max_delay: Longest pause in seconds.
        max_retry_after: Longest pause in seconds that a server may ask for.
        unreachable: Seconds after which a server that cannot be reached is given up.
        outage: The same for a watch that was running: servers of a cluster reboot.
        sleep: What waits; tests and simulations bring their own.
    """

    attempts: int = 5
    first_delay: float = 0.1
    max_delay: float = 5.0
    max_retry_after: float = 60.0
    unreachable: float = 10.0
    outage: float = 900.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def delay(self, attempt: int) -> float:
        """Return the pause before the attempt after `attempt` (from 1), half of it by chance."""
        full = min(self.max_delay, self.first_delay * 2.0 ** min(attempt - 1, 16))
        return full * CHANCE.uniform(0.5, 1.0)


class Call(Struct, frozen=True):
    """One request as the verbs make it.

    Attributes:
        asked: What it is, for errors.
        method: HTTP method.
        target: Path and query.
        body: JSON body.
        content_type: Type of the body.
        accept: Type that is asked for.
        repeatable: Sending it twice does the same as once.
        compressed: Whether to ask for gzip, which pays for long lists only.
    """

    asked: Asked
    method: str
    target: str
    body: bytes = b""
    content_type: str = _JSON
    accept: str = _JSON
    repeatable: bool = False
    compressed: bool = False

    def headers(self) -> dict[str, str]:
        """Return the request's headers."""
        headers = {"accept": self.accept}
        if self.body:
            headers["content-type"] = self.content_type
        if self.compressed:
            headers["accept-encoding"] = "gzip"
        return headers


class _Patience:
    """Counts the attempts of one call and says how long to wait before the next."""

    def __init__(self, retry: Retry) -> None:
        self.retry = retry
        self.answers = 0
        self.failures = 0
        self.started = time.monotonic()

    def after_answer(self, call: Call, response: Response) -> float | None:
        """Return the pause before another attempt, None when this answer is final."""
        if response.status != _TOO_MANY and not (
            response.status in _SERVER_FAULTS and call.repeatable
        ):
            return None
        self.answers += 1
        if self.answers >= self.retry.attempts:
            return None
        return _asked_pause(response.headers, self.retry) or self.retry.delay(self.answers)

    def after_failure(self, call: Call, error: ConnectionFailedError) -> float | None:
        """Return the pause before another attempt, None when this failure is final."""
        if error.permanent or (error.sent and not call.repeatable):
            return None
        self.failures += 1
        pause = self.retry.delay(self.failures)
        waited = time.monotonic() - self.started
        return None if waited + pause > self.retry.unreachable else pause


def _asked_pause(headers: Mapping[str, str], retry: Retry) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110 10.2.3: seconds or a date)."""
    value = headers.get("retry-after", "")
    if value.isdigit():
        return min(float(value), retry.max_retry_after)
    asked, now = parse_date(value), parse_date(headers.get("date", ""))
    if asked is None:
        return None
    return min(max(0.0, asked - (now or time.time())), retry.max_retry_after)


def parse_date(value: str) -> float | None:
    """Return the epoch seconds of an HTTP date, None when it is none."""
    if not value:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few commands ask for it

    try:
        return parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None


class Sender(Struct):
    """Sends calls over a transport and turns answers into values or errors."""

    transport: Transport
    retry: Retry = field(default_factory=Retry)
    last_date: str = ""

    @property
    def server_time(self) -> float | None:
        """Return the epoch seconds of the last answer by the server's clock."""
        return parse_date(self.last_date)

    async def send(self, call: Call) -> Response:
        """Send a call, again where that is safe, and return the successful answer.

        Raises:
            ApiError: The server answered with an error.
            ConnectionFailedError: No answer came.
        """
        return await self._persist(call, self._request)

    async def upgrade(self, call: Call, subprotocols: Sequence[str]) -> WebSocket:
        """Open a WebSocket, tried again only while the server cannot be reached.

        Raises:
            ApiError: The server refused.
            ConnectionFailedError: No answer came.
        """

        async def ask(call: Call) -> WebSocket | Response:
            try:
                return await self.transport.websocket(call.target, subprotocols=subprotocols)
            except UpgradeRefusedError as error:
                self._note_date(error.response.headers)
                return error.response

        answer = await self._persist(call, ask)
        if isinstance(answer, Response):
            raise api_error(call.asked, answer)
        return answer

    async def _request(self, call: Call) -> Response:
        response = await self.transport.request(
            call.method, call.target, headers=call.headers(), body=call.body
        )
        self._note_date(response.headers)
        return response

    async def _persist(
        self, call: Call, ask: Callable[[Call], Awaitable[T | Response]]
    ) -> T | Response:
        """Ask until there is a successful answer, or one that is final."""
        patience = _Patience(self.retry)
        while True:
            try:
                answer = await ask(call)
            except ConnectionFailedError as error:
                pause = patience.after_failure(call, error)
                if pause is None:
                    raise
            else:
                if not isinstance(answer, Response) or answer.status < _FIRST_ERROR:
                    return answer
                pause = patience.after_answer(call, answer)
                if pause is None:
                    raise api_error(call.asked, answer)
            await self.retry.sleep(pause)

    def open(self, call: Call) -> AbstractAsyncContextManager[StreamResponse]:
        """Send a call once and give its successful answer as a stream.

        Raises:
            ApiError: The server answered with an error.
            ConnectionFailedError: No answer came.
        """
        return self._open(call)

    @asynccontextmanager
    async def _open(self, call: Call) -> AsyncIterator[StreamResponse]:
        async with self.transport.stream(
            call.method, call.target, headers=call.headers()
        ) as response:
            self._note_date(response.headers)
            if response.status >= _FIRST_ERROR:
                body = await response.read_all()
                raise api_error(call.asked, Response(response.status, dict(response.headers), body))
            yield response

    def _note_date(self, headers: Mapping[str, str]) -> None:
        date = headers.get("date")
        if date:
            self.last_date = date
