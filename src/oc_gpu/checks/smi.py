"""What nvidia-smi says, from its XML (`-q -x`), and whether its text table says the same.

Document types v10 to v13 differ in names (power readings, versions); the fields that are read here
exist in all of them under one name or another. The document type is an external one and is cut
before parsing. `oc_gpu.checks.smi_table` reads the text table into the same values.
"""

import re
from collections.abc import Iterable
from xml.etree import ElementTree as ET

from msgspec import Struct

from oc_gpu.kube.errors import OcGpuError, clean

_DOCTYPE = re.compile(r"<!DOCTYPE[^>\[]*(\[.*?\])?[^>]*>", re.DOTALL)
_UUID = re.compile(r"\b(?:GPU|MIG(?:-GPU)?)-[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NUMBER = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(?:MiB|%|[CWF])?\s*")
_TROUBLE = re.compile(r"ERR!|Unknown Error|GPU is lost|requires reset", re.IGNORECASE)
_CUT = "..."


class SmiError(OcGpuError):
    """nvidia-smi gave no report; the message quotes what it printed instead."""


class Card(Struct, frozen=True, kw_only=True):
    """One card. A reading that nvidia-smi does not give is None; a text it does not give is empty.

    Attributes:
        bus_id: PCI address, such as `00000000:13:00.0`.
        name: Product name; the text tables to driver 525 cut it and end it with three dots.
        uuid: Device UUID; the text table has none.
        memory_total_mib: Size of the memory.
        memory_used_mib: Memory in use.
        temperature_c: Temperature.
        power_w: Power drawn.
        power_limit_w: Power limit.
        utilization_percent: Time in which a kernel ran.
        mig: MIG mode, `Enabled` or `Disabled`; empty on cards without it.
        mig_uuids: UUIDs of the MIG devices, one each even where it is not printed.
        licence: What a virtual GPU says of its licence; empty on whole cards.
        trouble: Complaints that stand in place of values, such as `ERR!`.
    """

    bus_id: str
    name: str = ""
    uuid: str = ""
    memory_total_mib: float | None = None
    memory_used_mib: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    utilization_percent: float | None = None
    mig: str = ""
    mig_uuids: tuple[str, ...] = ()
    licence: str = ""
    trouble: tuple[str, ...] = ()


class Report(Struct, frozen=True):
    """What one call of nvidia-smi says. `cuda` is the newest CUDA that the driver serves."""

    driver: str
    cuda: str
    cards: tuple[Card, ...] = ()


def parse_xml(text: str) -> Report:
    """Read the output of `nvidia-smi -q -x`.

    Raises:
        SmiError: It is no such document.
    """
    start = max(text.find("<?xml"), 0)
    body = _DOCTYPE.sub("", text[start:], count=1)
    if "<!DOCTYPE" in body or "<!ENTITY" in body or "<nvidia_smi_log" not in body:
        raise not_a_report(text)
    try:
        root = ET.fromstring(body.strip())  # noqa: S314  # no declaration is left in it, see above
    except ET.ParseError as error:
        message = f"the XML of nvidia-smi is broken: {error}"
        raise SmiError(message) from error
    return Report(
        driver=_first(root, "driver_version", "kmd_version"),
        cuda=version(_first(root, "cuda_version", "cuda_umd_version")),
        cards=tuple(_card(gpu) for gpu in root.iter("gpu")),
    )


