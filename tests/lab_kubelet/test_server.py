"""The kubelets' API over HTTP and WebSockets, without an API server before it."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from lab.kubelet.backend import LogOptions
from lab.kubelet.logs import limited
from lab.relay import Opener
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    RejectConnection,
    Request,
)

from oc_gpu.kube import RawObject
from tests.lab_kubelet.machines import Machines, python
from tests.lab_kubelet.peers import NODE, ask, exec_target, serving

POD: RawObject = {
    "metadata": {"name": "tools", "namespace": "default", "uid": "u"},
    "spec": {
        "nodeName": NODE,
        "initContainers": [{"name": "first"}],
        "containers": [{"name": "main"}],
    },
}
LOGS = "/containerLogs/default/tools"


@pytest.fixture
def machines() -> Machines:
    made = Machines()
    made.bound = [POD]
    return made


def asked(machines: Machines, target: str, method: str = "GET", **fields: str) -> tuple[int, str]:
    async def go() -> tuple[int, str]:
        async with serving(machines) as opened:
            return await ask(opened, target, method, **fields)

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("/healthz", (200, "ok")),
        ("/nothing", (404, "404: Page Not Found")),
        ("/logs/messages", (404, "404: Page Not Found")),
        (f"{LOGS}/other", (404, 'container "other" not found in pod "tools"')),
        ("/containerLogs/default/gone/main", (404, 'pod "gone" does not exist')),
        (f"{LOGS}/main?tailLines=x", (400, '{"message": "Unable to decode query."}')),
        (f"{LOGS}/main?tailLines=-1", (422, '{"message": "Invalid request."}')),
        (f"{LOGS}/first", (200, "")),
        ("/logs/journal?boot=1", (400, "boot: Invalid value: 1: must be less than 1")),
    ],
)
def test_paths_are_answered_in_the_kubelets_words(
    machines: Machines, target: str, answer: tuple[int, str]
) -> None:
    assert asked(machines, target) == answer


def test_only_reading_is_allowed_where_nothing_is_run(machines: Machines) -> None:
    assert asked(machines, "/healthz", "POST")[0] == 404
    assert asked(machines, f"{LOGS}/main", "POST")[0] == 404


def test_a_kubelet_knows_its_own_pods_only(machines: Machines) -> None:
    elsewhere = {**POD, "spec": {**POD["spec"], "nodeName": "worker-b"}}
    machines.bound = [elsewhere]
    assert asked(machines, f"{LOGS}/main")[0] == 404
    assert json.loads(asked(machines, "/pods")[1])["items"] == []
    machines.bound = [POD]
    assert json.loads(asked(machines, "/pods")[1])["items"] == [POD]


def test_one_connection_carries_several_requests(machines: Machines) -> None:
    async def go() -> bytes:
        async with serving(machines) as opened:
            reader, writer = await opened()
            for _ in range(3):
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n")
                assert await reader.readexactly(2) == b"ok"
            machines.down.add(NODE)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n")
            rest = await reader.read()
            writer.close()
            return rest

    # A machine that went down meanwhile says nothing.
    assert asyncio.run(go()) == b""


def test_a_machine_that_is_down_is_not_connected_to(machines: Machines) -> None:
    machines.down.add(NODE)
    with pytest.raises(OSError, match="no route to host: worker-a is down"):
        asked(machines, "/healthz")


def test_what_is_no_http_is_hung_up_on(machines: Machines) -> None:
    async def go() -> bytes:
        async with serving(machines) as opened:
            reader, writer = await opened()
            writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")
            rest = await reader.read()
            writer.close()
            return rest

    assert asyncio.run(go()) == b""


def test_a_mistake_behind_the_api_is_told_to_the_loop_and_ends_the_connection(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> AsyncIterator[bytes]:
        raise KeyError("mistake")

    monkeypatch.setattr(machines, "logs", broken)
    told = []

    async def go() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        async with serving(machines) as opened:
            reader, writer = await opened()
            writer.write(f"GET {LOGS}/main HTTP/1.1\r\nHost: node\r\n\r\n".encode())
            assert await reader.read() == b""
            writer.close()

    asyncio.run(go())
    assert [repr(context["exception"]) for context in told] == ["KeyError('mistake')"]


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize(
    ("limit", "left"), [(None, b"onetwo"), (4, b"onet"), (3, b"one"), (9, b"onetwo")]
)
def test_a_log_breaks_off_at_its_limit(limit: int | None, left: bytes) -> None:
    async def go() -> bytes:
        return b"".join([piece async for piece in limited(_pieces(b"one", b"two"), limit)])

    assert asyncio.run(go()) == left


def test_a_log_is_read_no_faster_than_it_is_taken(machines: Machines) -> None:
    produced = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal produced
        while True:
            produced += 1
            yield bytes(1 << 20)

    async def logs(*_: object) -> AsyncIterator[bytes]:
        return endless()

    async def go() -> int:
        machines.logs = logs  # type: ignore[method-assign, assignment]
        async with serving(machines) as opened:
            reader, writer = await opened()
            writer.write(f"GET {LOGS}/main HTTP/1.1\r\nHost: node\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(2000):
                await asyncio.sleep(0)
            writer.transport.abort()
            return produced

    assert asyncio.run(go()) < 64


class WebSocketPeer:
    """The client's side of a WebSocket."""

    def __init__(self, opened: Opener) -> None:
        self._opened = opened
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: list[object] = []

    async def open(self, target: str, *protocols: str) -> object:
        self._reader, self._writer = await self._opened()
        await self.send(Request(host="node", target=target, subprotocols=list(protocols)))
        return await self.next()

    async def send(self, event: Request | BytesMessage | Ping | CloseConnection) -> None:
        self._writer.write(self._protocol.send(event))
        await self._writer.drain()

    async def next(self) -> object:
        while not self._events:
            data = await self._reader.read(1 << 16)
            self._protocol.receive_data(data or None)
            self._events += self._protocol.events()
        return self._events.pop(0)

    async def messages(self) -> list[bytes]:
        """Return all messages up to the end, each with its channel."""
        got, message = [], b""
        while isinstance(event := await self.next(), BytesMessage):
            message += event.data
            if event.message_finished:
                got.append(message)
                message = b""
        assert isinstance(event, CloseConnection)
        self._writer.write(self._protocol.send(event.response()))
        self._writer.close()
        return got


