"""The workloads of `oc-gpu bench`: one file that needs PyTorch and nothing else.

It runs alone, so that it can be put into any container that has PyTorch:

    python workloads.py --device cuda --plan plan.json --out result.jsonl
    python workloads.py --device cpu --point '{"workload": "matmul", "shape": {"n": 512}}'

What it finds goes to stdout, or to --out, as one JSON object a line, each as soon as it is known:
`plan` and `machine` first, `start` and `point` for every point of the plan, `end` last. A run that
is killed leaves what it had measured. `oc-gpu bench show` makes a report of such files.

Weights and data are drawn on the CPU from a seeded generator and then moved, so that every device
computes the same. The first steps are warm-up and proof at once: their losses and a sample of the
outputs are told, to be compared with those of another device.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import math
import os
import platform
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

CALL_SECONDS = 0.01
"""Calls are timed in groups that take at least this long: a clock and a synchronisation cost
some microseconds, which is then less than a thousandth."""
FEWEST = 10
"""Repetitions that are made where the time allows: two runs that differ can then be told apart
with p < 1e-4 (Mann-Whitney), which stands a correction for hundreds of comparisons."""
MOST = 200
"""Repetitions after which no more are made."""
SETTLE_SECONDS = 0.5
"""How long a GPU computes before it is timed: within some tenths of a second a card at its power
limit lowers its clock, and a timing before that promises what it does not keep."""
ENERGY_SECONDS = SETTLE_SECONDS
"""Shortest time over which energy is told. The counter moves every 20 to 100 ms, and it is read
from one of its moves to another, so that what is left of an error is one group of steps."""
ENERGY_PATIENCE = 0.5
"""Seconds to wait for a move of the energy counter before it is taken for dead."""
SAMPLE = 64
"""Elements of the outputs that are told."""
ROUNDING = 2.0**-23
"""Relative distance of neighbouring fp32 numbers."""
STEP_SIZE = 1e-3
"""Learning rate: small, so that rounding does not grow from step to step."""
NO_ENERGY = "there is no energy counter that can be read"
_NO_ROOM = ("out of memory", "allocate memory", "bad_alloc", "ALLOC_FAILED", "Unable to mmap")


class NotMeasuredError(Exception):
    """A point cannot be measured here; the text says why."""


def interval_ranks(count: int, confidence: float) -> tuple[int, int] | None:
    """Return the ranks of the order statistics that enclose the median, from 1.

    Args:
        count: Number of values.
        confidence: Probability with which the median lies between both.

    Returns:
        The narrowest symmetric pair; None when even the extremes are not sure enough.
    """
    outside, low = 0.0, 0
    while low < count // 2:
        outside += 2 * math.comb(count, low) / 2**count
        if 1 - outside < confidence:
            break
        low += 1
    return (low, count + 1 - low) if low else None


# --- the machine -------------------------------------------------------------------------------


def cpu_quota(proc: Path = Path("/proc"), sysfs: Path = Path("/sys")) -> float | None:
    """Return the cores that the control group may use, None without a limit.

    Reads cpu.max of every group on the way up (cgroup v2), or cfs_quota_us (v1).
    """
    found = [_v2_quota(text) for text in _group_files(proc, sysfs, "", "cpu.max")]
    quota = [float(t) for t in _group_files(proc, sysfs, "cpu", "cpu.cfs_quota_us")]
    period = [float(t) for t in _group_files(proc, sysfs, "cpu", "cpu.cfs_period_us")]
    found += [q / p for q, p in zip(quota, period, strict=False) if q > 0]
    return min((limit for limit in found if limit is not None), default=None)


def _v2_quota(text: str) -> float | None:
    quota, period = text.split()
    return None if quota == "max" else int(quota) / int(period)


def memory_limit(proc: Path = Path("/proc"), sysfs: Path = Path("/sys")) -> int | None:
    """Return the bytes that the control group may use, None without a limit."""
    texts = _group_files(proc, sysfs, "", "memory.max")
    texts += _group_files(proc, sysfs, "memory", "memory.limit_in_bytes")
    # Version 1 says "no limit" by a number near 2^63.
    limits = [int(text) for text in texts if text != "max" and int(text) < 1 << 60]
    return min(limits, default=None)


def _group_files(proc: Path, sysfs: Path, controller: str, name: str) -> list[str]:
    """Return a file's content in this process's control group and in all above it."""
    try:
        rows = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    texts = []
    for row in rows:
        _, controllers, path = row.split(":", 2)
        if controller not in controllers.split(","):
            continue
        group = Path(path.lstrip("/"))
        for part in (group, *group.parents):
            with contextlib.suppress(OSError):
                texts.append((sysfs / "fs/cgroup" / controller / part / name).read_text().strip())
    return texts


def cpu_model(proc: Path = Path("/proc")) -> str:
    """Return what the processor calls itself, else the architecture."""
    with contextlib.suppress(OSError):
        for line in (proc / "cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.machine()


def free_memory(proc: Path = Path("/proc")) -> int | None:
    """Return the bytes of memory that the kernel could hand out, None when it does not tell."""
    with contextlib.suppress(OSError):
        for line in (proc / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _fit_memory() -> None:
    """Let an allocation that finds no room fail, instead of the kernel killing the process."""
    room = [value for value in (free_memory(), memory_limit()) if value is not None]
    if room:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid it
            resource.setrlimit(resource.RLIMIT_DATA, (int(min(room) * 0.95), hard))


def _cpu_facts() -> dict[str, Any]:
    import torch

    quota = cpu_quota()
    if quota is not None:  # more threads than cores would only wait for each other
        torch.set_num_threads(max(1, min(torch.get_num_threads(), math.floor(quota))))
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "affinity": len(os.sched_getaffinity(0)),
        "quota": quota,
        "threads": torch.get_num_threads(),
        "memoryLimitBytes": memory_limit(),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }


class Nvml:
    """What NVIDIA's management library tells of one GPU; each answer may be None.

    Function names and units: nvml.h of the driver. Energy is counted in millijoules since the
    driver was loaded, from Volta on.
    """

    def __init__(self, uuid: str) -> None:
        self.device = ctypes.c_void_p()
        self.library: Any = None
        with contextlib.suppress(OSError):
            library = ctypes.CDLL("libnvidia-ml.so.1")
            if library.nvmlInit_v2() == 0:
                names = (f"{prefix}-{uuid}".encode() for prefix in ("GPU", "MIG"))
                find = library.nvmlDeviceGetHandleByUUID
                if any(find(name, ctypes.byref(self.device)) == 0 for name in names):
                    self.library = library

    def number(self, function: str, *more: int, of: Any = ctypes.c_uint) -> int | None:
        """Return the number that a function writes last, None when there is none."""
        value = of()
        if self.library is None:
            return None
        ask = getattr(self.library, f"nvmlDeviceGet{function}", None)  # an old driver has fewer
        failed = ask is None or ask(self.device, *more, ctypes.byref(value))
        return None if failed else int(value.value)

    def mode(self, function: str) -> bool | None:
        """Return whether a mode that has a current and a pending state is on."""
        now, pending = ctypes.c_uint(), ctypes.c_uint()
        if self.library is None:
            return None
        ask = getattr(self.library, f"nvmlDeviceGet{function}", None)
        failed = ask is None or ask(self.device, ctypes.byref(now), ctypes.byref(pending))
        return None if failed else bool(now.value)

    def driver(self) -> str:
        """Return the version of the driver, empty when it is not known."""
        text = ctypes.create_string_buffer(80)
        if self.library is None or self.library.nvmlSystemGetDriverVersion(text, len(text)):
            return ""
        return text.value.decode()

    def joules(self) -> float | None:
        """Return the energy used since the driver was loaded."""
        found = self.number("TotalEnergyConsumption", of=ctypes.c_ulonglong)
        return None if found is None else found / 1000

    def facts(self) -> dict[str, Any]:
        """Return the settings that decide how fast the card may run."""
        limit, usual = (
            self.number(name) for name in ("EnforcedPowerLimit", "PowerManagementDefaultLimit")
        )
        return {
            "driver": self.driver(),
            "powerLimitWatts": None if limit is None else limit / 1000,
            "defaultPowerLimitWatts": None if usual is None else usual / 1000,
            "smClockMaxMhz": self.number("MaxClockInfo", 1),
            "memoryClockMhz": self.number("ClockInfo", 2),
            "ecc": self.mode("EccMode"),
            "mig": self.mode("MigMode"),
            "pcieGeneration": self.number("CurrPcieLinkGeneration"),
            "pcieWidth": self.number("CurrPcieLinkWidth"),
        }


def _gpu_facts() -> tuple[dict[str, Any], Nvml]:
    import torch

    card = torch.cuda.get_device_properties(0)
    uuid = str(getattr(card, "uuid", ""))
    nvml = Nvml(uuid)
    facts = {
        "gpu": card.name,
        "uuid": uuid,
        "memoryBytes": card.total_memory,
        "multiprocessors": card.multi_processor_count,
        "computeCapability": f"{card.major}.{card.minor}",
        "cuda": torch.version.cuda or "",
        "cudnn": str(torch.backends.cudnn.version() or ""),
    }
    return facts | nvml.facts(), nvml


# --- the models --------------------------------------------------------------------------------
# Written as functions of named weights: what is drawn from the generator, and in which order, is
# then plain to see, and it is that which makes two devices compute the same.


@dataclass
class Draw:
    """Draws weights and data on the CPU, the same ones for the same seed."""

    generator: Any

    def normal(self, *shape: int, scale: float = 1.0) -> Any:
        """Return normally distributed numbers."""
        import torch

        return torch.randn(shape, generator=self.generator) * scale

    def whole(self, top: int, *shape: int) -> Any:
        """Return whole numbers from 0 up to below `top`."""
        import torch

        return torch.randint(0, top, shape, generator=self.generator)


@dataclass
class Model:
    """A network: its weights by name, one batch of data, and how outputs follow from both.

    Attributes:
        weights: Tensors by name; running statistics are not trained.
        inputs: One batch.
        targets: The class of each output.
        forward: Gives the outputs for weights, inputs and whether this is training.
        result: The part of the outputs that a user of the model wants to have.
    """

    weights: dict[str, Any]
    inputs: Any
    targets: Any
    forward: Callable[[dict[str, Any], Any, bool], Any]
    result: Callable[[Any], Any] = lambda outputs: outputs


def mlp(draw: Draw, shape: dict[str, Any], batch: int) -> Model:
    """Return a multilayer perceptron: `layers` matrices with ReLU between them."""
    from torch.nn import functional

    width, layers, classes = shape["width"], shape["layers"], shape["classes"]
    weights = {
        f"{number}": draw.normal(classes if number == layers - 1 else width, width)
        * math.sqrt(2 / width)
        for number in range(layers)
    }

    def forward(given: dict[str, Any], inputs: Any, _: bool) -> Any:
        for number in range(layers - 1):
            inputs = functional.relu(functional.linear(inputs, given[f"{number}"]))
        return functional.linear(inputs, given[f"{layers - 1}"])

    return Model(weights, draw.normal(batch, width), draw.whole(classes, batch), forward)


def resnet(draw: Draw, shape: dict[str, Any], batch: int) -> Model:
    """Return ResNet-50 for `blocks` 3, 4, 6, 3 and `width` 64, the stride in the 3x3 layers.

    K. He and others, Deep Residual Learning for Image Recognition (2016), table 1.
    """
    import torch
    from torch.nn import functional

    weights: dict[str, Any] = {}

    def layer(name: str, inputs: int, outputs: int, kernel: int, gain: float = 1.0) -> None:
        scale = math.sqrt(2 / (inputs * kernel * kernel))
        drawn = draw.normal(outputs, inputs, kernel, kernel, scale=scale)
        weights[name] = drawn.to(memory_format=torch.channels_last)
        weights[f"{name}.scale"] = torch.full((outputs,), gain)
        weights[f"{name}.shift"] = torch.zeros(outputs)
        weights[f"{name}.mean"] = torch.zeros(outputs)
        weights[f"{name}.var"] = torch.ones(outputs)

    def apply(given: dict[str, Any], name: str, inputs: Any, train: bool, stride: int = 1) -> Any:
        kernel = given[name]
        outputs = functional.conv2d(inputs, kernel, stride=stride, padding=kernel.shape[2] // 2)
        more = (given[f"{name}.{part}"] for part in ("mean", "var", "scale", "shift"))
        return functional.batch_norm(outputs, *more, training=train)

    layer("stem", 3, shape["width"], 7)
    blocks = []
    inputs = shape["width"]
    for stage, count in enumerate(shape["blocks"]):
        inner = shape["width"] << stage
        for number in range(count):
            name = f"{stage}.{number}"
            layer(f"{name}.a", inputs, inner, 1)
            layer(f"{name}.b", inner, inner, 3)
            layer(f"{name}.c", inner, 4 * inner, 1, gain=0.25)
            if number == 0:
                layer(f"{name}.skip", inputs, 4 * inner, 1)
            blocks.append((name, 2 if stage and not number else 1, number == 0))
            inputs = 4 * inner
    weights["head"] = draw.normal(shape["classes"], inputs, scale=inputs**-0.5)

    def forward(given: dict[str, Any], images: Any, train: bool) -> Any:
        x = functional.relu(apply(given, "stem", images, train, 2))
        x = functional.max_pool2d(x, 3, stride=2, padding=1)
        for name, stride, widens in blocks:
            y = functional.relu(apply(given, f"{name}.a", x, train))
            y = functional.relu(apply(given, f"{name}.b", y, train, stride))
            y = apply(given, f"{name}.c", y, train)
            x = functional.relu(
                y + (apply(given, f"{name}.skip", x, train, stride) if widens else x)
            )
        return functional.linear(x.mean((2, 3)), given["head"])

    side = shape["side"]
    images = draw.normal(batch, 3, side, side).to(memory_format=torch.channels_last)
    return Model(weights, images, draw.whole(shape["classes"], batch), forward)


def transformer(draw: Draw, shape: dict[str, Any], batch: int) -> Model:
    """Return a causal language model: `layers` pre-norm blocks, four times as wide inside."""
    from torch.nn import functional

    width, heads, words, length = (shape[k] for k in ("width", "heads", "words", "length"))
    scale = width**-0.5
    weights = {"words": draw.normal(words, width), "places": draw.normal(length, width)}
    for number in range(shape["layers"]):
        weights[f"{number}.qkv"] = draw.normal(3 * width, width, scale=scale)
        weights[f"{number}.join"] = draw.normal(width, width, scale=scale)
        weights[f"{number}.up"] = draw.normal(4 * width, width, scale=scale)
        weights[f"{number}.down"] = draw.normal(width, 4 * width, scale=scale / 2)
    weights["head"] = draw.normal(words, width, scale=scale)

    def block(given: dict[str, Any], number: int, x: Any) -> Any:
        shown = functional.layer_norm(x, (width,))
        parts = functional.linear(shown, given[f"{number}.qkv"])
        parts = parts.view(len(x), length, 3, heads, width // heads).transpose(1, 3)
        query, key, value = parts.unbind(2)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        seen = seen.transpose(1, 2).reshape(len(x), length, width)
        x = x + functional.linear(seen, given[f"{number}.join"])
        inner = functional.linear(functional.layer_norm(x, (width,)), given[f"{number}.up"])
        return x + functional.linear(functional.gelu(inner), given[f"{number}.down"])

    def forward(given: dict[str, Any], inputs: Any, _: bool) -> Any:
        x = functional.embedding(inputs, given["words"]) + given["places"]
        for number in range(shape["layers"]):
            x = block(given, number, x)
        return functional.linear(functional.layer_norm(x, (width,)), given["head"])

    text = draw.whole(words, batch, length + 1)
    inputs, targets = text[:, :-1].contiguous(), text[:, 1:].contiguous()
    return Model(weights, inputs, targets, forward, lambda outputs: outputs[:, -1])


MODELS = {"mlp": mlp, "resnet50": resnet, "transformer": transformer}


# --- what is timed -----------------------------------------------------------------------------


@dataclass
class Work:
    """One point, ready to be timed.

    Attributes:
        step: Does the work once, on data that is on the device.
        moved: Does it once from host memory to host memory; None where nothing is moved.
        prove: Does some first steps and tells losses, a sample of the outputs, or an error.
        passes: How many times `prove` does so many steps.
    """

    step: Callable[[], Any]
    moved: Callable[[], Any] | None
    prove: Callable[[int], dict[str, Any]]
    passes: int = 1


def _kind(dtype: str) -> Any:
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(dtype, torch.float32)


def _sampled(outputs: Any) -> list[float]:
    """Return elements of the outputs that lie evenly apart."""
    flat = outputs.detach().flatten()
    each = max(1, flat.numel() // SAMPLE)
    return [float(f"{v:.6g}") for v in flat[::each][:SAMPLE].float().cpu().tolist()]


def _pinned(tensor: Any) -> Any:
    """Return a copy in memory that the GPU can reach by itself."""
    return tensor.cpu().pin_memory()


def matmul(point: dict[str, Any], device: str, draw: Draw) -> Work:
    """Return the product of two square matrices."""
    import torch

    n, kind = point["shape"]["n"], _kind(point["dtype"])
    torch.set_float32_matmul_precision("high" if point["dtype"] == "tf32" else "highest")
    left, right = (draw.normal(n, n).to(kind) for _ in range(2))
    a, b = left.to(device), right.to(device)
    out = torch.empty(n, n, dtype=kind, device=device)

    def step() -> Any:
        return torch.mm(a, b, out=out)

    def prove(steps: int) -> dict[str, Any]:
        for _ in range(steps):
            step()
        # Four rows by sixteen columns against double precision: enough, and cheap for any n.
        rows, columns = (slice(0, n, max(1, n // count)) for count in (4, 16))
        true = left[rows].double() @ right[:, columns].double()
        got = out[rows, columns].double().cpu()
        return {
            "outputs": _sampled(got),
            "error": ((got - true).norm() / true.norm()).item(),
        }

    return Work(step, _there_and_back(step, (left, right), (a, b), out, device), prove)


def _there_and_back(
    step: Callable[[], Any], host: Any, there: Any, out: Any, device: str
) -> Callable[[], Any] | None:
    """Return the work with its data moved to the device and its result back."""
    import torch

    if device == "cpu":
        return None
    pinned = [_pinned(tensor) for tensor in host]
    back = _pinned(out)

    def moved() -> None:
        for target, source in zip(there, pinned, strict=True):
            target.copy_(source, non_blocking=True)
        step()
        back.copy_(out, non_blocking=True)
        torch.cuda.synchronize()

    return moved


def copy(point: dict[str, Any], device: str, draw: Draw) -> Work:
    """Return a copy within the device's memory, or from the host's to the device's."""
    import torch

    mebibyte = draw.normal(2**18)  # drawing all of it would take longer than the timing
    source = mebibyte.repeat(point["shape"]["mib"])
    if point["workload"] == "copy":
        source = source.to(device)
    elif device == "cpu":
        raise NotMeasuredError("there is no GPU to copy to")
    elif point["mode"] == "pinned":
        source = _pinned(source)
    target = torch.empty_like(source, device=device, pin_memory=False)

    def step() -> Any:
        return target.copy_(source, non_blocking=True)

    def prove(steps: int) -> dict[str, Any]:
        for _ in range(steps):
            step()
        same = torch.equal(target, source.to(device))
        return {"outputs": _sampled(target), "error": 0.0 if same else 1.0}

    return Work(step, None, prove)


