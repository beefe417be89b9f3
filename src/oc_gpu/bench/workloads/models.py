"""The networks that are trained and asked.

Written as functions of named weights: what is drawn from the generator, and in which order, is then
plain to see, and it is that which makes two devices compute the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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
