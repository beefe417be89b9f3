"""Two runs against each other as text."""

from collections.abc import Iterator

from oc_gpu.bench.compare import Change, Difference
from oc_gpu.report.bench import words
from oc_gpu.report.bench.document import BenchComparison
from oc_gpu.report.look import Look

_SHOWN: tuple[Change, ...] = ("slower", "faster", "too few repetitions")
_SIDES = {"cpu": "CPU", "cuda": "GPU"}


def text(document: BenchComparison, look: Look) -> Iterator[str]:
    """Yield the lines of a comparison: what changed, the most changed first."""
    yield from _settings(document, look)
    changed = sorted(
        (one for one in document.differences if one.change in _SHOWN),
        key=lambda one: (_SHOWN.index(one.change), -abs(one.faster.ratio - 1)),
    )
    if changed:
        header = ("CHANGE", "SIDE", "POINT", "COUNTS", "BEFORE", "AFTER", "FASTER", "P")
        yield from look.table([_row(one) for one in changed], header=header)
        yield ""
    yield from _summary(document, look)


def _settings(document: BenchComparison, look: Look) -> Iterator[str]:
    rows = [(_SIDES[s.device], s.name, s.before, s.after) for s in document.settings]
    if rows:
        yield from look.table(rows, header=("SIDE", "DIFFERENT", "BEFORE", "AFTER"))
        yield ""


def _row(one: Difference) -> tuple[str, ...]:
    low, high = one.faster.low, one.faster.high
    interval = "" if low is None or high is None else f" ({low:.2f}-{high:.2f})"
    return (
        one.change,
        _SIDES[one.device],
        one.point.id,
        one.counts,
        words.seconds(one.before.median),
        words.seconds(one.after.median),
        f"{one.faster.ratio:.2f}x{interval}",
        f"{one.p:.1e}",
    )


def _summary(document: BenchComparison, look: Look) -> Iterator[str]:
    total = len(document.differences)
    if not total:
        yield "nothing was measured in both runs"
    else:
        counts = dict.fromkeys((*_SHOWN, "no difference"), 0)
        for one in document.differences:
            counts[one.change] += 1
        told = ", ".join(f"{count} {change}" for change, count in counts.items() if count)
        yield look.hanging("", f"{total} timings in both runs: {told}")
        yield look.hanging(
            "",
            f"Mann-Whitney test, corrected for {total} comparisons (Holm), error rate"
            f" {document.error_rate:.0%}; differences below {document.threshold:.1%} are not"
            " called one",
        )
    if document.missing:
        count = len(document.missing)
        points = "1 point was" if count == 1 else f"{count} points were"
        yield look.hanging("", f"{points} measured in one run only")
