"""Writers of nvidia-smi output for tests: every width and document type, from one list of cards."""

from msgspec import Struct

BUS = "00000000:13:00.0"
UUID = "GPU-8f0c8f2e-0d6b-4a3e-9f62-0c7f7a1b2c3d"


class Board(Struct, frozen=True, kw_only=True):
    """A card as a test wants it printed; None is printed as the driver prints a missing value."""

    name: str = "Tesla T4"
    bus: str = BUS
    uuid: str = UUID
    total: int | None = 15109
    used: int | None = 0
    temperature: int | None = 55
    power: int | None = 17
    limit: int | None = 70
    load: int | None = 0
    mig: str = "N/A"
    mig_devices: tuple[str, ...] = ()
    persistence: str = "On"


class Style(Struct, frozen=True):
    """How one driver branch prints: columns, name length, lines a card, rule, banner."""

    columns: tuple[int, int, int]
    name: int
    lines: int = 3
    rule: str = "|"
    banner: str = "NVIDIA-SMI {v:<13}Driver Version: {v:<13}CUDA Version: {c}"


_WIDE = "NVIDIA-SMI {v:<23}Driver Version: {v:<15}CUDA Version: {c}"
STYLES = {
    "440": Style((31, 22, 22), 18, lines=2),
    "450": Style((31, 22, 22), 18),
    "525": Style((31, 22, 22), 18),
    "535": Style((41, 22, 22), 28, banner=_WIDE),
    "550": Style((41, 24, 22), 28, banner=_WIDE),
    "580": Style((41, 24, 22), 28, rule="+", banner=_WIDE),
    "610": Style(
        (41, 24, 22),
        28,
        rule="+",
        banner="NVIDIA-SMI {v:<19}KMD Version: {v:<15}CUDA UMD Version: {c}",
    ),
}
WIDTHS = {"440": 79, "450": 79, "525": 79, "535": 89, "550": 91, "580": 91, "610": 91}


def table(branch: str, boards: list[Board], driver: str, cuda: str, missing: str = "N/A") -> str:
    """Print the text table as a driver branch does."""
    style = STYLES[branch]
    width = sum(style.columns) + 2
    thin = "+".join("-" * w for w in style.columns)
    outer = f"+{'-' * width}+"
    heads = [
        (" GPU  Name", "Bus-Id        Disp.A ", "Volatile Uncorr. ECC "),
        (" Fan  Temp  Perf  Pwr:Usage/Cap", "Memory-Usage ", "GPU-Util  Compute M. "),
        ("", "", "MIG M. "),
    ][: style.lines]
    rows = ["Tue Mar  2 10:00:00 2021       ", outer]
    rows.append(f"| {style.banner.format(v=driver, c=cuda):<{width - 1}}|")
    rows.append(f"{style.rule}{thin}{style.rule}")
    rows += [_line(head, style) for head in heads]
    rows.append(f"|{'+'.join('=' * w for w in style.columns)}|")
    for number, board in enumerate(boards):
        rows += [_line(c, style) for c in _cells(number, board, style, missing)]
        rows.append(f"+{thin}+")
    return "\n".join([*rows, " " * (width + 2), *_processes(outer, width)]) + "\n"


def _line(cells: tuple[str, str, str], style: Style) -> str:
    first, *rest = style.columns
    texts = [f"{cells[0]:<{first}}", *(f"{c:>{w}}" for c, w in zip(cells[1:], rest, strict=True))]
    return f"|{'|'.join(texts)}|"


def _cells(
    number: int, board: Board, style: Style, missing: str
) -> tuple[tuple[str, str, str], ...]:
    def say(value: int | None, unit: str) -> str:
        return missing if value is None else f"{value}{unit}"

    name = board.name if len(board.name) <= style.name else board.name[: style.name - 3] + "..."
    power = f"{say(board.power, 'W'):>5} / {say(board.limit, 'W'):>4} "
    room = style.columns[0] - len(power)
    perf = f" N/A  {say(board.temperature, 'C'):>4}    P8"
    return (
        (f"{number:>4}  {name:<{style.name}}  {board.persistence}", f"{board.bus} Off ", "0 "),
        (
            f"{perf:<{room}}{power}",
            f"{say(board.used, 'MiB')} / {say(board.total, 'MiB'):>8} ",
            f"{say(board.load, '%')}      Default ",
        ),
        ("", "", f"{board.mig} "),
    )[: style.lines]


def _processes(outer: str, width: int) -> list[str]:
    return [
        outer,
        f"| {'Processes:':<{width - 1}}|",
        f"|  {'GPU   GI   CI        PID   Type   Process name':<{width - 2}}|",
        f"|{'=' * width}|",
        f"|    {'0   N/A  N/A      4711      C   python3   123MiB':<{width - 4}}|",
        outer,
    ]


MIG_TABLE = """
+-----------------------------------------------------------------------------+
| MIG devices:                                                                |
+------------------+----------------------+-----------+-----------------------+
| GPU  GI  CI  MIG |         Memory-Usage |        Vol|         Shared        |
|      ID  ID  Dev |           BAR1-Usage | SM     Unc| CE  ENC  DEC  OFA  JPG|
|==================+======================+===========+=======================|
|  0    1   0   0  |     11MiB / 20096MiB | 42      0 |  3   0    2    0    0 |
|                  |      0MiB / 32767MiB |           |                       |
+------------------+----------------------+-----------+-----------------------+
"""


def xml(dtd: int, boards: list[Board], driver: str, cuda: str, missing: str = "N/A") -> str:
    """Print the XML document as a document type has it."""
    versions = f"<driver_version>{driver}</driver_version><cuda_version>{cuda}</cuda_version>"
    return (
        '<?xml version="1.0" ?>\n'
        f'<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v{dtd}.dtd">\n'
        f"<nvidia_smi_log>{versions}<attached_gpus>{len(boards)}</attached_gpus>"
        f"{''.join(_gpu(dtd, board, missing) for board in boards)}</nvidia_smi_log>\n"
    )


def _gpu(dtd: int, board: Board, missing: str) -> str:
    def say(value: int | None, unit: str) -> str:
        return missing if value is None else f"{value} {unit}"

    power = "power_readings" if dtd < 12 else "gpu_power_readings"
    draw = "instant_power_draw" if dtd >= 13 else "power_draw"
    limit = "current_power_limit" if dtd >= 13 else "power_limit"
    devices = "".join(
        f"<mig_device><index>{n}</index><uuid>{uuid}</uuid></mig_device>"
        for n, uuid in enumerate(board.mig_devices)
    )
    return (
        f'<gpu id="{board.bus}"><product_name>{board.name}</product_name>'
        f"<mig_mode><current_mig>{board.mig}</current_mig></mig_mode>"
        f"<mig_devices>{devices or 'None'}</mig_devices><uuid>{board.uuid}</uuid>"
        f"<fb_memory_usage><total>{say(board.total, 'MiB')}</total>"
        f"<used>{say(board.used, 'MiB')}</used></fb_memory_usage>"
        f"<utilization><gpu_util>{say(board.load, '%')}</gpu_util></utilization>"
        f"<temperature><gpu_temp>{say(board.temperature, 'C')}</gpu_temp></temperature>"
        f"<{power}><{draw}>{say(board.power, 'W')}</{draw}>"
        f"<{limit}>{say(board.limit, 'W')}</{limit}></{power}></gpu>"
    )
