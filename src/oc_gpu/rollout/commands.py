"""The order of things in the commands that write: look, check, rights, consent, then walk."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

import msgspec

from oc_gpu.kube import (
    Client,
    ConflictError,
    NotFoundError,
    OcGpuError,
    TimeoutExceededError,
    UsageError,
)
from oc_gpu.kube.resources import PODS
from oc_gpu.rollout import objections, rights
from oc_gpu.rollout.events import Notice, Observer, Outcome
from oc_gpu.rollout.lease import Lease
from oc_gpu.rollout.perform import Performer
from oc_gpu.rollout.runner import Doctor, Road, run
from oc_gpu.rollout.survey import Survey, Wish, seen, survey
from oc_gpu.rollout.untaint import tainting, untainting
from oc_gpu.snapshot.live import LiveView
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.reading import is_ended_proof
from oc_gpu.snapshot.sources import warnings
from oc_gpu.stages import context as contexts
from oc_gpu.stages import entitlement, recovery
from oc_gpu.stages.context import Context
from oc_gpu.stages.engine import assess, find, freeing, names_taken
from oc_gpu.stages.model import StagePlan, State, disturbance
from oc_gpu.stages.ownership import is_ours, owner_of

Gate = Callable[[Survey], Awaitable[None]]
"""Looks at a survey before anything is written, and raises to stop."""


async def _open(_: Survey) -> None:
    """Let everything pass."""


async def enable(  # noqa: PLR0913 - each is a step of the order
    client: Client,
    wish: Wish,
    observer: Observer,
    *,
    check: Gate = _open,
    agree: Gate = _open,
    journal: str | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - the time the road takes, looks aside
) -> Outcome:
    """Walk the road; on a cluster where all is done, nothing is written.

    Args:
        client: The cluster.
        wish: What is wanted.
        observer: Is told what happens.
        check: Raises when the cluster cannot get GPUs.
        agree: Shows the plan and raises when the user does not want it; only asked when there is
            something to write.
        journal: Pattern of kernel messages that `check` looks at.
        timeout: Seconds for the road.

    Raises:
        MissingRightsError: Rights are missing; nothing was written.
        OcGpuError: A name that is needed is taken by somebody else's object.
        TimeoutExceededError: The time has passed; running it again continues.
    """
    found = await survey(client, wish, journal=journal)
    await check(found)
    _insist_on_names(found)
    unknown = await _consent(client, found, agree)
    _announce(found, observer, unknown)
    await _try_proofs_anew(client, found)
    from oc_gpu.rollout import stalling  # noqa: PLC0415 - brings all causes; only enable pays

    doctor = stalling.Doctor(client, found.scope.namespaces)
    return _with(unknown, await walk(client, found, observer, timeout, doctor=doctor))


async def disable(
    client: Client,
    wish: Wish,
    observer: Observer,
    *,
    agree: Gate = _open,
    timeout: float | None = None,  # noqa: ASYNC109
) -> Outcome:
    """Take back exactly what was made, in the safe order; the record goes last.

    Raises:
        OcGpuError: Pods use GPUs, or others have changed what was made, and nobody said that this
            does not matter; nothing was written.
    """
    found = await survey(client, wish, "undo")
    objections.insist_on_idle(found)
    objections.insist_on_unchanged(found)
    unknown = await _consent(client, found, agree)
    _announce(found, observer, unknown)
    return _with(unknown, await walk(client, found, observer, timeout))


async def isolate(
    client: Client,
    wish: Wish,
    observer: Observer,
    *,
    remove: bool = False,
    agree: Gate = _open,
    timeout: float | None = None,  # noqa: ASYNC109
) -> Outcome:
    """Taint the GPU nodes of a cluster that is set up, or take the taint back.

    Raises:
        UsageError: There is no taint to set, or no GPU Operator.
    """
    found = isolated(await survey(client, wish), remove=remove)
    _insist_on_names(found)
    unknown = await _consent(client, found, agree)
    _announce(found, observer, unknown)
    stages = _isolation_road(found, remove=remove)
    return _with(unknown, await walk(client, found, observer, timeout, stages))


async def _try_proofs_anew(client: Client, found: Survey) -> None:
    """Delete our proof pods that an earlier run left unproven: what failed then may be mended."""
    failed = [one for one in found.assessments if one.state is State.FAILED]
    names = {name for one in failed if one.stage == entitlement.NAME for name in one.objects}
    for pod in found.snapshot.pods:
        meta = pod.metadata
        if f"Pod/{meta.name}" in names and is_ours(pod) and is_ended_proof(pod):
            with suppress(NotFoundError, ConflictError):
                await client.delete(PODS, meta.name, meta.namespace, uid=meta.uid)


def _with(unknown: tuple[str, ...], outcome: Outcome) -> Outcome:
    return msgspec.structs.replace(outcome, unknown=unknown)


def _insist_on_names(found: Survey) -> None:
    """Insist that nobody else has an object whose name we need.

    Raises:
        OcGpuError: Somebody has; nothing was written.
    """
    taken = names_taken(found.plans, found.snapshot)
    if not taken:
        return
    told = (f"{a.ref} belongs to {owner_of(find(a.ref, found.snapshot))}" for a in taken)
    message = f"names that are needed are taken, so nothing was written: {'; '.join(told)}"
    raise OcGpuError(message, hints=freeing(taken[0].ref))


def _announce(found: Survey, observer: Observer, unknown: tuple[str, ...]) -> None:
    """Tell what is not known and what the plan warns of: with --yes nobody saw it."""
    lost = [recovery.words(found.snapshot)] if found.context.lost else []
    disturbing = [disturbance(action) for action in found.actions]
    for message in dict.fromkeys((*unknown, *lost, *filter(None, disturbing))):
        observer(Notice(found.snapshot.now, "", message))


async def _consent(client: Client, found: Survey, agree: Gate) -> tuple[str, ...]:
    """Insist on rights, and on the user's word where there is something to write.

    What could not be read is asked for as well: it must not pass for empty.

    Returns:
        What could not be known, a sentence each.
    """
    unread = found.snapshot.unread.values()
    unknown = ""
    if found.actions or any(why.reason == "forbidden" for why in unread):
        unknown = rights.not_known(await rights.demand(client, found))
    if found.actions:
        await agree(found)
    return (unknown,) if unknown else ()


async def walk(
    client: Client,
    found: Survey,
    observer: Observer,
    timeout: float | None = None,  # noqa: ASYNC109
    stages: Road | None = None,
    *,
    doctor: Doctor | None = None,
) -> Outcome:
    """Walk the road of a survey, or its way back, from where the cluster stands now.

    Args:
        client: The cluster.
        found: What was planned.
        observer: Is told what happens.
        timeout: Seconds of this machine's clock.
        stages: Other stages than those of the survey's purpose.
        doctor: Looks into signs of trouble.
    """

    def planned(snapshot: Snapshot) -> tuple[StagePlan, ...]:
        return seen(found.wish, found.purpose, found.scope, found.packages, snapshot).plans

    watched = found.sources if doctor is None else (*found.sources, warnings(found.scope))
    async with LiveView(client, watched, packages=found.packages) as view:

        def notice(message: str) -> None:
            observer(Notice(view.now, "", message))

        async with Lease(client, notice) as lease:
            performer = Performer(client, view, notice, lease=lease)
            try:
                outcome = await run(view, stages or planned, performer, observer, timeout, doctor)
            except TimeoutExceededError as error:
                raise _waiting(error, lease) from error
            if found.purpose == "undo":
                await lease.clear()
            return outcome


def _waiting(error: TimeoutExceededError, lease: Lease) -> TimeoutExceededError:
    """Say whom a run waited for until its time was over."""
    if not lease.waits_for:
        return error
    return TimeoutExceededError(f"out of time: {lease.waits_for}", hints=error.hints)


async def status(client: Client, wish: Wish) -> Survey:
    """Return where the stages of the road stand."""
    return await survey(client, wish, "status")


async def follow(client: Client, wish: Wish) -> AsyncGenerator[Survey]:
    """Yield where the stages stand, now and after every change, for ever."""
    found = await status(client, wish)
    async with LiveView(client, found.sources, packages=found.packages) as view:
        while True:
            await view.time()
            yield seen(wish, found.purpose, found.scope, found.packages, view.snapshot())
            await view.changed()


def isolated(found: Survey, *, remove: bool) -> Survey:
    """Return a survey with only the stages that isolation concerns.

    Raises:
        UsageError: There is no taint to set or to take back, or no GPU Operator.
    """
    _insist(found.context, remove=remove)
    plans = _isolation_road(found, remove=remove)(found.snapshot)
    assessments = assess(plans, found.snapshot)
    return msgspec.structs.replace(found, plans=plans, assessments=assessments)


def _insist(context: Context, *, remove: bool) -> None:
    if remove:
        untouched = context.record is None and not context.lost
        if untouched or not context.snapshot.table("clusterpolicies"):
            message = "no taint was set here by oc-gpu, so there is none to take back"
            raise UsageError(message, hints=("oc-gpu status shows the taints of GPU nodes",))
        return
    if context.taint is None:
        message = "no taint was named"
        raise UsageError(message, hints=("name it with --taint nodetype=gpu:NoSchedule",))
    if not context.snapshot.table("clusterpolicies"):
        message = "there is no ClusterPolicy, so no GPU node to isolate yet"
        raise UsageError(message, hints=("oc-gpu enable --taint sets GPUs up and isolates them",))


def _isolation_road(found: Survey, *, remove: bool) -> Road:
    def plans(snapshot: Snapshot) -> tuple[StagePlan, ...]:
        context = contexts.build(
            found.wish.config, snapshot, found.wish.entitlement, licence=found.wish.licence
        )
        return untainting(context) if remove else tainting(context)

    return plans
