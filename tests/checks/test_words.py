"""Guesses by what programs in trouble talk about: below certainty, and only where no rule knows."""

import pytest

from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.doctor import CHECKS, UNEXPLAINED
from oc_gpu.checks.quotes import find
from oc_gpu.checks.words import ABOUT, GUESS, guesses
from tests.checks.patient import Patient

UNHEARD_OF = {
    "gcc-mismatch": ("driver", "cc1: the compiler has no such command-line option: -mnew-thing"),
    "fabric-manager-not-running": ("validator", "the fabric manager keeps its session closed"),
    "toolkit-legacy-ldcache": ("toolkit", "cannot make sense of the header of /etc/ld.so.cache"),
    "mig-config-failed": ("mig", "mig-parted gave up on the layout for reasons of its own"),
    "vgpu-license-server-failed": ("driver", "nvidia-gridd: no answer worth the name"),
}


def ill(part: str) -> Patient:
    """A cluster in which one part fails, and no driver holds the card."""
    return Patient().fails(part).lspci("20b5")


def test_every_guess_is_of_a_cause_that_has_a_rule() -> None:
    assert ABOUT.keys() <= {check.cause for check in CHECKS}
    assert GUESS < SURE


@pytest.mark.parametrize(("cause", "said"), UNHEARD_OF.items())
def test_words_that_no_rule_knows_still_tell_what_it_is_about(
    cause: str, said: tuple[str, str]
) -> None:
    part, line = said
    silent = ill(part).diagnosis()
    assert silent[0].cause != cause or silent[0].confidence < GUESS
    first = ill(part).log(part, line).diagnosis()[0]
    assert (first.cause, first.confidence) == (cause, GUESS)
    assert line in first.evidence[0].quote


def test_what_is_known_for_sure_is_not_guessed() -> None:
    line = "modprobe: ERROR: could not insert 'nvidia': Required key not available"
    made = Patient().fails("driver").log("driver", line, "cc1: the compiler is of another mind")
    found = made.diagnosis()
    assert found[0].cause == "secure-boot-enabled"
    assert all(one.confidence != GUESS for one in found)


def test_what_is_about_nothing_known_stays_unexplained() -> None:
    found = Patient().fails("validator").log("validator", "something is odd").diagnosis()
    assert all(one.confidence != GUESS for one in found)
    assert any(one.code == UNEXPLAINED for one in found)


def test_more_words_of_one_cause_count_for_more() -> None:
    lines = "the compiler is odd", "nvlsm waits for ib_umad", "nvl5 is not up"
    made = Patient().fails("driver")
    for number, line in enumerate(lines):
        made = made.log("driver", line, container=f"c{number}")
    (guess,) = guesses(Case(made.snapshot()), CHECKS)
    assert guess.cause == "fabric-manager-nvlink5-prereq"


def test_programs_of_a_healthy_cluster_say_none_of_the_words() -> None:
    case = Case(Patient().snapshot())
    every = [phrase for phrases in ABOUT.values() for phrase in phrases]
    assert not find(case, every, None, ("log", "event", "state", "client"))
