"""Operations and bytes of the workloads, counted from their shapes.

A multiplication and an addition are two operations. Only matrix products and convolutions count,
as in the papers of the networks: the rest is less than a hundredth of the operations (though not
of the bytes). A training step costs three passes: each layer's product is followed, on the way
back, by one for the gradient of its inputs and one for the gradient of its weights (J. Kaplan and
others, Scaling Laws for Neural Language Models (2020), section 2.1; the first layer of a network
needs no gradient of its inputs, so that a step is counted a little too high there).

Bytes are those of a layer's inputs, weights and outputs, each once: what must move at least when
layers run one by one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

DTYPE_BYTES: Mapping[str, int] = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}
PASSES: Mapping[str, int] = {"train": 3, "infer": 1}
Shape = Mapping[str, Any]


class Layer(Struct, frozen=True):
    """One product of a layer, for one sample; weights are shared by the batch.

    Attributes:
        products: Multiplications, each with an addition.
        moved: Numbers that go in and come out.
        weights: Numbers that it multiplies with.
    """

    products: int
    moved: int
    weights: int


def counted(workload: str, mode: str, batch: int, dtype: str, shape: Shape) -> tuple[int, int]:
    """Return operations and bytes of one step."""
    size = DTYPE_BYTES[dtype]
    if workload == "matmul":
        n = int(shape["n"])
        return 2 * n**3, 3 * n * n * size
    if workload == "copy":  # every byte is read once and written once
        return 0, 2 * int(shape["mib"]) * 2**20
    if workload == "h2d":
        return 0, int(shape["mib"]) * 2**20
    layers = list(LAYERS[workload](shape))
    passes = PASSES[mode]
    operations = 2 * batch * sum(layer.products for layer in layers)
    moved = sum(batch * layer.moved + layer.weights for layer in layers)
    return passes * operations, passes * moved * size


def _linear(rows: int, inputs: int, outputs: int) -> Layer:
    return Layer(rows * inputs * outputs, rows * (inputs + outputs), inputs * outputs)


def mlp(shape: Shape) -> Iterator[Layer]:
    """Yield the layers of the perceptron."""
    for _ in range(shape["layers"] - 1):
        yield _linear(1, shape["width"], shape["width"])
    yield _linear(1, shape["width"], shape["classes"])


def _convolution(side: int, inputs: int, outputs: int, kernel: int, stride: int = 1) -> Layer:
    after = -(-side // stride)
    weights = inputs * outputs * kernel * kernel
    return Layer(after**2 * weights, side**2 * inputs + after**2 * outputs, weights)


def resnet(shape: Shape) -> Iterator[Layer]:
    """Yield the layers of ResNet; 4.09e9 products for ResNet-50 at 224 pixels.

    That number: torchvision's documentation of `resnet50`, "GFLOPS 4.09", which counts products.
    """
    width = shape["width"]
    yield _convolution(shape["side"], 3, width, 7, 2)
    side = -(-shape["side"] // 4)  # the first convolution and the pooling after it
    inputs = width
    for stage, count in enumerate(shape["blocks"]):
        inner = width << stage
        for number in range(count):
            stride = 2 if stage and not number else 1
            yield _convolution(side, inputs, inner, 1)
            yield _convolution(side, inner, inner, 3, stride)
            if not number:
                yield _convolution(side, inputs, 4 * inner, 1, stride)
            side = -(-side // stride)
            yield _convolution(side, inner, 4 * inner, 1)
            inputs = 4 * inner
    yield _linear(1, inputs, shape["classes"])


def transformer(shape: Shape) -> Iterator[Layer]:
    """Yield the products of the transformer: 12 width^2 a word and block, attention, the head.

    Attention is counted in full, as in the papers: a kernel that leaves out what the causal mask
    hides does half of it.
    """
    width, length = shape["width"], shape["length"]
    for _ in range(shape["layers"]):
        for inputs, outputs in ((width, 3 * width), (width, width)):
            yield _linear(length, inputs, outputs)
        yield _linear(length, width, 4 * width)
        yield _linear(length, 4 * width, width)
        # Scores and their product with the values; a fused kernel keeps the scores to itself.
        yield Layer(2 * length * length * width, 4 * length * width, 0)
    yield _linear(length, width, shape["words"])


LAYERS = {"mlp": mlp, "resnet50": resnet, "transformer": transformer}
