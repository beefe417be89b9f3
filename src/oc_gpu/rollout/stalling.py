"""A second look at a road that may stand still: the doctor's, while the runner goes on."""

from collections.abc import Iterable, Sequence

from msgspec import structs

from oc_gpu.checks.case import Case
from oc_gpu.checks.doctor import diagnose
from oc_gpu.checks.model import Finding
from oc_gpu.checks.stalled import BY_PERSON, concerned, reason, signs, stalled
from oc_gpu.kube import Client, OcGpuError
from oc_gpu.rollout.further import examine_further
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages.model import Assessment, State

AGAIN = 15.0
"""Seconds of the cluster's clock after which signs that stay are looked into again."""


class Doctor:
    """Looks into signs of trouble, one look at a time, and keeps since when a cause stands.

    Args:
        client: The cluster.
        namespaces: Those of the road.
    """

    def __init__(self, client: Client, namespaces: tuple[str, ...]) -> None:
        self._client = client
        self._namespaces = namespaces
        self._seen: frozenset[str] = frozenset()
        self._at = 0.0
        self._started: float | None = None
        self._since: dict[str, float] = {}
        self._told: tuple[Iterable[Assessment], Snapshot, frozenset[str]] | None = None

    def wants(self, assessments: Iterable[Assessment], snapshot: Snapshot) -> bool:
        """Tell whether there are signs of trouble that it has not looked into lately."""
        if self._started is None:
            self._started = snapshot.now
        now = self._signs(assessments, snapshot)
        if not now:
            self._seen = now
            self._since.clear()
        return bool(now) and (now != self._seen or snapshot.now - self._at >= AGAIN)

    async def look(self, assessments: Sequence[Assessment], snapshot: Snapshot) -> Finding | None:
        """Return the cause for which a road stands still for good, None when it may go on.

        Only what was said since this run began counts: what failed before may have been mended.
        """
        self._seen, self._at = self._signs(assessments, snapshot), snapshot.now
        case = await self._case(snapshot, self._started)
        if case is None:
            return None
        findings = diagnose(case)
        found = {one.cause for one in findings if one.cause}
        self._since = {cause: self._since.get(cause, snapshot.now) for cause in found}
        return stalled(assessments, case, findings, self._since)

    async def explain(
        self, assessments: Sequence[Assessment], snapshot: Snapshot
    ) -> Finding | None:
        """Return the cause for which stages have failed or are blocked, None without a sure one."""
        case = await self._case(snapshot)
        return None if case is None else reason(assessments, diagnose(case))

    def holds(self, assessments: Iterable[Assessment], snapshot: Snapshot) -> bool:
        """Tell whether any of the signs is still there that were looked into last."""
        return bool(self._seen and self._seen & self._signs(assessments, snapshot))

    def stopped(
        self, assessments: Iterable[Assessment], finding: Finding
    ) -> tuple[Assessment, ...]:
        """Return assessments in which the stage that a finding concerns stands still for it."""
        every = tuple(assessments)
        left = [one for one in every if one.state not in (State.DONE, State.NOT_NEEDED)]
        stage = concerned(left, finding)
        return tuple(_stands(one, finding) if one is stage else one for one in every)

    @property
    def again(self) -> float | None:
        """Return the seconds after which to ask again, None where there are no signs."""
        return AGAIN if self._seen else None

    def _signs(self, assessments: Iterable[Assessment], snapshot: Snapshot) -> frozenset[str]:
        """Return the signs of trouble of one moment, which is asked for several times."""
        told = self._told
        if told is None or told[0] is not assessments or told[1] is not snapshot:
            found = signs(assessments, snapshot)
            told = self._told = (assessments, snapshot, found)
        return told[2]

    async def _case(self, snapshot: Snapshot, since: float | None = None) -> Case | None:
        try:
            return await examine_further(self._client, snapshot, self._namespaces, since)
        except OcGpuError:
            return None  # what the live view shows of the server's absence is the runner's matter


def _stands(assessment: Assessment, finding: Finding) -> Assessment:
    state = State.BLOCKED if finding.cause in BY_PERSON else State.FAILED
    return structs.replace(
        assessment,
        state=state,
        detail=finding.title,
        hints=finding.remedy or assessment.hints,
        cause=finding.cause,
        objects=finding.objects or assessment.objects,
    )
