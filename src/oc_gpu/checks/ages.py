"""What is still under way: young enough that nothing need be wrong with it.

A rollout takes its time, and a cluster in the middle of one is not ill. Where the time of the
snapshot is not known, nothing counts as young.
"""

from datetime import datetime

from oc_gpu.checks.case import Case, conditions, spec, status
from oc_gpu.checks.components import DRIVER, GPU_STACK, NFD
from oc_gpu.checks.troubles import Trouble
from oc_gpu.kube import RawObject

START = 25 * 60.0
"""Seconds that a pod of the stack may take: the startup probe of the driver, which all others
wait for, gives its build 60 s + 120 x 10 s (gpu-operator, assets/state-driver/0500_daemonset.yaml),
and images of some GiB come first."""
CSV = 60.0
"""Seconds that OLM may take to make what a CSV requires; its InstallPlans try for as long
(operator-lifecycle-manager, defaultInstallPlanTimeout)."""
NODE = 40 * 60.0
"""Seconds that a node may take in a MachineConfig rollout: drain, update and reboot."""


def age(case: Case, stamp: str | None) -> float | None:
    """Return how many seconds before the snapshot something was; None when that is not known."""
    if not stamp or not case.snapshot.now:
        return None
    try:
        return max(0.0, case.snapshot.now - datetime.fromisoformat(stamp).timestamp())
    except ValueError:
        return None


def is_starting(case: Case, one: Trouble) -> bool:
    """Tell whether a pod only waits, has never failed, and is young."""
    since = age(case, one.pod.metadata.creation_timestamp)
    return not one.fails and not one.restarts and since is not None and since < START


def stack_is_starting(case: Case) -> bool:
    """Tell whether all that waits on the GPU stack is young, or waits for a driver that is."""
    troubles = case.troubles_of(*GPU_STACK, *NFD)
    drivers = {t.pod.spec.node_name for t in case.troubles_of(DRIVER) if is_starting(case, t)}
    return bool(troubles) and all(
        is_starting(case, t) or (not t.fails and t.pod.spec.node_name in drivers) for t in troubles
    )


def is_installing(case: Case, csv: RawObject) -> bool:
    """Tell whether OLM has only just begun with a CSV, so that it lacks what is being made."""
    since = age(case, status(csv).get("lastTransitionTime"))
    return since is not None and since < CSV


def is_rolling(case: Case, pool: RawObject) -> bool:
    """Tell whether a MachineConfigPool is no later than its machines would make it."""
    since = age(case, str(conditions(pool).get("Updating", {}).get("lastTransitionTime") or ""))
    done = int(status(pool).get("updatedMachineCount") or 0)
    return not spec(pool).get("paused") and since is not None and since < NODE * (done + 1)
