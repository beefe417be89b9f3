"""The workloads, their sizes, and the suites that are made of them."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, structs

from oc_gpu.bench.arithmetic import counted
from oc_gpu.bench.model import Device, Dtype, Plan, Point
from oc_gpu.kube.errors import UsageError

Shape = dict[str, int | list[int]]
NETWORKS = ("mlp", "resnet50", "transformer")
"""Workloads that have a batch and can be trained."""
TITLES: Mapping[str, str] = {
    "matmul": "product of two square matrices",
    "copy": "copy within the device's memory",
    "h2d": "copy from host memory to the GPU",
    "mlp": "multilayer perceptron",
    "resnet50": "ResNet-50, a convolutional network",
    "transformer": "stack of transformer blocks (a causal language model)",
}
_RESNET: Shape = {"classes": 1000, "width": 64, "blocks": [3, 4, 6, 3]}
SHAPES: Mapping[str, Mapping[str, Shape]] = {
    "mlp": {
        "small": {"width": 256, "layers": 4, "classes": 1000},
        "medium": {"width": 1024, "layers": 4, "classes": 1000},
        "large": {"width": 4096, "layers": 4, "classes": 1000},
    },
    "resnet50": {"64px": {"side": 64, **_RESNET}, "224px": {"side": 224, **_RESNET}},
    "transformer": {
        "small": {"width": 256, "heads": 4, "layers": 4, "words": 8192, "length": 128},
        "medium": {"width": 512, "heads": 8, "layers": 6, "words": 8192, "length": 128},
        "large": {"width": 1024, "heads": 16, "layers": 8, "words": 8192, "length": 256},
    },
}


class Sweep(Struct, frozen=True):
    """Some sizes and types of one workload.

    Attributes:
        sizes: Names of sizes, or whole numbers: the side of a matrix, mebibytes of a copy.
        batches: Numbers of samples; one for workloads that have none.
    """

    workload: str
    sizes: tuple[str, ...]
    batches: tuple[int, ...] = (1,)
    dtypes: tuple[Dtype, ...] = ("fp32",)


class Suite(Struct, frozen=True):
    """A named set of sweeps.

    Attributes:
        budget: Seconds for both legs together.
        precision: Half width of a median's interval that is enough, in parts of the median.
        energy: Whether the GPU's energy is measured, which takes half a second a point.
    """

    sweeps: tuple[Sweep, ...]
    budget: float
    precision: float
    energy: bool


_EVERY: tuple[Dtype, ...] = ("fp32", "tf32", "bf16", "fp16")
SUITES: Mapping[str, Suite] = {
    "quick": Suite(
        (
            Sweep("matmul", ("512", "1024", "2048"), dtypes=_EVERY),
            Sweep("copy", ("256",)),
            Sweep("h2d", ("256",)),
            Sweep("mlp", ("medium",), (1, 16, 256)),
            Sweep("resnet50", ("64px",), (1, 4, 16)),
            Sweep("transformer", ("small",), (1, 4, 16)),
        ),
        budget=120,
        precision=0.03,
        energy=False,
    ),
    "full": Suite(
        (
            Sweep("matmul", ("256", "512", "1024", "2048", "4096", "8192"), dtypes=_EVERY),
            Sweep("copy", ("16", "256", "1024")),
            Sweep("h2d", ("1", "16", "256")),
            Sweep("mlp", ("small", "medium", "large"), (1, 8, 64, 512, 4096)),
            Sweep("mlp", ("medium",), (1, 8, 64, 512, 4096), ("bf16",)),
            Sweep("resnet50", ("224px",), (1, 4, 16, 64, 256), ("fp32", "bf16")),
            Sweep("transformer", ("small", "medium", "large"), (1, 4, 16, 64)),
            Sweep("transformer", ("medium",), (1, 4, 16, 64), ("bf16",)),
        ),
        budget=1200,
        precision=0.02,
        energy=True,
    ),
}


def plan(suite: str, models: Iterable[str] = (), batches: Iterable[int] = ()) -> Plan:
    """Return the plan of a suite, cut down to some workloads and with other batches if given.

    Args:
        suite: Name in `SUITES`.
        models: Workloads to keep; none keeps all.
        batches: Batches in place of the suite's; only networks have them.

    Raises:
        UsageError: A workload or suite is not known.
    """
    chosen = SUITES.get(suite)
    if chosen is None:
        raise UsageError(f"there is no suite {suite}", hints=(f"known: {', '.join(SUITES)}",))
    wanted, sizes = tuple(dict.fromkeys(models)), tuple(dict.fromkeys(batches))
    unknown = [name for name in wanted if name not in TITLES]
    if unknown:
        known = ", ".join(TITLES)
        raise UsageError(f"there is no model {unknown[0]}", hints=(f"known: {known}",))
    sweeps = [s for s in chosen.sweeps if not wanted or s.workload in wanted]
    if sizes:
        sweeps = [
            structs.replace(s, batches=sizes) if s.workload in NETWORKS else s for s in sweeps
        ]
    points = {point.id: point for sweep in sweeps for point in _points(sweep)}
    return Plan(
        suite=suite,
        precision=chosen.precision,
        energy=chosen.energy,
        budget=chosen.budget,
        points=tuple(sorted(points.values(), key=lambda p: (p.flops, p.bytes))),
    )


def _points(sweep: Sweep) -> Iterator[Point]:
    for size in sweep.sizes:
        for mode in _modes(sweep.workload):
            for batch in sweep.batches:
                for dtype in sweep.dtypes:
                    yield point(sweep.workload, mode, size, batch, dtype)


def _modes(workload: str) -> tuple[str, ...]:
    if workload in NETWORKS:
        return ("train", "infer")
    return ("pageable", "pinned") if workload == "h2d" else ("",)


def point(workload: str, mode: str, size: str, batch: int, dtype: Dtype) -> Point:
    """Return one point with its shape, operations and bytes."""
    shape, label = _shape(workload, size)
    flops, moved = counted(workload, mode, batch, dtype, shape)
    return Point(
        workload=workload,
        mode=mode,
        size=label,
        batch=batch,
        dtype=dtype,
        shape=shape,
        flops=flops,
        bytes=moved,
    )


def _shape(workload: str, size: str) -> tuple[Shape, str]:
    if workload == "matmul":
        return {"n": int(size)}, size
    if workload in ("copy", "h2d"):
        return {"mib": int(size)}, f"{size}MiB"
    return SHAPES[workload][size], size


def for_device(whole: Plan, device: Device, budget: float) -> Plan:
    """Return the part of a plan that a device can have, with its share of the time."""
    here = tuple(p for p in whole.points if device == "cuda" or _runs_on_cpu(p))
    return structs.replace(whole, points=here, budget=budget)


def _runs_on_cpu(wanted: Point) -> bool:
    return wanted.workload != "h2d" and wanted.dtype != "tf32"