def _card(gpu: ET.Element) -> Card:
    def reading(*paths: str) -> float | None:
        return number(_first(gpu, *paths))

    power = ("gpu_power_readings", "power_readings")
    draws = ("instant_power_draw", "power_draw", "average_power_draw")
    limits = ("current_power_limit", "power_limit", "enforced_power_limit")
    return Card(
        bus_id=bus_id(gpu.get("id") or _first(gpu, "pci/pci_bus_id")),
        name=_first(gpu, "product_name"),
        uuid=_first(gpu, "uuid"),
        memory_total_mib=reading("fb_memory_usage/total"),
        memory_used_mib=reading("fb_memory_usage/used"),
        temperature_c=reading("temperature/gpu_temp"),
        power_w=reading(*_paths(power, draws)),
        power_limit_w=reading(*_paths(power, limits)),
        utilization_percent=reading("utilization/gpu_util"),
        mig=mode(_first(gpu, "mig_mode/current_mig")),
        mig_uuids=tuple(_first(part, "uuid") for part in gpu.iterfind("mig_devices/mig_device")),
        licence=_first(gpu, "vgpu_software_licensed_product/license_status"),
        trouble=complaints(element.text or "" for element in gpu.iter()),
    )


def _paths(parents: Iterable[str], names: tuple[str, ...]) -> list[str]:
    return [f"{parent}/{name}" for parent in parents for name in names]


def _first(element: ET.Element, *paths: str) -> str:
    """Return the first text that says something."""
    texts = ((element.findtext(path) or "").strip() for path in paths)
    return next((text for text in texts if text and text != "N/A"), "")


def number(text: str) -> float | None:
    """Return the number of a reading such as `15360 MiB`; None when it is none (`[N/A]`)."""
    match = _NUMBER.fullmatch(text)
    return float(match[1]) if match else None


def mode(text: str) -> str:
    """Return a MIG mode, `Enabled` or `Disabled`, else an empty text."""
    name = text.strip().rstrip("*")
    return name if name in ("Enabled", "Disabled") else ""


def version(text: str) -> str:
    """Return a version when it is one, else (`N/A`, `Not Found`, `ERR!`) an empty text."""
    return text if text[:1].isdigit() else ""


def bus_id(text: str) -> str:
    """Return a PCI address in the long form that all releases can be brought to."""
    domain, colon, rest = text.strip().upper().partition(":")
    return f"{domain:0>8}{colon}{rest}"


def complaints(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the complaints that stand in place of values, each once."""
    return tuple(sorted({match[0] for text in texts for match in _TROUBLE.finditer(text)}))


def not_a_report(text: str) -> SmiError:
    """Return the error for an output that is no report, quoting how it begins."""
    said = clean(text)
    return SmiError(f"nvidia-smi printed no report but: {said or 'nothing'}")


def uuids(text: str) -> tuple[str, ...]:
    """Return the device UUIDs that a text names, each once, in order."""
    return tuple(dict.fromkeys(match[0] for match in _UUID.finditer(text)))


def disagreements(xml: Report, table: Report) -> tuple[str, ...]:
    """Return where XML and text table differ; readings that change by the second are left out."""
    found = [
        f"{what}: {ours or 'none'} in the XML, {theirs or 'none'} in the table"
        for what, ours, theirs in (
            ("driver", xml.driver, table.driver),
            ("CUDA", xml.cuda, table.cuda),
        )
        if ours != theirs
    ]
    rows = {card.bus_id: card for card in table.cards}
    for card in xml.cards:
        row = rows.pop(card.bus_id, None)
        found += [f"{card.bus_id} is missing in the table"] if row is None else _differs(card, row)
    return (*found, *(f"{address} is missing in the XML" for address in rows))


def _differs(card: Card, row: Card) -> list[str]:
    pairs = {
        "memory": (card.memory_total_mib, row.memory_total_mib),
        "MIG mode": (card.mig or None, row.mig or None),
    }
    found = [
        f"{card.bus_id}: {what} is {ours} in the XML, {theirs} in the table"
        for what, (ours, theirs) in pairs.items()
        if ours is not None and theirs is not None and ours != theirs
    ]
    if not _same_name(card.name, row.name):
        found.append(f"{card.bus_id} is {card.name} in the XML, {row.name} in the table")
    return found


def _same_name(full: str, shown: str) -> bool:
    if shown.endswith(_CUT):
        return full.startswith(shown.removesuffix(_CUT))
    return full == shown
