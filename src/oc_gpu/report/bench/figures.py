"""What the plots of a run show, as values: nothing is drawn that was not measured."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from oc_gpu.bench.catalogue import NETWORKS
from oc_gpu.bench.model import Pair, SpeedUp
from oc_gpu.bench.statistics import Summary
from oc_gpu.report.bench import words
from oc_gpu.report.bench.plots import Dot, Plot, Series

Pairs = Iterable[Pair]
_EVEN = 1.0
_TERA = 1e12


def speed_ups(pairs: Pairs) -> tuple[Plot, ...]:
    """Return for each network and mode how many times faster the GPU is, by batch."""
    return tuple(
        Plot(title, "batch", "times faster", tuple(_speed_up_series(group)), _EVEN, "even")
        for title, group in _by_name(pairs, NETWORKS)
    )


def matrix_speed_ups(pairs: Pairs) -> tuple[Plot, ...]:
    """Return how many times faster the GPU multiplies matrices, by their size."""
    return tuple(
        Plot("matrix product", "n", "times faster", tuple(_speed_up_series(group)), _EVEN, "even")
        for _, group in _by_name(pairs, ("matmul",))
    )


def _speed_up_series(pairs: list[Pair]) -> Iterator[Series]:
    for color, (name, group) in enumerate(_by_size(pairs)):
        for dashed, more in ((False, ""), (True, ", transfers counted in")):
            ratios = [(p, p.faster_moved if dashed else p.faster) for p in group]
            dots = tuple(_ratio(p, ratio) for p, ratio in ratios if ratio is not None)
            if dots:
                yield Series(name + more, dots, color, dashed)


def _ratio(pair: Pair, found: SpeedUp) -> Dot:
    label = f"{words.title(pair)}, {words.digits(found.ratio)}x"
    return Dot(_x(pair), found.ratio, found.low, found.high, label)


def throughputs(pairs: Pairs) -> tuple[Plot, ...]:
    """Return for each network and mode the samples a second on both sides, by batch."""
    return tuple(
        Plot(title, "batch", "samples/s", tuple(_rates(group)))
        for title, group in _by_name(pairs, NETWORKS)
    )


def matrix_rates(pairs: Pairs) -> tuple[Plot, ...]:
    """Return the rate of matrix products on both sides, by size."""
    return tuple(
        Plot("matrix product", "n", "TFLOP/s", tuple(_rates(group)))
        for _, group in _by_name(pairs, ("matmul",))
    )


def _rates(pairs: list[Pair]) -> Iterator[Series]:
    for color, (name, group) in enumerate(_by_size(pairs)):
        for side, dashed in (("GPU", False), ("CPU", True)):
            timed = [(p, p.cpu if dashed else p.gpu) for p in group]
            dots = tuple(_rate(p, found) for p, found in timed if found is not None)
            if dots:
                yield Series(f"{side}, {name}", dots, color, dashed)


def _rate(pair: Pair, found: Summary) -> Dot:
    point = pair.point
    amount = point.batch if point.workload in NETWORKS else point.flops / _TERA
    bounds = found.interval
    low, high = (amount / bounds.high, amount / bounds.low) if bounds else (None, None)
    label = f"{words.title(pair)}, {words.rate(point, found)}"
    return Dot(_x(pair), amount / found.median, low, high, label)


def rooflines(pairs: Pairs) -> tuple[Plot, ...]:
    """Return for each side its roof, from its own fastest product and copy, and what is below it.

    S. Williams, A. Waterman and D. Patterson, Roofline: An Insightful Visual Performance Model
    for Multicore Architectures, CACM 52 (2009). Bytes are counted, not measured.
    """
    every = list(pairs)
    return tuple(plot for side in ("GPU", "CPU") if (plot := _roofline(every, side)) is not None)


def _roofline(pairs: list[Pair], side: str) -> Plot | None:
    timed = [(p, found) for p in pairs if (found := _side(p, side)) is not None]
    # The largest copy: a smaller one may stay in a cache and go faster than the memory.
    copies = [(p.point.bytes, f.median) for p, f in timed if p.point.workload == "copy"]
    size, seconds = max(copies, default=(0, 1.0))
    bandwidth = size / seconds
    roofs: dict[str, float] = {}
    for pair, found in timed:
        if pair.point.workload == "matmul":
            rate = words.teraflops(pair.point, found)
            roofs[pair.point.dtype] = max(roofs.get(pair.point.dtype, 0.0), rate)
    if not bandwidth or not roofs:
        return None
    colors = {dtype: number for number, dtype in enumerate(roofs)}
    series = [*_below(timed, colors), *_roofs(roofs, bandwidth, timed, colors)]
    return Plot(f"{side} roofline", "operations a byte", "TFLOP/s", tuple(series))


def _side(pair: Pair, side: str) -> Summary | None:
    return pair.gpu if side == "GPU" else pair.cpu


def _below(timed: list[tuple[Pair, Summary]], colors: Mapping[str, int]) -> Iterator[Series]:
    shown = [(p, f) for p, f in timed if p.point.flops and p.point.dtype in colors]
    shown.sort(key=lambda one: (one[0].point.dtype, one[0].point.workload != "matmul"))
    for dtype, group in groupby(shown, key=lambda one: one[0].point.dtype):
        members = list(group)
        for networks in (False, True):
            dots = tuple(
                Dot(_intensity(p), words.teraflops(p.point, f), label=words.title(p))
                for p, f in members
                if (p.point.workload in NETWORKS) is networks
            )
            name = f"{'networks' if networks else 'matrix product'}, {dtype}"
            if dots:
                yield Series(name, dots, colors[dtype], dashed=networks, line=False)


def _roofs(
    roofs: Mapping[str, float],
    bandwidth: float,
    timed: list[tuple[Pair, Summary]],
    colors: Mapping[str, int],
) -> Iterator[Series]:
    most = max(_intensity(p) for p, _ in timed if p.point.flops)
    least = min(_intensity(p) for p, _ in timed if p.point.flops)
    for dtype, top in roofs.items():
        knee = top * _TERA / bandwidth
        start = min(least, knee / 2)
        dots = (
            Dot(start, start * bandwidth / _TERA),
            Dot(knee, top),
            Dot(max(most, 2 * knee), top),
        )
        name = f"roof, {dtype}: {words.digits(top)} TFLOP/s"
        yield Series(name, dots, colors[dtype], marks=False)


def _intensity(pair: Pair) -> float:
    return pair.point.flops / pair.point.bytes


def bandwidths(pairs: Pairs) -> tuple[tuple[str, str, str], ...]:
    """Return the rates of all copies: what, on the CPU, on the GPU."""
    return tuple(
        (
            f"{words.name(p.point)} {p.point.size}",
            words.rate(p.point, p.cpu),
            words.rate(p.point, p.gpu),
        )
        for p in pairs
        if p.point.workload in ("copy", "h2d") and (p.cpu or p.gpu)
    )


def _by_name(pairs: Pairs, workloads: Iterable[str]) -> Iterator[tuple[str, list[Pair]]]:
    wanted = [p for p in pairs if p.point.workload in workloads]
    groups: dict[str, list[Pair]] = {}
    for pair in wanted:
        groups.setdefault(words.name(pair.point), []).append(pair)
    yield from groups.items()


def _by_size(pairs: list[Pair]) -> Iterator[tuple[str, list[Pair]]]:
    """Yield what is one line of a plot: batches of one size, or sizes of one type."""
    groups: dict[str, list[Pair]] = {}
    for pair in sorted(pairs, key=_x):
        point = pair.point
        name = f"{point.size} {point.dtype}" if point.workload in NETWORKS else point.dtype
        groups.setdefault(name, []).append(pair)
    yield from sorted(groups.items(), key=lambda one: (one[1][0].point.flops, one[0]))


def _x(pair: Pair) -> float:
    if pair.point.workload == "matmul":
        return float(pair.point.size)
    return float(pair.point.batch)
