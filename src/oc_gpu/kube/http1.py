"""One HTTP/1.1 connection: a request, its answer, and perhaps another one after it."""

import asyncio
import ssl
import time

import h11

from oc_gpu.kube.dialing import Endpoint, tls_failure
from oc_gpu.kube.errors import ConfigError, ConnectionFailedError
from oc_gpu.kube.transport import Body
from oc_gpu.kube.wire import Wire

_LARGE = 1 << 16
"""Bodies of this many bytes, when their length is known, are read past h11, which would copy
each byte twice more."""
_BODILESS = frozenset({204, 304})

Headers = list[tuple[bytes, bytes]]


def _length(head: h11.Response) -> int:
    """Return the length that an answer's head announces, 0 when it does not."""
    headers = dict(head.headers)
    bare = head.status_code in _BODILESS or b"transfer-encoding" in headers
    return 0 if bare else int(headers.get(b"content-length", b"0"))


def _lasting(head: h11.Response) -> bool:
    """Tell whether the connection stays open after an answer (RFC 9112 9.3)."""
    closing = b"close" in dict(head.headers).get(b"connection", b"").lower()
    return head.http_version == b"1.1" and not closing


class HungUpError(ConnectionFailedError):
    """The other side ended the connection before a byte of its answer."""


class Connection:
    """A connection that carries one request at a time."""

    def __init__(self, wire: Wire, endpoint: Endpoint, timeout_s: float) -> None:
        self._wire = wire
        self._endpoint = endpoint
        self.timeout = timeout_s
        self._http = h11.Connection(h11.CLIENT)
        self._head: h11.Response | None = None
        self._heard = self._begun = self._ended = self._past_h11 = False
        self.idle_since = 0.0

    @property
    def open(self) -> bool:
        """Tell whether the other side has not closed it, as far as is known."""
        return self._wire.quiet

    async def send(self, method: str, target: str, headers: Headers, body: bytes) -> h11.Response:
        """Send a request and return the head of the answer.

        Raises:
            ConnectionFailedError: No answer came.
        """
        self._heard = self._begun = self._ended = self._past_h11 = False
        try:
            await self._wire.write(self._encoded(method, target, headers, body))
        except OSError as error:
            raise self._failed(error) from error
        while True:
            event = await self._next(self.timeout)
            if isinstance(event, h11.Response):
                self._head = event
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise self._failed(EOFError())

    def _encoded(self, method: str, target: str, headers: Headers, body: bytes) -> bytes:
        try:
            request = h11.Request(method=method, target=target, headers=headers)
        except h11.LocalProtocolError:
            message = "the token, or a name to act as, holds characters that HTTP does not allow"
            raise ConfigError(message, hints=("check the user in the kubeconfig",)) from None
        events = [request, *([h11.Data(data=body)] if body else []), h11.EndOfMessage()]
        return b"".join(self._http.send(event) or b"" for event in events)

    async def piece(self, timeout_s: float | None) -> bytes | None:
        """Return the next piece of the answer's body, None at its end.

        Args:
            timeout_s: Seconds to wait for it, None without end.

        Raises:
            ConnectionFailedError: The body broke off.
        """
        if self._ended:
            return None
        self._begun = True
        event = await self._next(timeout_s)
        if isinstance(event, h11.Data):
            return event.data
        self._ended = True
        return None

    async def read(self) -> Body:
        """Return what is left of the answer's body.

        Raises:
            ConnectionFailedError: The body broke off.
        """
        length = 0 if self._begun or self._head is None else _length(self._head)
        if length >= _LARGE:
            return await self._read_large(length)
        pieces: list[bytes] = []
        while (piece := await self.piece(self.timeout)) is not None:
            pieces.append(piece)
        return b"".join(pieces)

    async def _read_large(self, length: int) -> Body:
        here, _ = self._http.trailing_data
        if len(here) > length:
            raise self._failed(h11.RemoteProtocolError("more than was announced"))
        body = bytearray(length)
        body[: len(here)] = here
        self._begun = True
        try:
            await self._wire.fill(memoryview(body)[len(here) :], self.timeout)
        except OSError as error:
            raise self._failed(error) from error
        self._ended = self._past_h11 = True
        return body

    def recycle(self) -> bool:
        """Make it ready for another request; False when it cannot carry one."""
        if self._past_h11 and self._head is not None and _lasting(self._head):
            self._http = h11.Connection(h11.CLIENT)
        elif self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            return False
        self.idle_since = time.monotonic()
        return self.open

    def abort(self) -> None:
        """Close it at once."""
        self._wire.abort()

    async def _next(self, timeout_s: float | None) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                data = await self._receive(timeout_s)
                self._heard = self._heard or bool(data)
                self._http.receive_data(data)
        except (OSError, h11.RemoteProtocolError) as error:
            raise self._failed(error) from error
        return event

    async def _receive(self, timeout_s: float | None) -> bytes:
        if timeout_s is None:
            return await self._wire.read()
        async with asyncio.timeout(timeout_s):
            return await self._wire.read()

    def _failed(self, error: BaseException) -> ConnectionFailedError:
        where = self._endpoint.url
        if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
            return tls_failure(error, self._endpoint.name, where)
        if isinstance(error, TimeoutError):
            return ConnectionFailedError(
                f"{where} did not answer within {self.timeout:g} s",
                hints=("try again with a longer --timeout, or look at the cluster's API servers",),
            )
        hints = ("check that the URL is that of an API server, and proxies on the way",)
        if self._heard:
            return ConnectionFailedError(f"{where} broke off its answer", hints=hints)
        return HungUpError(f"{where} hung up without an answer", hints=hints)
