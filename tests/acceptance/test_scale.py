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
