"""Operations and bytes against numbers that are published or easily counted by hand."""

import pytest

from oc_gpu.bench import arithmetic, catalogue


def test_resnet_has_the_products_that_are_published() -> None:
    found = catalogue.point("resnet50", "infer", "224px", 1, "fp32")
    assert found.flops / 2 == pytest.approx(4.09e9, rel=1e-3)


def test_resnet_has_the_weights_that_are_published() -> None:
    # torchvision: 25,557,032 parameters, of which 53,120 are of batch norms and 1,000 a bias.
    layers = arithmetic.resnet(catalogue.SHAPES["resnet50"]["224px"])
    assert sum(layer.weights for layer in layers) == 25_557_032 - 53_120 - 1_000


def test_a_matrix_product_does_two_operations_for_each_product() -> None:
    assert arithmetic.counted("matmul", "", 1, "bf16", {"n": 10}) == (2000, 600)


def test_a_training_step_costs_three_passes() -> None:
    once, thrice = (
        catalogue.point("mlp", mode, "small", 8, "fp32").flops for mode in ("infer", "train")
    )
    assert thrice == 3 * once
    assert once == 2 * 8 * (3 * 256 * 256 + 256 * 1000)


def test_transformer_has_twelve_times_its_width_squared_a_word() -> None:
    shape = {"width": 8, "layers": 1, "length": 4, "words": 16}
    operations, _ = arithmetic.counted("transformer", "infer", 1, "fp32", shape)
    assert operations == 2 * (4 * 12 * 8 * 8 + 2 * 4 * 4 * 8 + 4 * 8 * 16)


def test_copies_count_what_is_read_and_what_is_written() -> None:
    assert arithmetic.counted("copy", "", 1, "fp32", {"mib": 3}) == (0, 6 * 2**20)
    assert arithmetic.counted("h2d", "pinned", 1, "fp32", {"mib": 3}) == (0, 3 * 2**20)


def test_larger_batches_move_weights_no_more_often() -> None:
    one, two = (catalogue.point("mlp", "infer", "large", b, "fp32").bytes for b in (1, 2))
    assert one < two < 1.01 * one
