"""Reader of the text table of nvidia-smi, in every width that driver releases print.

The table is 79, 89 or 91 characters wide, has two lines a card to driver 440 and three from 450 on,
and another rule under the banner from some release after 550 on. So nothing here counts columns:
the rule made of `=` says where cards begin, and bars say where cells end.
"""

import re

from oc_gpu.checks.smi import (
    Card,
    Report,
    bus_id,
    complaints,
    mode,
    not_a_report,
    number,
    version,
)

_BANNER = re.compile(
    r"NVIDIA-SMI\s+\S+\s+(?:Driver|KMD) Version:\s*(\S+)\s+CUDA (?:UMD )?Version:\s*(\S+)"
)
_HEADS_END = re.compile(r"\|=+\+=+\+=+\|")
_RULE = re.compile(r"[+|]-+\+-+\+-+[+|]")
_WORD = r"(\[[^\]]*\]|\S+)"
_NAME = re.compile(rf"\s*\d+\s+(.+?)\s+{_WORD}\s*")
_BUS = re.compile(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]")
_READINGS = re.compile(rf"\s*{_WORD}\s+{_WORD}\s+{_WORD}\s+(\S.*?)\s+/\s*(\S.*?)\s*")
_PAIR = re.compile(r"\s*(\S.*?)\s+/\s*(\S.*?)\s*")
_COLUMNS = 3
_Row = list[str]


def parse_table(text: str) -> Report:
    """Read the output of `nvidia-smi` without options.

    Raises:
        SmiError: It is no such table.
    """
    banner = _BANNER.search(text)
    if banner is None:
        raise not_a_report(text)
    cards = [_card(block) for block in _blocks(text[banner.end() :].splitlines())]
    known = tuple(card for card in cards if card is not None)
    if not known or len(known) != len(cards):
        raise not_a_report(text[banner.start() :])
    return Report(version(banner[1]), version(banner[2]), known)


def _blocks(lines: list[str]) -> list[list[_Row]]:
    """Return the lines of each card, split at the bars."""
    stripped = [line.strip() for line in lines]
    start = next((n for n, line in enumerate(stripped) if _HEADS_END.fullmatch(line)), None)
    blocks: list[list[_Row]] = []
    block: list[_Row] = []
    for line in stripped[start + 1 :] if start is not None else ():
        if _RULE.fullmatch(line):
            blocks.append(block)
            block = []
            continue
        cells = line[1:-1].split("|")
        if not line.startswith("|") or len(cells) != _COLUMNS:
            break
        block.append(cells)
    return blocks


def _card(block: list[_Row]) -> Card | None:
    if len(block) < 2:  # noqa: PLR2004  # a card has two lines, or three where MIG is known
        return None
    (left, middle, _), (readings, memory, load), *more = block
    name, address = _NAME.fullmatch(left), _BUS.search(middle)
    if name is None or address is None:
        return None
    values = _READINGS.fullmatch(readings)
    used, total = _pair(memory)
    return Card(
        bus_id=bus_id(address[0]),
        name=name[1],
        memory_total_mib=total,
        memory_used_mib=used,
        temperature_c=number(values[2]) if values else None,
        power_w=number(values[4]) if values else None,
        power_limit_w=number(values[5]) if values else None,
        utilization_percent=number((load.split() or [""])[0]),
        mig=mode(more[0][2]) if more else "",
        trouble=complaints(cell for row in block for cell in row),
    )


def _pair(text: str) -> tuple[float | None, float | None]:
    match = _PAIR.fullmatch(text)
    return (number(match[1]), number(match[2])) if match else (None, None)
