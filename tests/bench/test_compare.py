"""Two runs against each other: chance is not called a difference, and a difference is."""

import random

from msgspec import structs

from oc_gpu.bench import compare
from oc_gpu.bench.model import Leg, Result, Run
from tests.bench import samples
from tests.bench.samples import measured, network

POINTS = [network(2**n) for n in range(10)]


def _run(factor: float, seed: int, count: int = 12, driver: str = "580.1") -> Run:
    """Return a run on the GPU alone, of noisy timings."""
    draw = random.Random(seed)  # noqa: S311
    results = {}
    for point in POINTS:
        noisy = tuple(factor * point.batch * draw.gauss(1, 0.01) for _ in range(count))
        results[point.id] = Result(status="measured", compute=noisy, outputs=(1.0,))
    run = samples.run({}, results, POINTS)
    machine = structs.replace(samples.GPU, driver=driver)
    return structs.replace(run, gpu=structs.replace(run.gpu, machine=machine))


def _changes(before: Run, after: Run, **more: float) -> set[str]:
    return {one.change for one in compare.compare(before, after, **more).differences}


def test_a_faster_run_is_told_as_faster_and_the_other_way_round_as_slower() -> None:
    slow, fast = _run(1.1, 1), _run(1.0, 2)
    assert _changes(slow, fast) == {"faster"}
    assert _changes(fast, slow) == {"slower"}
    first = compare.compare(slow, fast).differences[0]
    assert first.faster.low is not None
    assert first.faster.high is not None
    assert first.faster.low < 1.1 < first.faster.high
    assert first.p < 0.001


def test_chance_is_not_called_a_difference() -> None:
    alarms = sum(
        "no difference" not in _changes(_run(1.0, seed), _run(1.0, 1000 + seed), threshold=0.0)
        or len(_changes(_run(1.0, seed), _run(1.0, 1000 + seed), threshold=0.0)) > 1
        for seed in range(100)
    )
    assert alarms <= 12  # 5 of 100 are to be expected, more than 12 with p < 0.002


def test_a_difference_that_is_sure_but_tiny_is_not_called_one() -> None:
    before, after = (
        samples.run({}, {p.id: measured(t) for p in POINTS}, POINTS) for t in (1, 1.01)
    )
    assert _changes(before, after) == {"no difference"}
    assert _changes(before, after, threshold=0.001) == {"slower"}


def test_too_few_repetitions_are_told_as_such() -> None:
    assert _changes(_run(1.5, 1, count=3), _run(1.0, 2, count=3)) == {"too few repetitions"}


def test_what_the_machines_do_not_have_in_common_is_named() -> None:
    found = compare.compare(_run(1, 1), _run(1, 2, driver="590.2")).settings
    assert [(s.name, s.before, s.after) for s in found] == [("driver", "580.1", "590.2")]


def test_points_that_only_one_run_has_are_named_and_not_compared() -> None:
    before, after = _run(1, 1), _run(1, 2)
    lost = Result(status="out of memory", reason="full")
    results = {**after.gpu.results, POINTS[0].id: lost}
    after = structs.replace(after, gpu=structs.replace(after.gpu, results=results))
    found = compare.compare(before, after)
    assert found.missing == (f"cuda: {POINTS[0].id}",)
    assert len(found.differences) == len(POINTS) - 1


def test_points_of_one_name_and_another_shape_are_not_compared() -> None:
    before = _run(1, 1)
    changed = tuple(structs.replace(point, flops=1) for point in POINTS)
    after = structs.replace(before, plan=structs.replace(before.plan, points=changed))
    found = compare.compare(before, after)
    assert found.differences == ()
    assert len(found.missing) == 2 * len(POINTS)


def test_runs_without_a_leg_have_nothing_to_compare() -> None:
    empty = structs.replace(_run(1, 1), gpu=Leg(device="cuda", reason="no GPU"))
    found = compare.compare(empty, empty)
    assert found.differences == ()
    assert found.settings == ()
    assert compare.compare(empty, _run(1, 1)).settings[0].before == "unknown"
