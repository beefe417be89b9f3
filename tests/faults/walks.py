"""Walking the road on a cluster with a fault: what stops it, and when that was to be seen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct, structs

from oc_gpu.checks import hardware, preflight
from oc_gpu.checks.case import Case
from oc_gpu.checks.context import inputs
from oc_gpu.checks.doctor import diagnose
from oc_gpu.checks.model import Evidence, Finding, Severity
from oc_gpu.checks.verify import judge
from oc_gpu.kube import OcGpuError, RawObject
from oc_gpu.report import bundles
from oc_gpu.rollout import commands
from oc_gpu.rollout.events import Outcome
from oc_gpu.rollout.examining import examine
from oc_gpu.rollout.gathering import gather
from oc_gpu.rollout.proof import collect
from oc_gpu.rollout.survey import Survey, Wish, survey
from oc_gpu.sim.actors.kubelet import Kubelets
from oc_gpu.sim.api.kinds import ServedKind
from oc_gpu.sim.api.store import Entry
from oc_gpu.sim.cluster import Simulation
from oc_gpu.sim.scenario import Scenario, from_document, load, to_document
from oc_gpu.snapshot.bundle import open_bundle
from oc_gpu.snapshot.bundle.writing import files
from oc_gpu.stages.model import State
from tests.rollout.clusters import QUIET, passed, wanted

_LONGEST = 240.0
"""Seconds of the wall in which a walk has ended, or the test is broken off."""


class ObstaclesError(OcGpuError):
    """The checks before the road refused the cluster."""

    def __init__(self, found: tuple[Finding, ...]) -> None:
        super().__init__("; ".join(one.title for one in found))
        self.found = found


class Walk(Struct, frozen=True):
    """How one `enable` ended.

    Attributes:
        findings: Causes that it named, the first one first.
        done: Whether every stage is done.
        by: `check` when nothing was written, `walk` otherwise.
        began: Simulated time of its start.
        ended: Simulated time of its end.
    """

    findings: tuple[Finding, ...]
    done: bool
    by: str
    began: float
    ended: float


class Witness:
    """Notes when a text is first to be seen in any object of a cluster, or in any log."""

    def __init__(self, simulation: Simulation, sign: str) -> None:
        self._simulation = simulation
        self._sign = sign.encode()
        self._first: float | None = None
        backend = simulation.server.backend
        backend.changed.append(self._look)
        for kind in backend.registry.kinds():
            for entry in backend.store.of(kind.key).entries.values():
                self._look(kind, entry)

    def _look(self, _kind: ServedKind, entry: Entry) -> None:
        if self._first is None and self._sign in entry.body:
            self._first = self._simulation.clock.now()

    @property
    def first(self) -> float | None:
        """Return the simulated time, None when it was never to be seen."""
        times = [self._first] if self._first is not None else []
        kubelets = self._simulation.server.kubelet
        assert isinstance(kubelets, Kubelets)
        for node in self._simulation.scenario.nodes:
            for worker in kubelets.workers_on(node.name):
                for run in (*worker.state.inits, *worker.state.mains):
                    for log in filter(None, (run.log, run.previous)):
                        times += [at for at, line in log.lines if self._sign.decode() in line]
        return min(times, default=None)


def small(name: str) -> Scenario:
    """Return a built-in scenario with one master, one worker and its first GPU node."""
    document: RawObject = msgspec.json.decode(msgspec.json.encode(to_document(load(name))))
    nodes = document["nodes"]
    masters = [n for n in nodes if "master" in n["roles"]]
    cards = [n for n in nodes if any(d.get("gpu") for d in n["pci"])]
    plain = [n for n in nodes if n not in masters and n not in cards]
    document["nodes"] = [masters[0], plain[0], cards[0]]
    return from_document(document, name)


@asynccontextmanager
async def cluster(name: str, *faults: str) -> AsyncIterator[Simulation]:
    """Run a small cluster that has some faults from the start."""
    async with Simulation(structs.replace(small(name), faults=faults)) as simulation:
        yield simulation
        assert simulation.failures == []


async def enable(simulation: Simulation, *, check: bool = True) -> Walk:
    """Walk the road as the command does; without `check` as on a cluster that fell ill later."""
    began = simulation.clock.now()
    wish = wanted(simulation.scenario.name)
    try:
        async with asyncio.timeout(_LONGEST):
            outcome = await _enable(simulation, wish, check=check)
    except ObstaclesError as error:
        return Walk(error.found, done=False, by="check", began=began, ended=simulation.clock.now())
    return Walk(
        _named(outcome), done=passed(outcome), by="walk", began=began, ended=simulation.clock.now()
    )


async def _enable(simulation: Simulation, wish: Wish, *, check: bool) -> Outcome:
    client = simulation.client()
    if not check:
        return await commands.enable(client, wish, QUIET)
    return await commands.enable(
        client, wish, QUIET, check=_check, journal=hardware.JOURNAL_PATTERN
    )


async def _check(found: Survey) -> None:
    errors = preflight.obstacles(found.context)
    if errors:
        raise ObstaclesError(errors)


def _named(outcome: Outcome) -> tuple[Finding, ...]:
    """Return the doctor's finding, else what stages that stand say themselves."""
    if outcome.finding is not None:
        return (outcome.finding,)
    return tuple(
        Finding(
            code="",
            check=one.stage,
            severity=Severity.ERROR,
            layer="",
            title=one.detail,
            cause=one.cause,
            objects=one.objects,
            evidence=(Evidence(f"stage {one.stage}", one.detail),),
            remedy=one.hints,
        )
        for one in outcome.assessments
        if one.state in (State.FAILED, State.BLOCKED)
    )


async def doctor(simulation: Simulation) -> tuple[Finding, ...]:
    """Return what the doctor finds in the live cluster."""
    return diagnose(Case(await examine(simulation.client())))


async def doctor_of_bundle(simulation: Simulation) -> tuple[Finding, ...]:
    """Return what the doctor finds in what `gather` writes of the cluster."""
    contents = await gather(simulation.client())
    with TemporaryDirectory() as folder:
        place = Path(folder) / "bundle"
        bundles.write(place, files(contents))
        with open_bundle(place) as bundle:
            return diagnose(Case(bundle.snapshot))


async def unproven(simulation: Simulation) -> list[Finding]:
    """Return what `verify` does not prove; nothing where all is proven."""
    client, wish = simulation.client(), wanted(simulation.scenario.name)
    async with asyncio.timeout(_LONGEST):
        found = await survey(client, wish, journal=hardware.JOURNAL_PATTERN)
        nodes = hardware.gpu_nodes(inputs(found.context))
        evidence = await collect(client, found, nodes=nodes)
        after = await survey(client, wish, journal=hardware.JOURNAL_PATTERN)
    told = judge(inputs(after.context), evidence)
    return [one for one in told if one.severity in (Severity.ERROR, Severity.UNKNOWN)]
