"""What is true of NVIDIA drivers."""

from functools import cache
from typing import Literal

from msgspec import Struct

from oc_gpu.facts.loading import convert, read
from oc_gpu.facts.model import (
    CudaSample,
    DriverBranch,
    DriverImage,
    DriversFile,
    GpuOperatorRelease,
)
from oc_gpu.facts.versions import numbers, within


@cache
def drivers() -> DriversFile:
    """Return everything that is known of drivers."""
    return convert(read("drivers.yaml"), DriversFile)


def driver_branch(version: str) -> DriverBranch:
    """Return the branch of a driver version; an unknown one is like the branch before it.

    >>> driver_branch("450.80.02").cuda
    '11.0'
    """
    number = numbers(version)[0]
    known = drivers().branches
    return next((b for b in reversed(known) if b.number <= number), known[0])


def drives(branch: DriverBranch, architecture: str) -> bool:
    """Tell whether cards of an architecture work with a branch.

    Raises:
        ValueError: The architecture is not known.
    """
    known = drivers().architectures
    if architecture not in known:
        message = f"unknown GPU architecture {architecture!r}; known are {', '.join(known)}"
        raise ValueError(message)
    rank = known.index
    return rank(branch.oldest) <= rank(architecture) <= rank(branch.newest)


def is_older(architecture: str, than: str) -> bool:
    """Tell whether an architecture is before another one."""
    rank = drivers().architectures.index
    return rank(architecture) < rank(than)


def fitting_branch(architecture: str) -> int:
    """Return the newest branch that drives an architecture.

    >>> fitting_branch("Volta")
    580
    """
    return max(b.number for b in drivers().branches if drives(b, architecture))


def chooses_modules(operator: str) -> bool:
    """Tell whether a release of the GPU Operator chooses the kernel modules by the card."""
    return numbers(operator) >= numbers(drivers().modules.chosen_since)


def wrong_modules(architecture: str, modules: str) -> Literal["open", "proprietary"] | None:
    """Return the kernel modules that a card needs where others are built, None where they fit.

    >>> wrong_modules("Blackwell", "proprietary")
    'open'
    """
    known = drivers().modules
    if modules == "open" and is_older(architecture, known.open_from):
        return "proprietary"
    if modules == "proprietary" and not is_older(architecture, known.open_only_from):
        return "open"
    return None


class DriverChoice(Struct, frozen=True):
    """Which driver a cluster gets.

    Attributes:
        version: Version of the driver.
        image: What to write into the ClusterPolicy; None leaves it to the operator.
        reason: Why (one clause).
    """

    version: str
    image: DriverImage | None
    reason: str


def driver_for(openshift_version: str, operator: GpuOperatorRelease) -> DriverChoice:
    """Return the driver for a cluster with a GPU Operator release."""
    for pin in drivers().pins:
        if within(openshift_version, pin.openshift) and (
            numbers(operator.version) >= numbers(pin.operator_since)
        ):
            return DriverChoice(pin.image.version, pin.image, pin.reason)
    reason = f"the driver that GPU Operator {operator.version} brings"
    return DriverChoice(operator.driver, None, reason)


def pytorch_image(branch: int | None) -> str:
    """Return the PyTorch image for a driver branch: the newest that it runs.

    Args:
        branch: First number of the driver's version, None where it is not known.

    >>> pytorch_image(470).partition(":")[2]
    '2.7.1-cuda11.8-cudnn9-runtime'
    """
    known = drivers().pytorch
    fitting = (p for p in reversed(known) if branch is None or p.driver <= branch)
    return next(fitting, known[0]).image


def cuda_sample(driver_version: str) -> CudaSample:
    """Return the CUDA sample image for a driver: the newest that it runs."""
    number = numbers(driver_version)[0]
    known = drivers().samples
    return next((s for s in reversed(known) if s.driver <= number), known[0])
