"""Numbers and names of measurements, in words that text and page share."""

from oc_gpu.bench.model import Cost, Crossover, Leg, Machine, Pair, Point, Proof, SpeedUp
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
    if machine is None:
        return leg.reason or NOT
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
    """Return a crossover in one sentence."""
    axis = "n" if found.workload == "matmul" else found.along
    last = f"{digits(found.last)}x at {axis} {found.values[-1]}" if found.last else ""
    better = "cheaper" if found.counts == "cost" else "faster"
    sure = "" if found.sure else "; some points have too few repetitions to be sure"
    told = {
        "gpu always": f"the GPU is {better} at all that was measured, {last}",
        "gpu from": f"the GPU is {better} from {axis} {found.start} on, "
        f"not yet at {found.before}; {last}",
        "cpu always": f"the CPU is {better} at all that was measured, {_turned(found)}",
        "never for good": f"neither is {better} throughout; {last}",
        "not measured": f"{NOT} on both sides",
    }
    return told[found.verdict] + (sure if found.verdict != "not measured" else "")


def _turned(found: Crossover) -> str:
    axis = "n" if found.workload == "matmul" else found.along
    return f"{digits(1 / found.last)}x at {axis} {found.values[-1]}" if found.last else ""
