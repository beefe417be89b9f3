"""Proxies: which one leads to a server, and tunnels through it."""

import asyncio
import base64
import ssl
from typing import Any

import pytest

from oc_gpu.kube import ConfigError, ConnectionFailedError
from oc_gpu.kube.proxy import Proxy, from_environment, parse
from tests.kube.certificates import Pair
from tests.kube.server import Exchange, listen, serve
from tests.kube.test_tls import AUTHORITY, LOCAL, TRUSTED, server_side
from tests.kube.wires import kubeconfig, reached

ENVIRON = {"HTTPS_PROXY": "http://proxy:3128", "http_proxy": "other"}


def test_the_scheme_chooses_the_variable_in_either_case() -> None:
    assert from_environment("https", "k.example.com", 6443, ENVIRON) == Proxy("proxy", 3128)
    assert from_environment("http", "k.example.com", 80, ENVIRON) == Proxy("other", 80)
    assert from_environment("https", "k.example.com", 6443, {}) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine_is_never_reached_by_proxy(host: str) -> None:
    assert from_environment("https", host, 6443, ENVIRON) is None


def excepted(host: str, exceptions: str) -> bool:
    environ = {**ENVIRON, "NO_PROXY": exceptions}
    return from_environment("https", host, 6443, environ) is None


@pytest.mark.parametrize(
    "exceptions",
    [
        "*",
        "example.com",
        ".example.com",
        "*.example.com",
        "k.example.com",
        "K.EXAMPLE.COM",
        " x , k.example.com ",
        "k.example.com:6443",
    ],
)
def test_no_proxy_for_names_that_match(exceptions: str) -> None:
    assert excepted("k.example.com", exceptions)


@pytest.mark.parametrize(
    "exceptions", ["", "k.example.com:443", ".k.example.com", "ample.com", "10.0.0.0/8"]
)
def test_a_proxy_for_names_that_do_not_match(exceptions: str) -> None:
    assert not excepted("k.example.com", exceptions)


@pytest.mark.parametrize(
    ("host", "exceptions"),
    [
        ("10.1.2.3", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3", "10.1.2.3:6443"),
        ("fd00::1", "fd00::/8"),
        ("fd00::1", "fd00::1"),
        ("fd00::1", "[fd00::1]:6443"),
    ],
)
def test_no_proxy_for_addresses_that_match(host: str, exceptions: str) -> None:
    assert excepted(host, exceptions)


@pytest.mark.parametrize("exceptions", ["11.0.0.0/8", "10.1.2.3:443", "2.3", "bad/99"])
def test_a_proxy_for_addresses_that_do_not_match(exceptions: str) -> None:
    assert not excepted("10.1.2.3", exceptions)


def test_the_variable_of_exceptions_may_be_in_lower_case() -> None:
    assert from_environment("https", "k", 1, {**ENVIRON, "no_proxy": "k"}) is None


@pytest.mark.parametrize("url", ["socks5://p:1", "http://", "http://p:x", "ftp://p"])
def test_what_is_no_http_proxy_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="the proxy in HTTPS_PROXY is not the URL"):
        parse(url, "HTTPS_PROXY")


def test_a_proxys_password_is_sent_and_not_shown() -> None:
    proxy = parse("https://jane:s%40cret@proxy", "x")
    assert proxy.authorization == "Basic " + base64.b64encode(b"jane:s@cret").decode()
    assert (proxy.host, proxy.port, proxy.tls) == ("proxy", 443, True)
    assert "cret" not in repr(proxy)
    assert proxy.authorization not in repr(proxy)


class Tunnel:
    """A proxy that answers CONNECT and then carries bytes."""

    def __init__(self, answer: str = "200 Connection established", to: int = 0) -> None:
        self.answer = answer
        self.to = to
        self.heads: list[str] = []

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        writer.write(f"HTTP/1.1 {self.answer}\r\n\r\n".encode())
        if " 200 " not in f" {self.answer} ":
            await writer.drain()
            return
        port = self.to or int(head.split()[1].rpartition(":")[2])
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            far_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.transport.abort()


def through(
    tunnel: Tunnel,
    pair: Pair = LOCAL,
    *,
    user: str = "",
    environ: bool = False,
    tls: bool = False,
    host: str = "127.0.0.1",
) -> list[Exchange]:
    async def handle(exchange: Exchange) -> None:
        await exchange.reply(200, {"gitVersion": "v1"})

    async def go() -> list[Exchange]:
        async with (
            serve(handle, server_side(pair)) as server,
            listen(tunnel.client, server_side(LOCAL) if tls else None) as port,
        ):
            tunnel.to = server.port
            url = f"{'https' if tls else 'http'}://{user}127.0.0.1:{port}"
            cluster: dict[str, Any] = {"server": f"https://{host}:{server.port}", **TRUSTED}
            if not environ:
                cluster["proxy-url"] = url
            variables = {"HTTPS_PROXY": url} if environ else {}
            async with reached(kubeconfig(cluster), environ=variables) as kube:
                await kube.version()
            return server.requests

    return asyncio.run(go())


def test_a_tunnel_leads_to_the_server_and_tls_is_the_servers() -> None:
    tunnel = Tunnel()
    assert through(tunnel, user="jane:pw@")
    lines = tunnel.heads[0].split("\r\n")
    assert lines[0].startswith("CONNECT 127.0.0.1:")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'jane:pw').decode()}" in lines


def test_the_environments_proxy_is_used_for_other_machines() -> None:
    tunnel = Tunnel()
    pair = AUTHORITY.issue("server", ("k.example.com",))
    assert through(tunnel, pair, environ=True, host="k.example.com")
    assert tunnel.heads[0].startswith("CONNECT k.example.com:")


def test_a_proxy_that_refuses_is_named() -> None:
    with pytest.raises(
        ConnectionFailedError,
        match=r"the proxy 127\.0\.0\.1:\d+ answered 407 Proxy Authentication Required",
    ) as caught:
        through(Tunnel("407 Proxy Authentication Required"))
    assert "proxy-url" in caught.value.hints[0]


def test_a_server_behind_a_proxy_must_be_trusted_all_the_same() -> None:
    with pytest.raises(ConnectionFailedError, match="not made for"):
        through(Tunnel(), AUTHORITY.issue("server", ("api.internal",)))


def test_a_proxy_may_be_spoken_to_by_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConnectionFailedError, match=r"cannot trust the proxy https://127\.0\.0\.1"):
        through(Tunnel(), tls=True)

    def trust(made: ssl.SSLContext) -> None:
        made.load_verify_locations(cadata=AUTHORITY.pem.decode())

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", trust)
    tunnel = Tunnel()
    assert through(tunnel, tls=True)
    assert tunnel.heads
