"""Whether the driver build of a cluster needs a subscription."""

from msgspec import Struct

from oc_gpu.facts.model import EntitlementRule, GpuOperatorRelease
from oc_gpu.facts.openshift import openshift_release, openshift_releases
from oc_gpu.facts.versions import numbers

Known = bool | None
"""Seen, missing, or None: not known."""


class Decision(Struct, frozen=True):
    """A decision with its reason (one clause).

    Attributes:
        needed: Whether it is needed.
        reason: Why.
        warning: What should be put right first, empty when nothing.
    """

    needed: bool
    reason: str
    warning: str = ""


def entitlement_needed(
    openshift_version: str,
    operator_release: GpuOperatorRelease | None,
    dtk_present: Known = None,
) -> Decision:
    """Decide whether nodes need a subscription certificate for the driver to be built.

    Args:
        openshift_version: Such as `4.9.11`; without a patch number the release counts as its
            first patch.
        operator_release: GPU Operator that will be there; None when it is not known.
        dtk_present: Whether the image stream openshift/driver-toolkit is there.
    """
    release = openshift_release(openshift_version)
    name = f"OpenShift {release.version}"
    if release.entitlement.needed == "yes":
        return Decision(needed=True, reason=f"{name} has no Driver Toolkit{_FROM_PACKAGES}")
    if release.entitlement.needed == "no":
        warning = _warning(release.entitlement, openshift_version, dtk_present)
        return Decision(needed=False, reason=f"{name} {_BY_TOOLKIT}", warning=warning)
    obstacle = _obstacle(release.entitlement, openshift_version, operator_release, dtk_present)
    if obstacle:
        return Decision(needed=True, reason=f"{obstacle}{_FROM_PACKAGES}")
    return Decision(needed=False, reason=f"OpenShift {openshift_version} {_BY_TOOLKIT}")


def trial_image() -> str:
    """Return the UBI image in which a certificate is tried out before there is a cluster.

    It is that of the newest release whose driver build may need a certificate.
    """
    needing = [row for row in openshift_releases() if row.entitlement.needed != "no"]
    return needing[-1].ubi


_FROM_PACKAGES = ": the driver is built from packages, which need a subscription"
_BY_TOOLKIT = "builds the driver with its Driver Toolkit"
_MISSING = "the image stream openshift/driver-toolkit is missing"


def _warning(rule: EntitlementRule, version: str, dtk_present: Known) -> str:
    if version in rule.broken:
        return f"the Driver Toolkit of OpenShift {version} is broken: update OpenShift first"
    return f"{_MISSING}: restore it first" if dtk_present is False else ""


def _obstacle(
    rule: EntitlementRule, version: str, operator: GpuOperatorRelease | None, dtk_present: Known
) -> str:
    """Return what keeps the Driver Toolkit from building, empty when nothing does."""
    if version in rule.broken:
        return f"the Driver Toolkit of OpenShift {version} is broken"
    if numbers(version) < numbers(rule.patch_since):
        return f"the Driver Toolkit works from OpenShift {rule.patch_since} on, this is {version}"
    if operator is not None and numbers(operator.version) < numbers(rule.operator_since):
        return f"GPU Operator {operator.version} does not use the Driver Toolkit"
    if dtk_present is False:
        return _MISSING
    if rule.proof and not dtk_present:
        return "the image stream openshift/driver-toolkit was not seen"
    return ""
