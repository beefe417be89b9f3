"""Two traces held against each other: what counts as a difference, and what explains one."""

from pathlib import Path

import pytest
from lab.tracing.compare import Difference, compare, load_differences
from lab.tracing.trace import Said, Trace, dump, load

ONCE = ("Pod a", "Pending"), ("Pod a", "Running"), ("Pod b", "Pending")


def trace(*events: tuple[str, str], step: str = "enable") -> Trace:
    said = tuple(Said(float(n), name, says) for n, (name, says) in enumerate(events))
    return Trace("road", "2026-11-30", "lab", {"etcd": "v3"}, {step: said})


def known(only: str, objects: str, says: str = "*") -> Difference:
    return Difference(only=only, objects=objects, says=says, reason="for a reason")  # type: ignore[arg-type]


def test_a_trace_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "road.yaml"
    path.write_text(dump(trace(*ONCE)))
    assert load(path) == trace(*ONCE)


def test_same_sequences_are_the_same_whatever_their_times_and_their_order_between_objects() -> None:
    other = ("Pod b", "Pending"), ("Pod a", "Pending"), ("Pod a", "Pending"), ("Pod a", "Running")
    assert compare(trace(*ONCE), trace(*other), ()) == []


@pytest.mark.parametrize(
    "other",
    [
        ONCE[:2],
        (*ONCE, ("Pod c", "Pending")),
        (ONCE[1], ONCE[0], ONCE[2]),
        (*ONCE, ("Pod a", "Pending")),
    ],
    ids=["object missing", "object too many", "other order", "condition too many"],
)
def test_another_sequence_is_told(other: tuple[tuple[str, str], ...]) -> None:
    assert len(compare(trace(*ONCE), trace(*other), ())) == 1
    assert len(compare(trace(*other), trace(*ONCE), ())) == 1


def test_the_same_in_another_step_is_told() -> None:
    assert len(compare(trace(*ONCE), trace(*ONCE, step="disable"), ())) == 4


def test_a_known_difference_is_not_told() -> None:
    more = trace(*ONCE, ("Pod a", "Pending"), ("Pod c", "Pending"))
    assert compare(more, trace(*ONCE), (known("real", "Pod c"),)) != []
    explained = (known("real", "Pod c"), known("real", "Pod ?", "Pending"))
    assert compare(more, trace(*ONCE), explained) != []
    pending = (known("real", "Pod *", "Pending"), known("simulated", "Pod *", "Pending"))
    assert compare(more, trace(*ONCE), pending) == []


def test_a_difference_that_only_the_other_side_may_have_explains_nothing() -> None:
    more = trace(*ONCE, ("Pod c", "Pending"))
    assert len(compare(trace(*ONCE), more, (known("real", "Pod c"),))) == 2


def test_a_known_difference_that_is_no_more_is_told() -> None:
    (line,) = compare(trace(*ONCE), trace(*ONCE), (known("real", "Pod z"),))
    assert "known, but not seen" in line
    assert "Pod z" in line


def test_differences_are_read_by_road(tmp_path: Path) -> None:
    path = tmp_path / "differences.yaml"
    path.write_text("road:\n  - {only: real, objects: Pod c, reason: for a reason}\n")
    assert load_differences(path) == {"road": (known("real", "Pod c"),)}
