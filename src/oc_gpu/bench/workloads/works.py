"""What a point of the plan is made of: something to do, and its proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SAMPLE = 64
"""Elements of the outputs that are told."""


class NotMeasuredError(Exception):
    """A point cannot be measured here; the text says why."""


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


def torch_type(dtype: str) -> Any:
    """Return PyTorch's type for the name of one; fp32 and tf32 are stored alike."""
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(dtype, torch.float32)


def sampled(outputs: Any) -> list[float]:
    """Return elements of the outputs that lie evenly apart."""
    flat = outputs.detach().flatten()
    each = max(1, flat.numel() // SAMPLE)
    return [float(f"{v:.6g}") for v in flat[::each][:SAMPLE].float().cpu().tolist()]


def pinned(tensor: Any) -> Any:
    """Return a copy in memory that the GPU can reach by itself."""
    return tensor.cpu().pin_memory()
