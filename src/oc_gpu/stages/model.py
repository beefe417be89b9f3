"""What a stage says: milestones with actions that may be due, and how far the stage is.

A stage is a list of milestones. The engine (`oc_gpu.stages.engine`) walks them in order: it
collects the actions of the first milestone that is not reached and stops there. Nothing here
writes; `oc_gpu.rollout` performs the actions that are due.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct

from oc_gpu.kube import RawObject, Resource


class State(StrEnum):
    """How far a stage or milestone is."""

    NOT_NEEDED = "not needed"
    DONE = "done"
    DUE = "due"
    """Actions are due now."""
    WAITING = "waiting"
    """Everything due was sent; the cluster works on it, or another stage comes first."""
    BLOCKED = "blocked"
    """It cannot go on without somebody's decision; the message says what to do."""
    FAILED = "failed"


class ObjectRef(Struct, frozen=True):
    """Name of one object."""

    resource: Resource
    name: str
    namespace: str | None = None

    def __str__(self) -> str:
        """Return the name as kubectl writes it, such as `machineconfig/50-rhsm-conf`."""
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.resource.kind}/{self.name}{where}"


class Apply(Struct, frozen=True):
    """Server-side apply of one object.

    `adopt` tells what to do with an object of that name that is not ours: True for shared
    containers such as namespaces, which are used as they are. `takes_over` makes it ours, and
    `forces` takes fields from other managers: both only where the user says so.
    """

    ref: ObjectRef
    manifest: RawObject
    adopt: bool = False
    reboots: str | None = None
    """Name of the MachineConfigPool whose nodes reboot because of this object."""
    disturbs: str = ""
    """What it does to workloads that run already, empty when nothing."""
    takes_over: bool = False
    forces: bool = False
    document: str = ""
    """Path in the GpuPlatform document of fields that were merged into it as they stand."""


class Patch(Struct, frozen=True):
    """Merge patch of an object that exists, guarded by its resourceVersion inside the patch.

    `restores` names the record entry that holds what was there before, None when nothing of
    somebody else's is overwritten. `holds` tells whether the object already is as wanted.
    """

    ref: ObjectRef
    patch: dict[str, Any]
    holds: bool
    why: str
    disturbs: str = ""


class Delete(Struct, frozen=True):
    """Delete one object if it exists; `evicts` asks for its eviction, which budgets may hold."""

    ref: ObjectRef
    uid: str | None = None
    reboots: str | None = None
    evicts: bool = False


Action = Apply | Patch | Delete


class Allowed(Struct, frozen=True):
    """What may be done to what is somebody else's: nothing of it unless the user says so.

    Attributes:
        adopt: Take over objects of somebody else whose names are needed.
        force_conflicts: Take fields that other managers own; remove objects of ours that somebody
            else has changed.
        evict_workloads: Evict pods that use GPUs.
        remove_finalizers: Take finalizers off objects of ours whose controller is gone.
    """

    adopt: bool = False
    force_conflicts: bool = False
    evict_workloads: bool = False
    remove_finalizers: bool = False


def disturbance(action: Action) -> str:
    """Return what a write does to workloads that run already, empty when nothing."""
    return "" if isinstance(action, Delete) else action.disturbs


class Progress(Struct, frozen=True):
    """Whether a milestone is reached.

    `detail` is one clause without final period ("2 of 3 nodes updated, worker02 reboots");
    `hints` say what to do about BLOCKED and FAILED; `cause` is a slug of the taxonomy.
    """

    state: State
    detail: str = ""
    hints: tuple[str, ...] = ()
    cause: str | None = None
    objects: tuple[str, ...] = ()


REACHED = Progress(State.DONE)


class Milestone(Struct, frozen=True):
    """One step of a stage: objects to have, then a condition of the cluster to wait for."""

    title: str
    actions: tuple[Action, ...] = ()
    progress: Progress = REACHED
    after: tuple[str, ...] = ()
    """Names of stages that must be done before the actions may be sent."""


class StagePlan(Struct, frozen=True):
    """A stage as seen in one snapshot: its milestones in order, or why it is not needed."""

    name: str
    title: str
    milestones: tuple[Milestone, ...] = ()
    not_needed: str | None = None
    """The reason, when this cluster does not need the stage."""
    decision: str = ""
    """Why the stage is as it is, for `check` and `plan` (one sentence)."""


class Assessment(Struct, frozen=True):
    """Where a stage stands in one snapshot, and which actions are due now."""

    stage: str
    title: str
    state: State
    milestone: str = ""
    detail: str = ""
    due: tuple[Action, ...] = ()
    hints: tuple[str, ...] = ()
    cause: str | None = None
    objects: tuple[str, ...] = ()
    reached: int = 0
    total: int = 0
