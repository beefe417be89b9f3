"""Runs that are killed one after another leave nothing that the next one cannot go on from."""

import pytest

from tests.chaos.roads import SCENARIOS, with_kills

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_roads_hold_while_runs_there_and_back_are_killed(scenario: str) -> None:
    came = with_kills(scenario, seed=11, enables=3, disables=2)
    assert came.well, came
    assert sum(map(len, came.kills.values())) > 2
