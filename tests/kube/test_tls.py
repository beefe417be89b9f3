"""Trust: authorities, names, client certificates, and keys that leave no trace."""

import asyncio
import base64
import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from oc_gpu.kube import ConfigError, ConnectionFailedError
from oc_gpu.kube.tls import Certificate, context
from tests.kube.certificates import Authority, Pair, locked_key
from tests.kube.server import Exchange, listen, serve
from tests.kube.wires import kubeconfig, reached

AUTHORITY = Authority()
STRANGER = Authority("stranger")
LOCAL = AUTHORITY.issue("server", ("127.0.0.1", "localhost"))
INTERNAL = AUTHORITY.issue("server", ("api.internal",))


def data(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def server_side(pair: Pair, clients: Authority | None = None) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pem"
        path.write_bytes(pair.certificate + pair.key)
        made.load_cert_chain(path)
    if clients is not None:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(cadata=clients.pem.decode())
    return made


def ask(
    pair: Pair,
    cluster: dict[str, Any],
    user: dict[str, Any] | None = None,
    clients: Authority | None = None,
) -> list[Exchange]:
    async def handle(exchange: Exchange) -> None:
        await exchange.reply(200, {"gitVersion": "v1"})

    async def go() -> list[Exchange]:
        async with serve(handle, server_side(pair, clients)) as server:
            async with reached(kubeconfig({"server": server.url, **cluster}, user)) as kube:
                await kube.version()
                await kube.version()
            return server.requests

    return asyncio.run(go())


TRUSTED = {"certificate-authority-data": data(AUTHORITY.pem)}


def test_a_server_of_the_given_authority_is_trusted() -> None:
    assert len(ask(LOCAL, TRUSTED)) == 2


def test_large_answers_come_whole_through_tls() -> None:
    async def handle(exchange: Exchange) -> None:
        await exchange.reply(200, {"gitVersion": "x" * 3_000_000})

    async def go() -> int:
        async with serve(handle, server_side(LOCAL)) as server:
            async with reached(kubeconfig({"server": server.url, **TRUSTED})) as kube:
                versions = [await kube.version() for _ in range(3)]
            assert server.connections == 1
            return sum(len(version.git_version) for version in versions)

    assert asyncio.run(go()) == 9_000_000


def test_the_authority_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    path.write_bytes(AUTHORITY.pem)
    assert ask(LOCAL, {"certificate-authority": str(path)})


def test_a_servers_own_certificate_may_be_the_authority() -> None:
    assert ask(LOCAL, {"certificate-authority-data": data(LOCAL.certificate)})


@pytest.mark.parametrize("cluster", [{"certificate-authority-data": data(STRANGER.pem)}, {}])
def test_another_authority_is_refused_with_what_to_do(cluster: dict[str, Any]) -> None:
    with pytest.raises(ConnectionFailedError, match="authority that is not trusted") as caught:
        ask(LOCAL, cluster)
    assert "certificate-authority" in caught.value.hints[0]
    assert caught.value.permanent
    assert caught.value.exit_code == 3


def test_a_wrong_name_is_refused_and_tls_server_name_accepted() -> None:
    with pytest.raises(ConnectionFailedError, match=r"not made for 127\.0\.0\.1") as caught:
        ask(INTERNAL, TRUSTED)
    assert "tls-server-name" in caught.value.hints[0]
    assert ask(INTERNAL, {**TRUSTED, "tls-server-name": "api.internal"})
    with pytest.raises(ConnectionFailedError, match=r"not made for other\.internal"):
        ask(INTERNAL, {**TRUSTED, "tls-server-name": "other.internal"})


def test_the_common_name_does_not_count_as_a_name() -> None:
    with pytest.raises(ConnectionFailedError, match="not made for localhost"):
        ask(AUTHORITY.issue("localhost"), {**TRUSTED, "tls-server-name": "localhost"})


def test_an_expired_certificate_is_told_from_others() -> None:
    with pytest.raises(ConnectionFailedError, match="expired or not valid yet") as caught:
        ask(AUTHORITY.issue("server", ("127.0.0.1",), days=-1), TRUSTED)
    assert "clock" in caught.value.hints[0]


def test_the_insecure_flag_trusts_anyone() -> None:
    assert ask(INTERNAL, {"insecure-skip-tls-verify": True})


def test_a_client_certificate_is_shown_from_data_and_from_files(tmp_path: Path) -> None:
    pair = AUTHORITY.issue("jane")
    in_data = {
        "client-certificate-data": data(pair.certificate),
        "client-key-data": data(pair.key),
    }
    assert ask(LOCAL, TRUSTED, in_data, clients=AUTHORITY)
    (tmp_path / "crt").write_bytes(pair.certificate)
    (tmp_path / "key").write_bytes(pair.key)
    files = {"client-certificate": str(tmp_path / "crt"), "client-key": str(tmp_path / "key")}
    assert ask(LOCAL, TRUSTED, files, clients=AUTHORITY)


def refuse(connection: socket.socket) -> None:
    """Shake hands, which fails, and read on: to close at once would lose the alert on its way."""
    made = server_side(LOCAL, AUTHORITY)
    with made.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as wrapped:
        wrapped.settimeout(5)
        with contextlib.suppress(ssl.SSLError):
            wrapped.do_handshake()
        with contextlib.suppress(OSError):
            wrapped.shutdown(socket.SHUT_WR)
            while wrapped.recv(65536):
                pass


@contextmanager
def strict_server() -> Iterator[int]:
    """Give the port of a server that wants our certificates; asyncio's would send no alert."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    refuse(connection)

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


async def one_request(url: str, user: dict[str, Any]) -> None:
    async with reached(kubeconfig({"server": url, **TRUSTED}, user)) as kube:
        await kube.version()


@pytest.mark.parametrize("issuer", [STRANGER, None])
def test_a_server_that_wants_another_client_certificate_is_told(issuer: Authority | None) -> None:
    user = {}
    if issuer is not None:
        pair = issuer.issue("jane")
        user = {
            "client-certificate-data": data(pair.certificate),
            "client-key-data": data(pair.key),
        }
    with strict_server() as port, pytest.raises(ConnectionFailedError) as caught:
        asyncio.run(one_request(f"https://127.0.0.1:{port}", user))
    assert "refused our TLS" in str(caught.value)
    assert "client-certificate" in caught.value.hints[0]


def test_a_key_lies_in_a_private_file_only_while_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []

    load = ssl.SSLContext.load_cert_chain

    def watching(made: ssl.SSLContext, path: Path, password: Any) -> None:
        modes.append((path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777))
        load(made, path, password=password)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watching)
    pair = AUTHORITY.issue("jane")
    context(None, certificate=Certificate(pair.certificate, pair.key))
    assert modes == [(0o600, 0o700)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", [AUTHORITY.issue("other").key, locked_key(), b"", b"not a key"])
def test_a_key_that_does_not_fit_is_refused_without_a_question_at_the_terminal(
    key: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    certificate = Certificate(AUTHORITY.issue("jane").certificate, key)
    with pytest.raises(ConfigError, match="cannot be used together"):
        context(None, certificate=certificate)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ca", [b"no pem", b"", b"\xff\xfe"])
def test_an_authority_that_is_none_is_refused(ca: bytes) -> None:
    with pytest.raises(ConfigError, match="not a PEM certificate"):
        context(ca)


def test_a_server_without_tls_behind_an_https_url_is_told() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent a TLS request")
        await writer.drain()

    async def go() -> None:
        async with listen(client) as port:
            cluster = {"server": f"https://127.0.0.1:{port}", **TRUSTED}
            async with reached(kubeconfig(cluster)) as kube:
                await kube.version()

    with pytest.raises(ConnectionFailedError, match="does not speak TLS on this port"):
        asyncio.run(go())
