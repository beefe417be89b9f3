"""Speed-ups, proofs and crossovers, from runs as values."""

import math
from collections.abc import Sequence

import pytest
from msgspec import structs

from oc_gpu.bench import catalogue, worth
from oc_gpu.bench.model import Crossover, Prices, Result, Run, SpeedUp
from tests.bench import samples
from tests.bench.samples import measured, network


def _run(cpu: Sequence[float], gpu: Sequence[float], moved: Sequence[float]) -> Run:
    """Return a run of batches 1, 2, 4, ... with so many seconds each."""
    points = [network(2**n) for n in range(len(cpu))]
    slow = {p.id: measured(t) for p, t in zip(points, cpu, strict=True)}
    fast = {p.id: measured(t, m) for p, t, m in zip(points, gpu, moved, strict=True)}
    return samples.run(slow, fast, points)


def _crossover(run: Run, counts: str = "compute", prices: Prices | None = None) -> Crossover:
    found = worth.crossovers(worth.pairs(run, prices))
    return next(c for c in found if c.along == "batch" and c.counts == counts)


def test_speed_up_is_told_with_transfers_and_without() -> None:
    (pair,) = worth.pairs(_run([8.0], [1.0], [2.0]))
    assert pair.faster is not None
    assert pair.faster_moved is not None
    assert pair.faster.ratio == pytest.approx(8.0)
    assert pair.faster_moved.ratio == pytest.approx(4.0)
    assert pair.faster.low is not None
    assert pair.faster.high is not None
    assert pair.faster.low < 8.0 < pair.faster.high


def test_crossover_is_the_first_batch_from_which_on_the_gpu_always_wins() -> None:
    run = _run([1, 2, 4, 8], [2, 2.5, 1, 1], [3, 3, 5, 1])
    alone, moved = _crossover(run), _crossover(run, "with transfers")
    assert (alone.verdict, alone.start, alone.before) == ("gpu from", "4", "2")
    assert (moved.verdict, moved.start, moved.before) == ("gpu from", "8", "4")
    assert alone.values == ("1", "2", "4", "8")
    assert alone.last == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("cpu", "gpu", "verdict"),
    [
        ([3, 3], [1, 1], "gpu always"),
        ([1, 1], [3, 3], "cpu always"),
        ([3, 1], [1, 3], "never for good"),
        ([1, 1], [1, 1], "never for good"),
    ],
)
def test_verdicts(cpu: list[float], gpu: list[float], verdict: str) -> None:
    assert _crossover(_run(cpu, gpu, gpu)).verdict == verdict


def test_an_even_race_is_won_by_nobody() -> None:
    assert worth.winner(SpeedUp(ratio=1.01, low=0.99, high=1.03)) == "even"
    assert worth.winner(SpeedUp(ratio=1.01, low=1.001, high=1.03)) == "gpu"
    assert worth.winner(SpeedUp(ratio=0.5)) == "cpu"


def test_points_that_were_not_measured_are_left_out_and_nothing_is_put_in_their_place() -> None:
    run = _run([1, 1, 1], [2, 0.5, 0.25], [1, 1, 1])
    lost = Result(status="out of memory", reason="CUDA out of memory")
    middle = run.plan.points[1].id
    gpu = structs.replace(run.gpu, results={**run.gpu.results, middle: lost})
    run = structs.replace(run, gpu=gpu)
    found = _crossover(run)
    assert found.values == ("1", "4")
    assert found.before == "1"
    pair = next(p for p in worth.pairs(run) if p.point.id == middle)
    assert pair.gpu is None
    assert pair.faster is None
    assert pair.gpu_note == "out of memory"


def test_a_missing_leg_leaves_everything_unmeasured() -> None:
    run = _run([1, 2], [1, 1], [1, 1])
    gone = structs.replace(run.gpu, reason="PyTorch sees no NVIDIA GPU here", results={})
    run = structs.replace(run, gpu=gone)
    assert _crossover(run).verdict == "not measured"
    assert {p.gpu_note for p in worth.pairs(run)} == {"PyTorch sees no NVIDIA GPU here"}


