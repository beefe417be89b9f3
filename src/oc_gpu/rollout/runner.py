"""The loop that walks a road: look, write what is due, wait until something changed.

It is level-triggered: each turn decides anew from what is, so a run that was killed is continued
by running it again. There is no sleep in it; what wakes it is the live view, or a write that ended.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from oc_gpu.checks.model import Finding
from oc_gpu.kube import (
    ApiError,
    ConflictError,
    ForbiddenError,
    Resource,
    TimeoutExceededError,
    UnauthorizedError,
)
from oc_gpu.kube.resources import NAMESPACES
from oc_gpu.rollout.events import Notice, Observer, Outcome, StageChanged, Written
from oc_gpu.rollout.memory import Memory, Write
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages.engine import assess, is_leaving
from oc_gpu.stages.model import (
    Action,
    Apply,
    Assessment,
    ObjectRef,
    Progress,
    StagePlan,
    State,
)

Road = Callable[[Snapshot], tuple[StagePlan, ...]]

_PASSED = frozenset({State.DONE, State.NOT_NEEDED})
_STANDING = frozenset({State.FAILED, State.BLOCKED})


class View(Protocol):
    """What the runner looks at (`oc_gpu.snapshot.live.LiveView`)."""

    @property
    def now(self) -> float:
        """Return epoch seconds by the cluster's clock, as far as known."""

    def snapshot(self) -> Snapshot:
        """Return what is known now."""

    async def changed(self) -> None:
        """Return once anything changed since the last snapshot."""

    async def time(self) -> float:
        """Return epoch seconds by the cluster's clock."""


class Performer(Protocol):
    """What sends one action (`oc_gpu.rollout.perform.Performer`)."""

    async def __call__(self, action: Action, snapshot: Snapshot) -> Write:
        """Send an action that was decided from a snapshot."""

    async def claim(self) -> bool:
        """Wait until no other run writes; tell whether what was decided before still holds."""


class Doctor(Protocol):
    """What looks into signs of trouble (`oc_gpu.rollout.stalling.Doctor`)."""

    def wants(self, assessments: Iterable[Assessment], snapshot: Snapshot) -> bool:
        """Tell whether there are signs of trouble that it has not looked into lately."""

    async def look(self, assessments: Sequence[Assessment], snapshot: Snapshot) -> Finding | None:
        """Return the cause for which a road stands still for good, None when it may go on."""

    async def explain(
        self, assessments: Sequence[Assessment], snapshot: Snapshot
    ) -> Finding | None:
        """Return the cause for which stages have failed or are blocked, None without a sure one."""

    def holds(self, assessments: Iterable[Assessment], snapshot: Snapshot) -> bool:
        """Tell whether any of the signs is still there that were looked into last."""

    def stopped(
        self, assessments: Iterable[Assessment], finding: Finding
    ) -> tuple[Assessment, ...]:
        """Return assessments in which the stage that a finding concerns stands still for it."""

    @property
    def again(self) -> float | None:
        """Return the seconds after which to ask again, None where there are no signs."""


async def run(
    view: View,
    road: Road,
    perform: Performer,
    observer: Observer,
    timeout: float | None = None,  # noqa: ASYNC109 - it covers the whole run and names the stages
    doctor: Doctor | None = None,
) -> Outcome:
    """Walk a road until every stage is done, or none that is left can move.

    Args:
        view: The live view; entered already.
        road: Returns the stages as they are in a snapshot.
        perform: Sends one action.
        observer: Is told what happens.
        timeout: Seconds of this machine's clock; None waits for ever.
        doctor: Looks into signs of trouble, and ends the run where nothing heals by itself.

    Raises:
        TimeoutExceededError: The time has passed; running it again continues.
        ApiError: A right is missing, or credentials expired.
        ConnectionFailedError: The server was away for too long.
    """
    runner = _Runner(view, road, perform, observer, doctor)
    try:
        async with asyncio.timeout(timeout) as limit:
            return await runner.walk()
    except TimeoutError:
        if not limit.expired():
            raise
        raise runner.out_of_time(timeout or 0) from None
    finally:
        await runner.stop()


