"""A log is told once and whole, whatever happens to the connection."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from oc_gpu.kube import Client, ConnectionFailedError, OcGpuError
from oc_gpu.snapshot.kinds import Meta, Pod
from oc_gpu.workload import following
from oc_gpu.workload.following import Follower

POD = Pod(metadata=Meta(name="p", namespace="n"))
CUT = ConnectionFailedError("cut", sent=True)


class Logs:
    """A client of which each connection gives some lines, then ends or breaks."""

    def __init__(self, *connections: tuple[list[str], Exception | None]) -> None:
        self.left = list(connections)
        self.taken = asyncio.Event()

    async def follow_logs(self, *_: Any, **__: Any) -> AsyncGenerator[str]:
        lines, error = self.left.pop(0)
        if not self.left:
            self.taken.set()
        for line in lines:
            yield line
        if error is not None:
            raise error


def follow(logs: Logs, *, over: bool = False) -> list[str]:
    """Return what is told of a log whose program ends with its last connection, or before."""
    told: list[str] = []

    async def ended() -> None:
        if not over:
            await logs.taken.wait()

    async def act() -> None:
        await Follower(cast("Client", logs), POD, told.append).to_the_end(ended)

    asyncio.run(asyncio.wait_for(act(), 10))
    return told


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_SETTLES", 0.02)


def test_every_line_is_told_once_across_broken_connections() -> None:
    logs = Logs(
        (["a"], CUT), (["a", "b"], None), (["a", "b", "c"], CUT), (["a", "b", "c", "d"], None)
    )
    assert follow(logs) == ["a", "b", "c", "d"]


def test_a_connection_that_breaks_at_the_end_is_made_once_more() -> None:
    logs = Logs((["a"], CUT), (["a", "b"], None))
    assert follow(logs, over=True) == ["a", "b"]


def test_a_log_that_cannot_be_read_to_its_end_is_told() -> None:
    logs, told = Logs((["a"], CUT), (["a", "b"], CUT)), list[str]()

    async def over() -> None:
        return

    async def act() -> OcGpuError | None:
        return await Follower(cast("Client", logs), POD, told.append).to_the_end(over)

    assert asyncio.run(act()) is CUT
    assert told == ["a", "b"]


def test_what_ends_the_watching_ends_the_following() -> None:
    async def broken() -> None:
        raise ValueError("the watch is gone")

    async def act() -> None:
        follower = Follower(cast("Client", Logs((["a"], None))), POD, lambda _: None)
        await follower.to_the_end(broken)

    with pytest.raises(ValueError, match="the watch is gone"):
        asyncio.run(act())