def test_few_repetitions_make_a_crossover_unsure() -> None:
    points = [network(1), network(2)]
    slow = {p.id: measured(2.0, count=3) for p in points}
    run = samples.run(slow, {p.id: measured(1.0) for p in points}, points)
    assert not _crossover(run).sure
    assert _crossover(_run([2, 2], [1, 1], [1, 1])).sure


def test_size_is_an_axis_of_its_own() -> None:
    points = [catalogue.point("matmul", "", n, 1, "bf16") for n in ("512", "4096", "1024")]
    slow = {p.id: measured(1.0) for p in points}
    fast = {p.id: measured(t, t) for p, t in zip(points, (2.0, 0.1, 0.5), strict=True)}
    (alone, _) = worth.crossovers(worth.pairs(samples.run(slow, fast, points)))
    assert (alone.along, alone.start, alone.before) == ("size", "1024", "512")


def test_cost_weighs_prices_against_times() -> None:
    run = _run([4, 8], [1, 1], [2, 2])
    prices = Prices(cpu=1.0, gpu=3.0)
    first, second = worth.pairs(run, prices)
    assert first.cost is not None
    assert first.cost.cpu == pytest.approx(4 / 3600 * 1e6)
    assert first.cost.gpu == pytest.approx(2 / 3600 * 3 * 1e6)
    assert second.cost is not None
    assert second.cost.cpu == pytest.approx(8 / 3600 / 2 * 1e6)
    assert _crossover(run, "cost", prices).start == "2"
    assert [c for c in worth.crossovers(worth.pairs(run)) if c.counts == "cost"] == []


@pytest.mark.parametrize(
    ("outputs", "same"),
    [((1.0, 2.0), True), ((1.0, 2.0001), True), ((1.0, 2.1), False), ((1.0,), False)],
)
def test_outputs_prove_that_both_computed_the_same(outputs: list[float], *, same: bool) -> None:
    point = network(1)
    found = worth.proof(point, measured(1.0), measured(1.0, outputs=outputs))
    assert found.same is same


def test_what_is_not_a_number_proves_nothing() -> None:
    found = worth.proof(network(1), measured(1.0), measured(1.0, outputs=(math.nan, 2.0)))
    assert found.same is False
    assert found.difference is None


def test_losses_and_errors_count_as_well() -> None:
    point, good = network(1), measured(1.0)
    other = structs.replace(good, losses=(7.0, 6.8))
    wrong = structs.replace(good, error=0.5)
    assert worth.proof(point, good, good).same
    assert worth.proof(point, good, other).same is False
    assert worth.proof(point, good, wrong).same is False
    assert worth.proof(point, good, structs.replace(good, losses=(7.0,))).same is False
    assert worth.proof(point, good, None).same is None


def _trained(last: float, rounding: float, first: float = 7.0) -> Result:
    return structs.replace(
        measured(1.0), losses=(first, 6.0), outputs=(1.0, last), rounding=rounding
    )


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (_trained(1.0, 1e-7), True),
        (_trained(1.01, 1e-7), False),  # a hundredth apart, and rounding does not carry it there
        (_trained(1.01, 2e-3), True),  # here it may
        (_trained(1.05, 2e-3), False),
        (_trained(1.05, 0.09), None),  # rounding carries it so far that agreement tells nothing
        (_trained(9.0, 0.09), False),
        (_trained(1.05, 0.09, first=7.1), False),  # but the first loss comes before any step
        (_trained(math.nan, 0.09), False),
    ],
)
def test_a_training_may_lie_as_far_apart_as_rounding_carries_it(
    other: Result, *, same: bool | None
) -> None:
    assert worth.proof(network(1), _trained(1.0, 0.0), other).same is same


def test_a_loss_that_has_fallen_to_nothing_is_not_held_against_itself() -> None:
    one, other = (
        structs.replace(measured(1.0), losses=(5.2456, last)) for last in (2.670e-5, 2.682e-5)
    )
    assert worth.proof(network(1), one, other).same is True
