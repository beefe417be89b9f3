"""Numbers and names of measurements, in words that text and page share."""

from collections.abc import Iterable
from typing import get_args

from oc_gpu.bench.model import Cost, Counts, Crossover, Leg, Machine, Pair, Point, Proof, SpeedUp
from oc_gpu.bench.statistics import Summary

NOT = "not measured"
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
_GIB = 2**30


def seconds(value: float) -> str:
    """Return a time with three digits and the unit that fits."""
    scale, unit = next(((s, u) for s, u in _UNITS if value >= s), _UNITS[-1])
    return f"{digits(value / scale)} {unit}"


def digits(value: float) -> str:
    """Return a number with three significant digits and no exponent."""
    if abs(value) >= 100:  # noqa: PLR2004  (three digits are before the point)
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"


def timing(found: Summary | None, note: str) -> str:
    """Return a median with half its interval's width, or why there is none."""
    if found is None:
        return note or NOT
    return f"{seconds(found.median)}{spread(found)}"


def short(note: str) -> str:
    """Return a note that fits a cell; the list of reasons tells it in full."""
    if note.startswith("failed: "):
        return "failed"
    return note if note in ("", "out of memory") else "-"


def spread(found: Summary) -> str:
    """Return the half width of a median's interval, in parts of it."""
    if found.interval is None:
        return f" (n={found.repetitions})"
    half = (found.interval.high - found.interval.low) / 2 / found.median
    return f" ±{half:.0%}" if half >= 0.005 else " ±<1%"  # noqa: PLR2004


def times(found: SpeedUp | None) -> str:
    """Return how many times faster, empty when it is not known."""
    return f"{digits(found.ratio)}x" if found else ""


def same(found: Proof) -> str:
    """Return whether both sides computed the same."""
    if found.same is None:
        return ""
    if found.difference is None:
        return "yes" if found.same else "NO"
    difference = f" ({found.difference:.0e})" if found.difference else " (0)"
    return f"yes{difference}" if found.same else f"NO{difference}"


def rate(point: Point, found: Summary | None) -> str:
    """Return what was done in a second: samples, operations or bytes."""
    if found is None:
        return ""
    if not point.flops:
        return f"{digits(point.bytes / found.median / 1e9)} GB/s"
    if point.mode in ("train", "infer"):
        return f"{digits(point.batch / found.median)}/s"
    return f"{digits(teraflops(point, found))} TFLOP/s"


def teraflops(point: Point, found: Summary) -> float:
    """Return counted operations a second, in units of 10^12."""
    return point.flops / found.median / 1e12


def name(point: Point) -> str:
    """Return what is done, such as `resnet50 train`."""
    return f"{point.workload} {point.mode}".strip()


def title(pair: Pair) -> str:
    """Return a point in words."""
    point = pair.point
    batch = f" batch {point.batch}" if point.mode in ("train", "infer") else ""
    return f"{name(point)} {point.size}{batch} {point.dtype}"


def cost(found: Cost | None) -> tuple[str, str]:
    """Return the prices of a million samples on both sides."""
    return (digits(found.cpu), digits(found.gpu)) if found else ("", "")


def energy(pair: Pair) -> str:
    """Return the GPU's energy for a sample, or a call where there are none; empty if unmeasured."""
    if pair.joules is None:
        return ""
    return f"{digits(pair.joules / pair.point.batch * 1000)} mJ"


def cpu(leg: Leg) -> str:
    """Return what the CPU leg ran on, limits first of all."""
    machine = leg.machine
    if machine is None or not machine.cpu:
        return f"{NOT}: {leg.reason}" if leg.reason else NOT
    if machine.quota is not None:
        may = f"limited to {digits(machine.quota)} of {machine.cores} cores"
    else:
        may = f"{machine.affinity} of {machine.cores} cores, no limit"
    parts = [machine.cpu, may, f"{machine.threads} threads", machine.capability]
    if machine.memory_limit_bytes:
        parts.append(f"memory limit {digits(machine.memory_limit_bytes / _GIB)} GiB")
    return ", ".join([*filter(None, parts), f"PyTorch {machine.torch}"])


def gpu(leg: Leg) -> str:
    """Return what the GPU leg ran on, with the settings that decide how fast it may run."""
    machine = leg.machine
    if machine is None or not machine.gpu:
        return f"{NOT}: {leg.reason}" if leg.reason else NOT
    parts = [machine.gpu, f"driver {machine.driver or 'unknown'}", f"CUDA {machine.cuda}"]
    return ", ".join([*parts, *_settings(machine), f"PyTorch {machine.torch}"])


def place(leg: Leg) -> str:
    """Return where in a cluster a leg ran, empty for one that ran in none."""
    found = leg.place
    if found is None:
        return ""
    limits = (("cpu", found.cpu_limit), ("memory", found.memory_limit))
    told = [f"limit of its pod: {name} {text}" for name, text in limits if text]
    parts = [f"pod {found.namespace}/{found.pod} on {found.node}", found.image, *told]
    return ", ".join(parts) + (_LOCALLY if found.locally else "")


_LOCALLY = " (simulated: what was timed is a process of the machine that simulates it)"


def _settings(machine: Machine) -> list[str]:
    told = []
    if machine.power_limit_watts is not None:
        told.append(f"power cap {digits(machine.power_limit_watts)} W")
    if machine.sm_clock_max_mhz is not None:
        told.append(f"up to {machine.sm_clock_max_mhz} MHz")
    for word, state in (("ECC", machine.ecc), ("MIG", machine.mig)):
        if state is not None:
            told.append(f"{word} {'on' if state else 'off'}")
    if machine.pcie_generation is not None:
        told.append(f"PCIe {machine.pcie_generation} x{machine.pcie_width}")
    return told


def crossover(found: Crossover) -> str:
    """Return from where on the GPU wins in one series, and by how much at its end."""
    if found.last is None:
        return NOT
    told = {
        "gpu always": "at all",
        "gpu from": f"from {found.start} on",
        "cpu always": "at none",
        "never for good": "not for good",
    }
    unsure = "" if found.sure else " (few repetitions)"
    return f"{told[found.verdict]}; {digits(found.last)}x at {found.values[-1]}{unsure}"


def crossovers(found: Iterable[Crossover]) -> list[tuple[str, ...]]:
    """Return a row for each main series that was measured: what it is, each way of counting.

    Along sizes only the smallest batch is a main one; the document has all of them.
    """
    series: dict[tuple[str, ...], dict[str, str]] = {}
    for one in found:
        main = one.along == "batch" or one.fixed in ("", "batch 1")
        if main and one.verdict != "not measured":
            axis = "n" if one.workload == "matmul" else one.along
            key = (f"{one.workload} {one.mode}".strip(), one.fixed, one.dtype, axis)
            series.setdefault(key, {})[one.counts] = crossover(one)
    ways = [way for way in get_args(Counts) if any(way in told for told in series.values())]
    rows = [(*key, *(told.get(way, "") for way in ways)) for key, told in series.items()]
    return [("workload", "of", "type", "along", *ways), *rows] if rows else []
