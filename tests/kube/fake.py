"""A transport without wires: answers come from a script, requests are kept."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from oc_gpu.kube import Client, Response, Retry
from oc_gpu.kube.transport import NO_HEADERS


@dataclass
class Sent:
    """One request."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeStream:
    """A streamed answer; an exception among the pieces is raised in its place."""

    def __init__(self, status: int, pieces: Sequence[bytes | Exception]) -> None:
        self.status = status
        self.headers: dict[str, str] = {}
        self._pieces = list(pieces)

    def __aiter__(self) -> "FakeStream":
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        piece = self._pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def read_all(self) -> bytes:
        return b"".join([piece async for piece in self])


class FakeSocket:
    """A WebSocket whose incoming messages are known."""

    def __init__(self, subprotocol: str, messages: Sequence[bytes]) -> None:
        self.subprotocol = subprotocol
        self.sent: list[bytes] = []
        self.closed = False
        self._messages = list(messages)

    async def send(self, message: bytes) -> None:
        self.sent.append(message)

    async def receive(self) -> bytes | None:
        await asyncio.sleep(0)  # as on a wire, the other side has had a chance to send
        return self._messages.pop(0) if self._messages else None

    async def close(self) -> None:
        self.closed = True


@dataclass
class FakeTransport:
    """Gives the next scripted answer to each request, whatever it asks."""

    script: list[Response | Exception | FakeStream | FakeSocket] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    closed: bool = False

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes = b"",
    ) -> Response:
        answer = self._next(Sent(method, target, headers, body))
        assert isinstance(answer, Response)
        return answer

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> AsyncIterator[FakeStream]:
        answer = self._next(Sent(method, target, headers))
        assert isinstance(answer, FakeStream)
        yield answer

    async def websocket(
        self,
        target: str,
        *,
        subprotocols: Sequence[str],
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> FakeSocket:
        answer = self._next(
            Sent("GET", target, {**headers, "subprotocols": ",".join(subprotocols)})
        )
        assert isinstance(answer, FakeSocket)
        return answer

    async def aclose(self) -> None:
        self.closed = True

    def _next(self, sent: Sent) -> Response | FakeStream | FakeSocket:
        self.sent.append(sent)
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def answer(value: Any, status: int = 200, **headers: str) -> Response:
    """Return a JSON answer."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(status, named, json.dumps(value).encode())


def client(
    *script: Response | Exception | FakeStream | FakeSocket, retry: Retry | None = None
) -> tuple[Client, FakeTransport]:
    """Return a client over a script of answers, and the transport that keeps its requests."""
    transport = FakeTransport(list(script))
    return Client(transport, namespace="here", retry=retry or Retry(sleep=Pauses())), transport


class Pauses(list[float]):
    """Stands in for sleeping: keeps how long it would have been."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)
