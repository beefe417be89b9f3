"""Suites and plans."""

import pytest

from oc_gpu.bench import catalogue
from oc_gpu.kube.errors import UsageError


@pytest.mark.parametrize("suite", list(catalogue.SUITES))
def test_points_of_a_suite_have_names_of_their_own_and_the_cheapest_come_first(suite: str) -> None:
    points = catalogue.plan(suite).points
    assert len({point.id for point in points}) == len(points)
    assert [p.flops for p in points] == sorted(p.flops for p in points)


@pytest.mark.parametrize("suite", list(catalogue.SUITES))
def test_suites_hold_every_workload(suite: str) -> None:
    assert {point.workload for point in catalogue.plan(suite).points} == set(catalogue.TITLES)


def test_matrix_products_are_made_in_every_type() -> None:
    points = catalogue.plan("quick", ["matmul"]).points
    assert {point.dtype for point in points} == {"fp32", "tf32", "bf16", "fp16"}


def test_other_batches_go_to_networks_only() -> None:
    points = catalogue.plan("quick", ["matmul", "mlp"], [3, 3, 5]).points
    assert {p.batch for p in points if p.workload == "mlp"} == {3, 5}
    assert {p.batch for p in points if p.workload == "matmul"} == {1}


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no model resnet51") as caught:
        catalogue.plan("quick", ["mlp", "resnet51"])
    assert caught.value.exit_code == 2
    assert "matmul, copy, h2d, mlp, resnet50, transformer" in caught.value.hints[0]


def test_a_cpu_gets_no_points_that_it_cannot_have() -> None:
    whole = catalogue.plan("quick")
    there = catalogue.for_device(whole, "cpu", 5.0)
    assert there.budget == 5.0
    assert {p.workload for p in there.points}.isdisjoint({"h2d"})
    assert "tf32" not in {p.dtype for p in there.points}
    assert catalogue.for_device(whole, "cuda", 5.0).points == whole.points
