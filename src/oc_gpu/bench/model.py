"""What is measured and what was found, as values. The workloads' file speaks the same names."""

from typing import Literal

from msgspec import Struct

from oc_gpu.bench.statistics import Summary

Device = Literal["cpu", "cuda"]
DEVICES: tuple[Device, ...] = ("cpu", "cuda")
Dtype = Literal["fp32", "tf32", "bf16", "fp16"]
Status = Literal["measured", "not measured", "out of memory", "failed"]


class Value(Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of the values."""


class Point(Value, frozen=True, kw_only=True):
    """One thing to measure.

    Attributes:
        workload: Name in the catalogue.
        mode: What is done with it: train or infer, pageable or pinned, empty for the rest.
        size: Name of the size, such as `224px`.
        batch: Samples in a step.
        dtype: Type in which it is computed.
        shape: Numbers from which the workload is built.
        flops: Floating-point operations of one step, counted from the shape.
        bytes: Bytes that one step must move through the device's memory, counted likewise.
    """

    workload: str
    mode: str = ""
    size: str
    batch: int = 1
    dtype: Dtype = "fp32"
    shape: dict[str, int | list[int]]
    flops: int = 0
    bytes: int = 0

    @property
    def id(self) -> str:
        """Return a name that is this point's alone."""
        batch = f"b{self.batch}" if self.mode in ("train", "infer") else ""
        parts = (self.workload, self.mode, self.size, batch, self.dtype)
        return "/".join(part for part in parts if part)


class Plan(Value, frozen=True, kw_only=True):
    """What one leg measures.

    Attributes:
        suite: Name of the suite that it was made from.
        seed: Seed of weights and data.
        steps: First steps, which are warm-up and proof at once.
        precision: Half width of the median's interval, in parts of it, that is enough.
        energy: Whether the GPU's energy is measured; half a second a point.
        budget: Seconds for the whole leg.
        points: What is measured, the cheapest first.
    """

    suite: str = ""
    seed: int = 0
    steps: int = 3
    precision: float = 0.02
    energy: bool = True
    budget: float = 60.0
    points: tuple[Point, ...] = ()


class Result(Value, frozen=True, kw_only=True):
    """What was found of one point on one device.

    Attributes:
        status: measured, or why there is no measurement.
        reason: The reason in words, empty when it was measured.
        compute: Seconds a step for each repetition, data on the device.
        transfers: The same from host memory to host memory; empty where nothing is moved.
        calls: Steps in one repetition of `compute`.
        losses: Losses of the first training steps.
        outputs: Some elements of the outputs after the first steps.
        rounding: How far the losses and outputs move, in parts, when every weight is moved by one
            rounding error; None where nothing is trained.
        error: Relative error against double precision, None where it is not computed.
        joules: Energy of one step, None when it was not measured.
        joules_reason: Why it was not.
        sm_clock_mhz: Clock of the GPU right after the timing.
        throttled_seconds: How long a quota held the process back meanwhile.
    """

    status: Status
    reason: str = ""
    compute: tuple[float, ...] = ()
    transfers: tuple[float, ...] = ()
    calls: int = 1
    losses: tuple[float, ...] = ()
    outputs: tuple[float, ...] = ()
    rounding: float | None = None
    error: float | None = None
    joules: float | None = None
    joules_reason: str = ""
    sm_clock_mhz: int | None = None
    throttled_seconds: float | None = None


class Machine(Value, frozen=True, kw_only=True):
    """Where a leg ran. What a machine does not tell is None or empty.

    Attributes:
        cpu: What the processor calls itself.
        cores: Processors that the machine has.
        affinity: Processors that the process may use.
        quota: Cores that its control group may use, None without a limit.
        threads: Threads that PyTorch computes with.
        memory_limit_bytes: Limit of the control group.
        capability: Vector instructions that PyTorch uses on the CPU.
    """

    torch: str = ""
    python: str = ""
    cpu: str = ""
    cores: int | None = None
    affinity: int | None = None
    quota: float | None = None
    threads: int | None = None
    memory_limit_bytes: int | None = None
    capability: str = ""
    gpu: str = ""
    uuid: str = ""
    memory_bytes: int | None = None
    multiprocessors: int | None = None
    compute_capability: str = ""
    driver: str = ""
    cuda: str = ""
    cudnn: str = ""
    power_limit_watts: float | None = None
    default_power_limit_watts: float | None = None
    sm_clock_max_mhz: int | None = None
    memory_clock_mhz: int | None = None
    ecc: bool | None = None
    mig: bool | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None


class Place(Value, frozen=True, kw_only=True):
    """Where in a cluster a leg ran.

    Attributes:
        node: Name of the node.
        image_id: Image that ran, with its digest.
        cpu_limit: Limit of cores that its pod had, as a quantity; empty for none of ours.
        memory_limit: The same of memory.
        locally: Whether the cluster was simulated, and the leg a process of this machine: the
            timings are this machine's; node, image and limits were not there.
    """

    namespace: str
    pod: str = ""
    node: str = ""
    image: str = ""
    image_id: str = ""
    cpu_limit: str = ""
    memory_limit: str = ""
    locally: bool = False


class Leg(Value, frozen=True, kw_only=True):
    """What one device did of a plan.

    Attributes:
        reason: Why nothing was measured, empty when something was.
        machine: Where it ran, None when it did not begin.
        place: Where in a cluster that was, None for a leg that ran in none.
        results: By the points' ids; a point that is missing was not in this leg's plan.
    """

    device: Device
    reason: str = ""
    machine: Machine | None = None
    place: Place | None = None
    results: dict[str, Result] = {}


class Run(Value, frozen=True, kw_only=True):
    """One whole run: what was to be measured, and both legs.

    Attributes:
        date: Day and time of the beginning, ISO 8601 with zone.
        plan: All points; each leg was given those that its device can have.
    """

    date: str
    plan: Plan
    cpu: Leg
    gpu: Leg


class Prices(Value, frozen=True, kw_only=True):
    """What an hour of each side costs, in any one currency."""

    cpu: float
    gpu: float


class Proof(Value, frozen=True, kw_only=True):
    """Whether both sides computed the same.

    Attributes:
        same: None when one side told nothing to compare, or when rounding alone carries the
            computation so far that agreement would tell nothing.
        difference: Largest relative difference of losses and outputs.
        tolerance: Largest that rounding explains.
    """

    same: bool | None
    difference: float | None = None
    tolerance: float | None = None


class Cost(Value, frozen=True, kw_only=True):
    """Price of a million samples on each side, transfers counted in."""

    cpu: float
    gpu: float


class SpeedUp(Value, frozen=True, kw_only=True):
    """How many times faster the GPU is.

    Attributes:
        ratio: Median time of the CPU over that of the GPU.
        low: Lower bound of its interval, None with too few repetitions.
        high: Upper bound.
    """

    ratio: float
    low: float | None = None
    high: float | None = None


Winner = Literal["gpu", "cpu", "even"]
Counts = Literal["compute", "with transfers", "cost"]
Along = Literal["batch", "size"]
Verdict = Literal["gpu always", "gpu from", "cpu always", "never for good", "not measured"]


class Crossover(Value, frozen=True, kw_only=True):
    """From where on the GPU wins in one series of points. Only measured points count.

    Attributes:
        workload: Name in the catalogue.
        mode: What is done with it.
        fixed: What is the same in the whole series: a size or a batch.
        dtype: Type in which it is computed.
        along: What grows from point to point.
        counts: What is compared.
        verdict: `gpu from` has `start` and `before`; `never for good`: it does not win at the
            largest, and does not lose everywhere.
        start: First value from which on the GPU wins at every larger one, too.
        before: Last value at which it does not.
        values: What was measured on both sides, in order.
        last: How many times better the GPU is at the largest value.
        sure: Whether every comparison stands on an interval, or is plain without one.
    """

    workload: str
    mode: str
    fixed: str
    dtype: Dtype
    along: Along
    counts: Counts
    verdict: Verdict
    start: str = ""
    before: str = ""
    values: tuple[str, ...] = ()
    last: float | None = None
    sure: bool = True


class Pair(Value, frozen=True, kw_only=True):
    """One point on both sides.

    Attributes:
        cpu: Timing on the CPU, None when it was not measured.
        gpu: Timing on the GPU with data that is there.
        moved: Timing on the GPU from host memory to host memory.
        faster: CPU over GPU, data in place.
        faster_moved: CPU over GPU with the transfers counted in.
        joules: Energy of one step on the GPU, data in place; None when it was not measured.
        joules_note: Why it was not.
    """

    point: Point
    cpu: Summary | None = None
    gpu: Summary | None = None
    moved: Summary | None = None
    faster: SpeedUp | None = None
    faster_moved: SpeedUp | None = None
    proof: Proof
    cost: Cost | None = None
    joules: float | None = None
    joules_note: str = ""
    cpu_note: str = ""
    gpu_note: str = ""
