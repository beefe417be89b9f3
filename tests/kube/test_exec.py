"""Commands in containers: channels, exit codes, standard input, over real WebSockets too."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
)

from oc_gpu.kube import Client, ConnectionFailedError, ForbiddenError, OcGpuError, ServerError
from oc_gpu.kube.execution import V4, V5
from oc_gpu.kube.objects import ExecResult
from tests.kube.fake import FakeSocket, client
from tests.kube.server import listen, status
from tests.kube.wires import connected

SUCCESS = b"\x03" + json.dumps({"metadata": {}, "status": "Success"}).encode()
SEVEN = (
    b"\x03"
    + json.dumps(
        status(
            500,
            "NonZeroExitCode",
            "command terminated with non-zero exit code",
            causes=[{"reason": "ExitCode", "message": "7"}],
        )
    ).encode()
)


def run(kube: Client, **options: Any) -> ExecResult:
    return asyncio.run(kube.exec("a", "p", ["nvidia-smi", "-q", "-x"], **options))


def test_output_and_exit_code_come_on_their_channels() -> None:
    socket = FakeSocket(V5, [b"\x01", b"\x01out", b"\x02err", b"\x01put", SUCCESS])
    kube, sent = client(socket)
    assert run(kube, container="c") == ExecResult("output", "err", 0)
    assert sent.sent[0].target == (
        "/api/v1/namespaces/a/pods/p/exec?command=nvidia-smi&command=-q&command=-x"
        "&container=c&stdout=true&stderr=true"
    )
    assert sent.sent[0].headers["subprotocols"] == f"{V5},{V4}"
    assert socket.closed


@pytest.mark.parametrize("protocol", [V5, V4])
def test_the_exit_code_of_a_failed_command_is_told(protocol: str) -> None:
    kube, _ = client(FakeSocket(protocol, [SEVEN]))
    assert run(kube).exit_code == 7


def test_standard_input_is_sent_whole_and_then_closed() -> None:
    socket = FakeSocket(V5, [SUCCESS])
    kube, sent = client(socket)
    run(kube, stdin=b"x" * 40_000)
    assert sent.sent[0].query["stdin"] == "true"
    assert b"".join(message[1:] for message in socket.sent[:-1]) == b"x" * 40_000
    assert {message[0] for message in socket.sent[:-1]} == {0}
    assert socket.sent[-1] == b"\xff\x00"


def test_empty_standard_input_is_closed_at_once() -> None:
    socket = FakeSocket(V5, [SUCCESS])
    run(client(socket)[0], stdin=b"")
    assert socket.sent == [b"\xff\x00"]


def test_input_that_an_old_server_could_never_end_is_refused() -> None:
    socket = FakeSocket(V4, [SUCCESS])
    with pytest.raises(OcGpuError, match="cannot close a command's standard input"):
        run(client(socket)[0], stdin=b"x")
    assert socket.closed


def pipe(kube: Client, **options: Any) -> ExecResult:
    return asyncio.run(kube.pipe("a", "p", ["tar"], container="c", **options))


@pytest.mark.parametrize("protocol", [V5, V4])
def test_a_command_that_knows_the_end_of_its_input_is_fed_in_pieces(protocol: str) -> None:
    socket = FakeSocket(protocol, [SUCCESS])
    pieces = (b"x" * 40_000, b"", b"y")
    pipe(client(socket)[0], feed=iter(pieces))
    sent = [message for message in socket.sent if message[0] == 0]
    assert b"".join(message[1:] for message in sent) == b"x" * 40_000 + b"y"
    assert (socket.sent[-1] == b"\xff\x00") is (protocol == V5)


def test_what_a_command_writes_is_handed_on_as_it_comes() -> None:
    taken: list[bytes] = []
    socket = FakeSocket(V4, [b"\x01one", b"\x02said", b"\x01two", SEVEN])
    result = pipe(client(socket)[0], take=taken.append)
    assert taken == [b"one", b"two"]
    assert result == ExecResult("", "said", 7)


def test_a_command_that_cannot_start_is_an_error_with_its_reason() -> None:
    failed = b"\x03" + json.dumps(status(500, "InternalError", "no such file")).encode()
    with pytest.raises(ServerError, match="cannot exec pods/p in a: no such file"):
        run(client(FakeSocket(V5, [failed]))[0])


def test_a_plain_text_on_the_error_channel_is_a_failure() -> None:
    with pytest.raises(ServerError, match="container not found"):
        run(client(FakeSocket(V4, [b"\x03container not found"]))[0])


def test_a_server_that_cannot_be_reached_yet_is_asked_again() -> None:
    away = ConnectionFailedError("away", sent=False)
    kube, sent = client(away, FakeSocket(V5, [SUCCESS]))
    assert run(kube).exit_code == 0
    lost = client(ConnectionFailedError("lost", sent=True), FakeSocket(V5, [SUCCESS]))[0]
    with pytest.raises(ConnectionFailedError, match="lost"):
        run(lost)
    assert len(sent.sent) == 2


def test_a_connection_that_ends_before_the_command_is_an_error() -> None:
    with pytest.raises(ConnectionFailedError, match="ended before the command did"):
        run(client(FakeSocket(V5, [b"\x01half"]))[0])


@dataclass
class Remote:
    """A server that speaks one subprotocol, collects stdin and then says what it is told to."""

    subprotocol: str
    says: list[bytes]
    refuse: dict[str, Any] | None = None
    requests: list[Request] = field(default_factory=list)
    stdin: bytes = b""
    _message: bytes = b""
    pongs: int = 0
    url: str = ""

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = WSConnection(ConnectionType.SERVER)

        def send(event: Event) -> None:
            writer.write(protocol.send(event))

        while data := await reader.read(65536):
            protocol.receive_data(data)
            for event in protocol.events():
                if self._hear(event, send):
                    await writer.drain()
                    return

    def _hear(self, event: Event, send: Any) -> bool:
        if isinstance(event, Request):
            self.requests.append(event)
            if self.refuse is not None:
                body = json.dumps(self.refuse).encode()
                send(RejectConnection(status_code=self.refuse["code"], has_body=True))
                send(RejectData(data=body, body_finished=True))
                return True
            send(AcceptConnection(subprotocol=self.subprotocol))
            send(Ping(payload=b"there?"))
        elif isinstance(event, Pong):
            self.pongs += 1
            if "stdin=true" not in self.requests[0].target:
                self._say(send)
        elif isinstance(event, BytesMessage):
            self._message += event.data
            if event.message_finished:
                message, self._message = self._message, b""
                self.stdin += message[1:] if message[0] == 0 else b""
                if message == b"\xff\x00":
                    self._say(send)
        return isinstance(event, CloseConnection)

    def _say(self, send: Any) -> None:
        for message in self.says:
            half = len(message) // 2
            send(BytesMessage(data=message[:half], message_finished=False))
            send(BytesMessage(data=message[half:]))
        send(CloseConnection(code=1000))


@asynccontextmanager
async def remote(server: Remote) -> AsyncIterator[Client]:
    async with listen(server.client) as port:
        server.url = f"http://127.0.0.1:{port}"
        async with connected(server.url, token="t0ken") as kube:
            yield kube


@pytest.mark.parametrize("protocol", [V5, V4])
def test_exit_code_seven_over_a_real_websocket(protocol: str) -> None:
    server = Remote(protocol, [b"\x01out", b"\x02err", SEVEN])

    async def go() -> ExecResult:
        async with remote(server) as kube:
            return await kube.exec("a", "p", ["false"])

    assert asyncio.run(go()) == ExecResult("out", "err", 7)
    assert server.requests[0].subprotocols == [V5, V4]
    assert (b"authorization", b"Bearer t0ken") in server.requests[0].extra_headers
    assert server.pongs == 1


def test_standard_input_and_its_end_over_a_real_websocket() -> None:
    server = Remote(V5, [b"\x01done", SUCCESS])
    text = bytes(range(256)) * 1000

    async def go() -> ExecResult:
        async with remote(server) as kube:
            return await kube.exec("a", "p", ["cat"], stdin=text)

    assert asyncio.run(go()) == ExecResult("done", "", 0)
    assert server.stdin == text


def test_a_refused_websocket_is_the_servers_error() -> None:
    server = Remote(V5, [], status(403, "Forbidden", "pods/exec is forbidden"))

    async def go() -> None:
        async with remote(server) as kube:
            await kube.exec("a", "p", ["true"])

    with pytest.raises(ForbiddenError, match="pods/exec is forbidden") as caught:
        asyncio.run(go())
    assert "`create pods/exec in namespace a`" in caught.value.hints[0]


def test_a_server_that_hangs_up_on_a_websocket_is_named() -> None:
    async def client(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        return

    async def go() -> None:
        async with listen(client) as port, connected(f"http://127.0.0.1:{port}") as kube:
            await kube.exec("a", "p", ["true"])

    with pytest.raises(ConnectionFailedError, match=r"http://127\.0\.0\.1:\d+ hung up"):
        asyncio.run(go())
