"""Runs that are killed on the real programs; the section on them of docs/reliability.md.

How many runs are killed is `OC_GPU_LAB_KILLS` in the environment.
"""

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.acceptance.conftest import difference, kill
from tests.lab.conftest import LabCluster, lab_cluster

TITLE = "Kills on the real programs"
VARIABLE = "OC_GPU_LAB_KILLS"
_KILLS = 20
_ROUND = (("enable", 5), ("disable", 2))
"""Kills in one round: there and back."""
_LONGEST = 12.0
"""Seconds after which a run is killed at the latest: less than a road takes."""
_TAINT = ("--taint", "nodetype=gpu:NoSchedule")


class Killed(NamedTuple):
    """One run that was killed, after how many seconds, and the stages that were done then."""

    command: str
    seconds: float
    done: int


class Round(NamedTuple):
    """The road there and back with kills on it, and what is wrong afterwards."""

    kills: tuple[Killed, ...]
    wrong: tuple[str, ...]


def rounds(lab: LabCluster, kills: int, seed: int) -> Iterator[Round]:
    """Walk there and back again and again, until so many runs were killed."""
    dice = random.Random(seed)  # noqa: S311 - a moment, no secret
    left = kills
    while left > 0:
        found = _round(lab, left, dice)
        left -= len(found.kills)
        yield found


def _round(lab: LabCluster, most: int, dice: random.Random) -> Round:
    before = lab.objects()
    killed: list[Killed] = []
    wrong: list[str] = []
    for command, count in _ROUND:
        arguments = (command, "--yes", *(_TAINT if command == "enable" else ()))
        for _ in range(min(count, most - len(killed))):
            killed += _kill(lab, arguments, dice.uniform(0.3, _LONGEST))
        wrong += _ended(lab, arguments)
        if command == "enable":
            wrong += _holds(lab, arguments)
    return Round(tuple(killed), (*wrong, *difference(before, lab.objects()).splitlines()))


def _kill(lab: LabCluster, arguments: tuple[str, ...], after: float) -> list[Killed]:
    """Kill one run; nothing where it was over before."""
    process = lab.start(*arguments)
    with suppress(subprocess.TimeoutExpired):
        process.wait(after)
    over = process.poll() is not None
    kill(process)
    if over:
        return []
    stages = lab.oc_gpu("status").out.splitlines()
    done = sum(" done " in f"{line} " for line in stages)
    return [Killed(arguments[0], after, done)]


def _ended(lab: LabCluster, arguments: tuple[str, ...]) -> list[str]:
    run = lab.oc_gpu(*arguments)
    return [f"{arguments[0]}: exit code {run.code}: {run.err[-300:]}"] if run.code else []


def _holds(lab: LabCluster, arguments: tuple[str, ...]) -> list[str]:
    """Return what is wrong with a road that was walked: no proof, or something left to write."""
    written = len(lab.writes())
    wrong = _ended(lab, arguments)
    wrong += [f"written again: {e['requestURI']}" for e in lab.writes()[written:]]
    proof = lab.oc_gpu("verify")
    return wrong if "proven on every GPU node" in proof.out else [*wrong, proof.out]


def text() -> str:
    """Return the section, from runs of now."""
    kills = int(os.environ.get(VARIABLE, str(_KILLS)))
    with TemporaryDirectory(prefix="oc-gpu-") as folder, lab_cluster(Path(folder)) as lab:
        came = list(rounds(lab, kills, seed=5))
    rows = "\n".join(_row(number, one) for number, one in enumerate(came, 1))
    return f"""\
Real kube-apiserver, OLM, NFD and GPU Operator ([lab.md](lab.md)). Runs of `oc gpu enable` and
`oc gpu disable` are killed (SIGKILL) after {_LONGEST:g} seconds at most; then the command is run to
its end. After `enable` a second one must write nothing and `verify` must prove every GPU node;
after `disable` every object of the cluster must be as before. Seconds are those of the clock.

| round | `enable` killed after | `disable` killed after | stages done at the kills | result |
| --- | --- | --- | --- | --- |
{rows}
"""


def _row(number: int, came: Round) -> str:
    after = {
        command: ", ".join(f"{k.seconds:.1f} s" for k in came.kills if k.command == command)
        for command, _ in _ROUND
    }
    done = ", ".join(str(one.done) for one in came.kills)
    cells = (str(number), *(text or "-" for text in after.values()), done)
    return f"| {' | '.join(cells)} | {'; '.join(came.wrong) or 'held'} |"
