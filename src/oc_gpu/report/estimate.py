"""How long a road takes on real machines: a rule of thumb, and told as one."""

import math
from collections.abc import Iterable

from oc_gpu.report.documents import Estimate, Reboot
from oc_gpu.snapshot.model import Snapshot, spec_of
from oc_gpu.stages import pools
from oc_gpu.stages.model import Action, Delete, Patch

_MINUTE = 60.0
REBOOT = (10 * _MINUTE, 40 * _MINUTE)
"""Drain and reboot of a node: a virtual machine, a server with much memory and firmware."""
OPERATORS = (10 * _MINUTE, 30 * _MINUTE)
"""Two operators, their images, and the driver's build or download."""


def reboots(actions: Iterable[Action], snapshot: Snapshot) -> tuple[Reboot, ...]:
    """Return which nodes reboot because of some writes, pool by pool."""
    roles = dict.fromkeys(
        action.reboots for action in actions if not isinstance(action, Patch) and action.reboots
    )
    found = {
        pool["metadata"]["name"]: pool for role in roles for pool in pools.of_role(snapshot, role)
    }
    return tuple(
        Reboot(
            pool=name,
            nodes=tuple(node.metadata.name for node in pools.members(snapshot, pool)),
            at_once=str(spec_of(pool).get("maxUnavailable") or 1),
        )
        for name, pool in found.items()
    )


def estimate(actions: Iterable[Action], rebooting: Iterable[Reboot]) -> Estimate | None:
    """Return how long writes and reboots take, None when nothing is to be done."""
    every = tuple(actions)
    if not every:
        return None
    turns = max((_turns(reboot) for reboot in rebooting), default=0)
    installs = not all(isinstance(action, Delete | Patch) for action in every)
    low = turns * REBOOT[0] + installs * OPERATORS[0]
    high = turns * REBOOT[1] + installs * OPERATORS[1]
    if not (turns or installs):
        return None
    return Estimate(low=low, high=high, source=_SOURCES[bool(turns), installs])


_SOURCES = {
    (True, True): "rule of thumb: 10 to 40 minutes a turn of reboots, 10 to 30 for operators and "
    "driver",
    (True, False): "rule of thumb: 10 to 40 minutes a turn of reboots",
    (False, True): "rule of thumb for operators and driver",
}


def _turns(reboot: Reboot) -> int:
    """Return how many turns a pool takes when so many nodes reboot at once."""
    count, at_once = len(reboot.nodes), reboot.at_once
    if at_once.endswith("%"):
        size = max(1, count * int(at_once[:-1]) // 100)
    else:
        size = max(1, int(at_once))
    return math.ceil(count / size)
