"""The checks before the road: can this cluster get GPUs, and what would stop it."""

from oc_gpu.checks import cluster, hardware, olm, subscription
from oc_gpu.checks.catalogue import Check
from oc_gpu.checks.inputs import Inputs

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
