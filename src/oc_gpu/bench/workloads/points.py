"""From a point of the plan to the work that is timed."""

from __future__ import annotations

from typing import Any

from .models import MODELS, Draw
from .networks import infer, train
from .raw import copy, matmul
from .works import NotMeasuredError, Work, torch_type


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
    return {"train": train, "infer": infer}[point["mode"]](
        model, torch_type(point["dtype"]), device
    )
