"""Statistics of timings: against published tables, and what must hold for any values."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oc_gpu.bench import statistics
from oc_gpu.bench.statistics import Interval
from oc_gpu.bench.workloads.timing import interval_ranks

TIMES = st.lists(st.floats(1e-6, 10), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("count", "ranks"),
    [
        (5, None),
        (6, (1, 6)),
        (9, (2, 8)),
        (10, (2, 9)),
        (14, (3, 12)),
        (17, (5, 13)),
        (20, (6, 15)),
    ],
)
def test_ranks_are_those_of_the_published_table(count: int, ranks: tuple[int, int] | None) -> None:
    # "Confidence intervals for the population median", the narrowest of at least 95 %.
    assert interval_ranks(count, 0.95) == ranks


def test_interval_covers_the_median_as_often_as_it_says() -> None:
    draw = random.Random(1)  # noqa: S311
    covered = 0
    for _ in range(2000):
        values = [draw.expovariate(1.0) for _ in range(15)]  # skewed, as timings are
        found = statistics.median_interval(values)
        assert found is not None
        covered += found.holds(math.log(2))
    assert covered / 2000 >= 0.95


def test_interval_of_a_ratio_covers_it_as_often_as_it_says() -> None:
    draw = random.Random(2)  # noqa: S311
    covered = 0
    for _ in range(1000):
        slow = [3 + draw.expovariate(1.0) for _ in range(12)]
        fast = [1 + draw.expovariate(2.0) for _ in range(12)]
        found = statistics.ratio_interval(slow, fast)
        assert found is not None
        covered += found.holds((3 + math.log(2)) / (1 + math.log(2) / 2))
    assert covered / 1000 >= 0.95


def test_few_values_have_no_interval() -> None:
    assert statistics.median_interval([1, 2, 3, 4, 5]) is None
    assert statistics.ratio_interval([1, 2, 3, 4, 5, 6], [1] * 20) is None


@given(TIMES)
def test_summary_is_ordered(values: list[float]) -> None:
    found = statistics.summary(values)
    assert min(values) <= found.quartiles[0] <= found.median <= found.quartiles[1] <= max(values)
    assert found.interval is None or found.interval.holds(found.median)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 2, 3], [4, 5, 6], 0.1),
        ([1, 3, 5], [2, 4, 6], 0.7),
        # Mann and Whitney's table for n = m = 4: P(U <= 1) = 0.029, twice that for both sides.
        ([1, 2, 3, 5], [4, 6, 7, 8], 4 / 70),
        (range(10), range(10, 20), 2 / 184756),
    ],
)
def test_p_values_of_small_numbers_are_exact(
    first: list[float], second: list[float], expected: float
) -> None:
    assert statistics.mann_whitney(first, second) == pytest.approx(expected)


def test_approximation_meets_the_exact_test(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(3)  # noqa: S311
    first = [draw.random() for _ in range(20)]
    second = [draw.random() + 0.1 for _ in range(20)]
    exact = statistics.mann_whitney(first, second)
    monkeypatch.setattr(statistics, "EXACT_UP_TO", 0)
    assert statistics.mann_whitney(first, second) == pytest.approx(exact, rel=0.05)


def test_equal_values_tell_nothing() -> None:
    assert statistics.mann_whitney([1.0] * 9, [1.0] * 9) == 1.0


@given(TIMES, TIMES)
def test_p_value_does_not_depend_on_the_order_of_both(a: list[float], b: list[float]) -> None:
    p = statistics.mann_whitney(a, b)
    assert 0 <= p <= 1
    assert p == pytest.approx(statistics.mann_whitney(b, a))


def test_holm_is_that_of_the_worked_example() -> None:
    # 0.01, 0.02, 0.03, 0.04 become 0.04, 0.06, 0.06, 0.06: later ones are never smaller.
    assert statistics.holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_ten_repetitions_stand_a_correction_for_hundreds_of_comparisons() -> None:
    assert statistics.smallest_p(10, 10) * 400 < 0.05 < statistics.smallest_p(5, 5) * 400


def test_interval_holds_its_bounds() -> None:
    assert Interval(1, 2).holds(1)
    assert not Interval(1, 2).holds(2.1)
