"""The road there and back on the real control plane, with kills on it."""

import os
import random

import pytest

from tests.lab.conftest import LabCluster
from tests.lab.kills import VARIABLE, rounds

pytestmark = pytest.mark.lab
KILLS = int(os.environ.get(VARIABLE, "5"))


@pytest.mark.timeout(300 + 60 * KILLS)
def test_road_there_and_back_with_kills_on_it_is_as_good_as_without(lab: LabCluster) -> None:
    came = list(rounds(lab, KILLS, seed=random.randrange(1000)))  # noqa: S311 - no secret
    assert sum(len(one.kills) for one in came) == KILLS
    assert [problem for one in came for problem in one.wrong] == []
