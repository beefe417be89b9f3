"""Simulated clusters in this process, and clients of them that can be watched and cut off."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from oc_gpu.config import Entitlement, GpuPlatform, IsolationSpec, Spec, read_entitlement
from oc_gpu.kube import Client, Response
from oc_gpu.kube.transport import NO_HEADERS
from oc_gpu.rollout.events import Event, Outcome
from oc_gpu.rollout.survey import Wish
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.messages import ADMIN
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.cluster import Simulation
from oc_gpu.sim.scenario import DenyRule, Scenario, load
from oc_gpu.stages.model import State
from tests.portal import portal_zip

T = TypeVar("T")
TAINT = "nodetype=gpu:NoSchedule"
ENTITLED = {"seed", "ocp-4.8"}
"""Scenarios on which a driver build needs a certificate."""
QUIET: Callable[[Event], None] = lambda _: None  # noqa: E731


class Killed(BaseException):
    """The run ends here, as by SIGKILL."""


class Wire(InProcessTransport):
    """Carries requests, keeps which were writes, and can be cut.

    Attributes:
        writes: Method and path of each write.
        cut_after: Number of writes after which nothing gets through any more.
        last_arrives: Whether the write that is cut reaches the server.
        failures: Exceptions to raise in place of the next writes.
    """

    def __init__(self, server: ApiServer) -> None:
        super().__init__(server, user=ADMIN, external=True)
        self.writes: list[str] = []
        self.cut_after: int | None = None
        self.last_arrives = False
        self.failures: list[Exception] = []
        self._cut = False

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes = b"",
    ) -> Response:
        if self._cut:
            raise Killed
        if _is_write(method, target, body):
            self.writes.append(f"{method} {urlsplit(target).path}")
            if self.cut_after is not None and len(self.writes) > self.cut_after:
                self._cut = True
                if self.last_arrives:
                    await super().request(method, target, headers=headers, body=body)
                raise Killed
            if self.failures:
                raise self.failures.pop(0)
        return await super().request(method, target, headers=headers, body=body)


def _is_write(method: str, target: str, body: bytes) -> bool:
    """Tell whether a request changes the cluster; a Lease only says who is about to."""
    reviews = "accessreviews" in target or "/leases" in target
    dry = "dryRun=All" in target or b'"dryRun"' in body
    return method != "GET" and not reviews and not dry


def wish(taint: str | None = None) -> Wish:
    """Return a wish for GPUs, with or without a taint."""
    return Wish(GpuPlatform(spec=Spec(isolation=IsolationSpec(taint=taint))))


def on_cluster(
    act: Callable[[Client, Wire], Awaitable[T]],
    scenario: str | Scenario = "ocp-4.20",
    *,
    denied: tuple[DenyRule, ...] = (),
    patience: float = 60,
) -> T:
    """Run something on a fresh simulated cluster, for so many seconds of the wall at most."""

    async def main() -> T:
        async with Simulation(_with(scenario, denied)) as simulation:
            wire = Wire(simulation.server)
            async with asyncio.timeout(patience):
                result = await act(Client(wire), wire)
            assert simulation.failures == []
            return result

    return asyncio.run(main())


def _with(scenario: str | Scenario, denied: tuple[DenyRule, ...]) -> Scenario:
    facts = load(scenario) if isinstance(scenario, str) else scenario
    return msgspec.structs.replace(facts, denied=denied or facts.denied)


DONE = {State.DONE, State.NOT_NEEDED}


def passed(outcome: Outcome) -> bool:
    """Tell whether every stage is done or not needed."""
    return all(assessment.state in DONE for assessment in outcome.assessments)


@cache
def certificate() -> Entitlement:
    """Return a certificate as the portal hands it out."""
    with TemporaryDirectory() as folder:
        return read_entitlement(str(portal_zip(Path(folder))))


def wanted(scenario: str, taint: str | None = None) -> Wish:
    """Return a wish for GPUs with what a scenario needs for it."""
    given = certificate() if scenario in ENTITLED else None
    return Wish(wish(taint).config, given)