@dataclass
class Training:
    """A network that is being trained on one batch.

    Below fp32 it computes under autocast with fp32 weights, as training is done in practice.
    """

    model: Model
    weights: dict[str, Any]
    kind: Any
    device: str

    def __post_init__(self) -> None:
        import torch

        learnt = [
            weight.requires_grad_()
            for name, weight in self.weights.items()
            if not name.endswith(("mean", "var"))
        ]
        self.inputs = self.model.inputs.to(self.device)
        self.targets = self.model.targets.to(self.device)
        self.optimizer = torch.optim.SGD(learnt, lr=STEP_SIZE)

    def outputs(self) -> Any:
        """Return what the network gives for its batch."""
        import torch

        with torch.autocast(self.device, dtype=self.kind, enabled=self.kind is not torch.float32):
            return self.model.forward(self.weights, self.inputs, True)

    def step(self) -> Any:
        """Do a step: forward, loss, backward, gradient descent."""
        from torch.nn import functional

        self.optimizer.zero_grad(set_to_none=True)
        scores = self.outputs().float()
        loss = functional.cross_entropy(scores.flatten(0, -2), self.targets.flatten())
        loss.backward()
        self.optimizer.step()
        return loss

    def told(self, steps: int) -> dict[str, Any]:
        """Do some steps and return their losses, and a sample of the outputs after them."""
        import torch

        losses = [self.step().item() for _ in range(steps)]
        with torch.no_grad():
            return {"losses": losses, "outputs": _sampled(self.outputs())}

    def nudged(self, seed: int) -> Training:
        """Return the same with every weight moved by one rounding error, up or down."""
        import torch

        generator = torch.Generator(self.device).manual_seed(seed)

        def moved(weight: Any) -> Any:
            up = torch.empty_like(weight.detach()).bernoulli_(generator=generator) * 2 - 1
            return weight.detach() * (1 + up * ROUNDING)

        weights = {name: moved(weight) for name, weight in self.weights.items()}
        return Training(self.model, weights, self.kind, self.device)


