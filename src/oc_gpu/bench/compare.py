"""Two runs, point by point: which differences are more than chance."""

from collections.abc import Iterator
from typing import Literal, get_args

import msgspec

from oc_gpu.bench import statistics
from oc_gpu.bench.model import (
    Counts,
    Device,
    Leg,
    Machine,
    Place,
    Point,
    Result,
    Run,
    SpeedUp,
    Value,
)
from oc_gpu.bench.statistics import Summary
from oc_gpu.bench.worth import speed_up

ERROR_RATE = 0.05
"""Probability of calling any point different when none is, over all points together."""
THRESHOLD = 0.02
"""Smallest difference that is called one, in parts: the repetitions of one run share its clocks
and its neighbours, and two runs of one machine are seen to lie that far apart."""
Change = Literal["faster", "slower", "no difference", "too few repetitions"]


class Difference(Value, frozen=True, kw_only=True):
    """One point in both runs.

    Attributes:
        counts: compute, or with transfers.
        before: Timing in the first run.
        after: Timing in the second run.
        faster: Time of the first over that of the second.
        p: Two-sided p-value of the Mann-Whitney test, corrected for the number of comparisons.
        change: What the second run is, against the first.
    """

    device: Device
    point: Point
    counts: Counts
    before: Summary
    after: Summary
    faster: SpeedUp
    p: float
    change: Change


class Setting(Value, frozen=True, kw_only=True):
    """One thing that the machines of both runs do not have in common."""

    device: Device
    name: str
    before: str
    after: str


class Comparison(Value, frozen=True, kw_only=True):
    """Two runs, the second against the first.

    Attributes:
        settings: What is different about the machines.
        differences: Every timing that both have.
        missing: Points that were measured in one run only, by device.
        threshold: Smallest difference that is called one, in parts.
        error_rate: Probability of calling any point different when none is.
    """

    settings: tuple[Setting, ...]
    differences: tuple[Difference, ...]
    missing: tuple[str, ...]
    threshold: float
    error_rate: float = ERROR_RATE


def compare(before: Run, after: Run, threshold: float = THRESHOLD) -> Comparison:
    """Compare two runs: Mann-Whitney for each timing, corrected after Holm for their number."""
    timed = list(_timed(before, after))
    p_values = statistics.holm([statistics.mann_whitney(a, b) for *_, a, b in timed])
    differences = tuple(
        _difference(one, p, len(timed), threshold) for one, p in zip(timed, p_values, strict=True)
    )
    legs = ((before.cpu, after.cpu), (before.gpu, after.gpu))
    return Comparison(
        settings=tuple(setting for pair in legs for setting in _settings(*pair)),
        differences=differences,
        missing=tuple(name for pair in legs for name in _missing(before, after, *pair)),
        threshold=threshold,
    )


Times = tuple[float, ...]
Timed = tuple[Device, Point, Counts, Times, Times]


def _timed(before: Run, after: Run) -> Iterator[Timed]:
    """Yield every timing that both runs have."""
    for first, second in ((before.cpu, after.cpu), (before.gpu, after.gpu)):
        for point in _shared(before, after):
            a, b = first.results.get(point.id), second.results.get(point.id)
            if a and b:
                for counts in get_args(Counts)[:2]:
                    one, other = _times(a, counts), _times(b, counts)
                    if one and other:
                        yield first.device, point, counts, one, other


def _shared(before: Run, after: Run) -> list[Point]:
    """Return the points that are the same in both plans, shape and all."""
    theirs = {point.id: point for point in after.plan.points}
    return [point for point in before.plan.points if theirs.get(point.id) == point]


def _times(result: Result, counts: Counts) -> Times:
    return result.compute if counts == "compute" else result.transfers


def _difference(timed: Timed, p: float, comparisons: int, threshold: float) -> Difference:
    device, point, counts, before, after = timed
    faster = speed_up(before, after)
    if faster is None:
        raise AssertionError  # both have timings, or they would not have come so far
    can_tell = statistics.smallest_p(len(before), len(after)) * comparisons < ERROR_RATE
    change: Change = "no difference" if can_tell else "too few repetitions"
    if p < ERROR_RATE and abs(faster.ratio - 1) >= threshold:
        change = "faster" if faster.ratio > 1 else "slower"
    return Difference(
        device=device,
        point=point,
        counts=counts,
        before=statistics.summary(before),
        after=statistics.summary(after),
        faster=faster,
        p=p,
        change=change,
    )


def _settings(before: Leg, after: Leg) -> Iterator[Setting]:
    first, second = (_of(leg) for leg in (before, after))
    for name in first:
        if first[name] != second[name]:
            values = {"before": _told(first[name]), "after": _told(second[name])}
            yield Setting(device=before.device, name=name, **values)


def _of(leg: Leg) -> dict[str, object]:
    """Return what is known of where a leg ran; names of pods and nodes say nothing of its speed."""
    place = leg.place or Place(namespace="")
    limits = {"podCpuLimit": place.cpu_limit, "podMemoryLimit": place.memory_limit}
    machine: dict[str, object] = msgspec.to_builtins(leg.machine or Machine())
    return {**machine, "image": place.image_id or place.image, **limits}


def _told(value: object) -> str:
    return "unknown" if value is None or value == "" else str(value)


def _missing(before: Run, after: Run, first: Leg, second: Leg) -> Iterator[str]:
    shared = {point.id for point in _shared(before, after)}
    for leg, other in ((first, second), (second, first)):
        for name, result in leg.results.items():
            there = other.results.get(name)
            if result.compute and not (name in shared and there and there.compute):
                yield f"{leg.device}: {name}"
