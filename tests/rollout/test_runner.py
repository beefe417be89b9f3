"""The loop: what is due is sent once, what changed is seen, and it ends when nothing can move."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from oc_gpu.kube import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    Resource,
    TimeoutExceededError,
)
from oc_gpu.kube.errors import Asked
from oc_gpu.kube.resources import CONFIGMAPS, NAMESPACES, OPERATOR_GROUPS, PODS, SUBSCRIPTIONS
from oc_gpu.rollout.events import Event, Outcome
from oc_gpu.rollout.memory import REPEATS
from oc_gpu.rollout.runner import run
from oc_gpu.snapshot.model import Snapshot, Unread
from oc_gpu.stages.model import REACHED, Delete, Progress, StagePlan, State
from tests.rollout.world import World, apply, ref, stage, step, told

WAITING = Progress(State.WAITING, "the cluster works on it")
Plans = tuple[StagePlan, ...]


def walk(
    world: World,
    road: Callable[[Snapshot], Plans],
    *others: Coroutine[Any, Any, None],
    timeout: float = 5,
) -> tuple[Outcome, list[Event]]:
    """Run a road to its end beside what others do."""
    events: list[Event] = []

    async def main() -> Outcome:
        beside = [asyncio.create_task(other) for other in others]
        try:
            return await run(world, road, world, events.append, timeout)
        finally:
            for task in beside:
                task.cancel()

    return asyncio.run(main()), events


def refusal(kind: type[Any], name: str, message: str = "no", *causes: str) -> Any:
    asked = Asked("apply", CONFIGMAPS, name, "ns")
    return kind(asked, 409 if kind is ConflictError else 422, message=message, causes=causes)


async def turns(count: int = 30) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_everything_due_is_sent_and_the_run_ends() -> None:
    world = World()
    outcome, events = walk(
        world,
        lambda _: (
            stage("one", step(apply("a")), step(apply("b"))),
            stage("two", step(apply("c"))),
        ),
    )
    assert [a.state for a in outcome.assessments] == [State.DONE, State.DONE]
    assert sorted(world.sent) == ["a", "b", "c"]
    assert outcome.writes == 3
    assert "one created ConfigMap/b in ns" in told(events)


def test_a_second_run_sends_nothing() -> None:
    world = World()
    road = lambda _: (stage("one", step(apply("a", data={"x": "1"}))),)  # noqa: E731
    walk(world, road)
    outcome, events = walk(world, road)
    assert world.sent == ["a"]
    assert outcome.writes == 0
    assert told(events) == ["one done"]


def test_a_write_whose_effect_is_not_seen_yet_is_not_sent_again() -> None:
    world = World()
    world.lag = True

    async def noise() -> None:
        for _ in range(20):
            await turns(5)
            world.wake()
        world.lag = False
        world.wake()

    outcome, _ = walk(world, lambda _: (stage("one", step(apply("a"))),), noise())
    assert outcome.assessments[0].state is State.DONE
    assert world.looks > 15
    assert world.sent == ["a"]


def test_a_delete_is_sent_once_while_the_object_still_changes() -> None:
    world = World()
    target = ref("a")
    world.put(target, {})
    world.lag = True
    world.snapshot()
    world.lag = False

    def keep(_: Any) -> None:
        world.lag = True

    world.on_write = keep

    async def status_changes() -> None:
        await turns()
        world.put(target, {"status": {"x": 1}})
        world.lag = False
        world.wake()
        await turns()
        world.remove(target)

    plans = (stage("one", step(Delete(target))),)
    outcome, _ = walk(world, lambda _: plans, status_changes())
    assert outcome.assessments[0].state is State.DONE
    assert world.sent == ["a"]


def test_what_somebody_takes_away_is_made_again() -> None:
    world = World()
    ready = {"yes": False}

    async def meddle() -> None:
        await turns()
        world.remove(ref("a"))
        await turns()
        ready["yes"] = True
        world.wake()

    def road(_: Snapshot) -> Plans:
        done = Progress(State.DONE) if ready["yes"] else WAITING
        return (stage("one", step(apply("a"), progress=done)),)

    walk(world, road, meddle())
    assert world.sent == ["a", "a"]
    assert ref("a") in world.objects


def test_a_fight_over_an_object_ends_as_failed() -> None:
    world = World()

    async def meddle() -> None:
        while True:
            await turns()
            if world.objects.get(ref("a"), {}).get("data"):
                labels = {"app.kubernetes.io/managed-by": "oc-gpu"}
                world.put(ref("a"), {"metadata": {"labels": labels}, "data": {}})

    plans = (stage("one", step(apply("a", data={"x": "1"}), progress=WAITING)),)
    outcome, _ = walk(world, lambda _: plans, meddle())
    assert outcome.assessments[0].state is State.FAILED
    assert "changes it back" in outcome.assessments[0].detail
    assert len(world.sent) == REPEATS


def test_a_server_that_keeps_something_else_ends_as_failed_after_one_write() -> None:
    world = World()

    world.dropped = frozenset({"data"})
    outcome, _ = walk(world, lambda _: (stage("one", step(apply("a", data={"x": "1"}))),))
    assert outcome.assessments[0].state is State.FAILED
    assert "keeps something else" in outcome.assessments[0].detail
    assert world.sent == ["a"]


def test_a_conflict_is_tried_again_when_the_object_changed() -> None:
    world = World()
    world.answers["a"] = [refusal(ConflictError, "a", "the object has been modified")]

    async def others() -> None:
        await turns()
        assert world.sent == ["a"]
        world.put(ref("a"), {"metadata": {"labels": {"app.kubernetes.io/managed-by": "oc-gpu"}}})

    outcome, events = walk(
        world, lambda _: (stage("one", step(apply("a", data={"x": "1"}))),), others()
    )
    assert world.sent == ["a", "a"]
    assert outcome.assessments[0].state is State.DONE
    assert "one: ConfigMap/a in ns changed meanwhile and is looked at again" in told(events)


def test_conflicts_on_a_busy_object_are_no_writes_that_somebody_undid() -> None:
    world = World()
    refusals = REPEATS + 2
    world.answers["a"] = [refusal(ConflictError, "a", "modified") for _ in range(refusals)]

    async def others() -> None:
        for _ in range(refusals):
            await turns()
            labels = {"app.kubernetes.io/managed-by": "oc-gpu"}
            world.put(ref("a"), {"metadata": {"labels": labels}})

    outcome, _ = walk(world, lambda _: (stage("one", step(apply("a", data={"x": "1"}))),), others())
    assert outcome.assessments[0].state is State.DONE
    assert len(world.sent) == refusals + 1


def test_fields_of_another_owner_block_the_stage_and_are_not_forced() -> None:
    world = World()
    cause = '.data.x: conflict with "argocd"'
    world.answers["a"] = [refusal(ConflictError, "a", "Apply failed", cause)]
    outcome, _ = walk(
        world, lambda _: (stage("one", step(apply("a"))), stage("two", step(apply("b"))))
    )
    first, second = outcome.assessments
    assert first.state is State.BLOCKED
    assert "argocd" in first.detail
    assert second.state is State.DONE
    assert world.sent.count("a") == 1


def test_an_object_that_the_server_refuses_fails_its_stage_with_the_server_s_words() -> None:
    world = World()
    world.answers["a"] = [refusal(InvalidError, "a", "spec.x: Required value")]
    outcome, _ = walk(world, lambda _: (stage("one", step(apply("a"))),))
    assert outcome.assessments[0].state is State.FAILED
    assert "spec.x: Required value" in outcome.assessments[0].detail


def test_a_missing_right_ends_the_run() -> None:
    world = World()
    world.answers["a"] = [ForbiddenError(Asked("apply", CONFIGMAPS, "a", "ns"), 403, message="no")]
    with pytest.raises(ForbiddenError):
        walk(world, lambda _: (stage("one", step(apply("a"))),))


def test_nothing_is_made_in_a_namespace_that_goes_until_it_is_gone() -> None:
    world = World()
    place = ref("ns", NAMESPACES)
    world.put(place, {"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z"}})

    async def ends() -> None:
        await turns()
        assert world.sent == []
        world.remove(place)

    walk(world, lambda _: (stage("one", step(apply("ns", NAMESPACES), apply("a"))),), ends())
    assert world.sent == ["ns", "a"]


def test_a_refusal_by_a_namespace_that_goes_is_tried_again_when_it_is_gone() -> None:
    world = World()
    place = ref("ns", NAMESPACES)
    world.put(place, {})
    message = "unable to create new content in namespace ns because it is being terminated"
    error = ForbiddenError(Asked("apply", CONFIGMAPS, "a", "ns"), 403, message=message)
    world.answers["a"] = [error]

    async def ends() -> None:
        await turns()
        world.remove(place)
        await turns()

    walk(world, lambda _: (stage("one", step(apply("a"))),), ends())
    assert world.sent == ["a", "a"]


def test_an_object_waits_until_its_api_is_served() -> None:
    world = World()
    kind = Resource("nvidia.com", "v1", "clusterpolicies", "ClusterPolicy", namespaced=False)
    world.unread["clusterpolicies"] = Unread("absent")

    async def installs() -> None:
        await turns()
        assert world.sent == []
        world.unread.clear()
        world.wake()

    _, events = walk(world, lambda _: (stage("one", step(apply("p", kind))),), installs())
    assert world.sent == ["p"]
    assert told(events)[0] == "one waiting"


def test_what_others_need_is_sent_first() -> None:
    world = World()
    actions = (
        apply("sub", SUBSCRIPTIONS),
        apply("pod", PODS),
        apply("group", OPERATOR_GROUPS),
        apply("ns", NAMESPACES),
    )
    walk(world, lambda _: (stage("one", step(*actions)),))
    assert world.sent[:2] == ["ns", "group"]


def test_a_refused_namespace_keeps_what_goes_into_it_back() -> None:
    world = World()
    world.answers["ns"] = [refusal(InvalidError, "ns")]
    walk(world, lambda _: (stage("one", step(apply("a"), apply("ns", NAMESPACES))),))
    assert world.sent == ["ns"]


def test_a_failed_stage_lets_the_others_finish_and_those_behind_it_stand() -> None:
    world = World()
    ready = {"yes": False}

    def road(_: Snapshot) -> Plans:
        slow = Progress(State.DONE) if ready["yes"] else WAITING
        return (
            stage("bad", step(progress=Progress(State.FAILED, "broken"))),
            stage("slow", step(progress=slow)),
            stage("behind", step(apply("a"), after="bad")),
            stage("far behind", step(apply("b"), after="behind")),
        )

    async def finishes() -> None:
        await turns()
        ready["yes"] = True
        world.wake()

    outcome, _ = walk(world, road, finishes())
    states = {a.stage: a.state for a in outcome.assessments}
    assert states["slow"] is State.DONE
    assert states["behind"] is State.WAITING
    assert world.sent == []


def test_a_stage_that_recovers_goes_on() -> None:
    world = World()
    state = {"now": Progress(State.FAILED, "broken")}

    def road(_: Snapshot) -> Plans:
        return (
            stage("one", step(progress=state["now"])),
            stage(
                "slow",
                step(
                    progress=WAITING
                    if state["now"].state is not State.DONE
                    else Progress(State.DONE)
                ),
            ),
        )

    async def recovers() -> None:
        await turns()
        state["now"] = Progress(State.DONE)
        world.wake()

    outcome, events = walk(world, road, recovers())
    assert [a.state for a in outcome.assessments] == [State.DONE, State.DONE]
    assert told(events)[0] == "one failed"


def test_a_change_during_a_look_is_not_missed() -> None:
    world = World()
    looks = {"count": 0}

    def road(_: Snapshot) -> Plans:
        looks["count"] += 1
        if looks["count"] == 1:
            world.wake()
        return (
            stage("one", step(progress=WAITING if looks["count"] < 2 else Progress(State.DONE))),
        )

    outcome, _ = walk(world, road, timeout=1)
    assert outcome.assessments[0].state is State.DONE


def test_a_stage_is_told_once_while_nothing_of_it_moves() -> None:
    world = World()
    left = {"count": 10}

    def road(_: Snapshot) -> Plans:
        return (stage("one", step(progress=WAITING if left["count"] else REACHED)),)

    async def noise() -> None:
        while left["count"]:
            await turns(5)
            left["count"] -= 1
            world.wake()

    _, events = walk(world, road, noise())
    assert told(events) == ["one waiting", "one done"]


def test_manifests_never_reach_who_is_told() -> None:
    world = World()
    world.answers["a"] = [refusal(InvalidError, "a")]
    plans = (stage("one", step(apply("a", data={"key": "-----BEGIN"}))),)
    outcome, events = walk(world, lambda _: plans)
    assert outcome.assessments[0].state is State.FAILED
    assert "BEGIN" not in repr(outcome) + repr(events)


def test_out_of_time_says_what_is_left_and_that_it_can_be_continued() -> None:
    world = World()
    with pytest.raises(TimeoutExceededError) as caught:
        walk(world, lambda _: (stage("one", step(progress=WAITING)),), timeout=0.01)
    assert "One, the cluster works on it" in str(caught.value)
    assert "continues" in caught.value.hints[0]


def test_an_interrupted_run_leaves_no_task_behind() -> None:
    world = World()

    async def main() -> int:
        task = asyncio.create_task(
            run(world, lambda _: (stage("one", step(progress=WAITING)),), world, lambda _: None)
        )
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1


def test_a_run_stopped_at_any_write_is_continued_by_another() -> None:
    def road(_: Snapshot) -> Plans:
        return (
            stage("one", step(apply("ns", NAMESPACES), apply("a")), step(apply("b"))),
            stage("two", step(apply("c"), after="one")),
        )

    for moment in range(1, 5):
        world = World()
        reached = {"count": 0}

        def stop(_: Any, reached: dict[str, int] = reached, moment: int = moment) -> None:
            reached["count"] += 1
            if reached["count"] == moment:
                raise KeyboardInterrupt

        world.on_write = stop
        with pytest.raises(KeyboardInterrupt):
            walk(world, road)
        world.on_write = lambda _: None
        world.again()
        outcome, _ = walk(world, road)
        assert all(a.state is State.DONE for a in outcome.assessments)
        assert len(world.objects) == 4
