"""The engine runs checks, and nothing unread is ever taken for good."""

import re
from typing import Any

import pytest

from oc_gpu.checks import preflight, verify
from oc_gpu.checks.catalogue import LAYERS, Check, Result, exit_code, run_all, worst
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.snapshot.model import Unread
from tests.checks import world

EVERY: tuple[Check[Any], ...] = (*preflight.CHECKS, *verify.CHECKS)
SILENT = {
    "OCG0202",  # no exceptions from a proxy where there is none
    "OCG0203",  # nor a certificate authority of the site
    "OCG0504",  # no catalog that the world of these tests does not have
    *("OCG0804", "OCG0805", "OCG1502", "OCG1503"),  # asked of machines, with --probe-nodes
    *("OCG0806", "OCG0807"),  # of virtual GPUs
}
"""Checks that have nothing to say of the good cluster."""
NEEDED = sorted({source for check in EVERY for source in check.needs})


def _finding(severity: Severity) -> Finding:
    return Finding("OCG0101", "sources", severity, "access", "a title")


def test_codes_and_names_are_used_once_and_codes_name_their_layer() -> None:
    assert len({check.code for check in EVERY}) == len(EVERY)
    assert len({check.name for check in EVERY}) == len(EVERY)
    for check in EVERY:
        assert re.fullmatch(r"OCG\d{4}", check.code)
        assert LAYERS[int(check.code[3:5]) - 1] == check.layer


@pytest.mark.parametrize("checks", [preflight.CHECKS, verify.CHECKS])
def test_checks_stand_in_causal_order(checks: tuple[Check[Any], ...]) -> None:
    layers = [LAYERS.index(check.layer) for check in checks]
    assert layers == sorted(layers)


@pytest.mark.parametrize("source", NEEDED)
@pytest.mark.parametrize("how", ["forbidden", "failed", "not asked for"])
def test_a_check_without_its_source_says_unknown_and_names_it(source: str, how: str) -> None:
    unread = {} if how == "not asked for" else {source: Unread(how)}
    given = world.inputs(world.snapshot(**{source: None}, unread=unread))
    findings = (*run_all(preflight.CHECKS, given), *verify.judge(given, [world.evidence()]))
    codes = {check.code for check in EVERY if source in check.needs}
    blind = [finding for finding in findings if finding.code in codes]
    assert {finding.code for finding in blind} == codes
    for finding in blind:
        assert finding.severity is Severity.UNKNOWN
        assert f"{source} ({how})" in finding.title


def test_an_api_that_is_not_served_counts_as_read_and_empty() -> None:
    cluster = world.snapshot(subscriptions=None, unread={"subscriptions": Unread("absent")})
    findings = run_all(preflight.CHECKS, world.inputs(cluster))
    assert Severity.UNKNOWN not in {f.severity for f in findings if f.code == "OCG0502"}


def test_a_finding_carries_what_its_check_is_and_what_it_returned() -> None:
    result = Result(Severity.ERROR, "it broke", "some-cause", ("Node/a",), (), ("fix it",))
    check: Check[Inputs] = Check(
        "OCG1201", "some", "capacity", "it works", lambda _given: (result,)
    )
    assert run_all((check,), world.inputs()) == (
        Finding(
            "OCG1201",
            "some",
            Severity.ERROR,
            "capacity",
            "it broke",
            "some-cause",
            ("Node/a",),
            (),
            ("fix it",),
        ),
    )


def test_the_worst_finding_counts() -> None:
    order = [Severity.OK, Severity.INFO, Severity.UNKNOWN, Severity.WARNING, Severity.ERROR]
    for number, severity in enumerate(order):
        assert worst(_finding(s) for s in order[: number + 1]) is severity
    assert worst([]) is Severity.OK


@pytest.mark.parametrize(
    ("severity", "check", "proof"),
    [
        (Severity.OK, 0, 0),
        (Severity.INFO, 0, 0),
        (Severity.WARNING, 0, 0),
        (Severity.UNKNOWN, 0, 1),
        (Severity.ERROR, 1, 1),
    ],
)
def test_only_errors_fail_a_check_and_for_a_proof_unknown_does_too(
    severity: Severity, check: int, proof: int
) -> None:
    assert exit_code([_finding(severity)]) == check
    assert exit_code([_finding(severity)], proof=True) == proof


def test_a_good_cluster_has_no_error_and_titles_are_sentences_without_final_period() -> None:
    cluster = world.snapshot(journals={"worker03": f"{world.UNSECURED}\n{world.CARD_LINE}"})
    given = world.inputs(cluster)
    findings = (*run_all(preflight.CHECKS, given), *verify.judge(given, [world.evidence()]))
    assert {f.severity for f in findings} <= {Severity.OK, Severity.INFO}
    assert SILENT.isdisjoint(f.code for f in findings)
    assert {f.code for f in findings} | SILENT == {check.code for check in EVERY}
    assert not [f.title for f in findings if f.title.endswith(".") or " " not in f.title]
