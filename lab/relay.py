"""Streams between network namespaces: Unix sockets, HTTP CONNECT, and pipes between them.

A pod's programs have a network of their own, with nothing in it but a loopback. What they may
reach is listened for inside and handed, through a Unix socket, to the lab's gateway; what they
serve is reached through a Unix socket of theirs. Both sides speak the CONNECT method of HTTP/1.1,
which is also how kube-apiserver reaches nodes (KEP-1281, HTTPConnect over a Unix socket).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Opener = Callable[[], Awaitable[Stream]]
Route = Callable[[str, int], Opener | None]

_PIECE: Final = 65536
_OK: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"


class RefusedError(ConnectionError):
    """The other side does not know a way to the target."""


def to_tcp(host: str, port: int) -> Opener:
    """Return how to reach a TCP port of this network."""
    return lambda: asyncio.open_connection(host, port)


def to_relay(socket: Path, host: str, port: int) -> Opener:
    """Return how to reach a target behind a relay that listens on a Unix socket."""

    async def opened() -> Stream:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            writer.close()
            raise RefusedError(answer.splitlines()[0].decode(errors="replace"))
        return reader, writer

    return opened


async def listen(socket: Path, route: Route) -> asyncio.Server:
    """Serve CONNECT requests on a Unix socket.

    Args:
        socket: Path of the socket; of at most about 100 characters.
        route: Tells how a host and port are reached, None when they are not.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            host, port = await _target(reader)
            opener = route(host, port)
            if opener is None:
                raise RefusedError(f"nothing is known of {host}:{port}")
            far = await opener()
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            with suppress(ConnectionError):
                writer.write(_refusal(error))
                await writer.drain()
            writer.close()
            return
        writer.write(_OK)
        await _join((reader, writer), far)

    return await asyncio.start_unix_server(serve, str(socket))


async def forward(host: str, port: int, opener: Opener) -> asyncio.Server:
    """Serve a TCP port of this network by handing each connection on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far = await opener()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            return
        await _join((reader, writer), far)

    return await asyncio.start_server(serve, host, port)


def table(routes: Mapping[tuple[str, int], Opener]) -> Route:
    """Return a route that looks targets up, also those that are added later."""
    return lambda host, port: routes.get((host, port))


def _refusal(error: Exception) -> bytes:
    """Return an answer that tells why; kube-apiserver shows nothing of it but the status line."""
    phrase = "".join(c if c.isprintable() else " " for c in str(error)) or type(error).__name__
    reason = phrase.encode("ascii", "replace")
    return b"HTTP/1.1 502 %s\r\nContent-Length: %d\r\n\r\n%s" % (reason, len(reason), reason)


async def _target(reader: asyncio.StreamReader) -> tuple[str, int]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    method, target, *_ = head.split(maxsplit=2)
    host, _, port = target.rpartition(":")
    if method != "CONNECT":
        raise ValueError(f"only CONNECT is served, not {method}")
    if not host or not port.isdigit():
        raise ValueError(f"{target} is not host:port")
    return host.strip("[]"), int(port)


async def _join(near: Stream, far: Stream) -> None:
    """Carry bytes both ways until both sides have ended."""
    await asyncio.gather(_pipe(near[0], far[1]), _pipe(far[0], near[1]))
    for _, writer in (near, far):
        writer.close()


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, RuntimeError):
        while piece := await source.read(_PIECE):
            sink.write(piece)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
            return
    sink.close()
