"""How much the GPU is worth: both sides of each point, and from where on the GPU wins."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import get_args

from oc_gpu.bench import statistics
from oc_gpu.bench.catalogue import NETWORKS
from oc_gpu.bench.model import (
    Along,
    Cost,
    Counts,
    Crossover,
    Leg,
    Pair,
    Point,
    Prices,
    Proof,
    Result,
    Run,
    SpeedUp,
    Verdict,
    Winner,
)
from oc_gpu.bench.workloads.networks import apart

TOLERANCE: Mapping[str, float] = {"fp32": 1e-3, "tf32": 5e-3, "fp16": 5e-3, "bf16": 5e-2}
"""Largest relative difference that rounding explains, by type.

Some ten times what was seen between a CPU and a GPU (docs/benchmarks), and far below what another
seed, another step or a mistake makes: that is about one.
"""
ROUNDINGS = 10
"""How many times as far as one nudge of the weights carried it two devices may lie apart: they
round differently at every operation. On an H100 and its host it was at most twice as far."""
TELLING = 0.1
"""Largest tolerance at which agreement still tells something."""
PLAIN = 3.0
"""How many times faster is plain to see from a few repetitions: timings of one point are seen to
spread by some tenths at most."""
MILLION = 1_000_000
HOUR = 3600.0


def pairs(run: Run, prices: Prices | None = None) -> tuple[Pair, ...]:
    """Return every point of a run with both its sides, in the order of the catalogue."""
    made = (_pair(point, run.cpu, run.gpu, prices) for point in run.plan.points)
    order = {name: number for number, name in enumerate(("matmul", "copy", "h2d", *NETWORKS))}
    return tuple(sorted(made, key=lambda pair: (order[pair.point.workload], *_place(pair.point))))


def _place(point: Point) -> tuple[str, str, float, int]:
    return (point.mode, point.dtype, _size(point), point.batch)


def _size(point: Point) -> float:
    """Return a number that grows with the size of a model, whatever the batch."""
    return (point.flops or point.bytes) / point.batch


def _pair(point: Point, cpu_leg: Leg, gpu_leg: Leg, prices: Prices | None) -> Pair:
    cpu, gpu = cpu_leg.results.get(point.id), gpu_leg.results.get(point.id)
    slow = cpu.compute if cpu else ()
    fast = gpu.compute if gpu else ()
    moved = gpu.transfers if gpu else ()
    return Pair(
        point=point,
        cpu=statistics.summary(slow) if slow else None,
        gpu=statistics.summary(fast) if fast else None,
        moved=statistics.summary(moved) if moved else None,
        faster=speed_up(slow, fast),
        faster_moved=speed_up(slow, moved),
        proof=proof(point, cpu, gpu),
        cost=_cost(point, slow, moved or fast, prices),
        joules=gpu.joules if gpu else None,
        joules_note=gpu.joules_reason if gpu else "",
        cpu_note=_note(cpu, cpu_leg),
        gpu_note=_note(gpu, gpu_leg),
    )


def _note(result: Result | None, leg: Leg) -> str:
    """Return why there is no measurement, empty when there is one."""
    if result is None:
        return leg.reason or "only GPUs have it"
    if result.status == "measured":
        return ""
    if result.status == "out of memory":
        return result.status
    return result.reason if result.status == "not measured" else f"failed: {result.reason}"


def speed_up(slow: Sequence[float], fast: Sequence[float]) -> SpeedUp | None:
    """Return how many times faster the second is, None when one was not measured."""
    if not slow or not fast:
        return None
    ratio = statistics.summary(slow).median / statistics.summary(fast).median
    interval = statistics.ratio_interval(slow, fast)
    if interval is None:
        return SpeedUp(ratio=ratio)
    return SpeedUp(ratio=ratio, low=interval.low, high=interval.high)


def proof(point: Point, cpu: Result | None, gpu: Result | None) -> Proof:
    """Tell whether both sides computed the same, as far as rounding lets them.

    Losses and outputs are compared as vectors: a loss that has fallen to nothing is a difference
    of large scores, whose rounding is all that is left of it. How far rounding alone carries a
    training was measured beside it; ten times that is allowed. Where this is more than
    `TELLING`, agreement tells nothing, but the first loss, before any step, must still agree.
    """
    if not cpu or not gpu or not cpu.outputs or not gpu.outputs:
        return Proof(same=None, tolerance=TOLERANCE[point.dtype])
    rounding = max(cpu.rounding or 0.0, gpu.rounding or 0.0)
    tolerance = max(TOLERANCE[point.dtype], ROUNDINGS * rounding)
    apart = [_apart(cpu.outputs, gpu.outputs), cpu.error or 0.0, gpu.error or 0.0]
    apart.append(_apart(cpu.losses, gpu.losses))
    # Whatever is not a number passes no comparison, and is told as infinitely far away.
    worst = max(value if math.isfinite(value) else math.inf for value in apart)
    same = worst <= tolerance and _apart(cpu.losses[:1], gpu.losses[:1]) <= TOLERANCE[point.dtype]
    return Proof(
        same=None if same and tolerance > TELLING else same,
        difference=worst if math.isfinite(worst) else None,
        tolerance=tolerance,
    )


def _apart(first: Sequence[float], second: Sequence[float]) -> float:
    return apart(first, second) if len(first) == len(second) else math.inf


def _cost(
    point: Point, slow: Sequence[float], fast: Sequence[float], prices: Prices | None
) -> Cost | None:
    if prices is None or not slow or not fast or point.workload not in NETWORKS:
        return None
    cpu, gpu = (
        price * statistics.summary(times).median / HOUR / point.batch * MILLION
        for price, times in ((prices.cpu, slow), (prices.gpu, fast))
    )
    return Cost(cpu=cpu, gpu=gpu)


# --- where the GPU begins to win ---------------------------------------------------------------

Better = Callable[[Pair], SpeedUp | None]


def crossovers(found: Iterable[Pair]) -> tuple[Crossover, ...]:
    """Return from which batch, and from which size on the GPU wins, for every series of a run."""
    made = []
    every = tuple(found)
    for along in get_args(Along):
        for series in _series(every, along):
            for counts, better in _BETTER.items():
                if counts != "cost" or any(pair.cost for pair in series):
                    made.append(_crossover(series, along, counts, better))
    return tuple(made)


def _cheaper(pair: Pair) -> SpeedUp | None:
    """Return how many times cheaper the GPU is, with the interval of the times."""
    moved = pair.faster_moved or pair.faster
    if pair.cost is None or moved is None:
        return None
    cheaper = pair.cost.cpu / pair.cost.gpu
    scale = cheaper / moved.ratio
    low, high = (None if b is None else b * scale for b in (moved.low, moved.high))
    return SpeedUp(ratio=cheaper, low=low, high=high)


_BETTER: Mapping[Counts, Better] = {
    "compute": lambda pair: pair.faster,
    "with transfers": lambda pair: pair.faster_moved,
    "cost": _cheaper,
}


def _series(found: Iterable[Pair], along: Along) -> Iterable[list[Pair]]:
    """Return pairs that differ in one thing only, in its order; a single one is no series."""
    series: dict[tuple[str, ...], list[Pair]] = {}
    for pair in found:
        point = pair.point
        if point.workload in NETWORKS or (point.workload == "matmul" and along == "size"):
            fixed = point.size if along == "batch" else str(point.batch)
            key = (point.workload, point.mode, point.dtype, fixed)
            series.setdefault(key, []).append(pair)
    grown = (sorted(s, key=lambda p: (_size(p.point), p.point.batch)) for s in series.values())
    return [one for one in grown if len(one) > 1]


def _crossover(series: Sequence[Pair], along: Along, counts: Counts, better: Better) -> Crossover:
    measured = [(pair, ratio) for pair in series if (ratio := better(pair)) is not None]
    names = [str(getattr(pair.point, along)) for pair, _ in measured]
    verdict, first = _verdict([winner(ratio) for _, ratio in measured])
    point = series[0].point
    return Crossover(
        workload=point.workload,
        mode=point.mode,
        fixed=_fixed(point, along),
        dtype=point.dtype,
        along=along,
        counts=counts,
        verdict=verdict,
        start=names[first] if verdict in ("gpu always", "gpu from") else "",
        before=names[first - 1] if verdict == "gpu from" else "",
        values=tuple(names),
        last=measured[-1][1].ratio if measured else None,
        sure=all(_is_sure(ratio) for _, ratio in measured),
    )


def _fixed(point: Point, along: Along) -> str:
    if along == "batch":
        return point.size
    return f"batch {point.batch}" if point.workload in NETWORKS else ""


def winner(ratio: SpeedUp) -> Winner:
    """Return who is faster; even when the interval holds both."""
    low, high = (ratio.ratio if b is None else b for b in (ratio.low, ratio.high))
    if low > 1:
        return "gpu"
    return "cpu" if high < 1 else "even"


def _is_sure(ratio: SpeedUp) -> bool:
    return ratio.low is not None or not 1 / PLAIN < ratio.ratio < PLAIN


def _verdict(winners: Sequence[Winner]) -> tuple[Verdict, int]:
    """Return the verdict, and the place of the first point from which on the GPU always wins."""
    if not winners:
        return "not measured", 0
    first = len(winners)
    while first and winners[first - 1] == "gpu":
        first -= 1
    if first == 0:
        return "gpu always", 0
    if first < len(winners):
        return "gpu from", first
    return ("cpu always" if set(winners) == {"cpu"} else "never for good"), first
