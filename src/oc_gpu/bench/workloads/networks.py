"""Training and inference of a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .models import Model
from .works import Work, pinned, sampled

ROUNDING = 2.0**-23
"""Relative distance of neighbouring fp32 numbers."""
STEP_SIZE = 1e-3
"""Learning rate: small, so that rounding does not grow from step to step."""


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
            return {"losses": losses, "outputs": sampled(self.outputs())}

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
        host = (pinned(model.inputs), pinned(model.targets))

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
        return {"outputs": sampled([step() for _ in range(steps)][-1])}

    moved = None
    if device != "cpu":
        host, back = pinned(typed(model.inputs)), pinned(model.result(step()))

        def moved() -> None:
            with torch.inference_mode():
                inputs.copy_(host, non_blocking=True)
                back.copy_(model.result(step()), non_blocking=True)
            torch.cuda.synchronize()

    return Work(step, moved, prove)
