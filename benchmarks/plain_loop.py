"""The workloads' timings against a plain, hand-tuned PyTorch loop on the same device.

Needs PyTorch and the file of the workloads, nothing else, so that it runs where the card is:

    python plain_loop.py --workloads workloads.pyz --device cuda --out plain.json

Both sides take turns, pair by pair, each first as often as the other, so that a clock that sinks
or a neighbour that wakes up hits both.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

warnings.filterwarnings("ignore", message="Failed to initialize NumPy")  # none is needed
import torch  # noqa: E402  (it warns when it is imported)

PAIRS = 14
"""Pairs of timings; an even number, so that each side is first equally often."""
SECONDS = 0.15
"""Length of one timing of one side."""
GROUP_SECONDS = 0.02
"""Length of a group of calls between two readings of the clock, about."""
WORKLOADS = Path(__file__).parents[1] / "src" / "oc_gpu" / "bench"
CUDA = (
    *(("matmul", "", {"n": 8192}, dtype) for dtype in ("fp32", "tf32", "bf16", "fp16")),
    ("copy", "", {"mib": 256}, "fp32"),
    ("copy", "", {"mib": 1024}, "fp32"),
    ("h2d", "pinned", {"mib": 256}, "fp32"),
)
CPU = (
    ("matmul", "", {"n": 1024}, "fp32"),
    ("matmul", "", {"n": 256}, "bf16"),  # slow beyond measure where no instruction knows it
    ("copy", "", {"mib": 256}, "fp32"),
)
KINDS = {"bf16": torch.bfloat16, "fp16": torch.float16}
Loop = Callable[[], float]


@dataclass(frozen=True)
class Workloads:
    """The parts of the workloads that are held against the plain loop."""

    points: ModuleType
    timing: ModuleType


def loaded(place: Path) -> Workloads:
    """Return the workloads without the package around them, from their file or their folder."""
    sys.path.append(str(place))  # last: the folder has a `statistics`, too
    return Workloads(import_module("workloads.points"), import_module("workloads.timing"))


def ours(workloads: Workloads, point: dict[str, Any], device: str) -> Loop:
    """Return a timing by the workloads: the median seconds of a step."""
    made = workloads.points.work(point, device, 0)
    made.prove(3)

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    calls = workloads.timing.grouped(made.step, wait, math.inf)

    def once() -> float:
        rules = workloads.timing.Rules(0.0, time.perf_counter() + SECONDS)
        found: list[float] = workloads.timing.timed(made.step, wait, calls, rules)
        return statistics.median(found)

    return once


def plain(point: dict[str, Any], device: str) -> Loop:
    """Return a timing by a plain loop: buffers made before, device events, the median."""
    call = _call(point, device)
    group = _event_group if device == "cuda" else _clock_group
    for _ in range(3):
        call()
    calls = max(1, math.ceil(GROUP_SECONDS / group(call, 5)))

    def once() -> float:
        until = time.perf_counter() + SECONDS
        found = [group(call, calls)]
        while time.perf_counter() < until:
            found.append(group(call, calls))
        return statistics.median(found)

    return once


def _call(point: dict[str, Any], device: str) -> Callable[[], Any]:
    shape, dtype = point["shape"], point["dtype"]
    if point["workload"] == "matmul":
        n, kind = shape["n"], KINDS.get(dtype, torch.float32)
        a, b = (torch.randn(n, n, device=device).to(kind) for _ in range(2))
        out = torch.empty_like(a)
        return lambda: torch.mm(a, b, out=out)
    count = shape["mib"] * 2**20 // 4
    if point["workload"] == "copy":
        source = torch.randn(count, device=device)
    else:
        source = torch.randn(count).pin_memory()
    target = torch.empty(count, device=device)
    return lambda: target.copy_(source, non_blocking=True)


def _event_group(call: Callable[[], Any], calls: int) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(calls):
        call()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3 / calls


def _clock_group(call: Callable[[], Any], calls: int) -> float:
    begun = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begun) / calls


def compared(first: Loop, second: Loop) -> dict[str, Any]:
    """Return the medians of both sides and the median ratio of their pairs."""
    first(), second()
    pairs = []
    for number in range(PAIRS):
        if number % 2:
            pairs.append((first(), second()))
        else:
            late = second()
            pairs.append((first(), late))
    ratios = sorted(a / b for a, b in pairs)
    return {
        "ours": statistics.median(a for a, _ in pairs),
        "plain": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


def measured(workloads: Workloads, device: str) -> list[dict[str, Any]]:
    """Return the comparison of every point that the device can do."""
    found = []
    for workload, mode, shape, dtype in CUDA if device == "cuda" else CPU:
        point = {"workload": workload, "mode": mode, "shape": shape, "dtype": dtype}
        # The workloads set the precision of fp32 products for the whole process, for both sides.
        one = compared(ours(workloads, point, device), plain(point, device))
        found.append(point | one)
        size = " ".join(str(value) for value in shape.values())
        name = f"{workload} {mode} {size} {dtype}".replace("  ", " ")
        print(f"{name:26} ratio {one['ratio']:.4f}  ours {one['ours']:.6g} s", file=sys.stderr)
        if device == "cuda":
            torch.cuda.empty_cache()
    return found


def main() -> int:
    """Compare, and write what was found as JSON."""
    parser = argparse.ArgumentParser(description="Hold the workloads against a plain loop.")
    parser.add_argument("--workloads", type=Path, default=WORKLOADS)
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument("--out", type=Path, help="write the JSON there instead of to stdout")
    options = parser.parse_args()
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    found = {
        "device": device,
        "name": name,
        "torch": torch.__version__,
        "figures": measured(loaded(options.workloads), device),
    }
    text = json.dumps(found, indent=1) + "\n"
    if options.out:
        options.out.write_text(text)
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
