"""The text table of nvidia-smi, in the widths of the driver branches."""

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from oc_gpu.sim.hardware.mig import Part
from oc_gpu.sim.hardware.releases import Release
from oc_gpu.sim.hardware.smi_card import Card, mig_mode

_KMD_BANNER_FROM = 610
_PLUS_RULE_FROM = 560
_MIG_FROM = 450


_Cells = tuple[str, str, str]


class _Layout(Struct, frozen=True):
    """Widths of the three columns and the form of their lines."""

    columns: tuple[int, int, int]
    titles: tuple[_Cells, ...]
    cells: Callable[[Card, Release], tuple[_Cells, ...]]

    @property
    def inner(self) -> int:
        return sum(self.columns) + 2


def table(cards: tuple[Card, ...], release: Release, now: float) -> str:
    """Return the table that nvidia-smi prints without options."""
    layout = _layout(release)
    when = datetime.fromtimestamp(now, UTC).strftime("%a %b %e %H:%M:%S %Y")
    thin, outer = "+" + "+".join("-" * w for w in layout.columns) + "+", _rule(layout)
    rows = [f"{when:<31}", outer, _line(_banner(release), layout)]
    rows.append(thin if release.number >= _PLUS_RULE_FROM else "|" + thin[1:])
    lines = 3 if release.number >= _MIG_FROM else 2
    rows += ["|" + "|".join(t) + "|" for t in layout.titles[:lines]]
    rows.append("|" + "+".join("=" * w for w in layout.columns) + "|")
    for card in cards:
        rows += ["|" + "|".join(c) + "|" for c in layout.cells(card, release)[:lines]]
        rows.append(thin)
    if any(card.divided for card in cards):
        rows += ["", *_parts(layout, outer, cards)]
    rows += [" " * (layout.inner + 2), *_processes(layout, outer, release)]
    return "\n".join(rows)


def _layout(release: Release) -> _Layout:
    if release.number < 530:  # noqa: PLR2004
        return _NARROW
    return _MIDDLE if release.number < 550 else _WIDE  # noqa: PLR2004


def _rule(layout: _Layout) -> str:
    return "+" + "-" * layout.inner + "+"


def _line(text: str, layout: _Layout) -> str:
    return f"| {text:<{layout.inner - 1}}|"


def _banner(release: Release) -> str:
    version, cuda, number = release.version, release.cuda, release.number
    if number >= _KMD_BANNER_FROM:
        return f"NVIDIA-SMI {version:<19}KMD Version: {version:<15}CUDA UMD Version: {cuda}"
    if number < 530:  # noqa: PLR2004
        return f"NVIDIA-SMI {version:<13}Driver Version: {version:<13}CUDA Version: {cuda}"
    gap = 13 if number < 550 else 15  # noqa: PLR2004
    return f"NVIDIA-SMI {version:<23}Driver Version: {version:<{gap}}CUDA Version: {cuda}"


def _power(card: Card) -> tuple[str, str]:
    return f"{card.gpu.power_w:.0f}W", f"{card.gpu.power_limit_w:.0f}W"


def _fan(card: Card) -> str:
    return "N/A" if card.gpu.fan_percent is None else f"{card.gpu.fan_percent}%"


def _used(card: Card) -> str:
    return "N/A" if card.divided else "0%"


def _ecc(card: Card) -> str:
    if card.divided:
        return "On"
    return "0" if card.gpu.ecc else "N/A"


def _third(card: Card, release: Release, widths: tuple[int, int, int]) -> _Cells:
    first, second, third = widths
    return " " * first, " " * second, f"{mig_mode(card, release):>{third - 1}} "


def _narrow_cells(card: Card, release: Release) -> tuple[_Cells, ...]:
    draw, limit = _power(card)
    name = card.name if len(card.name) <= 18 else card.name[:15] + "..."  # noqa: PLR2004
    on = "On" if card.gpu.persistence else "Off"
    memory = f"{0:>6}MiB / {card.gpu.memory_mib:>5}MiB "
    temperature = f"{card.gpu.temperature_c}C"
    return (
        (f"{card.index:>4}  {name:<18}  {on:<3}  ", f" {card.bus_id} Off ", f"{_ecc(card):>21} "),
        (
            f" {_fan(card):>3}  {temperature:>4}    {card.gpu.pstate}  {draw:>5} /{limit:>5} ",
            f"{memory:>22}",
            f"{_used(card):>8}{'Default':>13} ",
        ),
        _third(card, release, _NARROW.columns),
    )


