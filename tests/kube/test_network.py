"""Requests over real sockets: connections kept, answers in pieces, servers that go wrong."""

import asyncio
import gzip
import json
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from oc_gpu.kube import Client, ConfigError, ConnectionFailedError, Updated
from oc_gpu.kube import resources as known
from oc_gpu.kube.dialing import Endpoint, failure
from tests.kube.server import Exchange, Server, listen, serve
from tests.kube.test_watches import event
from tests.kube.wires import connected, kubeconfig, reached

VERSION = {"gitVersion": "v1.33.1"}


def talk(
    handle: Callable[[Exchange], Awaitable[None]],
    act: Callable[[Client], Awaitable[Any]],
    **user: Any,
) -> tuple[Any, Server]:
    async def go() -> tuple[Any, Server]:
        async with serve(handle) as server, connected(server.url, **user) as kube:
            return await act(kube), server

    return asyncio.run(go())


async def version(exchange: Exchange) -> None:
    await exchange.reply(200, VERSION, {"date": "Tue, 24 Nov 2026 02:13:00 GMT"})


def test_one_connection_carries_many_requests() -> None:
    async def act(kube: Client) -> float | None:
        for _ in range(5):
            await kube.version()
        return kube.server_time

    clock, server = talk(version, act)
    assert len(server.requests) == 5
    assert server.connections == 1
    assert clock == 1795486380.0


def test_requests_carry_the_token_host_and_program() -> None:
    _, server = talk(version, lambda kube: kube.version(), token="t")
    headers = server.requests[0].headers
    assert headers["authorization"] == "Bearer t"
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["user-agent"].startswith("oc-gpu/")


def test_a_burst_of_requests_shares_a_few_connections() -> None:
    async def act(kube: Client) -> None:
        await asyncio.gather(*(kube.version() for _ in range(30)))

    _, server = talk(version, act)
    assert len(server.requests) == 30
    assert server.connections <= 6


def test_compressed_lists_are_read() -> None:
    async def handle(exchange: Exchange) -> None:
        assert exchange.headers["accept-encoding"] == "gzip"
        body = json.dumps({"metadata": {}, "items": [{"metadata": {"name": "a"}}]}).encode()
        await exchange.reply(200, gzip.compress(body), {"content-encoding": "gzip"})

    result, _ = talk(handle, lambda kube: kube.list(known.NODES))
    assert result.items == [{"metadata": {"name": "a"}}]


def test_answers_in_chunks_are_put_together() -> None:
    body = json.dumps({"metadata": {}, "items": [{"metadata": {"name": "a" * 200_000}}]}).encode()

    async def handle(exchange: Exchange) -> None:
        await exchange.begin()
        for start in range(0, len(body), 3001):
            await exchange.chunk(body[start : start + 3001])
        await exchange.end()

    result, _ = talk(handle, lambda kube: kube.list(known.NODES))
    assert len(result.items[0]["metadata"]["name"]) == 200_000


def test_bodies_arrive_whole() -> None:
    wanted = {"metadata": {"name": "x"}, "data": {"a": "ä" * 300_000}}

    async def handle(exchange: Exchange) -> None:
        await exchange.reply(200, exchange.body)

    result, server = talk(handle, lambda kube: kube.apply(known.NODES, wanted))
    assert result == wanted
    assert server.requests[0].method == "PATCH"


LARGE = {"metadata": {"name": "x" * 3_000_000}}


@pytest.mark.parametrize("pause", [0.0, 0.1])
def test_a_large_body_may_take_longer_than_the_timeout_while_it_comes(pause: float) -> None:
    body = json.dumps(LARGE).encode()

    async def handle(exchange: Exchange) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
        exchange.writer.write(head.encode() + body[:1000])
        for start in range(1000, len(body), 500_000):
            await asyncio.sleep(pause)
            exchange.writer.write(body[start : start + 500_000])
            await exchange.writer.drain()

    async def go() -> Server:
        async with (
            serve(handle) as server,
            reached(kubeconfig({"server": server.url}), timeout=0.4) as kube,
        ):
            for _ in range(2):
                assert await kube.get(known.NODES, "n") == LARGE
            return server

    assert asyncio.run(go()).connections == 1


