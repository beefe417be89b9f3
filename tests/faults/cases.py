"""What has to come of each fault: one record a fault, beside the record of the fault itself."""

from msgspec import Struct

from oc_gpu.checks.causes.nodes import SILENCE
from oc_gpu.checks.stalled import LASTS
from oc_gpu.rollout.stalling import AGAIN


class Expected(Struct, frozen=True):
    """What `enable` and the doctor have to say of a fault.

    Attributes:
        fault: Its name.
        cause: Slug of the cause that `enable` names; empty where the taxonomy has none for it.
        object: Beginning of the name of an object that it names.
        sign: Text by which the cause first is to be seen in the cluster: in an object or a log.
        scenario: Where it is tried.
        within: Simulated seconds between the sign and the stop.
        pause: Simulated seconds that pass between the lifting and the next `enable`: what the
            kubelet or a controller takes at most before it tries again.
        later: Slug that the walk without the checks and the doctor name, where it is another one.
        completes: Whether the road is walked to its end in spite of the fault, as in life.
        only_checked: Whether only the checks before the road mind it.
    """

    fault: str
    cause: str
    object: str
    sign: str
    scenario: str = "ocp-4.20"
    within: float = AGAIN
    pause: float = 0.0
    later: str = ""
    completes: bool = False
    only_checked: bool = False


_A100 = "Node/gpu-a100-0"

_TRIED_AGAIN = 330.0
"""The kubelet's longest back-off, five minutes, and a little."""
_UP_AGAIN = 6 * 60.0
"""A machine that has its power back boots, and its kubelet reports."""
_BESIDE = 60.0
"""A stage that has failed by itself lets the others go on as far as they come."""
_REPEATED = LASTS + 2 * AGAIN
"""What may pass by itself has to stand for a while."""

CASES: tuple[Expected, ...] = (
    Expected("secure-boot", "secure-boot-enabled", _A100, "Required key not available"),
    Expected("nouveau", "nouveau-loaded", _A100, "already bound to nouveau"),
    Expected("host-driver", "host-driver-installed", _A100, "already pre-installed on the node"),
    Expected(
        "two-operatorgroups",
        "olm-multiple-operatorgroups",
        "OperatorGroup/gpu-group",
        '"name":"gpu-operator-certified"',
    ),
    Expected(
        "no-entitlement",
        "entitlement-stale",
        "Pod/",
        "No matches found",
        "seed",
    ),
    Expected(
        "expired-entitlement",
        "entitlement-stale",
        "Pod/",
        "No matches found",
        "seed",
    ),
    Expected(
        "proxy-missing",
        "registry-unreachable",
        "Pod/",
        "dial tcp: i/o timeout",
        "seed",
        pause=_TRIED_AGAIN,
    ),
    Expected(
        "proxy-unreachable",
        "proxy-unreachable",
        "Pod/",
        "proxyconnect tcp",
        "seed",
        pause=_TRIED_AGAIN,
    ),
    Expected(
        "ca-untrusted",
        "registry-ca-untrusted",
        "Pod/",
        "x509: certificate signed by unknown authority",
        pause=_TRIED_AGAIN,
    ),
    Expected(
        "catalog-down",
        "olm-catalogsource-unhealthy",
        "CatalogSource/certified-operators",
        "TRANSIENT_FAILURE",
        within=_BESIDE,
    ),
    Expected(
        "installplan-manual",
        "olm-installplan-awaiting-approval",
        "InstallPlan/",
        "RequiresApproval",
    ),
    Expected(
        "mcp-paused",
        "mcp-paused",
        "MachineConfigPool/worker",
        '"paused":true',
        "seed",
        within=_BESIDE,
    ),
    Expected(
        "mcp-degraded",
        "mcp-config-drift",
        "MachineConfigPool/worker",
        "content mismatch for file",
        "seed",
    ),
    Expected(
        "drain-blocked-by-pdb", "drain-blocked-by-pdb", "Node/", '"unschedulable":true', "seed"
    ),
    Expected(
        "nfd-missing",
        "olm-package-not-in-catalog",
        "",
        "openshift-marketplace",
        later="nfd-missing",
        within=_BESIDE,
    ),
    Expected(
        "nfd-stale-labels",
        "nfd-stale-labels",
        _A100,
        "Driver Toolkit is for kernel",
        pause=_TRIED_AGAIN,
        within=_REPEATED,
    ),
    Expected(
        "dtk-tag-missing", "dtk-image-missing", _A100, "entitlement may be improperly deployed"
    ),
    Expected(
        "untolerated-taint",
        "operand-missing-toleration",
        _A100,
        '"app":"nfd-worker"',
        later="nfd-worker-not-tolerating-taint",
    ),
    Expected(
        "driver-image-missing",
        "driver-image-tag-missing",
        "Pod/",
        "manifest unknown",
        pause=_TRIED_AGAIN,
    ),
    Expected(
        "pull-secret",
        "registry-auth-forbidden",
        "Pod/",
        "unauthorized: authentication required",
        pause=_TRIED_AGAIN,
    ),
    Expected("gpu-too-old-for-driver", "gpu-too-old-for-driver", _A100, "Legacy drivers"),
    Expected("registry-storage-missing", "", "", "storage backend not configured", completes=True),
    Expected("quota", "quota-priorityclass", "", "exceeded quota"),
    Expected("webhook-denies", "webhook-denied", "", "denied the request"),
    Expected(
        "node-not-ready",
        "node-not-ready",
        _A100,
        "Kubelet stopped posting",
        within=SILENCE + _BESIDE,
        pause=_UP_AGAIN,
    ),
    Expected("gpu-falls-off-bus", "gpu-fallen-off-bus", _A100, "has fallen off the bus"),
    Expected(
        "upgrade-in-progress",
        "",
        "ClusterVersion/version",
        "Working towards 4.20.5",
        only_checked=True,
    ),
)
