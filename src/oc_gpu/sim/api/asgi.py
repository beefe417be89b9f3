"""The API server as an ASGI application: tokens, bodies, streams, WebSockets."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from oc_gpu.sim.api import channels
from oc_gpu.sim.api.messages import ADMIN, ApiRequest, ApiResponse, ApiStream, StatusError
from oc_gpu.sim.api.server import ApiServer

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz"})
_BEARER = "Bearer "


class Application:
    """Serves one API server.

    Args:
        server: Who answers.
        tokens: Users by bearer token.
    """

    def __init__(self, server: ApiServer, tokens: Mapping[str, str]) -> None:
        self._server = server
        self._tokens = dict(tokens)

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer one HTTP request or WebSocket."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def _http(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        try:
            answer = await self._server.handle(self._request(scope, bytes(body)))
        except StatusError as error:
            answer = error.response()
        headers = self._headers(answer)
        start = {"type": "http.response.start", "status": answer.status, "headers": headers}
        await send(start)
        if isinstance(answer, ApiResponse):
            await send({"type": "http.response.body", "body": answer.body})
        else:
            await _stream(answer, receive, send)

    async def _websocket(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        await receive()
        try:
            protocol = channels.choose(scope.get("subprotocols") or [])
            call = self._server.command(self._request(scope, b""))
        except StatusError as error:
            await self._refuse(error, send)
            return
        await send({"type": "websocket.accept", "subprotocol": protocol})
        with suppress(OSError, _GoneError):
            await channels.run(call, _Socket(self._server, receive, send), protocol)
            await send({"type": "websocket.close", "code": 1000})

    async def _refuse(self, error: StatusError, send: _Send) -> None:
        answer = error.response()
        start = "websocket.http.response.start"
        await send({"type": start, "status": answer.status, "headers": self._headers(answer)})
        await send({"type": "websocket.http.response.body", "body": answer.body})

    def _request(self, scope: _Message, body: bytes) -> ApiRequest:
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        path = scope["path"]
        user = ADMIN if path in _OPEN_PATHS else self._user(headers)
        method = scope.get("method", "GET")
        return ApiRequest.of(method, target, headers=headers, body=body, user=user, external=True)

    def _user(self, headers: Mapping[str, str]) -> str:
        given = headers.get("authorization", "").removeprefix(_BEARER).encode()
        for token, user in self._tokens.items():
            if hmac.compare_digest(token.encode(), given):
                return headers.get("impersonate-user", user)
        raise StatusError(401, "Unauthorized", "Unauthorized")

    def _headers(self, answer: ApiResponse | ApiStream) -> list[tuple[bytes, bytes]]:
        headers = {
            "content-type": answer.content_type,
            "cache-control": "no-cache, private",
            "date": self._server.date(),
        }
        if isinstance(answer, ApiResponse):
            headers |= answer.headers
            headers["content-length"] = str(len(answer.body))
        return [
            (key.encode(), value.encode("latin-1", "replace")) for key, value in headers.items()
        ]


class _GoneError(Exception):
    """The client has left in the middle of a command."""


class _Socket:
    """A server's end of a WebSocket; what passes through it is activity from outside."""

    def __init__(self, server: ApiServer, receive: _Receive, send: _Send) -> None:
        self._server = server
        self._receive = receive
        self._send = send

    async def receive(self) -> bytes | None:
        message = await self._receive()
        self._server.clock.touch(external=True)
        if message["type"] != "websocket.receive":
            return None
        text: str = message.get("text") or ""
        data: bytes = message.get("bytes") or text.encode()
        return data

    async def send(self, message: bytes) -> None:
        try:
            await self._send({"type": "websocket.send", "bytes": message})
        except RuntimeError as error:
            raise _GoneError from error
        self._server.clock.touch(external=True)


async def _stream(answer: ApiStream, receive: _Receive, send: _Send) -> None:
    """Send pieces until they end or the client leaves."""

    async def pump() -> None:
        async for piece in answer.chunks:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    await send({"type": "http.response.body", "body": b"", "more_body": True})
    tasks = [asyncio.create_task(pump()), asyncio.create_task(gone())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await answer.aclose()