def test_a_large_body_that_stops_coming_is_given_up() -> None:
    async def handle(exchange: Exchange) -> None:
        exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{")
        await asyncio.sleep(60)

    async def go() -> None:
        async with (
            serve(handle) as server,
            reached(kubeconfig({"server": server.url}), timeout=0.1) as kube,
        ):
            await kube.create(known.NODES, {})

    with pytest.raises(ConnectionFailedError, match=r"did not answer within 0\.1 s"):
        asyncio.run(go())


def test_a_large_body_that_breaks_off_is_an_error() -> None:
    async def handle(exchange: Exchange) -> None:
        exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{")
        await exchange.writer.drain()
        exchange.writer.close()
        exchange.closed = True

    with pytest.raises(ConnectionFailedError, match="broke off its answer"):
        talk(handle, lambda kube: kube.create(known.NODES, {}))


def test_a_connection_that_the_server_will_close_is_not_used_again() -> None:
    async def handle(exchange: Exchange) -> None:
        body = LARGE if exchange.path.endswith("/n") else {}
        await exchange.reply(200, body, {"connection": "close"})
        exchange.closed = True

    async def act(kube: Client) -> None:
        await kube.get(known.NODES, "n")
        await kube.get(known.NODES, "small")
        await kube.create(known.NODES, {})

    _, server = talk(handle, act)
    assert server.connections == 3


def test_a_path_in_front_of_the_api_is_kept() -> None:
    async def go() -> Server:
        async with serve(version) as server:
            config = kubeconfig({"server": f"{server.url}/k8s/clusters/c-1/"})
            async with reached(config) as kube:
                await kube.version()
                assert kube.server == f"{server.url}/k8s/clusters/c-1"
            return server

    assert asyncio.run(go()).requests[0].path == "/k8s/clusters/c-1/version"


def test_credentials_in_the_url_are_neither_shown_nor_lost_to_errors() -> None:
    async def go() -> None:
        config = kubeconfig({"server": "http://jane:s3cret@127.0.0.1:1"})
        async with reached(config) as kube:
            assert kube.server == "http://127.0.0.1:1"
            await kube.version()

    with pytest.raises(ConnectionFailedError) as caught:
        asyncio.run(go())
    assert "s3cret" not in str(caught.value)


def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    async def handle(exchange: Exchange) -> None:
        await version(exchange)
        if len(server_requests) == 0:
            exchange.hang_up()
        server_requests.append(exchange)

    server_requests: list[Exchange] = []

    async def act(kube: Client) -> None:
        await kube.version()
        await asyncio.sleep(0.02)
        await kube.create(known.NODES, {})

    _, server = talk(handle, act)
    assert server.connections == 2
    assert [e.method for e in server.requests] == ["GET", "POST"]


def test_a_read_is_repeated_at_once_when_a_kept_connection_breaks() -> None:
    async def handle(exchange: Exchange) -> None:
        if len(served) == 1 and exchange.connection == 1:
            served.append(exchange)
            exchange.hang_up()
            return
        served.append(exchange)
        await version(exchange)

    served: list[Exchange] = []

    async def act(kube: Client) -> None:
        await kube.version()
        await kube.version()

    _, server = talk(handle, act)
    assert [e.connection for e in server.requests] == [1, 1, 2]


def test_a_write_is_not_repeated_when_a_kept_connection_breaks() -> None:
    async def handle(exchange: Exchange) -> None:
        if exchange.method == "POST":
            exchange.hang_up()
        else:
            await version(exchange)

    async def act(kube: Client) -> None:
        await kube.version()
        with pytest.raises(ConnectionFailedError, match="hung up without an answer") as caught:
            await kube.create(known.NODES, {})
        assert caught.value.sent

    _, server = talk(handle, act)
    assert [e.method for e in server.requests] == ["GET", "POST"]


def test_a_server_that_hangs_up_is_named_within_the_time_given() -> None:
    async def client(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        return

    async def go() -> None:
        async with listen(client) as port, connected(f"http://127.0.0.1:{port}") as kube:
            await kube.version()

    started = time.monotonic()
    with pytest.raises(ConnectionFailedError, match=r"http://127\.0\.0\.1:\d+ hung up") as caught:
        asyncio.run(go())
    assert time.monotonic() - started < 2
    assert caught.value.exit_code == 3
    assert caught.value.hints


def test_an_answer_that_breaks_off_is_an_error() -> None:
    async def handle(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.chunk(b"{")
        exchange.hang_up()

    with pytest.raises(ConnectionFailedError, match="broke off its answer"):
        talk(handle, lambda kube: kube.version())


def test_what_is_no_http_is_an_error() -> None:
    async def client(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9\r\n\r\n")
        await writer.drain()

    async def go() -> None:
        async with listen(client) as port, connected(f"http://127.0.0.1:{port}") as kube:
            await kube.version()

    with pytest.raises(ConnectionFailedError):
        asyncio.run(go())


def test_a_refused_connection_is_tried_again_and_then_told() -> None:
    async def go() -> None:
        async with serve(version) as server:
            url = server.url
        async with connected(url) as kube:
            await kube.version()

    started = time.monotonic()
    with pytest.raises(ConnectionFailedError, match="refused the connection") as caught:
        asyncio.run(go())
    assert 0.05 < time.monotonic() - started < 2
    assert "VPN" in caught.value.hints[0]


def test_a_host_with_several_addresses_that_all_refuse_is_told_as_such() -> None:
    several = OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 111] Connect")
    endpoint = Endpoint("k", 1, tls=False, server_name=None, proxy=None, url="http://k:1")
    assert "refused the connection" in str(failure(several, endpoint, 1.0))


@pytest.mark.parametrize("token", ["a\nb", "a\0b"])
def test_a_token_that_http_cannot_carry_is_told_and_not_shown(token: str) -> None:
    with pytest.raises(ConfigError, match="characters that HTTP does not allow") as caught:
        talk(version, lambda kube: kube.version(), token=f"s3cret{token}")
    assert "s3cret" not in str(caught.value)


def test_an_answer_that_cannot_be_decompressed_is_an_error() -> None:
    async def handle(exchange: Exchange) -> None:
        await exchange.reply(200, b"no gzip", {"content-encoding": "gzip"})

    with pytest.raises(ConnectionFailedError, match="cannot be decompressed"):
        talk(handle, lambda kube: kube.list(known.NODES))


def test_an_unknown_host_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unknown(host: str, *_more: Any, **_options: Any) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def go() -> None:
        async with connected("http://oc-gpu.invalid:6443") as kube:
            await kube.version()

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ConnectionFailedError, match=r"host name oc-gpu\.invalid is not known"):
        asyncio.run(go())
    assert asked == ["oc-gpu.invalid"]


def test_a_server_that_does_not_answer_is_given_up_after_the_timeout() -> None:
    async def handle(_exchange: Exchange) -> None:
        await asyncio.sleep(60)

    async def go() -> None:
        async with (
            serve(handle) as server,
            reached(kubeconfig({"server": server.url}), timeout=0.2) as kube,
        ):
            await kube.version()

    started = time.monotonic()
    with pytest.raises(ConnectionFailedError, match=r"did not answer within 0\.2 s"):
        asyncio.run(go())
    assert time.monotonic() - started < 2


def test_a_watch_may_be_silent_for_longer_than_the_timeout() -> None:
    async def handle(exchange: Exchange) -> None:
        if "watch" not in exchange.query:
            await exchange.reply(200, {"metadata": {"resourceVersion": "1"}, "items": []})
            return
        await exchange.begin()
        await asyncio.sleep(0.6)
        await exchange.chunk(event("ADDED", "a", "2"))

    async def act(kube: Client) -> Any:
        watch = kube.watch(known.NODES)
        await anext(watch)
        try:
            return await anext(watch)
        finally:
            await watch.aclose()

    async def go() -> Any:
        async with (
            serve(handle) as server,
            reached(kubeconfig({"server": server.url}), timeout=0.3) as kube,
        ):
            return await act(kube)

    assert isinstance(asyncio.run(go()), Updated)


def test_a_watch_survives_a_server_that_restarts() -> None:
    """The list, a cut stream, a while without server, and on from the last version."""

    async def handle(exchange: Exchange) -> None:
        if "watch" not in exchange.query:
            await exchange.reply(200, {"metadata": {"resourceVersion": "1"}, "items": []})
        elif exchange.query["resourceVersion"] == "1":
            await exchange.begin()
            await exchange.chunk(event("ADDED", "a", "2") + event("ADDED", "b", "3")[:10])
            exchange.hang_up()
        else:
            await exchange.begin()
            await exchange.chunk(event("ADDED", "b", exchange.query["resourceVersion"]))
            await asyncio.sleep(60)

    async def act(kube: Client) -> list[str]:
        watch = kube.watch(known.NODES)
        await anext(watch)
        seen = [await anext(watch) for _ in range(2)]
        await watch.aclose()
        return [item.object["metadata"]["resourceVersion"] for item in seen]  # type: ignore[union-attr]

    versions, _ = talk(handle, act)
    assert versions == ["2", "2"]


def test_logs_are_followed_as_they_are_written() -> None:
    release: list[asyncio.Event] = []

    async def handle(exchange: Exchange) -> None:
        release.append(asyncio.Event())
        await exchange.begin()
        await exchange.chunk(b"one\ntw")
        await release[0].wait()
        await exchange.chunk(b"o\nthree")
        await exchange.end()

    async def act(kube: Client) -> list[str]:
        lines = []
        async for line in kube.follow_logs("a", "p"):
            lines.append(line)
            release[0].set()
        return lines

    lines, server = talk(handle, act)
    assert lines == ["one", "two", "three"]
    assert server.requests[0].query["follow"] == "true"


def test_leaving_a_watch_early_leaves_nothing_open() -> None:
    async def handle(exchange: Exchange) -> None:
        if "watch" not in exchange.query:
            await exchange.reply(200, {"metadata": {"resourceVersion": "1"}, "items": []})
            return
        await exchange.begin()
        for number in range(3):
            await exchange.chunk(event("ADDED", "a", str(number)))
        await asyncio.sleep(60)

    async def act(kube: Client) -> None:
        async for item in kube.watch(known.NODES):
            if isinstance(item, Updated):
                break

    talk(handle, act)


def test_a_cancelled_request_does_not_spoil_the_next() -> None:
    async def handle(exchange: Exchange) -> None:
        if exchange.path == "/version":
            await version(exchange)
        else:
            await exchange.begin()
            await asyncio.sleep(60)

    async def act(kube: Client) -> Any:
        for _ in range(8):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(kube.get(known.NODES, "n"), 0.02)
        return await kube.version()

    found, _ = talk(handle, act)
    assert found.git_version == "v1.33.1"


def test_impersonation_is_sent_with_each_request() -> None:
    user = {
        "as": "configured",
        "as-uid": "7",
        "as-groups": ["g1", "g2"],
        "as-user-extra": {"example.com/scopes": ["a"]},
    }

    async def go(named: str | None) -> list[tuple[str, str]]:
        async with serve(version) as server:
            config = kubeconfig({"server": server.url}, user)
            async with reached(config, impersonate=named) as kube:
                await kube.version()
            return [line for line in server.requests[0].lines if line[0].startswith("imp")]

    assert asyncio.run(go(None)) == [
        ("impersonate-user", "configured"),
        ("impersonate-uid", "7"),
        ("impersonate-group", "g1"),
        ("impersonate-group", "g2"),
        ("impersonate-extra-example.com%2fscopes", "a"),
    ]
    assert ("impersonate-user", "other") in asyncio.run(go("other"))
