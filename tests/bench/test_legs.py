"""Legs: what processes tell, how they end, and what is made of it."""

import sys
from pathlib import Path

import pytest
from msgspec import structs

from oc_gpu.bench import catalogue, local
from oc_gpu.bench.collect import Collector, Progress
from oc_gpu.bench.model import Leg
from oc_gpu.kube.errors import UsageError
from tests.bench.samples import network

PLAN = structs.replace(
    catalogue.plan("quick", ["mlp"]), points=(network(1), network(2), network(4)), budget=60.0
)
PLAYED = """
import json, os, sys
plan = json.loads(sys.stdin.read())
def tell(**record): print(json.dumps(record), flush=True)
tell(record="machine", cpu="Example", threads=2)
print("a warning of some library")
for point in plan["points"]:
    tell(record="start", id=point["id"])
    {trouble}
    tell(record="point", id=point["id"], status="measured", compute=[1.0], outputs=[1.0])
tell(record="end")
"""


def _leg(tmp_path: Path, trouble: str = "pass") -> tuple[Leg, list[Progress]]:
    script = tmp_path / "played.py"
    script.write_text(PLAYED.replace("{trouble}", trouble))
    told: list[Progress] = []
    leg = local.leg(PLAN, "cpu", told.append, [sys.executable, str(script)])
    return leg, told


def test_a_leg_holds_every_point_and_tells_of_each(tmp_path: Path) -> None:
    leg, told = _leg(tmp_path)
    assert leg.reason == ""
    assert leg.machine is not None
    assert leg.machine.cpu == "Example"
    assert set(leg.results) == {point.id for point in PLAN.points}
    assert [(p.done, p.total) for p in told] == [(1, 3), (2, 3), (3, 3)]


def test_a_killed_process_costs_one_point_and_the_sweep_goes_on(tmp_path: Path) -> None:
    leg, told = _leg(tmp_path, "if point['batch'] == 2: os.kill(os.getpid(), 9)")
    found = {p.batch: leg.results[p.id] for p in PLAN.points}
    assert [found[b].status for b in (1, 2, 4)] == ["measured", "out of memory", "measured"]
    assert "SIGKILL" in found[2].reason
    assert [p.done for p in told] == [1, 2, 3]


def test_a_process_that_fails_costs_one_point_and_says_why(tmp_path: Path) -> None:
    leg, _ = _leg(tmp_path, "if point['batch'] == 4: sys.exit('no such kernel')")
    lost = leg.results[network(4).id]
    assert lost.status == "failed"
    assert lost.reason == "the process was lost: exit code 1: no such kernel"


def test_a_process_that_never_begins_ends_the_leg_with_its_last_words(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("import sys; sys.exit('no PyTorch here')")
    told: list[Progress] = []
    leg = local.leg(PLAN, "cpu", told.append, [sys.executable, str(script)])
    assert told == []
    assert leg.reason == "the workloads ended early, exit code 1: no PyTorch here"
    assert {result.status for result in leg.results.values()} == {"not measured"}
    assert leg.machine is None


def test_a_refused_leg_has_its_reason_and_no_results() -> None:
    collector = Collector(PLAN, "cuda")
    collector.line('{"record": "refused", "reason": "PyTorch sees no NVIDIA GPU here"}')
    assert collector.ended
    assert collector.leg().reason == "PyTorch sees no NVIDIA GPU here"
    assert collector.leg().results == {}


def test_what_is_left_is_asked_for_again_with_the_time_that_is_left() -> None:
    collector = Collector(PLAN, "cpu")
    collector.line('{"record": "start", "id": "%s"}' % network(1).id)  # noqa: UP031
    collector.died("exit code 1")
    rest = collector.rest(-3.0)
    assert rest.budget == 0.0
    assert [point.batch for point in rest.points] == [2, 4]


def test_both_legs_run_and_the_cpu_gets_the_time_that_the_gpu_left(tmp_path: Path) -> None:
    script = tmp_path / "played.py"
    script.write_text(PLAYED.replace("{trouble}", "pass"))
    found = local.run(PLAN, lambda _: None, [sys.executable, str(script)])
    assert found.cpu.device == "cpu"
    assert found.gpu.device == "cuda"
    assert len(found.cpu.results) == len(found.gpu.results) == 3


def test_without_pytorch_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "find_spec", lambda _: None)
    with pytest.raises(UsageError) as caught:
        local.require_torch()
    assert caught.value.exit_code == 2
    assert "oc-gpu[bench]" in caught.value.hints[0]
