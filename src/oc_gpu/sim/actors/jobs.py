"""The Job controller."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import JOBS, PODS
from oc_gpu.sim.actors.framework import Controller, EventSource, Key, Watch
from oc_gpu.sim.actors.objects import (
    controller_of,
    from_timestamp,
    is_terminating,
    is_true,
    name_of,
    namespace_of,
    owned_by,
    timestamp,
    uid_of,
    with_condition,
)
from oc_gpu.sim.actors.podsets import active, is_ready, phase, pod_from

_BACKOFF_LIMIT = 6
_FIRST_DELAY = 10.0
_LONGEST_DELAY = 360.0


class _Count(Struct, frozen=True):
    """How a Job stands."""

    active: list[RawObject]
    succeeded: int
    failed: int
    needed: int
    limit: int

    @property
    def complete(self) -> bool:
        return self.succeeded >= self.needed

    @property
    def exhausted(self) -> bool:
        return self.failed > self.limit


class Jobs(Controller):
    """Runs pods to completion, again on failure up to the back-off limit."""

    name = "job-controller"

    def watches(self) -> Sequence[Watch]:
        """Return Jobs and their pods."""
        return (Watch(JOBS), Watch(PODS, self._owner_keys))

    @staticmethod
    def _owner_keys(pod: RawObject) -> Iterable[Hashable]:
        owner = controller_of(pod)
        if owner and owner["kind"] == "Job":
            yield Key(namespace_of(pod), owner["name"])

    async def reconcile(self, key: Any) -> None:
        """Start pods that are missing, record progress, finish."""
        job = self.cache(JOBS).get(key.name, key.namespace)
        if job is None or is_terminating(job):
            return
        if is_true(job, "Complete") or is_true(job, "Failed"):
            await self._expire(job)
            return
        count = self._count(job)
        if not (count.complete or count.exhausted) and not job["spec"].get("suspend"):
            await self._start(job, count)
            count = self._count(job)
        await self._report(job, count)

    def _count(self, job: RawObject) -> _Count:
        pods = owned_by(self.cache(PODS).list(namespace_of(job)), job)
        phases = [phase(p) for p in pods]
        spec = job["spec"]
        needed = spec.get("completions") or spec.get("parallelism") or 1
        limit = spec.get("backoffLimit")
        return _Count(
            active(pods),
            phases.count("Succeeded"),
            phases.count("Failed"),
            int(needed),
            _BACKOFF_LIMIT if limit is None else int(limit),
        )

    async def _start(self, job: RawObject, count: _Count) -> None:
        parallelism = int(job["spec"].get("parallelism") or 1)
        missing = min(parallelism, count.needed - count.succeeded) - len(count.active)
        if missing > 0 and (wait := self._back_off(job, count)) > 0:
            self.enqueue_after(Key.of(job), wait)
            return
        labels = {
            "controller-uid": uid_of(job),
            "job-name": name_of(job),
            "batch.kubernetes.io/controller-uid": uid_of(job),
            "batch.kubernetes.io/job-name": name_of(job),
        }
        for _ in range(missing):
            pod = pod_from(job, job["spec"]["template"], labels)
            created = await self.context.create(PODS, pod, namespace_of(job))
            text = f"Created pod: {name_of(created)}"
            await self.context.event(job, "SuccessfulCreate", text, source=EventSource(self.name))

    def _back_off(self, job: RawObject, count: _Count) -> float:
        """Return the seconds to wait before the next pod after failures."""
        if not count.failed:
            return 0.0
        pods = owned_by(self.cache(PODS).list(namespace_of(job)), job)
        ends = [_ended_at(p) for p in pods if phase(p) == "Failed"]
        delay: float = min(_FIRST_DELAY * 2 ** (count.failed - 1), _LONGEST_DELAY)
        return max(ends, default=0.0) + delay - self.clock.now()

    async def _report(self, job: RawObject, count: _Count) -> None:
        now = timestamp(self.clock.now())
        current = self.cache(JOBS).get(name_of(job), namespace_of(job)) or job
        old = current.get("status") or {}
        status: RawObject = {
            "startTime": old.get("startTime") or now,
            "active": len(count.active) or None,
            "ready": sum(is_ready(p) for p in count.active),
            "succeeded": count.succeeded or None,
            "failed": count.failed or None,
        }
        if count.complete:
            status["completionTime"] = now
            status["conditions"] = self._condition(old, "Complete", "CompletionsReached")
        elif count.exhausted:
            status["conditions"] = self._condition(old, "Failed", "BackoffLimitExceeded")
        await self.context.patch_status(JOBS, current, status)
        if count.complete:
            source = EventSource(self.name)
            await self.context.event(job, "Completed", "Job completed", source=source)
        elif count.exhausted:
            source = EventSource(self.name, warning=True)
            text = "Job has reached the specified backoff limit"
            await self.context.event(job, "BackoffLimitExceeded", text, source=source)

    def _condition(self, status: RawObject, kind: str, reason: str) -> list[RawObject]:
        messages = {
            "CompletionsReached": "Reached expected number of succeeded pods",
            "BackoffLimitExceeded": "Job has reached the specified backoff limit",
        }
        entry = {"type": kind, "status": "True", "reason": reason, "message": messages[reason]}
        return with_condition(status.get("conditions"), entry, self.clock.now())

    async def _expire(self, job: RawObject) -> None:
        """Delete a finished Job when its time to live has passed."""
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        if ttl is None:
            return
        status = job.get("status") or {}
        ended = status.get("completionTime") or status["conditions"][-1]["lastTransitionTime"]
        left = from_timestamp(ended) + float(ttl) - self.clock.now()
        if left > 0:
            # A Job that is kept for a day is there to be looked at: time does not leap past it.
            self.enqueue_after(Key.of(job), left, patient=True)
        else:
            await self.context.delete(JOBS, job)


def _ended_at(pod: RawObject) -> float:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    ends = [((s.get("state") or {}).get("terminated") or {}).get("finishedAt") for s in statuses]
    return max((from_timestamp(e) for e in ends if e), default=0.0)
