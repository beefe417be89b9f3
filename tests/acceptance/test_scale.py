"""Commands on the large clusters of the benchmarks, in small."""

import pytest
from benchmarks import scale

pytestmark = pytest.mark.long


def test_commands_look_at_every_node_and_pod_in_little_memory() -> None:
    """A cluster made by repetition is one on which the road was walked."""
    looks = scale.looked(60)
    assert [one.command for one in looks] == ["status", "doctor", "enable", "check"]
    assert {one.command: one.code for one in looks} == dict.fromkeys(
        ("status", "doctor", "enable", "check"), 0
    )
    assert all(20 < one.megabytes < 150 for one in looks), looks


def test_the_road_is_walked_to_its_end_by_a_program_that_is_measured_alone() -> None:
    road = scale.road(30)
    assert road.look.code == 0, road
    assert road.last.endswith("gpu-operator  done")
    assert 20 < road.look.megabytes < 150
    assert 0 < road.look.seconds < road.wall_s
    assert road.simulator_s > 0
    assert road.simulated_s > 60


def test_a_road_that_is_not_walked_to_its_end_says_how_far_it_came() -> None:
    road = scale.road(30, longest=0.5)
    assert road.look.code == 4, road
    assert road.simulated_s == 0
