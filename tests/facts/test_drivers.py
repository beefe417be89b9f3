"""Facts of drivers."""

import pytest

from oc_gpu.facts import (
    cuda_sample,
    driver_branch,
    driver_for,
    drives,
    gpu_operator_release,
    gpu_operator_releases,
)
from oc_gpu.facts.drivers import drivers


@pytest.mark.parametrize(
    ("version", "architecture", "works"),
    [
        ("450.80.02", "Turing", True),
        ("450.80.02", "Hopper", False),
        ("440.64.00", "Ampere", False),
        ("535.104.05", "Hopper", True),
        ("570.124.06", "Blackwell", True),
        ("550.54.15", "Blackwell", False),
        ("580.126.20", "Maxwell", True),
        ("595.91.07", "Volta", False),
        ("470.82.01", "Kepler", True),
        ("510.47.03", "Kepler", False),
    ],
)
def test_a_branch_drives_its_range_of_architectures(
    version: str,
    architecture: str,
    works: bool,  # noqa: FBT001  # a column of the table
) -> None:
    assert drives(driver_branch(version), architecture) is works


def test_an_unknown_branch_is_like_the_one_before_it() -> None:
    assert driver_branch("599.1.2").number == 595
    assert driver_branch("390.1.2").number == 440


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="Voodoo"):
        drives(driver_branch("580.1.1"), "Voodoo")


@pytest.mark.parametrize("release", gpu_operator_releases(), ids=lambda r: r.version)
def test_every_operator_s_driver_belongs_to_a_known_branch(release: object) -> None:
    version = release.driver  # type: ignore[attr-defined]
    assert driver_branch(version).number == int(version.split(".")[0])


def test_branches_stand_in_order_and_name_known_architectures() -> None:
    about = drivers()
    numbers = [branch.number for branch in about.branches]
    assert numbers == sorted(numbers)
    for branch in about.branches:
        assert {branch.oldest, branch.newest} <= set(about.architectures)


def test_the_operator_s_own_driver_is_left_to_it() -> None:
    choice = driver_for("4.20.4", gpu_operator_release("25.10.1"))
    assert (choice.version, choice.image) == ("580.105.08", None)


@pytest.mark.parametrize(
    ("openshift", "operator", "pinned"),
    [("4.12.9", "25.3.1", True), ("4.12.9", "25.3.0", False), ("4.13.1", "25.3.2", False)],
)
def test_4_12_gets_a_driver_that_starts(
    openshift: str,
    operator: str,
    pinned: bool,  # noqa: FBT001  # a column of the table
) -> None:
    choice = driver_for(openshift, gpu_operator_release(operator))
    assert (choice.image is not None) is pinned
    if choice.image:
        assert choice.image.version == choice.version


@pytest.mark.parametrize(
    ("driver", "part"), [("440.64.00", "10.2"), ("450.80.02", "11.7"), ("580.1.1", "12.5")]
)
def test_the_sample_image_is_the_newest_that_the_driver_runs(driver: str, part: str) -> None:
    sample = cuda_sample(driver)
    assert f"cuda{part}" in sample.image
    assert sample.program.endswith("vectorAdd")
