"""Roads there and back on a faulty or deadly API server: what is tried, and what came of it."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.acceptance.conftest import Cluster, cluster, difference
from tests.chaos.faults import Chaos
from tests.chaos.proxy import Ask
from tests.chaos.running import Behind, behind
from tests.portal import portal_zip

SCENARIOS = ("seed", "ocp-4.20")
_TAINT = ("--taint", "nodetype=gpu:NoSchedule")
_REQUESTS = {"enable": 300, "disable": 350}
"""About how many requests a run sends; one that is over before its kill counts as none."""
_LIMIT = 600.0


@dataclass(frozen=True)
class Came:
    """What came of a road.

    Attributes:
        scenario: The cluster.
        faults: What was met, by name.
        requests: Number of requests that a proxy saw.
        kills: Requests at which runs were killed, by command.
        twice: What the server was made to do twice.
        left: How the cluster differs in the end from how it was before.
        failed: The first command that did not end well, with what it said.
    """

    scenario: str
    faults: dict[str, int]
    requests: int
    kills: dict[str, list[int]]
    twice: tuple[str, ...] = ()
    left: str = ""
    failed: str = ""

    @property
    def well(self) -> bool:
        """Tell whether the road held."""
        return not (self.twice or self.left or self.failed)


@contextmanager
def _started(scenario: str) -> Iterator[tuple[Cluster, tuple[str, ...]]]:
    with (
        TemporaryDirectory(prefix="oc-gpu-chaos-") as folder,
        cluster(scenario, Path(folder)) as on,
    ):
        portal = ("--entitlement", str(portal_zip(Path(folder)))) if scenario == "seed" else ()
        yield on, ("enable", "--yes", *portal, *_TAINT)


def with_faults(scenario: str, seed: int, rate: float = 0.1) -> Came:
    """Walk the road there and back while a share of the requests fails."""
    chaos = Chaos(seed, rate, conflicts=True)
    with _started(scenario) as (on, enable):
        before = on.objects()
        with behind(on, chaos) as through:
            failed = _walked(through.cluster, enable, ("verify",), ("disable", "--yes"))
            twice = tuple(through.proxy.audit.twice())
        left = difference(before, on.objects())
    return Came(scenario, chaos.counts, chaos.requests, {}, twice, left, failed)


def with_kills(scenario: str, seed: int, enables: int, disables: int) -> Came:
    """Walk the road there and back while runs of both commands are killed, one after another."""
    dice = random.Random(f"{scenario} {seed}")  # noqa: S311 - moments, no secrets
    chaos = Chaos(seed, rate=0.0)
    kills: dict[str, list[int]] = {"enable": [], "disable": []}
    with _started(scenario) as (on, enable):
        before = on.objects()
        with behind(on, chaos) as through:
            for _ in range(enables):
                kills["enable"] += _killed(through, enable, dice)
            failed = _walked(through.cluster, enable, ("verify",))
            for _ in range(disables):
                kills["disable"] += _killed(through, ("disable", "--yes"), dice)
            failed = failed or _walked(through.cluster, ("disable", "--yes"))
            twice = tuple(through.proxy.audit.twice())
        left = difference(before, on.objects())
    return Came(scenario, {}, chaos.requests, kills, twice, left, failed)


def _killed(through: Behind, arguments: tuple[str, ...], dice: random.Random) -> list[int]:
    """Run a command and kill it at a request by chance; return which, none when it was over."""
    moment = dice.randint(1, _REQUESTS[arguments[0]])
    seen: list[Ask] = []
    process = through.cluster.start(*arguments)

    def strike(ask: Ask) -> None:
        seen.append(ask)
        if len(seen) == moment:
            os.kill(process.pid, signal.SIGKILL)

    through.proxy.asked = strike
    process.communicate(timeout=_LIMIT)
    through.proxy.asked = lambda _: None
    return [moment] if process.returncode == -signal.SIGKILL else []


def _walked(on: Cluster, *commands: tuple[str, ...]) -> str:
    for command in commands:
        run = on.oc_gpu(*command, timeout=_LIMIT)
        if run.code or "Traceback" in run.err:
            return f"{command[0]}: exit code {run.code}: {run.err.strip()[-300:]}"
    return ""
