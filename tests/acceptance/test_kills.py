"""A run that is killed is continued by running it again."""

import random
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.conftest import cluster, kill

pytestmark = [pytest.mark.slow, pytest.mark.long]
RUNS = 20


@pytest.mark.timeout(400)
@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("scenario", ["seed", "ocp-4.20"])
def test_enable_killed_at_a_random_moment_ends_verified(
    scenario: str, half: int, tmp_path: Path, portal: Path
) -> None:
    dice = random.Random(f"{scenario}{half}")  # noqa: S311 - a moment, no secret
    given = ("--entitlement", str(portal)) if scenario == "seed" else ()
    enable = ("enable", "--yes", *given, "--taint", "nodetype=gpu:NoSchedule")
    for number in range(RUNS // 2):
        home = tmp_path / str(number)
        home.mkdir()
        with cluster(scenario, home) as on:
            process = on.start(*enable)
            with suppress(subprocess.TimeoutExpired):
                process.wait(dice.uniform(0.2, 2.2))
            kill(process)
            on.oc_gpu(*enable).ok()
            on.oc_gpu("verify").ok()
