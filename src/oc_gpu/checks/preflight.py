"""The checks before the road: can this cluster get GPUs, and what would stop it."""

from oc_gpu.checks import (
    cluster,
    conflicts,
    draining,
    hardware,
    machines,
    olm,
    software,
    subscription,
    taints,
    way_out,
)
from oc_gpu.checks.catalogue import Check, run_all
from oc_gpu.checks.context import inputs
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.stages.context import Context


def obstacles(context: Context) -> tuple[Finding, ...]:
    """Return the findings for which a cluster cannot get GPUs as it is."""
    found = run_all(CHECKS, inputs(context))
    return tuple(finding for finding in found if finding.severity is Severity.ERROR)


CHECKS: tuple[Check[Inputs], ...] = (
    cluster.SOURCES,
    cluster.RIGHTS,
    cluster.RELEASE,
    cluster.UPDATE,
    cluster.NODES,
    cluster.PROXY,
    way_out.NO_PROXY,
    way_out.TRUSTED_CA,
    way_out.REGISTRY,
    subscription.ENTITLEMENT,
    cluster.POOLS,
    draining.DISRUPTION,
    software.CATALOGS,
    olm.OFFERED,
    software.BUILDS,
    olm.GROUPS,
    olm.EXISTING,
    conflicts.CONFLICTS,
    conflicts.LEFTOVERS,
    subscription.DRIVER_TOOLKIT,
    software.TOOLKIT_TAGS,
    hardware.SECURE_BOOT,
    machines.NOUVEAU,
    machines.HOST_DRIVER,
    software.CARDS,
    software.VIRTUAL,
    taints.TAINTS,
    hardware.GPU_NODES,
    machines.BARS,
    machines.IOMMU,
)
"""All of them, in causal order."""