class _Runner:
    def __init__(
        self,
        view: View,
        road: Road,
        perform: Performer,
        observer: Observer,
        doctor: Doctor | None = None,
    ) -> None:
        self._view = view
        self._road = road
        self._perform = perform
        self._observer = observer
        self._doctor = doctor
        self._look: asyncio.Task[Finding | None] | None = None
        self._finding: Finding | None = None
        self._memory = Memory()
        self._writes = 0
        self._assessments: tuple[Assessment, ...] = ()
        self._told: dict[str, Assessment] = {}
        self._flight: dict[str, asyncio.Task[None]] = {}
        self._in_flight: set[ObjectRef] = set()
        self._waiter: asyncio.Task[None] | None = None

    async def walk(self) -> Outcome:
        started = await self._view.time()
        while True:
            snapshot = self._view.snapshot()
            plans = self._road(snapshot)
            self._assessments = tuple(
                self._finished(self._troubled(assessment, snapshot))
                for assessment in assess(plans, snapshot)
            )
            self._reconsider(snapshot)
            if self._finding is not None and not self._flight:
                return await self._end(started, snapshot)
            if self._has_work(snapshot) and not await self._perform.claim():
                continue
            for assessment in self._assessments if self._finding is None else ():
                self._dispatch(assessment, snapshot)
            await self._tell()
            if not self._flight and is_over(plans, self._assessments):
                await self._explain(snapshot)
                return await self._end(started, snapshot)
            self._consult(snapshot)
            await self._wait()

    async def _end(self, started: float, snapshot: Snapshot) -> Outcome:
        """Tell how the stages stand at the end, the one that a finding concerns by its words."""
        if self._doctor is not None and self._finding is not None:
            self._assessments = self._doctor.stopped(self._assessments, self._finding)
            await self._tell()
        seconds = await self._view.time() - started
        told = tuple(_without_manifests(a) for a in self._assessments)
        return Outcome(told, self._writes, seconds, snapshot.simulated, finding=self._finding)

    async def _explain(self, snapshot: Snapshot) -> None:
        """Ask for the cause where the road ends before it is done."""
        stuck = any(assessment.state not in _PASSED for assessment in self._assessments)
        if stuck and self._doctor is not None:
            self._finding = await self._doctor.explain(self._assessments, snapshot)

    def _reconsider(self, snapshot: Snapshot) -> None:
        """Drop a cause where what it was told from has passed while it was looked into."""
        if self._doctor is not None and not self._doctor.holds(self._assessments, snapshot):
            self._finding = None

    def _consult(self, snapshot: Snapshot) -> None:
        """Have signs of trouble looked into, beside everything else."""
        if self._doctor is None or self._look is not None or self._finding is not None:
            return
        if self._doctor.wants(self._assessments, snapshot):
            look = self._doctor.look(self._assessments, snapshot)
            self._look = asyncio.create_task(look, name="look into signs of trouble")

    async def stop(self) -> None:
        """End everything that was started; a write on its way arrives or does not."""
        tasks = [*self._flight.values(), *filter(None, (self._waiter, self._look))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def out_of_time(self, seconds: float) -> TimeoutExceededError:
        left = next((a for a in self._assessments if a.state not in _PASSED), None)
        stands = f": {left.title}, {left.detail or left.state}" if left is not None else ""
        return TimeoutExceededError(
            f"not done after {seconds:g} s{stands}",
            hints=("run it again: it continues where it stands", "give it more with --timeout"),
        )

    def _finished(self, assessment: Assessment) -> Assessment:
        """Call a stage done that this run worked on and that nothing is left of.

        Seen by itself, a stage that was undone looks like one that was never needed.
        """
        told = self._told.get(assessment.stage)
        worked = told is not None and told.state is not State.NOT_NEEDED
        if worked and assessment.state is State.NOT_NEEDED:
            return msgspec.structs.replace(assessment, state=State.DONE, detail="")
        return assessment

    def _troubled(self, assessment: Assessment, snapshot: Snapshot) -> Assessment:
        """Return an assessment with what the server said about its actions."""
        for action in assessment.due:
            trouble = self._memory.judge(action, snapshot).trouble
            if trouble is not None:
                return msgspec.structs.replace(
                    assessment,
                    state=trouble.state,
                    detail=trouble.detail,
                    hints=trouble.hints,
                    objects=trouble.objects,
                )
        kinds = [action.ref.resource for action in assessment.due]
        absent = next((kind.kind for kind in kinds if not _is_served(kind, snapshot)), None)
        if absent is None:
            return assessment
        detail = f"until the API of {absent} is served"
        return msgspec.structs.replace(assessment, state=State.WAITING, detail=detail)

    def _has_work(self, snapshot: Snapshot) -> bool:
        """Tell whether anything is to be sent now."""
        return any(
            self._ready(assessment.due, snapshot)
            for assessment in self._assessments
            if assessment.stage not in self._flight
        )

    def _dispatch(self, assessment: Assessment, snapshot: Snapshot) -> None:
        stage = assessment.stage
        if stage in self._flight:
            return
        batch = self._ready(assessment.due, snapshot)
        if batch:
            self._in_flight.update(action.ref for action in batch)
            work = self._send_all(stage, batch, snapshot)
            self._flight[stage] = asyncio.create_task(work, name=f"write {stage}")

    def _ready(self, due: Sequence[Action], snapshot: Snapshot) -> list[Action]:
        """Return the due actions that can be sent now: none before those that it needs."""
        held = {
            action.ref
            for action in due
            if action.ref in self._in_flight
            or _must_wait(action, snapshot)
            or not self._memory.judge(action, snapshot).send
        }
        limit = min((_rank(action) for action in due if action.ref in held), default=_LAST_RANK)
        return [a for a in due if a.ref not in held and _rank(a) <= limit]

    async def _send_all(self, stage: str, batch: Sequence[Action], snapshot: Snapshot) -> None:
        """Send the due actions of a stage, what others need first; stop at the first refusal."""
        try:
            for rank in sorted({_rank(action) for action in batch}):
                sent = await asyncio.gather(
                    *(self._send(stage, a, snapshot) for a in batch if _rank(a) == rank),
                    return_exceptions=True,
                )
                for result in sent:
                    if isinstance(result, BaseException):
                        raise result
                if not all(sent):
                    return
        finally:
            self._in_flight.difference_update(action.ref for action in batch)

    async def _send(self, stage: str, action: Action, snapshot: Snapshot) -> bool:
        """Send one action; tell whether the server took it."""
        try:
            write = await self._perform(action, snapshot)
        except ApiError as error:
            if isinstance(error, UnauthorizedError):
                raise
            if isinstance(error, ForbiddenError) and not _is_passing(error):
                raise
            trouble = _trouble(action, error)
            self._memory.refused(action, snapshot, trouble)
            if trouble is None:
                message = f"{action.ref} changed meanwhile and is looked at again"
                self._observer(Notice(self._view.now, stage, message))
            return False
        self._memory.accepted(action, snapshot, write)
        if write.verb:
            self._writes += 1
            self._observer(Written(self._view.now, stage, write.verb, str(action.ref)))
        return True

    async def _tell(self) -> None:
        """Tell the observer which stages moved."""
        moved = [a for a in self._assessments if _sight(a) != _sight(self._told.get(a.stage))]
        if moved:
            at = await self._view.time()
            for assessment in moved:
                self._told[assessment.stage] = assessment
                self._observer(StageChanged(at, _without_manifests(assessment)))

    async def _wait(self) -> None:
        """Wait until the cluster changed or a batch of writes has ended."""
        if self._waiter is None or self._waiter.done():
            self._waiter = asyncio.create_task(self._view.changed(), name="wait for a change")
        look = {self._look} if self._look is not None else set()
        await asyncio.wait(
            {self._waiter, *self._flight.values(), *look},
            return_when=asyncio.FIRST_COMPLETED,
            timeout=self._doctor.again if self._doctor is not None and not look else None,
        )
        if self._look is not None and self._look.done():
            self._finding = self._look.result()
            self._look = None
        if self._waiter.done():
            self._waiter.result()
        for stage, task in list(self._flight.items()):
            if task.done():
                del self._flight[stage]
                task.result()


def _sight(assessment: Assessment | None) -> tuple[object, ...]:
    """Return what of an assessment is news.

    What is left to write is told by the writes; which milestone waits says less than for what.
    """
    if assessment is None:
        return ()
    if assessment.state is State.DUE:
        return (assessment.state, assessment.milestone)
    if assessment.state is State.WAITING:
        return (assessment.state, assessment.detail)
    return (assessment.state, assessment.milestone, assessment.detail, assessment.hints)


def _without_manifests(assessment: Assessment) -> Assessment:
    """Return what may be shown of an assessment: manifests hold keys."""
    return msgspec.structs.replace(assessment, due=())


def is_over(plans: Iterable[StagePlan], assessments: Iterable[Assessment]) -> bool:
    """Tell whether every stage is done, or those that are not stand still for good."""
    stuck: set[str] = set()
    for plan, assessment in zip(plans, assessments, strict=True):
        if assessment.state in _PASSED:
            continue
        waits_for = _gates(plan, assessment) if assessment.state is State.WAITING else ()
        if assessment.state not in _STANDING and not stuck.intersection(waits_for):
            return False
        stuck.add(plan.name)
    return True


def _gates(plan: StagePlan, assessment: Assessment) -> tuple[str, ...]:
    reached = assessment.reached
    return plan.milestones[reached].after if reached < len(plan.milestones) else ()


_RANKS = {"namespaces": 0, "pods": 2, "subscriptions": 2}
_ANY_RANK, _LAST_RANK = 1, 2


def _rank(action: Action) -> int:
    """Return when an action of a batch is sent.

    Namespaces come before what goes into them; pods after what they mount, and Subscriptions
    after their OperatorGroup.
    """
    if not isinstance(action, Apply):
        return _ANY_RANK
    return _RANKS.get(action.ref.resource.plural, _ANY_RANK)


def _must_wait(action: Action, snapshot: Snapshot) -> bool:
    """Tell whether an action cannot work yet: its API or its namespace is not there for it."""
    namespace = action.ref.namespace
    leaving = namespace is not None and is_leaving(ObjectRef(NAMESPACES, namespace), snapshot)
    return leaving or not _is_served(action.ref.resource, snapshot)


def _is_served(resource: Resource, snapshot: Snapshot) -> bool:
    """Tell whether the API of a kind is served, as far as it is watched."""
    names = (resource.plural, f"{resource.plural}.{resource.group}")
    told = (snapshot.unread.get(name) for name in names)
    return not any(unread is not None and unread.reason == "absent" for unread in told)


def _is_passing(error: ForbiddenError) -> bool:
    """Tell whether a refusal ends by itself: nothing can be made in a namespace that goes."""
    return "being terminated" in error.server_message


def _of_document(action: Action) -> tuple[str, ...]:
    """Return what to do about an object into which the user's own fields were merged."""
    if not (isinstance(action, Apply) and action.document):
        return ()
    said = (
        f"{action.document} of the GpuPlatform document is merged into {action.ref.resource.kind}"
    )
    return (f"{said}: correct it there, then run the command again",)


def _trouble(action: Action, error: ApiError) -> Progress | None:
    """Return what a refusal means for the stage; None when looking again is the answer."""
    if isinstance(error, ForbiddenError) or (
        isinstance(error, ConflictError) and not (isinstance(action, Apply) and error.causes)
    ):
        return None
    if not isinstance(error, ConflictError):
        hints = (*_of_document(action), *error.hints)
        return Progress(State.FAILED, str(error), hints, objects=(str(action.ref),))
    return Progress(
        State.BLOCKED,
        f"{action.ref} has fields of another owner: {'; '.join(error.causes)}",
        hints=(
            "let its owner give these fields up or set them as needed, then run the command again",
            "to take them from it: oc-gpu enable --force-conflicts",
        ),
        objects=(str(action.ref),),
    )
