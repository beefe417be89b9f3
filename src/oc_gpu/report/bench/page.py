"""A run of `bench` as one HTML page that needs nothing else: no network, no script."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from oc_gpu.bench.model import Pair
from oc_gpu.report.bench import figures, plots, words
from oc_gpu.report.bench.document import Bench
from oc_gpu.report.bench.plots import Plot, legend, svg
from oc_gpu.report.bench.text import reasons

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; }
p, li, dd { max-width: 46rem; } .dim, dt { color: var(--dim); }
dl { display: grid; grid-template-columns: auto 1fr; gap: .2rem 1rem; margin: .8rem 0; }
dd { margin: 0; }
.plots { display: grid; gap: 1.4rem;
  grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); }
figure { margin: 0; } figure > svg { width: 100%; height: auto; display: block; }
.legend { list-style: none; margin: .2rem 0 0; padding: 0 0 0 3rem; font-size: .8rem;
  display: flex; flex-wrap: wrap; gap: 0 1rem; }
.k { width: 1.75rem; height: .75rem; margin-right: .35rem; vertical-align: -.05rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--dim); font-weight: 500; }
th, td { padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
td.said { white-space: normal; min-width: 18rem; } .bad { font-weight: 700; }
"""
Row = Sequence[str]


def page(document: Bench) -> str:
    """Return the page of a run."""
    body = "\n".join(_body(document))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>CPU against GPU</title>\n<style>{plots.STYLE}{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _body(document: Bench) -> Iterator[str]:
    yield "<h1>CPU against GPU</h1>"
    about = f"oc-gpu bench, suite {document.plan.suite}, {document.date}"
    yield f'<p class="dim">{escape(about)}</p>'
    legs = (("CPU", words.cpu, document.cpu), ("GPU", words.gpu, document.gpu))
    sides = [
        (name, said)
        for side, told, leg in legs
        for name, said in ((side, told(leg)), ("", words.place(leg)))
        if said
    ]
    rows = "".join(f"<dt>{name}</dt><dd>{escape(said)}</dd>" for name, said in sides)
    yield f"<dl>{rows}</dl>"
    yield from _proof(document.pairs)
    yield from _crossovers(document)
    yield from _plots("How many times faster the GPU is", _SPEED_UP, _speed_ups(document.pairs))
    yield from _plots("Throughput", _THROUGHPUT, _rates(document.pairs))
    yield from _copies(document.pairs)
    yield from _plots("Rooflines", _ROOFLINE, figures.rooflines(document.pairs))
    yield from _costs(document.pairs)
    yield from _points(document.pairs)
    yield from _unmeasured(document.pairs)


_SPEED_UP = (
    "Time of a step on the CPU over that on the GPU. Solid: data is on the GPU. Dashed: the batch"
    " comes from host memory and the result goes back. Bars are 95 % intervals. Above the line"
    " the GPU wins."
)
_THROUGHPUT = "Solid is the GPU, dashed the CPU, data in place."
_ROOFLINE = (
    "Operations and bytes are counted from the shapes of the layers; the roofs are this machine's"
    " own fastest matrix product and its largest copy. Close to the slope a step waits for memory,"
    " close to the top it computes; far below both it waits for something else, such as kernels"
    " being launched."
)


def _speed_ups(pairs: Sequence[Pair]) -> tuple[Plot, ...]:
    return (*figures.speed_ups(pairs), *figures.matrix_speed_ups(pairs))


def _rates(pairs: Sequence[Pair]) -> tuple[Plot, ...]:
    return (*figures.throughputs(pairs), *figures.matrix_rates(pairs))


def pictures(document: Bench) -> dict[str, bytes]:
    """Return the plots of a run as SVG files of their own, by file name."""
    drawn = {
        "times faster": _speed_ups(document.pairs),
        "throughput": _rates(document.pairs),
        "": figures.rooflines(document.pairs),
    }
    return {
        _slug(f"{kind} {plot.title}") + ".svg": picture.encode()
        for kind, those in drawn.items()
        for plot in those
        if (picture := plots.alone(plot))
    }


def _slug(title: str) -> str:
    return "-".join(re.findall("[a-z0-9]+", title.lower()))


def _plots(title: str, said: str, those: Iterable[Plot]) -> Iterator[str]:
    drawn = [
        f"<figure>{picture}{legend(plot.series)}</figure>"
        for plot in those
        if (picture := svg(plot))
    ]
    if drawn:
        yield f"<h2>{escape(title)}</h2><p>{escape(said)}</p>"
        yield f'<div class="plots">{"".join(drawn)}</div>'


def _proof(pairs: Sequence[Pair]) -> Iterator[str]:
    checked = [pair for pair in pairs if pair.proof.same is not None]
    good = sum(1 for pair in checked if pair.proof.same)
    if checked:
        told = f"{good} of {len(checked)} points that ran on both sides computed the same within"
        yield f"<p>{told} the tolerance of their type.</p>"


def _crossovers(document: Bench) -> Iterator[str]:
    header, *rows = words.crossovers(document.crossovers) or [()]
    if rows:
        yield "<h2>From where on the GPU wins</h2>"
        yield "<p>The first batch or size from which on the GPU is faster at every larger one that"
        yield "was measured, too, and how many times faster it is at the largest of them.</p>"
        yield _table(header, rows)


def _copies(pairs: Sequence[Pair]) -> Iterator[str]:
    rows = figures.bandwidths(pairs)
    if rows:
        yield "<h2>Copies</h2>" + _table(("copy", "CPU", "GPU"), rows)


def _costs(pairs: Sequence[Pair]) -> Iterator[str]:
    rows = [(words.title(pair), *words.cost(pair.cost)) for pair in pairs if pair.cost]
    if rows:
        yield "<h2>Price of a million samples, transfers counted in</h2>"
        yield _table(("point", "CPU", "GPU"), rows)


def _points(pairs: Sequence[Pair]) -> Iterator[str]:
    header = (
        "point",
        "CPU",
        "GPU",
        "GPU, moved",
        "CPU rate",
        "GPU rate",
        "faster",
        "moved",
        "energy",
        "same",
    )
    yield "<h2>Every point</h2>"
    yield "<p>Medians with half the width of their 95 % intervals; n is the number of repetitions"
    yield "where there are too few for an interval.</p>"
    yield _table(header, [_point(pair) for pair in pairs])


def _point(pair: Pair) -> Row:
    point = pair.point
    return (
        words.title(pair),
        words.timing(pair.cpu, words.short(pair.cpu_note)),
        words.timing(pair.gpu, words.short(pair.gpu_note)),
        words.timing(pair.moved, "-"),
        words.rate(point, pair.cpu),
        words.rate(point, pair.gpu),
        words.times(pair.faster),
        words.times(pair.faster_moved),
        words.energy(pair),
        words.same(pair.proof),
    )


def _unmeasured(pairs: Sequence[Pair]) -> Iterator[str]:
    rows = [(side, str(count), why) for (side, why), count in reasons(pairs).items()]
    if rows:
        yield "<h2>Not measured</h2>" + _table(("side", "points", "reason"), rows)


def _table(header: Row, rows: Iterable[Row]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _cell(text: str) -> str:
    long = ' class="said"' if len(text) > 45 else ' class="bad"' if text.startswith("NO") else ""  # noqa: PLR2004
    return f"<td{long}>{escape(text)}</td>"
