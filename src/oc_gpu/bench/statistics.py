"""Statistics of repeated timings. Nothing is assumed of how they are distributed.

Timings are skewed to the right and have outliers, so that means and normal intervals mislead.
Everything here rests on ranks: the median, its interval from order statistics, and the
Mann-Whitney test.
"""

import math
import statistics as plain
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from oc_gpu.bench.workloads.timing import interval_ranks

CONFIDENCE = 0.95
"""Probability with which an interval covers the true value."""
EXACT_UP_TO = 400
"""Product of both numbers of repetitions up to which the Mann-Whitney test is exact."""


class Interval(Struct, frozen=True):
    """Two bounds between which the true value lies with `CONFIDENCE`."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Tell whether a value lies within, bounds included."""
        return self.low <= value <= self.high


class Summary(Struct, frozen=True, rename="camel"):
    """What is told of repeated timings.

    Attributes:
        median: Seconds.
        interval: Interval of the median in seconds; None with fewer than six repetitions.
        quartiles: First and third quartile in seconds.
        repetitions: How many there were.
    """

    median: float
    interval: Interval | None
    quartiles: tuple[float, float]
    repetitions: int


def summary(values: Sequence[float]) -> Summary:
    """Return median, interval and quartiles of at least one timing in seconds."""
    first, third = _quartiles(values)
    return Summary(plain.median(values), median_interval(values), (first, third), len(values))


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:  # noqa: PLR2004  (one value is its own quartiles)
        return values[0], values[0]
    first, _, third = plain.quantiles(values, n=4, method="inclusive")
    return first, third


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Return the interval of the median from order statistics, None with too few values.

    The median lies between the k-th smallest and the k-th largest value unless fewer than k
    values fell on one side of it, whose probability is binomial with p = 1/2: W. J. Conover,
    Practical Nonparametric Statistics, 3rd edition, section 3.2.
    """
    ranks = interval_ranks(len(values), confidence)
    if ranks is None:
        return None
    ordered = sorted(values)
    low, high = ranks
    return Interval(ordered[low - 1], ordered[high - 1])


def ratio_interval(above: Sequence[float], below: Sequence[float]) -> Interval | None:
    """Return the interval of the ratio of two medians, None with too few values.

    Both medians get an interval with half of the error (Bonferroni), so that both hold at once
    with `CONFIDENCE`, and with them every ratio of a value of one to a value of the other.
    """
    each = 1 - (1 - CONFIDENCE) / 2
    upper, lower = median_interval(above, each), median_interval(below, each)
    if upper is None or lower is None:
        return None
    return Interval(upper.low / lower.high, upper.high / lower.low)


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p-value of the Mann-Whitney test: could both be the same?

    Exact while the product of both numbers is at most `EXACT_UP_TO` and no value occurs twice,
    else by the normal approximation with corrections for ties and continuity. H. B. Mann and
    D. R. Whitney, Annals of Mathematical Statistics 18 (1947), 50-60.
    """
    everything = sorted([*first, *second])
    tied = any(a == b for a, b in pairwise(everything))
    wins = sum((a > b) + (a == b) / 2 for a in first for b in second)
    if not tied and len(first) * len(second) <= EXACT_UP_TO:
        return _exact(len(first), len(second), round(wins))
    return _approximate(len(first), len(second), wins, everything)


def _exact(first: int, second: int, wins: int) -> float:
    ways = _ways(first, second)
    low = min(wins, first * second - wins)
    return min(1.0, 2 * sum(ways[: low + 1]) / math.comb(first + second, first))


def _ways(first: int, second: int) -> list[int]:
    """Return for each number of wins in how many orders of the values it comes about.

    The numbers are the coefficients of the Gaussian binomial coefficient: the product of
    (1 - q^(second + i)) / (1 - q^i) for i from 1 to `first`.
    """
    size = first * second + 1
    ways = [1] + [0] * (size - 1)
    for i in range(1, first + 1):
        for power in range(size - 1, second + i - 1, -1):
            ways[power] -= ways[power - second - i]
        for power in range(i, size):
            ways[power] += ways[power - i]
    return ways


def _approximate(first: int, second: int, wins: float, everything: Sequence[float]) -> float:
    total = first + second
    counts: dict[float, int] = {}
    for value in everything:
        counts[value] = counts.get(value, 0) + 1
    ties = sum(count**3 - count for count in counts.values()) / (total * (total - 1))
    deviation = math.sqrt(first * second / 12 * (total + 1 - ties))
    if deviation == 0:  # every value is the same
        return 1.0
    distance = max(0.0, abs(wins - first * second / 2) - 0.5)
    return math.erfc(distance / deviation / math.sqrt(2))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that stay true when many are looked at, in the order given.

    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6 (1979), 65-70.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    worst = 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = worst
    return adjusted


def smallest_p(first: int, second: int) -> float:
    """Return the smallest p-value that so many repetitions can give."""
    return min(1.0, 2 / math.comb(first + second, first))
