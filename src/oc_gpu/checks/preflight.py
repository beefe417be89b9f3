"""The checks before the road: can this cluster get GPUs, and what would stop it."""

from oc_gpu.checks import cluster, hardware, olm, subscription
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
    cluster.NODES,
    cluster.PROXY,
    subscription.ENTITLEMENT,
    cluster.POOLS,
    olm.OFFERED,
    olm.GROUPS,
    olm.EXISTING,
    subscription.DRIVER_TOOLKIT,
    hardware.SECURE_BOOT,
    hardware.GPU_NODES,
)
"""All of them, in causal order."""
