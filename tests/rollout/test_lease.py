"""One run writes at a time: the others wait, and what a dead one left is taken over."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from oc_gpu.kube import Client, RawObject, Retry, TimeoutExceededError
from oc_gpu.kube.resources import LEASES, NAMESPACES
from oc_gpu.rollout import commands, identity
from oc_gpu.rollout.events import Event, Notice
from oc_gpu.rollout.lease import NAME, Lease
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.stages.record import NAMESPACE
from tests.rollout.clusters import QUIET, Wire, on_cluster, passed, wish

SOON = 0.3
"""Seconds after which a Lease expires here."""
LATE = 30.0
"""Seconds within which nothing expires here."""


class Bench:
    """A server with the namespace of the record, and Leases on it."""

    def __init__(self) -> None:
        self.server = ApiServer(VirtualClock(1_600_000_000.0))
        self.wire = Wire(self.server)
        self.client = Client(self.wire, retry=Retry(unreachable=0.0, first_delay=0.001))
        self.notices: list[str] = []
        self.noticed = asyncio.Event()

    def note(self, message: str) -> None:
        self.notices.append(message)
        self.noticed.set()

    async def space(self) -> None:
        meta = {"name": NAMESPACE}
        await self.client.create(
            NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
        )

    def lease(self, duration: float = LATE) -> Lease:
        return Lease(self.client, self.note, Retry(first_delay=0.001), duration)

    async def held(self) -> RawObject | None:
        return await self.client.find(LEASES, NAME, NAMESPACE)

    async def left_by(self, holder: object) -> RawObject:
        """Leave the Lease of a run as it was when it ended without a word."""
        meta = {"name": NAME, "namespace": NAMESPACE}
        spec = {"holderIdentity": str(holder), "leaseDurationSeconds": 15, "leaseTransitions": 2}
        made = {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": meta, "spec": spec}
        return await self.client.create(LEASES, made)


def on(act: Callable[[Bench], Awaitable[None]], *, space: bool = True) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            bench = Bench()
            if space:
                await bench.space()
            await act(bench)

    asyncio.run(main())


def elsewhere() -> identity.Identity:
    return replace(identity.own(), host="laptop7", machine="0123456789ab")


def ended() -> identity.Identity:
    """Return a run of a process of this machine that is over."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return replace(identity.own(), pid=process.pid)


def test_it_is_held_from_the_first_claim_to_the_end_and_then_gone() -> None:
    async def act(bench: Bench) -> None:
        async with bench.lease() as lease:
            assert await bench.held() is None
            assert await lease.claim()
            spec = (await bench.held() or {})["spec"]
            known = identity.parse(spec["holderIdentity"])
            assert known is not None
            assert known.pid == os.getpid()
            assert spec["leaseDurationSeconds"] == 15
            assert not known.is_dead()
        assert known.is_dead()
        assert await bench.held() is None

    on(act)


def test_where_there_is_no_namespace_for_it_nothing_is_waited_for() -> None:
    async def act(bench: Bench) -> None:
        async with bench.lease() as lease:
            assert await lease.claim()
        assert await bench.client.find(NAMESPACES, NAMESPACE) is None

    on(act, space=False)


def test_a_second_run_waits_and_then_decides_anew() -> None:
    async def act(bench: Bench) -> None:
        async with bench.lease() as second:
            async with bench.lease() as first:
                assert await first.claim()
                waiting = asyncio.create_task(second.claim())
                await bench.noticed.wait()
                assert f"process {os.getpid()}" in bench.notices[0]
                assert "Lease/oc-gpu in oc-gpu" in bench.notices[0]
                assert not waiting.done()
            assert await waiting is False
            assert await second.claim() is True

    on(act)


@pytest.mark.parametrize("holder", [ended, lambda: ""])
def test_what_a_dead_run_of_this_machine_left_is_taken_over_at_once(
    holder: Callable[[], Any],
) -> None:
    async def act(bench: Bench) -> None:
        await bench.left_by(holder())
        async with bench.lease() as lease:
            assert await lease.claim() is True
            spec = (await bench.held() or {})["spec"]
            assert spec["leaseTransitions"] == 3
        assert bench.notices == []
        assert await bench.held() is None

    on(act)


