from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oc_gpu.kube.resources import CONFIGMAPS, NAMESPACES
from oc_gpu.manifests.labels import MANAGED_BY
from oc_gpu.manifests.labels import NAME as OURS
from oc_gpu.stages.engine import assess, holds, planned_actions
from oc_gpu.stages.model import (
    Apply,
    Delete,
    Milestone,
    ObjectRef,
    Patch,
    Progress,
    StagePlan,
    State,
)
from tests.stages.builders import meta, snapshot

REF = ObjectRef(CONFIGMAPS, "a", "ns")
MANIFEST = {"metadata": {"name": "a", "namespace": "ns"}, "data": {"k": "v"}}


def _map(data: dict[str, str], *, ours: bool = True, **more: Any) -> dict[str, Any]:
    labels = {MANAGED_BY: OURS} if ours else {}
    return {"metadata": meta("a", namespace="ns", labels=labels, **more), "data": data}


def _stage(*milestones: Milestone, name: str = "s") -> StagePlan:
    return StagePlan(name, name, milestones)


def _apply(*, adopt: bool = False) -> Milestone:
    return Milestone("m", (Apply(REF, MANIFEST, adopt=adopt),))


def test_missing_object_is_due() -> None:
    (result,) = assess([_stage(_apply())], snapshot(configmaps=[]))
    assert result.state is State.DUE
    assert [action.ref for action in result.due] == [REF]


def test_object_as_wanted_is_not_due_even_when_it_holds_more() -> None:
    (result,) = assess([_stage(_apply())], snapshot(configmaps=[_map({"k": "v", "x": "y"})]))
    assert result.state is State.DONE
    assert result.due == ()


def test_our_object_that_differs_is_due() -> None:
    (result,) = assess([_stage(_apply())], snapshot(configmaps=[_map({"k": "other"})]))
    assert result.state is State.DUE


def test_object_of_somebody_else_that_differs_blocks_and_names_the_owner() -> None:
    live = _map({"k": "other"}, ours=False, managedFields=[{"manager": "argocd"}])
    (result,) = assess([_stage(_apply())], snapshot(configmaps=[live]))
    assert result.state is State.BLOCKED
    assert "argocd" in result.detail
    assert result.due == ()


def test_adopted_object_is_used_as_it_is() -> None:
    live = _map({"k": "other"}, ours=False)
    (result,) = assess([_stage(_apply(adopt=True))], snapshot(configmaps=[live]))
    assert result.state is State.DONE


def test_object_that_is_leaving_is_waited_for_before_it_is_made_again() -> None:
    live = _map({"k": "other"}, deletionTimestamp="2026-01-01T00:00:00Z")
    for milestone in (_apply(), Milestone("m", (Delete(REF),))):
        (result,) = assess([_stage(milestone)], snapshot(configmaps=[live]))
        assert result.state is State.WAITING
        assert "is gone" in result.detail


def test_deletion_of_an_absent_object_is_done() -> None:
    (result,) = assess([_stage(Milestone("m", (Delete(REF),)))], snapshot(configmaps=[]))
    assert result.state is State.DONE


def test_later_milestone_waits_for_the_earlier_one() -> None:
    first = Milestone("first", progress=Progress(State.WAITING, "it takes time"))
    (result,) = assess([_stage(first, _apply())], snapshot(configmaps=[]))
    assert (result.milestone, result.state, result.due) == ("first", State.WAITING, ())
    assert (result.reached, result.total) == (0, 2)


def test_stage_waits_for_the_stages_that_it_names() -> None:
    slow = _stage(Milestone("m", progress=Progress(State.WAITING, "x")), name="slow")
    late = _stage(Milestone("m", _apply().actions, after=("slow",)), name="late")
    _, result = assess([slow, late], snapshot(configmaps=[]))
    assert result.state is State.WAITING
    assert result.detail == "waits for slow"
    assert result.due == ()


def test_milestone_that_is_reached_does_not_wait_for_other_stages() -> None:
    slow = _stage(Milestone("m", progress=Progress(State.WAITING, "x")), name="slow")
    late = _stage(Milestone("m", _apply().actions, after=("slow",)), name="late")
    _, result = assess([slow, late], snapshot(configmaps=[_map({"k": "v"})]))
    assert result.state is State.DONE


@pytest.mark.parametrize(("holds_already", "state"), [(True, State.DONE), (False, State.DUE)])
def test_patch_is_due_until_it_holds(*, holds_already: bool, state: State) -> None:
    patch = Patch(ObjectRef(NAMESPACES, "ns"), {}, holds=holds_already, why="w")
    (result,) = assess([_stage(Milestone("m", (patch,)))], snapshot())
    assert result.state is state


def test_plan_lists_actions_behind_gates_too() -> None:
    first = Milestone("first", progress=Progress(State.WAITING, "x"))
    actions = planned_actions([_stage(first, _apply())], snapshot(configmaps=[]))
    assert [action.ref for action in actions] == [REF]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


@given(_JSON)
def test_every_value_holds_itself(value: Any) -> None:
    assert holds(value, value)


@given(st.dictionaries(st.text(max_size=2), _JSON), st.dictionaries(st.text(max_size=2), _JSON))
def test_what_is_merged_over_a_value_still_holds_it(wanted: Any, more: Any) -> None:
    assert holds(wanted, {**more, **wanted})
