"""Each fault stops the road at once with its cause, and the road is walked once it is lifted."""

import asyncio

import pytest

from oc_gpu.sim import faults
from oc_gpu.sim.scenario import ScenarioError, load
from tests.faults import walks
from tests.faults.cases import CASES, Expected
from tests.faults.trying import complaints, tried

pytestmark = pytest.mark.long


@pytest.mark.parametrize("expected", CASES, ids=lambda one: one.fault)
def test_a_fault_is_named_at_once_and_the_road_is_walked_when_it_is_lifted(
    expected: Expected,
) -> None:
    assert complaints(expected, asyncio.run(tried(expected))) == []


def test_every_fault_is_tried() -> None:
    assert [one.name for one in faults.every()] == sorted(one.fault for one in CASES)


def test_a_fault_without_effect_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = faults.Fault(name="nouveau", says="nothing", changes=())
    monkeypatch.setattr(faults, "find", lambda _name: empty)
    expected = next(one for one in CASES if one.fault == "nouveau")
    told = complaints(expected, asyncio.run(tried(expected)))
    assert "the road was walked to its end" in told
    assert f"{expected.sign!r} was never to be seen" in told


@pytest.mark.parametrize("scenario", ["ocp-4.20", "seed"])
def test_a_healthy_road_is_walked_without_a_finding(scenario: str) -> None:
    async def scene() -> walks.Walk:
        async with walks.cluster(scenario) as simulation:
            return await walks.enable(simulation)

    walk = asyncio.run(scene())
    assert walk.done
    assert walk.findings == ()


def test_a_fault_that_begins_while_the_road_is_walked_stops_it() -> None:
    async def scene() -> walks.Walk:
        async with walks.cluster("ocp-4.20") as simulation:
            walk = asyncio.create_task(walks.enable(simulation))
            await simulation.clock.sleep(60)
            await simulation.add_fault("nouveau")
            return await walk

    walk = asyncio.run(scene())
    assert [one.cause for one in walk.findings] == ["nouveau-loaded"]


@pytest.mark.parametrize("name", [one.name for one in faults.every()])
def test_a_fault_says_a_fact_and_changes_some(name: str) -> None:
    fault = faults.find(name)
    assert fault.changes
    assert fault.says[0].islower() or fault.says.startswith("Secure")
    assert not fault.says.endswith(".")


def test_a_fault_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ScenarioError, match="no fault named 'flood'") as caught:
        faults.with_faults(load("ocp-4.20"), ("flood",))
    assert "nouveau" in caught.value.hints[0]


def test_a_fault_that_changes_nothing_of_a_scenario_is_refused() -> None:
    with pytest.raises(ScenarioError, match="fault nouveau does not fit scenario no-gpu"):
        faults.with_faults(load("no-gpu"), ("nouveau",))