def test_what_another_machine_left_expires_when_it_is_not_renewed() -> None:
    async def act(bench: Bench) -> None:
        await bench.left_by(elsewhere())
        async with bench.lease(SOON) as lease:
            assert await lease.claim() is False
            assert "laptop7" in bench.notices[0]
            assert await lease.claim() is True

    on(act)


def test_what_is_renewed_does_not_expire() -> None:
    async def act(bench: Bench) -> None:
        left = await bench.left_by(elsewhere())
        async with bench.lease(SOON) as lease:
            waiting = asyncio.create_task(lease.claim())
            for number in range(8):
                await asyncio.sleep(SOON / 3)
                left["spec"]["leaseDurationSeconds"] = 20 + number
                left = await bench.client.replace(LEASES, left)
            assert not waiting.done()
            await bench.client.delete(LEASES, NAME, NAMESPACE)
            assert await waiting is False

    on(act)


def test_one_that_was_lost_is_waited_for_before_the_next_write() -> None:
    async def act(bench: Bench) -> None:
        async with bench.lease() as lease:
            assert await lease.claim()
            taken = await bench.held() or {}
            taken["spec"]["holderIdentity"] = str(elsewhere())
            await bench.client.replace(LEASES, taken)
            await lease._renew(lease._live or {})
            assert "laptop7 has taken over" in bench.notices[0]
            bench.noticed.clear()
            waiting = asyncio.create_task(lease.claim())
            await bench.noticed.wait()
            await bench.client.delete(LEASES, NAME, NAMESPACE)
            assert await waiting is False

    on(act)


def test_one_of_somebody_else_is_not_given_back() -> None:
    async def act(bench: Bench) -> None:
        async with bench.lease() as lease:
            assert await lease.claim()
            taken = await bench.held() or {}
            taken["spec"]["holderIdentity"] = str(elsewhere())
            await bench.client.replace(LEASES, taken)
        assert await bench.held() is not None

    on(act)


def test_a_name_that_is_not_ours_lives_as_long_as_it_is_renewed() -> None:
    assert identity.parse("master-0_8f1c2f0e-66b5-4e1e-9d0f-6f9f0d4f2a11") is None
    assert not elsewhere().is_dead()
    parent = os.getppid()
    assert not replace(identity.own(), pid=parent, start=identity._stat(parent)[1]).is_dead()
    assert replace(identity.own(), start="1").is_dead()


def test_two_runs_at_once_write_everything_once() -> None:
    async def act(client: Client, wire: Wire) -> None:
        other = Wire(wire._server)
        events: list[Event] = []
        outcomes = await asyncio.gather(
            commands.enable(client, wish(), events.append, timeout=40),
            commands.enable(Client(other), wish(), events.append, timeout=40),
        )
        assert all(passed(outcome) for outcome in outcomes)
        said = [event.message for event in events if isinstance(event, Notice)]
        assert any("is at work here" in message for message in said)
        twice = set(wire.writes) & set(other.writes)
        assert twice <= {"POST /api/v1/namespaces"}
        assert (await client.list(LEASES, NAMESPACE)).items == []

    on_cluster(act)


def test_out_of_time_says_who_is_waited_for() -> None:
    async def act(client: Client, wire: Wire) -> None:
        meta = {"name": NAMESPACE}
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        async with Lease(client) as other:
            await other.claim()
            with pytest.raises(TimeoutExceededError, match="is at work here"):
                await commands.enable(Client(Wire(wire._server)), wish(), QUIET, timeout=1)

    on_cluster(act)


def test_disable_leaves_no_lease_in_a_namespace_that_was_not_ours() -> None:
    async def act(client: Client, _: Wire) -> None:
        meta = {"name": NAMESPACE}
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        await commands.enable(client, wish(), QUIET, timeout=40)
        assert passed(await commands.disable(client, wish(), QUIET, timeout=40))
        dead = {"holderIdentity": str(ended())}
        left = {"apiVersion": LEASES.api_version, "kind": "Lease", "spec": dead}
        await client.create(LEASES, {**left, "metadata": {"name": NAME, "namespace": NAMESPACE}})
        await commands.disable(client, wish(), QUIET, timeout=40)
        assert await client.find(NAMESPACES, NAMESPACE) is not None
        assert (await client.list(LEASES, NAMESPACE)).items == []

    on_cluster(act)
