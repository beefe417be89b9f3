"""Plots as SVG text: both axes logarithmic, since batches, sizes and speeds span decades.

Colours and strokes come from a style sheet by class, so that a plot follows the reader's
light or dark setting. Every series has its own mark and stroke besides its colour.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from msgspec import Struct

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 30, 44
COLORS = 6
"""Colours that the style sheet has."""
STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --dim: #667; --rule: #dde1e6;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b3589a; --c4: #9a7700; --c5: #3d3d8f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --paper: #14171b; --dim: #9aa3ad;
  --rule: #2d333b; --c0: #56b4e9; --c1: #ff8a4c; --c2: #2fd0a0; --c3: #e39ccf; --c4: #e6c84f;
  --c5: #a9a9ff; } }
svg text { font: 11px system-ui, sans-serif; fill: var(--dim); }
svg .t { font-size: 13px; font-weight: 600; fill: var(--ink); }
.m { text-anchor: middle; } .e, .r { text-anchor: end; }
.g { stroke: var(--rule); fill: none; } .l { stroke: var(--dim); fill: none; stroke-width: 1.5; }
.s, .d { fill: none; stroke-width: 2; } .d { stroke-dasharray: 5 4; } .b { stroke-width: 1.5; }
.c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); }
.c3 { stroke: var(--c3); } .c4 { stroke: var(--c4); } .c5 { stroke: var(--c5); }
.o { stroke-width: 1.6; fill: var(--paper); }
"""
_ROW = 17
"""Height of a name below a plot that stands alone."""
_NARROWEST = 0.45
"""Decades that an axis spans at least: a value alone has then a mark beside it, 1, 2 or 5."""


class Dot(Struct, frozen=True):
    """One value, with the bounds of its interval where it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    label: str = ""


class Series(Struct, frozen=True):
    """Values that belong together.

    Attributes:
        color: Number of a colour in the style sheet.
        dashed: Whether the line is dashed.
        line: Whether its dots are joined.
        marks: Whether its dots are drawn.
    """

    name: str
    dots: tuple[Dot, ...]
    color: int = 0
    dashed: bool = False
    line: bool = True
    marks: bool = True


class Plot(Struct, frozen=True):
    """A plot.

    Attributes:
        level: A value of y at which a line is drawn across.
        level_name: What that line means.
    """

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    level: float | None = None
    level_name: str = ""


class _Axis(Struct, frozen=True):
    """A logarithmic axis: from values to places on the paper."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def marks(self) -> Iterator[float]:
        """Yield values to mark: decades, with 2 and 5 between them where there is room."""
        span = self.high - self.low
        step = max(1, round(span / 6))
        between = (1, 2, 5) if span < 2.2 else (1, 3) if span < 3.2 else (1,)  # noqa: PLR2004
        for power in range(math.floor(self.low), math.ceil(self.high) + 1):
            if power % step == 0:
                for digit in between:
                    value = digit * 10.0**power
                    if self.low - 1e-9 <= math.log10(value) <= self.high + 1e-9:
                        yield value


def svg(plot: Plot) -> str:
    """Return a plot as an SVG element; empty when there is nothing to draw."""
    dots = [dot for series in plot.series for dot in series.dots]
    if not dots:
        return ""
    x_axis = _axis([dot.x for dot in dots], LEFT, WIDTH - RIGHT)
    levels = [] if plot.level is None else [plot.level]
    y_axis = _axis([*(y for dot in dots for y in _extent(dot)), *levels], HEIGHT - BOTTOM, TOP)
    parts = [
        *_frame(plot, x_axis, y_axis),
        *_level(plot, y_axis),
        *(part for series in plot.series for part in _series(series, x_axis, y_axis)),
    ]
    label = escape(f"{plot.title}: {plot.y} against {plot.x}", quote=True)
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
    return "\n".join([head, *parts, "</svg>"])


def alone(plot: Plot) -> str:
    """Return a plot with its names as a file of its own; empty when there is nothing to draw."""
    if not (drawn := svg(plot)):
        return ""
    height = HEIGHT + _ROW * len(plot.series) + 4
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">'
    paper = f'<rect width="{WIDTH}" height="{height}" style="fill: var(--paper)"/>'
    inner = drawn.replace("<svg ", f'<svg width="{WIDTH}" height="{HEIGHT}" ', 1)
    names = (
        f'<g transform="translate({LEFT} {HEIGHT + _ROW * row})">{_key(series)}'
        f'<text x="36" y="10">{escape(series.name)}</text></g>'
        for row, series in enumerate(plot.series)
    )
    return "\n".join([head, f"<style>{STYLE}</style>", paper, inner, *names, "</svg>\n"])


