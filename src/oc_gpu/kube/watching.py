"""List, then watch for ever: what a level-triggered program looks at.

After the list the watch starts at its resourceVersion. Bookmarks move the version on without an
event. When a stream ends, with or without a word, the next one starts at the last version seen;
when that is too old (410, as an answer or as an ERROR event), the list is taken again and given
as `Replaced`. Documented at kubernetes.io, "Efficient detection of changes".
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct, field

from oc_gpu.kube.codec import Status, decoder, insist_on_shape, read, unreadable
from oc_gpu.kube.errors import (
    ApiError,
    ConnectionFailedError,
    GoneError,
    ServerError,
    TooManyRequestsError,
)
from oc_gpu.kube.listing import Selection, fetch
from oc_gpu.kube.objects import Deleted, ListResult, Replaced, Updated, WatchEvent
from oc_gpu.kube.sending import CHANCE, Call, Sender
from oc_gpu.kube.sharing import Sharing
from oc_gpu.kube.transport import StreamResponse

T = TypeVar("T")

_SHORTEST_STREAM, _LONGEST_STREAM = 300, 600
"""Seconds that a stream is asked to last; spread so that many watches do not end together."""
_GRACE = 30.0
"""Seconds of silence beyond that after which a stream is given up: something on the way, such as a
load balancer, forgot it, and keepalives to it say nothing of the server."""
_LIVED = 5.0
"""A stream that lasted this many seconds is no reason to wait before the next."""


class _Meta(Struct, frozen=True, rename="camel", gc=False):
    resource_version: str = ""


class _Versioned(Struct, frozen=True, gc=False):
    metadata: _Meta = field(default_factory=_Meta)


class _Head(Struct, frozen=True, gc=False):
    """The part of an event that is needed whatever its object is."""

    type: str
    object: _Versioned


class _Body(Struct, Generic[T], frozen=True, gc=False):
    object: T


_head = msgspec.json.Decoder(_Head)


class Watch(Generic[T]):
    """One endless list and watch; iterate over `events()` once.

    Args:
        sender: Sends.
        selection: Which objects.
        type_: What they are decoded to.
        patient: Whether the first list, too, outlasts an outage.
    """

    def __init__(
        self, sender: Sender, selection: Selection, type_: type[T], *, patient: bool = False
    ) -> None:
        self._patient = patient
        self._sender = sender
        self._selection = selection
        self._type = type_
        self._asked = selection.asked("watch")
        self._decoder = decoder(_Body[type_])  # type: ignore[valid-type]
        self._sharing = Sharing()
        self._version = ""
        self._failures = 0
        self._silent_since: float | None = None

    async def events(self) -> AsyncGenerator[WatchEvent[T]]:
        """Yield events for ever.

        Raises:
            ApiError: The server refuses (401, 403), or the kind is not served (404).
            ConnectionFailedError: The server was away for longer than `Retry.outage`; at the
                first list, unless patient, than `Retry.unreachable`.
        """
        result: ListResult[T] | None = await self._first()
        while True:
            if result is not None:
                self._version = result.resource_version
                yield Replaced(result.items, result.resource_version)
            started = time.monotonic()
            try:
                async with aclosing(self._stream()) as stream:
                    async for event in stream:
                        self._failures = 0
                        yield event
                result = None
            except GoneError:
                result = await self._relist()
            except (ConnectionFailedError, ServerError, TooManyRequestsError) as error:
                result = None
                self._bear(error)
            if time.monotonic() - started < _LIVED:
                await self._back_off()

    async def _first(self) -> ListResult[T]:
        if self._patient:
            return await self._relist()
        return await self._list()

    async def _list(self) -> ListResult[T]:
        return await fetch(self._sender, self._selection, self._type, sharing=self._sharing)

    async def _relist(self) -> ListResult[T]:
        while True:
            try:
                return await self._list()
            except (ConnectionFailedError, ServerError, TooManyRequestsError) as error:
                self._bear(error)
                await self._back_off()

    def _bear(self, error: ApiError | ConnectionFailedError) -> None:
        """Accept a failure that time may cure, until it has lasted too long."""
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        permanent = isinstance(error, ConnectionFailedError) and error.permanent
        if permanent or now - self._silent_since > self._sender.retry.outage:
            raise error

    async def _back_off(self) -> None:
        """Wait before the next try; the first one after a good stream is made at once."""
        if self._failures:
            await self._sender.retry.sleep(self._sender.retry.delay(self._failures))
        self._failures += 1

    async def _stream(self) -> AsyncGenerator[WatchEvent[T]]:
        seconds = CHANCE.randint(_SHORTEST_STREAM, _LONGEST_STREAM)
        target = self._selection.target(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=self._version,
            timeoutSeconds=seconds,
        )
        call = Call(self._asked, "GET", target, repeatable=True)
        async with self._sender.open(call) as response, aclosing(lines(response)) as received:
            self._silent_since = None
            while (line := await _next(received, seconds + _GRACE)) is not None:
                event = self._read(line) if line else None
                if event is not None:
                    yield event

    def _read(self, line: bytes) -> WatchEvent[T] | None:
        try:
            head = _head.decode(line)
            if head.type == "ERROR":
                raise self._error(line)
            self._version = head.object.metadata.resource_version or self._version
            if head.type == "BOOKMARK":
                return None
            found: T = read(self._decoder, line).object
            if isinstance(found, dict):
                insist_on_shape(found)
            self._sharing.of(found)
            return Deleted(found) if head.type == "DELETED" else Updated(found)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise unreadable(self._asked, error) from error

    def _error(self, line: bytes) -> ApiError:
        status: Status = decoder(_Body[Status]).decode(line).object
        return status.error(self._asked, status.code or 500)


async def _next(received: AsyncGenerator[bytes], seconds: float) -> bytes | None:
    """Return the next line, None when there are no more or none comes in time."""
    try:
        async with asyncio.timeout(seconds):
            return await anext(received)
    except (StopAsyncIteration, TimeoutError):
        return None


async def lines(response: StreamResponse, *, unfinished: bool = False) -> AsyncGenerator[bytes]:
    """Yield the lines of a body.

    Args:
        response: Where it comes from.
        unfinished: Whether a last line without line end counts: in logs it does, in a watch it
            is half an event.
    """
    rest: list[bytes] = []
    async for chunk in response:
        first, *more = chunk.split(b"\n")
        rest.append(first)
        for piece in more:
            yield b"".join(rest)
            rest = [piece]
    if unfinished and (line := b"".join(rest)):
        yield line
