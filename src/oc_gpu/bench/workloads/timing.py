"""How long something takes, and what energy: repeated until it is sure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CALL_SECONDS = 0.01
"""Calls are timed in groups that take at least this long: a clock and a synchronisation cost
some microseconds, which is then less than a thousandth."""
FEWEST = 10
"""Repetitions that are made where the time allows: two runs that differ can then be told apart
with p < 1e-4 (Mann-Whitney), which stands a correction for hundreds of comparisons."""
MOST = 200
"""Repetitions after which no more are made."""
SETTLE_SECONDS = 0.5
"""How long a GPU computes before it is timed: within some tenths of a second a card at its power
limit lowers its clock, and a timing before that promises what it does not keep."""
ENERGY_SECONDS = SETTLE_SECONDS
"""Shortest time over which energy is told. The counter moves every 20 to 100 ms, and it is read
from one of its moves to another, so that what is left of an error is one group of steps."""
ENERGY_PATIENCE = 0.5
"""Seconds to wait for a move of the energy counter before it is taken for dead."""
NO_ENERGY = "there is no energy counter that can be read"


def interval_ranks(count: int, confidence: float) -> tuple[int, int] | None:
    """Return the ranks of the order statistics that enclose the median, from 1.

    Args:
        count: Number of values.
        confidence: Probability with which the median lies between both.

    Returns:
        The narrowest symmetric pair; None when even the extremes are not sure enough.
    """
    outside, low = 0.0, 0
    while low < count // 2:
        outside += 2 * math.comb(count, low) / 2**count
        if 1 - outside < confidence:
            break
        low += 1
    return (low, count + 1 - low) if low else None


@dataclass
class Rules:
    """How long a timing goes on.

    Attributes:
        precision: Half width of the median's interval, in parts of the median, that is enough.
        until: Time of the monotonic clock after which no repetition begins.
    """

    precision: float
    until: float


def grouped(step: Callable[[], Any], wait: Callable[[], object], until: float) -> int:
    """Return how many steps make a group that is long enough to be timed.

    Args:
        step: What is timed; it may only start the work.
        wait: Returns when all that was started is done.
        until: Time of the monotonic clock at which to be content.
    """
    calls, once = 1, _repetition(step, wait, 1)
    while once * calls < CALL_SECONDS and time.perf_counter() < until:
        calls = min(calls * 10, math.ceil(1.2 * CALL_SECONDS / once))
        once = _repetition(step, wait, calls)
    return calls


def timed(
    step: Callable[[], Any], wait: Callable[[], object], calls: int, rules: Rules
) -> list[float]:
    """Time groups of a step until its median is known well enough.

    Args:
        step: What is timed; it may only start the work.
        wait: Returns when all that was started is done.
        calls: Steps in one group.
        rules: When to stop.

    Returns:
        Seconds a step for each group.
    """
    found = [_repetition(step, wait, calls)]
    while (
        len(found) < MOST
        and time.perf_counter() < rules.until
        and not _sure(found, rules.precision)
    ):
        found.append(_repetition(step, wait, calls))
    return found


def _repetition(step: Callable[[], Any], wait: Callable[[], object], calls: int) -> float:
    wait()
    begun = time.perf_counter()
    for _ in range(calls):
        step()
    wait()
    return (time.perf_counter() - begun) / calls


def _sure(found: list[float], precision: float) -> bool:
    ranks = interval_ranks(len(found), 0.95)
    if len(found) < FEWEST or ranks is None:
        return False
    ordered = sorted(found)
    width = ordered[ranks[1] - 1] - ordered[ranks[0] - 1]
    return width / 2 <= precision * ordered[len(ordered) // 2]


def energy(
    group: Callable[[], Any], read: Callable[[], float | None], until: float
) -> tuple[float | None, str]:
    """Return the energy of one group of steps in joules, or None and why there is none.

    Args:
        group: Does some steps, and returns when they are done.
        read: Tells the joules that were used so far.
        until: Time of the monotonic clock at which it must be over.
    """
    clock = time.perf_counter
    seen, groups = read(), 0
    if seen is None:
        return None, NO_ENERGY
    moves: list[tuple[float, float, int]] = []  # when, joules, groups
    quiet = clock()
    while clock() < until and clock() - quiet < ENERGY_PATIENCE:
        group()
        groups += 1
        now = read()
        if now is not None and now != seen:
            seen, quiet = now, clock()
            moves.append((quiet, now, groups))
            if quiet - moves[0][0] >= ENERGY_SECONDS:
                break
    if len(moves) < 2 or moves[-1][0] - moves[0][0] < ENERGY_SECONDS / 2:  # noqa: PLR2004
        return None, "the time budget left too little for the energy counter"
    (_, before, first), (_, after, last) = moves[0], moves[-1]
    return (after - before) / (last - first), ""
