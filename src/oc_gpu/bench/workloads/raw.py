"""Products of matrices and copies: what the device itself is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .models import Draw
from .works import NotMeasuredError, Work, pinned, sampled, torch_type


def matmul(point: dict[str, Any], device: str, draw: Draw) -> Work:
    """Return the product of two square matrices."""
    import torch

    n, kind = point["shape"]["n"], torch_type(point["dtype"])
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
            "outputs": sampled(got),
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
    sources = [pinned(tensor) for tensor in host]
    back = pinned(out)

    def moved() -> None:
        for target, source in zip(there, sources, strict=True):
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
        source = pinned(source)
    target = torch.empty_like(source, device=device, pin_memory=False)

    def step() -> Any:
        return target.copy_(source, non_blocking=True)

    def prove(steps: int) -> dict[str, Any]:
        for _ in range(steps):
            step()
        same = torch.equal(target, source.to(device))
        return {"outputs": sampled(target), "error": 0.0 if same else 1.0}

    return Work(step, None, prove)