def apart(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how far two lists of numbers lie apart, in parts of the first's length."""
    distance = math.dist(first, second)
    return 0.0 if distance == 0 else distance / max(math.hypot(*first), math.ulp(0.0))


def train(model: Model, kind: Any, device: str) -> Work:
    """Return a training step."""
    weights = {name: tensor.to(device) for name, tensor in model.weights.items()}
    main = Training(model, weights, kind, device)

    def prove(steps: int) -> dict[str, Any]:
        # How far does rounding alone carry it? Normalisation over a few values multiplies errors
        # a hundredfold a step, and two devices that round differently then go different ways.
        other = main.nudged(1).told(steps)
        told = main.told(steps)
        told["rounding"] = max(apart(told[part], other[part]) for part in ("losses", "outputs"))
        return told

    moved = None
    if device != "cpu":
        host = (_pinned(model.inputs), _pinned(model.targets))

        def moved() -> Any:
            main.inputs.copy_(host[0], non_blocking=True)
            main.targets.copy_(host[1], non_blocking=True)
            return main.step().item()

    return Work(main.step, moved, prove, passes=2)


def infer(model: Model, kind: Any, device: str) -> Work:
    """Return a pass through the network, its weights in the given type."""
    import torch

    def typed(tensor: Any) -> Any:
        return tensor.to(kind) if tensor.is_floating_point() else tensor

    weights = {name: typed(tensor).to(device) for name, tensor in model.weights.items()}
    inputs = typed(model.inputs).to(device)

    def step() -> Any:
        with torch.inference_mode():
            return model.forward(weights, inputs, False)

    def prove(steps: int) -> dict[str, Any]:
        return {"outputs": _sampled([step() for _ in range(steps)][-1])}

    moved = None
    if device != "cpu":
        host, back = _pinned(typed(model.inputs)), _pinned(model.result(step()))

        def moved() -> None:
            with torch.inference_mode():
                inputs.copy_(host, non_blocking=True)
                back.copy_(model.result(step()), non_blocking=True)
            torch.cuda.synchronize()

    return Work(step, moved, prove)


def work(point: dict[str, Any], device: str, seed: int) -> Work:
    """Return a point of the plan, ready to be timed.

    Raises:
        NotMeasuredError: The device cannot do it.
    """
    import torch

    if point["dtype"] == "tf32" and device == "cpu":
        raise NotMeasuredError("TF32 is a mode of NVIDIA's tensor cores, no CPU has it")
    draw = Draw(torch.Generator().manual_seed(seed))
    if point["workload"] == "matmul":
        return matmul(point, device, draw)
    if point["workload"] in ("copy", "h2d"):
        return copy(point, device, draw)
    torch.set_float32_matmul_precision("highest")
    model = MODELS[point["workload"]](draw, point["shape"], point["batch"])
    return {"train": train, "infer": infer}[point["mode"]](model, _kind(point["dtype"]), device)


# --- timing ------------------------------------------------------------------------------------


@dataclass
class Rules:
    """How long a timing goes on.

    Attributes:
        precision: Half width of the median's interval, in parts of the median, that is enough.
        until: Time of the monotonic clock after which no repetition begins.
    """

    precision: float
    until: float


def grouped(step: Callable[[], Any], wait: Callable[[], object], until: float) -> int:
    """Return how many steps make a group that is long enough to be timed.

    Args:
        step: What is timed; it may only start the work.
        wait: Returns when all that was started is done.
        until: Time of the monotonic clock at which to be content.
    """
    calls, once = 1, _repetition(step, wait, 1)
    while once * calls < CALL_SECONDS and time.perf_counter() < until:
        calls = min(calls * 10, math.ceil(1.2 * CALL_SECONDS / once))
        once = _repetition(step, wait, calls)
    return calls


def timed(
    step: Callable[[], Any], wait: Callable[[], object], calls: int, rules: Rules
) -> list[float]:
    """Time groups of a step until its median is known well enough.

    Args:
        step: What is timed; it may only start the work.
        wait: Returns when all that was started is done.
        calls: Steps in one group.
        rules: When to stop.

    Returns:
        Seconds a step for each group.
    """
    found = [_repetition(step, wait, calls)]
    while (
        len(found) < MOST
        and time.perf_counter() < rules.until
        and not _sure(found, rules.precision)
    ):
        found.append(_repetition(step, wait, calls))
    return found


def _repetition(step: Callable[[], Any], wait: Callable[[], object], calls: int) -> float:
    wait()
    begun = time.perf_counter()
    for _ in range(calls):
        step()
    wait()
    return (time.perf_counter() - begun) / calls


def _sure(found: list[float], precision: float) -> bool:
    ranks = interval_ranks(len(found), 0.95)
    if len(found) < FEWEST or ranks is None:
        return False
    ordered = sorted(found)
    width = ordered[ranks[1] - 1] - ordered[ranks[0] - 1]
    return width / 2 <= precision * ordered[len(ordered) // 2]


def energy(
    group: Callable[[], Any], read: Callable[[], float | None], until: float
) -> tuple[float | None, str]:
    """Return the energy of one group of steps in joules, or None and why there is none.

    Args:
        group: Does some steps, and returns when they are done.
        read: Tells the joules that were used so far.
        until: Time of the monotonic clock at which it must be over.
    """
    clock = time.perf_counter
    seen, groups = read(), 0
    if seen is None:
        return None, NO_ENERGY
    moves: list[tuple[float, float, int]] = []  # when, joules, groups
    quiet = clock()
    while clock() < until and clock() - quiet < ENERGY_PATIENCE:
        group()
        groups += 1
        now = read()
        if now is not None and now != seen:
            seen, quiet = now, clock()
            moves.append((quiet, now, groups))
            if quiet - moves[0][0] >= ENERGY_SECONDS:
                break
    if len(moves) < 2 or moves[-1][0] - moves[0][0] < ENERGY_SECONDS / 2:  # noqa: PLR2004
        return None, "the time budget left too little for the energy counter"
    (_, before, first), (_, after, last) = moves[0], moves[-1]
    return (after - before) / (last - first), ""


class Bench:
    """Walks a plan on one device and tells what it finds.

    Args:
        plan: `seed`, `steps`, `precision`, `energy`, `budget` and `points`; see `oc_gpu.bench`.
        device: cpu or cuda.
        tell: Takes one record.
    """

    def __init__(
        self, plan: dict[str, Any], device: str, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        self.plan, self.device, self.tell = plan, device, tell
        self.end = time.perf_counter() + plan["budget"]
        self.rates: dict[tuple[str, ...], float] = {}
        self.nvml: Nvml | None = None

    def run(self) -> None:
        """Measure every point; a point that fails is told, and the next one begins."""
        import torch

        # From a cold disk or on a busy machine the import alone takes a minute.
        self.end = time.perf_counter() + self.plan["budget"]
        date = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.tell({"record": "plan", "date": date, "device": self.device, "plan": self.plan})
        facts: dict[str, Any] = {"torch": torch.__version__, "python": platform.python_version()}
        facts |= _cpu_facts()
        if self.device == "cpu":
            _fit_memory()
            torch.set_flush_denormal(True)
        elif not torch.cuda.is_available():
            self.tell({"record": "refused", "reason": "PyTorch sees no NVIDIA GPU here"} | facts)
            return
        else:
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cudnn.benchmark = True
            more, self.nvml = _gpu_facts()
            facts |= more
        self.tell({"record": "machine", "device": self.device, **facts})
        self._warm_up()
        points = self.plan["points"]
        for number, point in enumerate(points):
            self.tell({"record": "start", "id": point["id"]})
            left = len(points) - number
            self.tell({"record": "point", "id": point["id"], **self._point(point, left)})
        gc.unfreeze()  # or libraries complain at the end that their objects are still there
        self.tell({"record": "end"})

    def _warm_up(self) -> None:
        """Let PyTorch load what it loads late, and keep it out of every collection of garbage.

        It has a million objects: looking through them takes longer than most points.
        """
        shape = {"width": 8, "layers": 2, "classes": 8}
        tiny = {"workload": "mlp", "mode": "train", "batch": 2, "dtype": "fp32", "shape": shape}
        work(tiny, self.device, 0).prove(2)
        self._tidy()
        gc.freeze()

    def _point(self, point: dict[str, Any], left: int) -> dict[str, Any]:
        """Return the result of one point, also when there is none."""
        try:
            return {"status": "measured", **self._measured(point, left)}
        except NotMeasuredError as reason:
            return {"status": "not measured", "reason": str(reason)}
        except (RuntimeError, MemoryError) as error:
            text = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            full = isinstance(error, MemoryError) or any(sign in str(error) for sign in _NO_ROOM)
            return {"status": "out of memory" if full else "failed", "reason": text}
        finally:
            self._tidy()

    def _measured(self, point: dict[str, Any], left: int) -> dict[str, Any]:
        kind = (point["workload"], point["mode"], point["dtype"])
        self._check_time(self.rates.get(kind, 0.0) * point["flops"], left)
        throttled = _throttled()
        made = work(point, self.device, self.plan["seed"])
        begun = time.perf_counter()
        found = made.prove(self.plan["steps"])
        self._wait()
        ready = time.perf_counter()
        self._check_time((ready - begun) / self.plan["steps"] / made.passes, 1)
        # What it took to make the work ready counts for all points, the rest is shared evenly. Of
        # a point's time the work alone gets half, with its data moved the other half.
        share = ready + (self.end - ready) / left
        half = share if made.moved is None else (ready + share) / 2
        found |= self._work_alone(made.step, half)
        if found["compute"] and point["flops"]:
            self.rates[kind] = min(found["compute"]) / point["flops"]
        if made.moved is not None:
            calls = grouped(made.moved, self._wait, share)
            found["transfers"] = timed(made.moved, self._wait, calls, self._rules(share))
        now = _throttled()
        found["throttledSeconds"] = None if throttled is None or now is None else now - throttled
        return found

    def _work_alone(self, step: Callable[[], Any], until: float) -> dict[str, Any]:
        calls = grouped(step, self._wait, until)
        told = self._settled(step, calls)
        found = timed(step, self._wait, calls, self._rules(until))
        clock = self.nvml.number("ClockInfo", 1) if self.nvml else None
        return told | {"compute": found, "calls": calls, "smClockMhz": clock}

    def _settled(self, step: Callable[[], Any], calls: int) -> dict[str, Any]:
        """Let the GPU's clock settle under the work, and return the energy of a step meanwhile."""
        if self.device == "cpu":
            return {"joulesReason": NO_ENERGY}

        def group() -> None:
            for _ in range(calls):
                step()
            self._wait()

        if self.plan["energy"] and self.nvml is not None:
            joules, why = energy(group, self.nvml.joules, self.end)
            if joules is not None:
                return {"joules": joules / calls}
        else:
            why = NO_ENERGY if self.nvml is None else "the plan does not ask for it"
        settled = min(time.perf_counter() + SETTLE_SECONDS, self.end)
        while time.perf_counter() < settled:
            group()
        return {"joulesReason": why}

    def _rules(self, until: float) -> Rules:
        return Rules(self.plan["precision"], until)

    def _check_time(self, once: float, left: int) -> None:
        """Refuse a point that would take the time of those after it.

        Args:
            once: Seconds that a step takes, as far as is known.
            left: Points that still wait, this one included.
        """
        seconds = self.end - time.perf_counter()
        if seconds <= 0:
            raise NotMeasuredError("the time budget was spent before its turn")
        proof = self.plan["steps"] * 2 if left > 1 else 0
        needed = once * (proof + 2)
        if needed > seconds * max(0.25, 1 / left):
            points = f"{left} point{'s' * (left > 1)}"
            detail = f"a step takes about {once:.2g} s, {seconds:.2g} s were left for {points}"
            raise NotMeasuredError(f"it takes too long for the time budget ({detail})")

    def _wait(self) -> None:
        if self.device != "cpu":
            import torch

            torch.cuda.synchronize()

    def _tidy(self) -> None:
        gc.collect()
        if self.device != "cpu":
            import torch

            with contextlib.suppress(RuntimeError):
                torch.cuda.empty_cache()


def _throttled(proc: Path = Path("/proc"), sysfs: Path = Path("/sys")) -> float | None:
    """Return the seconds for which the control group's quota held this process back so far."""
    for text in _group_files(proc, sysfs, "", "cpu.stat"):
        for line in text.splitlines():
            if line.startswith("throttled_usec"):
                return int(line.split()[1]) / 1e6
    return None


def _plan(options: argparse.Namespace) -> dict[str, Any]:
    """Return the plan with what it leaves open filled in."""
    text = "{}"
    if options.plan:
        text = sys.stdin.read() if options.plan == "-" else Path(options.plan).read_text()
    plan: dict[str, Any] = {"seed": 0, "steps": 3, "precision": 0.02, "energy": True}
    plan |= {"budget": 60.0, "points": []} | json.loads(text)
    asked = [*plan["points"], *(json.loads(text) for text in options.point)]
    usual = {"mode": "", "batch": 1, "dtype": "fp32", "flops": 0}
    plan["points"] = [{"id": str(n), **usual, **point} for n, point in enumerate(asked)]
    return plan


@contextlib.contextmanager
def _teller(path: str | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(Path(path).open("w")) if path else sys.stdout

        def tell(record: dict[str, Any]) -> None:
            stream.write(json.dumps(record) + "\n")
            stream.flush()

        yield tell


def main() -> int:
    """Measure what the command line asks for; 1 when nothing could be measured."""
    parser = argparse.ArgumentParser(description="Time PyTorch workloads on one device.")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--plan", metavar="FILE", help="a plan as JSON, - for stdin")
    parser.add_argument("--point", metavar="JSON", action="append", default=[])
    parser.add_argument("--out", metavar="FILE", help="write the records there")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")  # none is needed
    gc.disable()
    with _teller(options.out) as tell:
        try:
            Bench(_plan(options), options.device, tell).run()
        except ImportError as error:
            tell({"record": "refused", "reason": f"PyTorch cannot be used here: {error}"})
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
