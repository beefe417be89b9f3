"""The seam between verbs and wires: a network, or a simulated server in this process."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct

Body = bytes | bytearray
"""What was received; large bodies stay in the buffer that they were read into."""
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Response(Struct):
    """A whole answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: Body


class StreamResponse(Protocol):
    """An answer whose body arrives in pieces of any size."""

    @property
    def status(self) -> int:
        """Return the HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers, names in lower case."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def read_all(self) -> Body:
        """Return what is left of the body."""


class WebSocket(Protocol):
    """An open WebSocket that carries binary messages."""

    @property
    def subprotocol(self) -> str:
        """Return the subprotocol that the server chose."""

    async def send(self, message: bytes) -> None:
        """Send one binary message."""

    async def receive(self) -> bytes | None:
        """Return the next message, None once the other side has closed."""

    async def close(self) -> None:
        """Close; harmless when closed already."""


class UpgradeRefusedError(Exception):
    """The server answered a WebSocket request with an ordinary response."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"no WebSocket, HTTP status {response.status}")
        self.response = response


class Transport(Protocol):
    """What carries requests; `target` is path and query.

    A transport raises `ConnectionFailedError` when no answer came, and returns an answer of any
    status as it is.
    """

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes = b"",
    ) -> Response:
        """Send a request and return the whole answer."""

    def stream(
        self, method: str, target: str, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> AbstractAsyncContextManager[StreamResponse]:
        """Send a request; the body is read inside the context."""

    async def websocket(
        self,
        target: str,
        *,
        subprotocols: Sequence[str],
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> WebSocket:
        """Open a WebSocket.

        Raises:
            UpgradeRefusedError: The server answered something else.
        """

    async def aclose(self) -> None:
        """Release everything that is held open."""
