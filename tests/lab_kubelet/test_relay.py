"""The gateway through which kube-apiserver reaches nodes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from lab.relay import Opener, RefusedError, listen, to_relay

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def gateway(folder: Path, serve: Serve) -> AsyncIterator[Opener]:
    """Serve behind 10.0.0.30:10250, and yield the way there."""
    behind = folder / "behind"
    server = await asyncio.start_unix_server(serve, behind)

    def route(host: str, port: int) -> Opener | None:
        known = {("10.0.0.30", 10250): behind, ("10.0.0.31", 10250): folder / "nobody"}
        path = known.get((host, port))
        return (lambda: asyncio.open_unix_connection(path)) if path else None

    async with server, await listen(folder / "gateway", route):
        yield to_relay(folder / "gateway", "10.0.0.30", 10250)


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer once all is said."""
    writer.write((await reader.read()).upper())
    writer.close()


def test_a_side_that_has_ended_is_still_answered(tmp_path: Path) -> None:
    async def go() -> bytes:
        async with gateway(tmp_path, shout) as opened:
            reader, writer = await opened()
            writer.write(b"question" * 100_000)
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            return answer

    assert asyncio.run(go()) == b"QUESTION" * 100_000


@pytest.mark.parametrize(
    ("request_line", "status_line"),
    [
        ("CONNECT 10.9.9.9:443", "502 nothing is known of 10.9.9.9:443"),
        ("CONNECT [fd00::1]:443", "502 nothing is known of fd00::1:443"),
        ("CONNECT 10.0.0.31:10250", "502 [Errno 2] No such file or directory"),
        ("GET 10.0.0.30:10250", "502 only CONNECT is served, not GET"),
        ("CONNECT nonsense", "502 nonsense is not host:port"),
    ],
)
def test_the_status_line_says_why_there_is_no_way(
    tmp_path: Path, request_line: str, status_line: str
) -> None:
    async def go() -> str:
        async with gateway(tmp_path, shout):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "gateway")
            writer.write(f"{request_line} HTTP/1.1\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
            return answer.decode()

    first = asyncio.run(go()).split("\r\n")[0]
    # kube-apiserver shows nothing of a refusal but this line.
    assert first.startswith(f"HTTP/1.1 {status_line}")


def test_a_refusal_stays_on_one_line(tmp_path: Path) -> None:
    async def refuse() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raise RefusedError("broken\r\nX-Made-Up: yes é")

    async def go() -> list[bytes]:
        async with await listen(tmp_path / "gateway", lambda _host, _port: refuse):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "gateway")
            writer.write(b"CONNECT a:1 HTTP/1.1\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer.split(b"\r\n")

    assert asyncio.run(go())[:2] == [
        b"HTTP/1.1 502 broken  X-Made-Up: yes ?",
        b"Content-Length: 24",
    ]
