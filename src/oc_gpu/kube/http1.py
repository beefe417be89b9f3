"""One HTTP/1.1 connection: a request, its answer, and perhaps another one after it."""

import asyncio
import ssl
import time

import h11

from oc_gpu.kube.dialing import Endpoint, Wire, tls_failure
from oc_gpu.kube.errors import ConnectionFailedError

_READ = 1 << 18

Headers = list[tuple[bytes, bytes]]


class HungUpError(ConnectionFailedError):
    """The other side ended the connection before a byte of its answer."""


class Connection:
    """A connection that carries one request at a time."""

    def __init__(self, wire: Wire, endpoint: Endpoint, timeout_s: float) -> None:
        self._wire = wire
        self._endpoint = endpoint
        self.timeout = timeout_s
        self._http = h11.Connection(h11.CLIENT)
        self._heard = False
        self.idle_since = 0.0

    @property
    def open(self) -> bool:
        """Tell whether the other side has not closed it, as far as is known."""
        return not (self._wire.reader.at_eof() or self._wire.writer.is_closing())

    async def send(self, method: str, target: str, headers: Headers, body: bytes) -> h11.Response:
        """Send a request and return the head of the answer.

        Raises:
            ConnectionFailedError: No answer came.
        """
        self._heard = False
        request = h11.Request(method=method, target=target, headers=headers)
        data = self._http.send(request) or b""
        if body:
            data += self._http.send(h11.Data(data=body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        try:
            self._wire.writer.write(data)
            await self._wire.writer.drain()
        except OSError as error:
            raise self._failed(error) from error
        while True:
            event = await self._next(self.timeout)
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise self._failed(EOFError())

    async def piece(self, timeout_s: float | None) -> bytes | None:
        """Return the next piece of the answer's body, None at its end.

        Args:
            timeout_s: Seconds to wait for it, None without end.

        Raises:
            ConnectionFailedError: The body broke off.
        """
        event = await self._next(timeout_s)
        return event.data if isinstance(event, h11.Data) else None

    def recycle(self) -> bool:
        """Make it ready for another request; False when it cannot carry one."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
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
            return await self._wire.reader.read(_READ)
        async with asyncio.timeout(timeout_s):
            return await self._wire.reader.read(_READ)

    def _failed(self, error: BaseException) -> ConnectionFailedError:
        where = self._endpoint.url
        if isinstance(error, ssl.SSLError):
            return tls_failure(error, self._endpoint)
        if isinstance(error, TimeoutError):
            return ConnectionFailedError(
                f"{where} did not answer within {self.timeout:g} s",
                hints=("try again with a longer --timeout, or look at the cluster's API servers",),
            )
        hints = ("check that the URL is that of an API server, and proxies on the way",)
        if self._heard:
            return ConnectionFailedError(f"{where} broke off its answer", hints=hints)
        return HungUpError(f"{where} hung up without an answer", hints=hints)