def _extent(dot: Dot) -> Iterator[float]:
    """Yield all that is drawn of a dot: its value and the ends of its interval."""
    yield from (y for y in (dot.y, dot.low, dot.high) if y is not None)


def _axis(values: Iterable[float], start: float, end: float) -> _Axis:
    logs = [math.log10(value) for value in values if value > 0]
    low, high = min(logs), max(logs)
    edge = max((high - low) * 0.06, 0.08, (_NARROWEST - high + low) / 2)
    return _Axis(low - edge, high + edge, start, end)


def _frame(plot: Plot, x_axis: _Axis, y_axis: _Axis) -> Iterator[str]:
    yield f'<text class="t" x="{LEFT}" y="18">{escape(plot.title)}</text>'
    bottom = HEIGHT - BOTTOM
    for value in x_axis.marks():
        x = _place(x_axis.at(value))
        yield f'<path class="g" d="M{x} {TOP}V{bottom}"/>'
        yield f'<text class="m" x="{x}" y="{bottom + 15}">{short(value)}</text>'
    for value in y_axis.marks():
        y = _place(y_axis.at(value))
        yield f'<path class="g" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
        yield f'<text class="e" x="{LEFT - 6}" y="{y}" dy="4">{short(value)}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text class="m" x="{middle}" y="{HEIGHT - 10}">{escape(plot.x)}</text>'
    turned = f'transform="translate(13 {(TOP + bottom) / 2}) rotate(-90)"'
    yield f'<text class="m" {turned}>{escape(plot.y)}</text>'


def _level(plot: Plot, axis: _Axis) -> Iterator[str]:
    if plot.level is not None:
        y = _place(axis.at(plot.level))
        yield f'<path class="l" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
        place = f'x="{WIDTH - RIGHT - 4}" y="{y}" dy="-4"'
        yield f'<text class="r" {place}>{escape(plot.level_name)}</text>'


def _series(series: Series, x_axis: _Axis, y_axis: _Axis) -> Iterator[str]:
    places = [(_place(x_axis.at(dot.x)), _place(y_axis.at(dot.y)), dot) for dot in series.dots]
    color = f"c{series.color % COLORS}"
    if series.line and len(places) > 1:
        path = "L".join(f"{x} {y}" for x, y, _ in places)
        yield f'<path class="{color} {"d" if series.dashed else "s"}" d="M{path}"/>'
    for x, y, dot in places if series.marks else ():
        if dot.low is not None and dot.high is not None:
            yield (
                f'<path class="{color} b" d="M{x} {_place(y_axis.at(dot.low))}'
                f'V{_place(y_axis.at(dot.high))}"/>'
            )
        title = f"<title>{escape(f'{series.name}: {dot.label}')}</title>"
        yield f"{_mark(series, x, y, color)}{title}</{_shape(series)}>"


def _shape(series: Series) -> str:
    return "rect" if series.dashed else "circle"


def _mark(series: Series, x: float, y: float, color: str) -> str:
    if series.dashed:
        return f'<rect class="{color} o" x="{x - 3}" y="{y - 3}" width="6" height="6">'
    return f'<circle class="{color} o" cx="{x}" cy="{y}" r="3.4">'


def _place(value: float) -> float:
    return round(value, 1)


def short(value: float) -> str:
    """Return a number as a mark of an axis has it."""
    for scale, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:g}{unit}"
    return f"{value:g}"


def legend(series: Sequence[Series]) -> str:
    """Return the names of series with their strokes, as HTML."""
    rows = (
        f'<li><svg class="k" viewBox="0 0 28 12" aria-hidden="true">{_key(one)}</svg>'
        f"{escape(one.name)}</li>"
        for one in series
    )
    return f'<ul class="legend">{"".join(rows)}</ul>'


def _key(series: Series) -> str:
    color = f"c{series.color % COLORS}"
    kind = "d" if series.dashed else "s"
    line = f'<path class="{color} {kind}" d="M1 6H27"/>' if series.line else ""
    mark = f"{_mark(series, 14, 6, color)}</{_shape(series)}>" if series.marks else ""
    return line + mark
