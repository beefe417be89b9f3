"""Simulated time stands still while anything happens and leaps when nothing does."""

import asyncio
import time

from oc_gpu.sim.clock import VirtualClock


def test_an_hour_of_sleep_takes_no_wall_time() -> None:
    clock = VirtualClock(1000.0)
    began = time.monotonic()
    asyncio.run(clock.sleep(3600))
    assert clock.now() == 4600.0
    assert clock.elapsed == 3600.0
    assert time.monotonic() - began < 0.5


def test_sleepers_wake_in_order_of_their_time_not_of_their_call() -> None:
    clock = VirtualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    async def main() -> None:
        await asyncio.gather(sleeper("late", 20), sleeper("early", 5), sleeper("middle", 10))

    asyncio.run(main())
    assert woken == [("early", 5.0), ("middle", 10.0), ("late", 20.0)]


def test_what_a_woken_sleeper_starts_comes_before_later_sleepers() -> None:
    clock = VirtualClock()
    woken: list[tuple[str, float]] = []

    async def chain() -> None:
        for _ in range(3):
            await clock.sleep(1)
            for _ in range(8):
                await asyncio.sleep(0)
        woken.append(("chain", clock.now()))

    async def late() -> None:
        await clock.sleep(3.5)
        woken.append(("late", clock.now()))

    async def main() -> None:
        await asyncio.gather(late(), chain())

    asyncio.run(main())
    assert woken == [("chain", 3.0), ("late", 3.5)]


def test_a_cancelled_sleeper_does_not_move_time() -> None:
    clock = VirtualClock()

    async def main() -> None:
        forgotten = asyncio.ensure_future(clock.sleep(1000))
        await asyncio.sleep(0)
        forgotten.cancel()
        await clock.sleep(3)

    asyncio.run(main())
    assert clock.now() == 3.0


def test_time_waits_for_outside_clients_to_be_quiet() -> None:
    clock = VirtualClock(settle=0.05)
    began = time.monotonic()

    async def busy_client() -> None:
        for _ in range(4):
            clock.touch(external=True)
            await asyncio.sleep(0.02)
            assert clock.now() == 0.0

    async def main() -> None:
        await asyncio.gather(busy_client(), clock.sleep(5))

    asyncio.run(main())
    assert clock.now() == 5.0
    assert time.monotonic() - began >= 0.06 + 0.05


def test_without_outside_clients_there_is_no_settling() -> None:
    clock = VirtualClock(settle=10.0)

    async def main() -> None:
        for _ in range(50):
            await clock.sleep(1)

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 1.0


def test_held_time_stands_still_while_a_thread_works() -> None:
    clock = VirtualClock()
    seen: list[float] = []

    async def thread() -> None:
        with clock.hold():
            await asyncio.to_thread(time.sleep, 0.03)
            seen.append(clock.now())

    async def main() -> None:
        await asyncio.gather(thread(), clock.sleep(60))

    asyncio.run(main())
    assert seen == [0.0]
    assert clock.now() == 60.0


def test_with_a_speed_a_leap_takes_its_share_of_wall_time() -> None:
    clock = VirtualClock(speed=100.0)
    began = time.monotonic()
    asyncio.run(clock.sleep(6))
    assert 0.06 <= time.monotonic() - began < 0.5
    assert clock.now() == 6.0


def test_with_a_speed_a_shorter_sleep_begun_on_the_way_wakes_first() -> None:
    clock = VirtualClock(speed=100.0)
    woken: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    async def main() -> None:
        long = asyncio.ensure_future(sleeper("long", 10))
        await asyncio.sleep(0.03)
        assert 2.0 < clock.now() < 9.0
        await asyncio.gather(long, sleeper("short", 1))

    asyncio.run(main())
    assert woken == ["short", "long"]
    assert clock.now() == 10.0


def test_time_passes_as_on_the_wall_while_a_real_program_runs_and_leaps_afterwards() -> None:
    clock = VirtualClock()

    async def main() -> None:
        long = asyncio.create_task(clock.sleep(3600))
        began = time.monotonic()
        with clock.real():
            await clock.sleep(0.2)
            wall = time.monotonic() - began
            assert wall >= 0.15
            assert clock.now() <= wall + 0.01
            await asyncio.sleep(0.1)
            assert clock.now() > 0.2, "time passes while nobody waits for it, too"
        assert not long.done()
        await long

    asyncio.run(main())
    assert clock.now() == 3600


def test_a_real_program_slows_a_fast_clock_down_to_the_wall() -> None:
    clock = VirtualClock(speed=1000)

    async def main() -> float:
        early = asyncio.create_task(clock.sleep(1e6))
        await asyncio.sleep(0.03)
        before = clock.now()
        with clock.real():
            await asyncio.sleep(0.05)
            spent = clock.now() - before
        early.cancel()
        return spent

    assert asyncio.run(main()) < 40, "without, it would be over 50"


def test_time_does_not_leap_for_the_patient_but_passes_for_them() -> None:
    clock = VirtualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float, *, patient: bool = False) -> None:
        await clock.sleep(seconds, patient=patient)
        woken.append((name, clock.now()))

    async def main() -> None:
        patient = asyncio.ensure_future(sleeper("patient", 50, patient=True))
        await sleeper("early", 5)
        await asyncio.sleep(0.05)
        assert clock.now() == 5.0
        await sleeper("late", 100)
        await patient

    asyncio.run(main())
    assert woken == [("early", 5.0), ("patient", 50.0), ("late", 105.0)]
