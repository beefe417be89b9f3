"""The accepting side of an HTTP/1.1 connection: requests, answers, upgrades."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import h11
from msgspec import Struct

from lab.kubelet.wire import Wire, attended

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"

Fields = Sequence[tuple[str, str]]


class Request(Struct, frozen=True):
    """A request, its body left out.

    Attributes:
        method: Such as GET.
        path: Decoded path.
        query: All values of each parameter.
        headers: All header fields, names in lower case.
    """

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Fields

    def values(self, name: str) -> list[str]:
        """Return the values of a header field, taken apart at commas."""
        given = [value for field, value in self.headers if field == name]
        return [part.strip() for value in given for part in value.split(",") if part.strip()]

    def parameter(self, name: str) -> str:
        """Return the first value of a parameter, empty when it is not given."""
        return next(iter(self.query.get(name, ())), "")


class Connection:
    """A connection that carries one request after the other."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._http = h11.Connection(h11.SERVER)

    async def request(self) -> Request | None:
        """Return the next request, None when no other one comes.

        Raises:
            h11.RemoteProtocolError: What comes is no HTTP.
        """
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.our_state is not h11.IDLE:
            return None
        head = await self._next()
        if not isinstance(head, h11.Request):
            return None
        while isinstance(await self._next(), h11.Data):
            pass
        return _request(head)

    async def answer(
        self, status: int, body: bytes, *, kind: str = TEXT, headers: Fields = ()
    ) -> None:
        """Send an answer.

        Raises:
            ConnectionError: The other side is gone.
        """
        fields = [("content-type", kind), ("content-length", str(len(body))), *headers]
        await self._send(h11.Response(status_code=status, headers=_raw(fields)))
        await self._send(h11.Data(data=body))
        await self._send(h11.EndOfMessage())

    async def stream(self, pieces: AsyncIterator[bytes]) -> None:
        """Send an answer whose length is not known, piece by piece, while it is listened to."""
        await attended(self._stream(pieces), self._hear())

    async def switch(self, headers: Fields) -> bytes:
        """Leave HTTP for another protocol; return what has been read of it already.

        Raises:
            ConnectionError: The other side is gone.
        """
        await self._send(h11.InformationalResponse(status_code=101, headers=_raw(headers)))
        return self.leave()

    def leave(self) -> bytes:
        """Leave the connection to somebody else; return what has been read and not looked at."""
        return self._http.trailing_data[0]

    async def _stream(self, pieces: AsyncIterator[bytes]) -> None:
        fields = _raw((("content-type", TEXT), ("transfer-encoding", "chunked")))
        await self._send(h11.Response(status_code=200, headers=fields))
        async for piece in pieces:
            await self._send(h11.Data(data=piece))
        await self._send(h11.EndOfMessage())

    async def _hear(self) -> None:
        while data := await self.wire.receive():
            self._http.receive_data(data)

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            await self.wire.send(data)

    async def _next(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self.wire.receive())
        return event


def _request(head: h11.Request) -> Request:
    parts = urlsplit(head.target.decode("latin-1"))
    return Request(
        head.method.decode(),
        unquote(parts.path),
        parse_qs(parts.query, keep_blank_values=True),
        [(name.decode(), value.decode("latin-1")) for name, value in head.headers],
    )


def _raw(fields: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1", "replace")) for name, value in fields]
