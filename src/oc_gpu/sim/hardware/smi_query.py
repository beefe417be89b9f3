"""`nvidia-smi --query-gpu=... --format=csv[,noheader][,nounits]`."""

from collections.abc import Callable

from msgspec import Struct

from oc_gpu.sim.hardware.releases import Release
from oc_gpu.sim.hardware.smi_card import Card, mig_mode


class _Column(Struct, frozen=True):
    """One property that can be asked for, since which branch, and its unit."""

    value: Callable[[Card, Release], str]
    unit: str = ""
    since: int = 0


def _count(_card: Card, _release: Release) -> str:
    return "{count}"


_COLUMNS = {
    "index": _Column(lambda c, _r: str(c.index)),
    "count": _Column(_count),
    "name": _Column(lambda c, _r: c.name),
    "gpu_name": _Column(lambda c, _r: c.name),
    "uuid": _Column(lambda c, _r: c.uuid),
    "gpu_uuid": _Column(lambda c, _r: c.uuid),
    "serial": _Column(lambda c, _r: "[N/A]" if c.serial == "N/A" else c.serial),
    "pci.bus_id": _Column(lambda c, _r: c.bus_id),
    "gpu_bus_id": _Column(lambda c, _r: c.bus_id),
    "pci.device_id": _Column(lambda c, _r: c.pci_device_id),
    "driver_version": _Column(lambda _c, r: r.version),
    "vbios_version": _Column(lambda c, _r: c.gpu.vbios),
    "pstate": _Column(lambda c, _r: c.gpu.pstate),
    "persistence_mode": _Column(lambda c, _r: "Enabled" if c.gpu.persistence else "Disabled"),
    "compute_mode": _Column(lambda _c, _r: "Default"),
    "compute_cap": _Column(lambda c, _r: c.gpu.compute_capability, since=510),
    "ecc.mode.current": _Column(lambda c, _r: "Enabled" if c.gpu.ecc else "[N/A]"),
    "mig.mode.current": _Column(
        lambda c, r: "[N/A]" if mig_mode(c, r) == "N/A" else mig_mode(c, r), since=450
    ),
    "memory.total": _Column(lambda c, _r: str(c.gpu.memory_mib), "MiB"),
    "memory.used": _Column(lambda _c, _r: "0", "MiB"),
    "memory.free": _Column(lambda c, _r: str(c.free_mib), "MiB"),
    "memory.reserved": _Column(lambda c, _r: str(c.gpu.reserved_mib), "MiB", since=510),
    "utilization.gpu": _Column(lambda c, _r: "[N/A]" if c.divided else "0", "%"),
    "utilization.memory": _Column(lambda c, _r: "[N/A]" if c.divided else "0", "%"),
    "temperature.gpu": _Column(lambda c, _r: str(c.gpu.temperature_c)),
    "fan.speed": _Column(
        lambda c, _r: "[N/A]" if c.gpu.fan_percent is None else str(c.gpu.fan_percent), "%"
    ),
    "power.draw": _Column(lambda c, _r: f"{c.gpu.power_w:.2f}", "W"),
    "power.limit": _Column(lambda c, _r: f"{c.gpu.power_limit_w:.2f}", "W"),
    "clocks.max.sm": _Column(lambda c, _r: str(c.gpu.max_sm_clock_mhz), "MHz"),
    "clocks.max.memory": _Column(lambda c, _r: str(c.gpu.max_memory_clock_mhz), "MHz"),
}


def answer(cards: tuple[Card, ...], release: Release, query: str, form: str) -> tuple[str, int]:
    """Return the text and exit code of a CSV query."""
    names = [n.strip() for n in query.split(",") if n.strip()]
    options = {f.strip() for f in form.split(",")}
    for name in names:
        column = _COLUMNS.get(name)
        if column is None or release.number < column.since:
            return f'Field "{name}" is not a valid field to query.\n', 2
    columns = [(n, _COLUMNS[n]) for n in names]
    rows = [] if "noheader" in options else [", ".join(_title(n, c) for n, c in columns)]
    units = "nounits" not in options
    for card in cards:
        values = (_cell(c, card, release, units=units) for _, c in columns)
        rows.append(", ".join(values).replace("{count}", str(len(cards))))
    return "\n".join(rows), 0


def _title(name: str, column: _Column) -> str:
    return f"{name} [{column.unit}]" if column.unit else name


def _cell(column: _Column, card: Card, release: Release, *, units: bool) -> str:
    value = column.value(card, release)
    return f"{value} {column.unit}" if units and column.unit and value != "[N/A]" else value
