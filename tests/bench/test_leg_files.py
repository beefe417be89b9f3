"""Legs that ran without us: the kit that goes there, and the files that come back."""

import json

import msgspec
import pytest
from msgspec import structs

from oc_gpu.bench import catalogue, legs
from oc_gpu.bench.collect import plan_text
from oc_gpu.bench.model import Device, Plan
from oc_gpu.kube.errors import UsageError
from tests.bench.samples import network

PLAN = structs.replace(catalogue.plan("quick"), points=(network(1), network(2)), budget=10.0)


def _file(device: Device, *batches: int, date: str = "2026-11-24T12:00:00+00:00") -> str:
    plan = json.loads(plan_text(PLAN))
    records = [
        {"record": "plan", "date": date, "device": device, "plan": plan},
        {"record": "machine", "cpu": "Example"},
    ]
    for batch in batches:
        name = network(batch).id
        records.append({"record": "start", "id": name})
        records.append({"record": "point", "id": name, "status": "measured", "compute": [1.0]})
    return "".join(json.dumps(record) + "\n" for record in records)


def test_a_kit_has_the_workloads_and_a_plan_for_each_device_with_half_of_the_time() -> None:
    kit = legs.kit(structs.replace(catalogue.plan("quick"), budget=50.0))
    assert set(kit) == {"workloads.pyz", "cpu.json", "cuda.json"}
    plans = {name: msgspec.json.decode(kit[f"{name}.json"], type=Plan) for name in ("cpu", "cuda")}
    assert [plan.budget for plan in plans.values()] == [25.0, 25.0]
    assert any(point.dtype == "tf32" for point in plans["cuda"].points)
    assert not any(point.dtype == "tf32" for point in plans["cpu"].points)


def test_two_legs_make_one_run_that_began_when_the_first_did() -> None:
    read = [
        legs.read(_file("cuda", 1, 2, date="2026-11-24T12:00:00+00:00"), "gpu"),
        legs.read(_file("cpu", 1, date="2026-11-24T11:00:00+00:00"), "cpu"),
    ]
    run = legs.joined(read)
    assert run.date == "2026-11-24T11:00:00+00:00"
    assert [point.batch for point in run.plan.points] == [1, 2]
    assert run.plan.budget == 20.0
    assert run.gpu.results[network(2).id].status == "measured"


def test_a_file_that_ends_early_leaves_its_points_unmeasured_with_the_reason() -> None:
    leg = legs.read(_file("cpu", 1), "cpu.jsonl").leg
    lost = leg.results[network(2).id]
    assert lost.status == "not measured"
    assert "cpu.jsonl ends there" in lost.reason


def test_a_line_that_was_cut_in_two_costs_its_point_only() -> None:
    text = _file("cpu", 1, 2)
    leg = legs.read(text[: text.rindex('"status"')], "cpu.jsonl").leg
    assert leg.results[network(1).id].status == "measured"
    assert leg.results[network(2).id].status == "failed"


def test_a_side_without_a_file_was_not_measured() -> None:
    run = legs.joined([legs.read(_file("cuda", 1, 2), "gpu")])
    assert run.cpu.reason == legs.MISSING
    assert run.cpu.results == {}


def test_two_legs_of_one_device_are_refused() -> None:
    both = [legs.read(_file("cpu", 1), name) for name in ("a", "b")]
    with pytest.raises(UsageError, match="same device"):
        legs.joined(both)


@pytest.mark.parametrize("text", ["", "{}", "[1]\n", "no JSON", '{"record": "machine"}'])
def test_what_the_workloads_did_not_write_is_no_leg(text: str) -> None:
    assert not legs.is_leg(text)


def test_a_leg_whose_points_are_not_of_a_plan_is_refused() -> None:
    text = json.dumps({"record": "plan", "device": "cpu", "plan": {"points": [{"id": "0"}]}})
    with pytest.raises(UsageError, match="not a leg of a plan"):
        legs.read(text, "x.jsonl")


def test_a_file_that_is_no_leg_is_refused_in_words_of_the_file() -> None:
    with pytest.raises(UsageError, match=r"x.jsonl is not a leg .*: plan: is missing; device: is"):
        legs.read('{"record": "plan"}\n', "x.jsonl")
