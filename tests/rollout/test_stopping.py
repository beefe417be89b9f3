"""A run ends with a cause that does not pass, and goes on where it was a false alarm."""

import asyncio
from collections.abc import Iterable, Sequence

from oc_gpu.checks.model import Finding, Severity
from oc_gpu.rollout.events import Outcome
from oc_gpu.rollout.runner import run
from oc_gpu.rollout.stalling import Doctor
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages.model import REACHED, Assessment, Progress, StagePlan, State
from tests.rollout.world import World, apply, ref, stage, step

CAUSE = Finding(
    code="OCG0820",
    check="secure-boot-enabled",
    severity=Severity.ERROR,
    layer="driver",
    title="Secure Boot refuses the module",
    cause="secure-boot-enabled",
    objects=("Node/n1",),
    remedy=("turn it off",),
)
WAITING = Progress(State.WAITING, "the cluster works on it")


class Played:
    """A doctor that is asked where there is an object `ill`, and answers what it is told to."""

    def __init__(self, answer: Finding | None, world: World) -> None:
        self.answer = answer
        self.world = world
        self.looks = 0
        self.looked = asyncio.Event()
        self.heals = False
        self.again: float | None = None

    def wants(self, assessments: Iterable[Assessment], snapshot: Snapshot) -> bool:
        del assessments
        return self.holds((), snapshot) and not self.looks

    async def look(self, assessments: Sequence[Assessment], snapshot: Snapshot) -> Finding | None:
        del assessments, snapshot
        self.looks += 1
        self.looked.set()
        await asyncio.sleep(0)
        if self.heals:
            self.world.remove(ref("ill"))
        return self.answer

    async def explain(
        self, assessments: Sequence[Assessment], snapshot: Snapshot
    ) -> Finding | None:
        del assessments, snapshot
        return self.answer

    def holds(self, assessments: Iterable[Assessment], snapshot: Snapshot) -> bool:
        del assessments
        return any(o["metadata"]["name"] == "ill" for o in snapshot.table("configmaps"))

    def stopped(
        self, assessments: Iterable[Assessment], finding: Finding
    ) -> tuple[Assessment, ...]:
        return DOCTOR.stopped(assessments, finding)


DOCTOR = Doctor(None, ())  # type: ignore[arg-type]  # what it says of assessments asks no cluster


def walk(
    world: World,
    doctor: Played,
    progress: Progress = WAITING,
    *,
    turns: int | None = None,
) -> Outcome:
    """Run a road of one stage that is reached once the object `well` is there.

    Args:
        world: The cluster.
        doctor: Who is asked.
        progress: How the stage stands until then.
        turns: Turns of the loop after a look at which the object comes; None for never.
    """

    def road(snapshot: Snapshot) -> tuple[StagePlan, ...]:
        there = any(o["metadata"]["name"] == "well" for o in snapshot.table("configmaps"))
        return (
            stage("gpu-operator", step(apply("a")), step(progress=REACHED if there else progress)),
        )

    async def later(count: int) -> None:
        await doctor.looked.wait()
        for _ in range(count):
            await asyncio.sleep(0)
        world.put(ref("well"), {})

    async def main() -> Outcome:
        beside = [asyncio.create_task(later(turns))] if turns is not None else []
        outcome = await run(world, road, world, lambda _: None, 5, doctor)
        await asyncio.gather(*beside)
        return outcome

    return asyncio.run(main())


def test_a_run_that_waits_ends_with_the_cause_and_what_to_do() -> None:
    world = World()
    world.put(ref("ill"), {})
    outcome = walk(world, Played(CAUSE, world))
    (one,) = outcome.assessments
    assert (one.state, one.detail, one.cause) == (State.FAILED, CAUSE.title, CAUSE.cause)
    assert (one.hints, one.objects) == (CAUSE.remedy, CAUSE.objects)
    assert outcome.finding == CAUSE
    assert world.sent == ["a"]


def test_signs_without_a_cause_stop_nothing() -> None:
    world = World()
    world.put(ref("ill"), {})
    outcome = walk(world, Played(None, world), turns=20)
    assert outcome.assessments[0].state is State.DONE
    assert outcome.finding is None


def test_a_cause_whose_signs_have_passed_meanwhile_stops_nothing() -> None:
    world = World()
    world.put(ref("ill"), {})
    doctor = Played(CAUSE, world)
    doctor.heals = True
    outcome = walk(world, doctor, turns=20)
    assert outcome.assessments[0].state is State.DONE
    assert outcome.finding is None


def test_a_stage_that_failed_by_itself_is_told_its_cause_at_the_end() -> None:
    world = World()
    failed = Progress(State.FAILED, "a container fails again and again")
    outcome = walk(world, Played(CAUSE, world), failed)
    assert outcome.finding == CAUSE
    assert outcome.assessments[0].cause == CAUSE.cause


def test_the_stage_that_stands_already_is_the_one_that_a_cause_stops() -> None:
    stages = (
        Assessment("nfd", "", State.WAITING),
        Assessment("gpu-operator", "", State.FAILED, detail="csv failed"),
    )
    finding = Finding("OCG0521", "olm-multiple-operatorgroups", Severity.ERROR, "olm", "two groups")
    first, second = DOCTOR.stopped(stages, finding)
    assert first == stages[0]
    assert second.detail == "two groups"


def test_what_somebody_decided_on_blocks_and_does_not_fail() -> None:
    finding = Finding(
        "OCG0422", "paused", Severity.ERROR, "machine-config", "it is paused", cause="mcp-paused"
    )
    (one,) = DOCTOR.stopped((Assessment("entitlement", "", State.WAITING),), finding)
    assert one.state is State.BLOCKED