def _wide_cells(card: Card, release: Release) -> tuple[_Cells, ...]:
    columns = _layout(release).columns
    draw, limit = _power(card)
    name = card.name if len(card.name) <= 28 else card.name[:25] + "..."  # noqa: PLR2004
    on = "On" if card.gpu.persistence else "Off"
    temperature = f"{card.gpu.temperature_c}C"
    wide = release.number >= 550  # noqa: PLR2004
    power = f"{draw:>15} /{limit:>6}" if wide else f"{draw:>16} /{limit:>5}"
    room = columns[1] - 16
    memory = f"{0:>{room}}MiB / {card.gpu.memory_mib:>{room - 2}}MiB "
    return (
        (
            f"{card.index:>4}  {name:<28}{on:>5}  ",
            f"{card.bus_id + ' Off ':>{columns[1]}}",
            f"{_ecc(card):>21} ",
        ),
        (
            f" {_fan(card):>3}  {temperature:>4}    {card.gpu.pstate:<3}{power} ",
            f"{memory:>{columns[1]}}",
            f"{_used(card):>8}{'Default':>13} ",
        ),
        _third(card, release, columns),
    )


def _titles(first: str, second: str, widths: tuple[int, int, int]) -> tuple[_Cells, ...]:
    a, b, c = widths
    return (
        (f"{first:<{a}}", f" {'Bus-Id':<{b - 8}}Disp.A ", f"{'Volatile Uncorr. ECC':>{c - 1}} "),
        (f"{second:<{a}}", f"{'Memory-Usage':>{b - 1}} ", f"{'GPU-Util  Compute M.':>{c - 1}} "),
        (" " * a, " " * b, f"{'MIG M.':>{c - 1}} "),
    )


_NARROW = _Layout(
    (31, 22, 22),
    _titles(" GPU  Name        Persistence-M", " Fan  Temp  Perf  Pwr:Usage/Cap", (31, 22, 22)),
    _narrow_cells,
)
_FIRST = (
    " GPU  Name                 Persistence-M ",
    " Fan  Temp   Perf          Pwr:Usage/Cap ",
)
_MIDDLE = _Layout((41, 22, 22), _titles(*_FIRST, (41, 22, 22)), _wide_cells)
_WIDE = _Layout((41, 24, 22), _titles(*_FIRST, (41, 24, 22)), _wide_cells)


def _parts(layout: _Layout, outer: str, cards: tuple[Card, ...]) -> list[str]:
    """Return the table of the parts of divided cards."""
    widths = (18, layout.inner - 18 - 11 - 23 - 3, 11, 23)
    memory = widths[1] - 1
    heads = (
        (" GPU  GI  CI  MIG ", f"{'Memory-Usage':>{memory}} ", f"{'Vol':>11}", f"{'Shared':^23}"),
        (
            "      ID  ID  Dev ",
            f"{'BAR1-Usage':>{memory}} ",
            " SM     Unc",
            " CE  ENC  DEC  OFA  JPG",
        ),
        (" " * 18, " " * widths[1], f"{'ECC':>11}", " " * 23),
    )
    thin = "+" + "+".join("-" * w for w in widths) + "+"
    rows = [outer, _line("MIG devices:", layout), thin]
    rows += ["|" + "|".join(head) + "|" for head in heads]
    rows.append("|" + "+".join("=" * w for w in widths) + "|")
    lines = [line for card in cards for part in card.parts for line in _part(card, part, memory)]
    for number, line in enumerate(lines):
        rows += [line, thin] if number % 2 else [line]
    return rows if lines else [*rows, _line(" No MIG devices found", layout), outer]


def _part(card: Card, part: Part, room: int) -> tuple[str, str]:
    profile = part.profile
    memory = f"{0:>5}MiB / {profile.memory_mib:>5}MiB"
    engines = f"{profile.copy_engines:>2}   0  {profile.decoders:>3}    0    0 "
    first = f"{card.index:>3}  {part.instance:>3}   0  {part.index:>2}  "
    return (
        f"|{first}|{memory:>{room}} |{profile.multiprocessors:>3}      0 |{engines:<23}|",
        f"|{'':<18}|{f'{0:>5}MiB / {0:>5}MiB':>{room}} |{'':<11}|{'':<23}|",
    )


def _processes(layout: _Layout, outer: str, release: Release) -> list[str]:
    width = layout.inner
    memory = "GPU Memory "
    room = width - len(memory)
    if release.number < _MIG_FROM:
        heads = (" Processes:", "  GPU       PID   Type   Process name")
        head = [f"|{heads[0]:<{room}}{memory}|", f"|{heads[1]:<{room}}{'Usage':<11}|"]
    else:
        gap = 14 if release.number >= _PLUS_RULE_FROM else 8
        first = f"  GPU   GI   CI{' ' * gap}PID   Type   Process name"
        head = [
            f"| {'Processes:':<{width - 1}}|",
            f"|{first:<{room}}{memory}|",
            f"|{'        ID   ID':<{room}}{'Usage':<11}|",
        ]
    none = f"|{'  No running processes found':<{width}}|"
    return [outer, *head, "|" + "=" * width + "|", none, outer]
