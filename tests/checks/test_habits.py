"""Guesses by habit: far below certainty, and only where nothing that was read says anything."""

import pytest

from oc_gpu.checks.doctor import CHECKS, UNEXPLAINED
from oc_gpu.checks.habits import HABIT, USUAL
from oc_gpu.checks.words import GUESS
from tests.checks.patient import Patient


def test_every_habit_is_a_cause_that_has_a_rule() -> None:
    assert {cause for _, _, cause in USUAL} <= {check.cause for check in CHECKS}
    assert HABIT < GUESS


@pytest.mark.parametrize(
    ("part", "cause"),
    [
        ("mig", "mig-config-failed"),
        ("plugin", "runtime-not-injecting-driver"),
    ],
)
def test_a_program_that_fails_without_a_word_fails_as_it_mostly_does(part: str, cause: str) -> None:
    first, second = Patient(openshift=False).fails(part).diagnosis()[:2]
    assert (first.cause, first.confidence) == (cause, HABIT)
    assert first.title.startswith("perhaps ")
    assert second.code == UNEXPLAINED


def test_toolkits_fail_by_the_runtime_that_they_set_up() -> None:
    first = Patient(openshift=False).fails("toolkit").diagnosis()[0]
    assert (first.cause, first.confidence) == ("toolkit-wrong-containerd-config", HABIT)
    assert Patient().fails("toolkit").diagnosis()[0].cause == "toolkit-wrong-runtime"


def test_what_is_said_goes_before_habits() -> None:
    made = Patient().fails("mig").log("mig", "cc1: the compiler has no such thing")
    assert [one.confidence for one in made.diagnosis()].count(HABIT) == 0


def test_an_image_that_does_not_come_is_no_matter_of_habit() -> None:
    made = Patient().fails("mig", state="ImagePullBackOff")
    assert all(one.confidence != HABIT for one in made.diagnosis())
