"""The closing list of docs/lab.md: every known difference is in it, and its tests are there."""

import re
from pathlib import Path

from lab.__main__ import TRACES
from lab.tracing.compare import load_differences

ROOT = Path(__file__).parents[2]
LIST = (ROOT / "docs" / "lab.md").read_text("utf-8").partition("## Every difference")[2]


def test_every_difference_between_the_traces_is_told_with_its_reason() -> None:
    every = [d for each in load_differences(TRACES / "differences.yaml").values() for d in each]
    told = " ".join(LIST.split())
    assert [d.reason for d in every if " ".join(d.reason.split()) not in told] == []


def test_tests_that_hold_a_mended_difference_are_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", LIST)
    assert len(named) > 10
    for path, test in named:
        assert f"def {test}" in (ROOT / path).read_text("utf-8"), path
