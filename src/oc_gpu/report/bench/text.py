"""A run of `bench` as text: where it ran, every point, a chart, and where the GPU begins to win."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from oc_gpu.bench.collect import Progress
from oc_gpu.bench.model import DEVICES, Crossover, Leg, Pair, Point
from oc_gpu.bench.packing import ARCHIVE
from oc_gpu.report.bench import words
from oc_gpu.report.bench.document import Bench
from oc_gpu.report.look import Look

_BAR = 30
_BLOCKS = " ▏▎▍▌▋▊▉"
_FULL = "█"
Rows = list[tuple[str, ...]]


def text(document: Bench, look: Look) -> Iterator[str]:
    """Yield the lines of a run."""
    for name, leg, said in _sides(document):
        yield look.hanging(f"{name}  ", said)
        if place := words.place(leg):
            yield look.hanging("     ", place)
    yield from _points(document.pairs, look)
    yield from _chart(document.pairs, look)
    yield from _crossovers(document.crossovers, look)
    yield from _costs(document.pairs, look)
    yield ""
    yield from _summary(document, look)


def _sides(document: Bench) -> tuple[tuple[str, Leg, str], ...]:
    cpu, gpu = document.cpu, document.gpu
    return ("CPU", cpu, words.cpu(cpu)), ("GPU", gpu, words.gpu(gpu))


def _points(pairs: Sequence[Pair], look: Look) -> Iterator[str]:
    header, row = _layout(pairs)
    for workload, group in groupby(pairs, key=lambda pair: words.name(pair.point)):
        yield ""
        yield look.paint(workload, "bold")
        rows = [(*_what(pair.point), *row(pair)) for pair in group]
        yield from look.table(rows, header=("  SIZE", "BATCH", "TYPE", *header))


def _layout(pairs: Sequence[Pair]) -> tuple[tuple[str, ...], Callable[[Pair], tuple[str, ...]]]:
    """Return the columns: both sides and what is between them, or the only side that ran."""
    if not any(pair.gpu for pair in pairs):
        return ("CPU", "CPU RATE"), _cpu_row
    if not any(pair.cpu for pair in pairs):
        return ("GPU", "GPU RATE", "MOVED"), _gpu_row
    return ("CPU", "GPU", "GPU RATE", "FASTER", "MOVED", "SAME"), _row


def _what(point: Point) -> tuple[str, str, str]:
    batch = str(point.batch) if point.mode in ("train", "infer") else ""
    return f"  {point.size}", batch, point.dtype


def _cpu_row(pair: Pair) -> tuple[str, ...]:
    return words.timing(pair.cpu, words.short(pair.cpu_note)), words.rate(pair.point, pair.cpu)


def _gpu_row(pair: Pair) -> tuple[str, ...]:
    return (
        words.timing(pair.gpu, words.short(pair.gpu_note)),
        words.rate(pair.point, pair.gpu),
        words.timing(pair.moved, "-"),
    )


def _row(pair: Pair) -> tuple[str, ...]:
    point = pair.point
    return (
        words.timing(pair.cpu, words.short(pair.cpu_note)),
        words.timing(pair.gpu, words.short(pair.gpu_note)),
        words.rate(point, pair.gpu),
        words.times(pair.faster),
        words.times(pair.faster_moved),
        words.same(pair.proof),
    )


def _chart(pairs: Iterable[Pair], look: Look) -> Iterator[str]:
    """Yield a bar for the largest batch or size of every series, as long as the logarithm."""
    last = {
        (p.point.workload, p.point.mode, p.point.dtype): p
        for p in sorted(pairs, key=lambda p: p.point.flops)
        if p.faster is not None
    }
    ratios = {words.title(p): p.faster.ratio for p in last.values() if p.faster is not None}
    if not ratios:
        return
    yield ""
    yield look.paint("How many times faster the GPU is, at the largest that was measured", "bold")
    top = max(math.log10(max(ratio, 1.0)) for ratio in ratios.values()) or 1.0
    width = max(map(len, ratios))
    for title, ratio in ratios.items():
        bar = _bar(max(math.log10(max(ratio, 1.0)) / top, 0.0))
        yield f"  {title:{width}}  {bar:{_BAR}}  {words.digits(ratio)}x".rstrip()


def _bar(part: float) -> str:
    eighths = round(part * _BAR * 8)
    return (_FULL * (eighths // 8) + _BLOCKS[eighths % 8]).rstrip()


def _crossovers(found: Sequence[Crossover], look: Look) -> Iterator[str]:
    header, *rows = words.crossovers(found) or [()]
    if rows:
        yield ""
        yield look.paint("From where on the GPU wins, and by how much at the largest", "bold")
        indented = [(f"  {row[0]}", *row[1:]) for row in rows]
        yield from look.table(
            indented, header=("  " + header[0].upper(), *map(str.upper, header[1:]))
        )


def _costs(pairs: Sequence[Pair], look: Look) -> Iterator[str]:
    rows = [(f"  {words.title(p)}", *words.cost(p.cost)) for p in pairs if p.cost]
    if rows:
        yield ""
        yield look.paint("Price of a million samples, transfers counted in", "bold")
        yield from look.table(rows, header=("  POINT", "CPU", "GPU"))


def _summary(document: Bench, look: Look) -> Iterator[str]:
    checked = [pair for pair in document.pairs if pair.proof.same is not None]
    different = [pair for pair in checked if not pair.proof.same]
    if checked:
        told = f"{len(checked) - len(different)} of {len(checked)} points that ran on both sides"
        yield look.hanging("", f"{told} computed the same within tolerance")
    for pair in different:
        yield look.hanging("error: ", f"{words.title(pair)}: results differ", paint="error")
    for (side, reason), count in reasons(document.pairs).items():
        points = "1 point" if count == 1 else f"{count} points"
        yield look.hanging(f"{words.NOT}: ", f"{points} on the {side}: {reason}", paint="unknown")
    yield look.hanging(
        "", "Medians with 95 % intervals; MOVED counts transfers in; nothing is extrapolated"
    )


def reasons(pairs: Iterable[Pair]) -> dict[tuple[str, str], int]:
    """Return why points were not measured, by side, and how many each."""
    counts: dict[tuple[str, str], int] = {}
    for pair in pairs:
        for side, note in (("CPU", pair.cpu_note), ("GPU", pair.gpu_note)):
            if note:
                why, _, _ = note.partition(" (")  # what is in brackets is each point's own
                counts[side, why] = counts.get((side, why), 0) + 1
    return counts


def kit(folder: Path) -> Iterator[str]:
    """Yield what to do with a folder that holds the workloads and a plan for each device."""
    yield f"{folder} is ready. Where Python has PyTorch, run in it:"
    for device in DEVICES:
        yield (f"  python3 {ARCHIVE} --device {device} --plan {device}.json --out {device}.jsonl")
    yield "and then, here: oc-gpu bench show cpu.jsonl cuda.jsonl --html FILE"


def progress(found: Progress) -> str:
    """Return one point that is done, as a line."""
    side = "gpu" if found.device == "cuda" else "cpu"
    where = f"{side} {found.done}/{found.total}"
    result = found.result
    if result.status != "measured":
        return f"{where}  {found.point.id}  {result.status}: {result.reason}"
    middle = sorted(result.compute)[len(result.compute) // 2]
    return f"{where}  {found.point.id}  {words.seconds(middle)}"
