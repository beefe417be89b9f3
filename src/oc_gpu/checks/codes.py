"""All checks of the product by code: what `explain` and the documentation know."""

from typing import Any

from oc_gpu.checks import doctor, preflight, verify
from oc_gpu.checks.catalogue import Check


def every() -> tuple[Check[Any], ...]:
    """Return all checks: before the road, after it, and the doctor's."""
    return (*preflight.CHECKS, *verify.CHECKS, *doctor.CHECKS)
