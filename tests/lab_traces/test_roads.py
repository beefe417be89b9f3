"""The simulator walks the roads as the real programs did when they were recorded."""

import asyncio

import pytest
from lab.__main__ import SCENARIO, TRACES
from lab.tracing.compare import compare, load_differences
from lab.tracing.sides import on_simulator
from lab.tracing.trace import load
from lab.tracing.walk import ROADS, Road

from oc_gpu.sim.scenario import load as load_scenario

pytestmark = pytest.mark.long

LONGEST_LIST = 20


@pytest.mark.slow
@pytest.mark.timeout(600)  # simulated, but programs that walk it may wait for a busy machine
@pytest.mark.parametrize("road", ROADS, ids=lambda road: road.name)
def test_same_objects_say_the_same_in_the_same_order(road: Road) -> None:
    real = load(TRACES / f"{road.name}.yaml")
    simulated = asyncio.run(on_simulator(road, load_scenario(str(SCENARIO))))
    known = load_differences(TRACES / "differences.yaml").get(road.name, ())
    assert "\n".join(compare(real, simulated, known)) == ""


def test_the_list_of_differences_is_short_and_each_has_a_reason() -> None:
    every = [d for each in load_differences(TRACES / "differences.yaml").values() for d in each]
    assert len(every) <= LONGEST_LIST
    assert all(len(d.reason.split()) > 3 for d in every)


@pytest.mark.parametrize("road", ROADS, ids=lambda road: road.name)
def test_a_trace_names_the_programs_and_the_day(road: Road) -> None:
    trace = load(TRACES / f"{road.name}.yaml")
    assert {"kubernetes", "olm", "machine-config", "nfd", "gpu-operator"} <= trace.programs.keys()
    assert trace.recorded
