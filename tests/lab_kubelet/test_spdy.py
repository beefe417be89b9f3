"""Commands over SPDY, told to a peer frame by frame."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from lab.kubelet.backend import Streams
from lab.kubelet.spdy.frames import (
    PROTOCOL_ERROR,
    Data,
    GoAway,
    Ping,
    RstStream,
    Settings,
    SynReply,
    SynStream,
    WindowUpdate,
)

from oc_gpu.kube import RawObject
from tests.lab_kubelet.machines import Machines
from tests.lab_kubelet.peers import NODE, SPDY, SpdyPeer, ask, exec_target, serving

Played = Callable[[Streams], Awaitable[int]]


class Scripted(Machines):
    """Machines whose only command is a function."""

    def __init__(self, played: Played) -> None:
        super().__init__()
        self._played = played
        meta = {"name": "tools", "namespace": "default"}
        self.bound = [{"metadata": meta, "spec": {"nodeName": NODE, "containers": []}}]

    async def exec(self, pod: RawObject, container: str, command: object, streams: Streams) -> int:
        del pod, container, command
        return await self._played(streams)


async def echo(streams: Streams) -> int:
    async for piece in streams.stdin:
        await streams.write_out(piece)
    return 0


NO_PROTOCOL = (
    "unable to upgrade: unable to negotiate protocol: client supports [v2.channel.k8s.io], "
    "server accepts [v4.channel.k8s.io]"
)
ALL = exec_target("played", input=1, output=1, error=1)


def test_streams_are_accepted_and_the_end_is_told_on_the_error_stream() -> None:
    async def played(streams: Streams) -> int:
        await streams.write_out(b"out")
        await streams.write_err(b"err")
        return 3

    async def go() -> None:
        async with serving(Scripted(played)) as opened, SpdyPeer(opened, ALL) as peer:
            assert peer.status == 101
            await peer.open("error", "stdin", "stdout", "stderr")
            assert await peer.frames(4) == [SynReply(n, {}) for n in (1, 3, 5, 7)]
            assert await peer.frames(2) == [Data(5, b"out"), Data(7, b"err")]
            (told,) = await peer.frames(1)
            assert isinstance(told, Data)
            status = json.loads(told.data)
            assert (told.stream, status["reason"]) == (1, "NonZeroExitCode")
            assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
            ends = await peer.frames(4)
            assert ends == [Data(n, b"", fin=True) for n in (5, 7, 1, 3)]

    asyncio.run(go())


def test_pings_are_answered_and_what_says_nothing_here_is_passed_over() -> None:
    async def go() -> None:
        async with serving(Scripted(echo)) as opened, SpdyPeer(opened, ALL) as peer:
            await peer.open("error", "stdin", "stdout", "stderr")
            await peer.frames(4)
            await peer.send(Settings(((4, 0, 100),)), WindowUpdate(3, 1 << 16), Ping(2), Ping(1))
            assert await peer.frames(1) == [Ping(1)]
            await peer.send(Data(99, b"nobody's"), Data(3, b"mine"))
            assert await peer.frames(1) == [Data(5, b"mine")]

    asyncio.run(go())


def test_a_stream_that_the_client_resets_ends_the_input() -> None:
    async def go() -> None:
        async with serving(Scripted(echo)) as opened, SpdyPeer(opened, ALL) as peer:
            await peer.open("error", "stdin", "stdout", "stderr")
            await peer.frames(4)
            await peer.send(Data(3, b"last"), RstStream(3, 5))
            assert (await peer.frames(1)) == [Data(5, b"last")]
            (told,) = await peer.frames(1)
            assert isinstance(told, Data)
            assert json.loads(told.data)["status"] == "Success"

    asyncio.run(go())


def test_a_client_may_be_sending_still_when_its_command_has_ended() -> None:
    async def done(_streams: Streams) -> int:
        return 0

    async def go() -> None:
        async with serving(Scripted(done)) as opened, SpdyPeer(opened, ALL) as peer:
            await peer.open("error", "stdin", "stdout", "stderr")
            # Four replies, the status, four ends.
            assert len(await peer.frames(9)) == 9
            await peer.send(*[Data(3, bytes(1 << 20))] * 8)
            await peer.send(Ping(1))
            assert await peer.frames(1) == [Ping(1)]

    asyncio.run(go())


@pytest.mark.parametrize("number", [2, 1])
def test_a_stream_may_not_take_a_number_that_is_not_the_clients_next(number: int) -> None:
    async def go() -> None:
        async with serving(Scripted(echo)) as opened, SpdyPeer(opened, ALL) as peer:
            await peer.open("error")
            await peer.send(SynStream(number, {"streamtype": "stdin"}))
            assert await peer.frames(2) == [SynReply(1, {}), RstStream(number, PROTOCOL_ERROR)]

    asyncio.run(go())


def test_a_peer_that_speaks_something_else_is_sent_away() -> None:
    async def go() -> None:
        async with serving(Scripted(echo)) as opened, SpdyPeer(opened, ALL) as peer:
            await peer.open("error")
            await peer.frames(1)
            await peer.send_raw(bytes.fromhex("8002000100000000"))
            assert await peer.frames(2) == [GoAway(1, PROTOCOL_ERROR)]

    asyncio.run(go())


def test_input_that_is_not_read_is_not_taken_in_either() -> None:
    begun, taken = asyncio.Event(), []

    async def late(streams: Streams) -> int:
        await begun.wait()
        taken.extend([len(piece) async for piece in streams.stdin])
        return 0

    async def go() -> int:
        size = 32 << 20
        async with serving(Scripted(late)) as opened, SpdyPeer(opened, ALL) as peer:
            await peer.open("error", "stdin", "stdout", "stderr")
            await peer.frames(4)
            sending = asyncio.create_task(peer.send(*[Data(3, bytes(1 << 20))] * (size >> 20)))
            # As long as the loop has something to do, more is on its way.
            for _ in range(2000):
                await asyncio.sleep(0)
            waiting = not sending.done()
            begun.set()
            await sending
            await peer.send(Data(3, b"", fin=True))
            await peer.frames(1)
            return sum(taken) if waiting else -1

    assert asyncio.run(go()) == 32 << 20


@pytest.mark.parametrize(
    ("fields", "code", "told"),
    [
        ({}, 400, "unable to upgrade: nothing is asked for"),
        ({"Upgrade": "h2c", "Connection": "Upgrade"}, 400, "unable to upgrade: h2c is asked for"),
        (
            {**SPDY, "X-Stream-Protocol-Version": "v2.channel.k8s.io"},
            403,
            NO_PROTOCOL,
        ),
    ],
)
def test_a_client_without_a_common_protocol_is_refused(
    fields: dict[str, str], code: int, told: str
) -> None:
    async def go() -> tuple[int, str]:
        async with serving(Scripted(echo)) as opened:
            return await ask(opened, ALL, "POST", **fields)

    assert asyncio.run(go()) == (code, told)


@pytest.mark.parametrize(
    ("target", "code", "told"),
    [
        (exec_target("true"), 400, "you must specify at least 1 of stdin, stdout, stderr"),
        (exec_target(output=1), 400, "no command is given"),
        ("/exec/default/other/main?command=x&output=1", 404, 'pod "other" does not exist'),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(target: str, code: int, told: str) -> None:
    async def go() -> tuple[int, str]:
        async with serving(Scripted(echo)) as opened:
            return await ask(opened, target, "POST", **SPDY)

    assert asyncio.run(go()) == (code, told)
