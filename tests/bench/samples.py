"""Runs as values, with timings that are easy to reckon with."""

from collections.abc import Mapping, Sequence

from oc_gpu.bench import catalogue
from oc_gpu.bench.model import Leg, Machine, Plan, Point, Result, Run

CPU = Machine(torch="2.15.0", cpu="Example CPU 9000", cores=16, affinity=16, threads=16)
GPU = Machine(
    torch="2.15.0",
    cpu="Example CPU 9000",
    cores=16,
    affinity=16,
    threads=16,
    gpu="Example GPU 80GB",
    driver="580.1",
    cuda="13.2",
    power_limit_watts=700.0,
    sm_clock_max_mhz=1980,
    ecc=True,
    mig=False,
)


def times(median: float, count: int = 11, spread: float = 0.01) -> tuple[float, ...]:
    """Return so many timings around a median, no two the same."""
    return tuple(median * (1 + spread * (n - count // 2) / count) for n in range(count))


def measured(
    seconds: float, moved: float = 0.0, outputs: Sequence[float] = (1.0, 2.0), count: int = 11
) -> Result:
    """Return the result of a point that was measured."""
    return Result(
        status="measured",
        compute=times(seconds, count),
        transfers=times(moved, count) if moved else (),
        losses=(7.0, 6.9),
        outputs=tuple(outputs),
    )


def network(batch: int, size: str = "medium") -> Point:
    """Return a training step of the perceptron."""
    return catalogue.point("mlp", "train", size, batch, "fp32")


def run(cpu: Mapping[str, Result], gpu: Mapping[str, Result], points: Sequence[Point]) -> Run:
    """Return a run of some points; results by their ids."""
    return Run(
        date="2026-11-24T12:00:00+00:00",
        plan=Plan(suite="quick", points=tuple(points)),
        cpu=Leg(device="cpu", machine=CPU, results=dict(cpu)),
        gpu=Leg(device="cuda", machine=GPU, results=dict(gpu)),
    )