def test_a_client_of_version_5_closes_the_input_of_a_command(machines: Machines) -> None:
    code = "import sys; print(sys.stdin.read().upper(), end=''); print('e', file=sys.stderr)"

    async def go() -> list[bytes]:
        async with serving(machines) as opened:
            peer = WebSocketPeer(opened)
            target = exec_target(*python(code), input=1, output=1, error=1)
            accepted = await peer.open(target, "v5.channel.k8s.io", "v4.channel.k8s.io")
            assert isinstance(accepted, AcceptConnection)
            assert accepted.subprotocol == "v5.channel.k8s.io"
            await peer.send(BytesMessage(b"\0he", message_finished=False))
            await peer.send(BytesMessage(b"llo", message_finished=True))
            await peer.send(BytesMessage(b"\xff\0"))
            return await peer.messages()

    messages = asyncio.run(go())
    assert messages[0] == b"\x01"
    # A program's output comes in as many pieces as it likes.
    for channel, written in ((1, b"HELLO"), (2, b"e\n")):
        assert b"".join(m[1:] for m in messages[:-1] if m[0] == channel) == written
    assert json.loads(messages[-1][1:]) == {"metadata": {}, "status": "Success"}


def test_a_ping_is_answered_and_a_client_that_leaves_ends_its_command(machines: Machines) -> None:
    forever = python("import time; time.sleep(1000)")

    async def go() -> int:
        async with serving(machines) as opened:
            peer = WebSocketPeer(opened)
            await peer.open(exec_target(*forever, output=1), "v4.channel.k8s.io")
            assert isinstance(await peer.next(), BytesMessage)
            await peer.send(Ping(b"there?"))
            assert await peer.next() == Pong(b"there?")
            await peer.send(CloseConnection(code=1000))
            assert isinstance(await peer.next(), CloseConnection)
            peer._writer.close()
            return await machines.until_ended(forever[-1])

    assert asyncio.run(go()) == -9


def test_a_websocket_without_a_common_protocol_is_refused(machines: Machines) -> None:
    async def go() -> object:
        async with serving(machines) as opened:
            peer = WebSocketPeer(opened)
            refused = await peer.open(exec_target("true", output=1), "base64.channel.k8s.io")
            peer._writer.close()
            return refused

    refused = asyncio.run(go())
    assert isinstance(refused, RejectConnection)
    assert refused.status_code == 403


def test_options_of_a_log_reach_who_keeps_it(machines: Machines) -> None:
    asked(machines, f"{LOGS}/main?tailLines=3&timestamps=true")
    assert machines.asked == [LogOptions(tail_lines=3, timestamps=True)]
