"""Whether a cluster needs an entitlement."""

import pytest

from oc_gpu.facts import (
    Decision,
    entitlement_needed,
    gpu_operator_release,
    openshift_release,
    openshift_releases,
    trial_image,
)
from oc_gpu.facts.entitlement import Known


def decide(version: str, operator: str | None = "26.3.3", *, dtk: Known = None) -> Decision:
    release = gpu_operator_release(operator) if operator else None
    return entitlement_needed(version, release, dtk)


def needed(version: str, operator: str | None = "26.3.3", *, dtk: Known = None) -> bool:
    return decide(version, operator, dtk=dtk).needed


@pytest.mark.parametrize("version", ["4.4.33", "4.5.0", "4.6.60", "4.7.11"])
def test_releases_without_driver_toolkit_need_it_whatever_the_operator(version: str) -> None:
    assert needed(version, "1.5.2")
    assert needed(version, None, dtk=True)


@pytest.mark.parametrize("version", ["4.10.3", "4.11.12", "4.13.0", "4.20.4", "5.0.0", "5.9"])
def test_releases_from_4_10_on_never_need_it(version: str) -> None:
    assert not needed(version)
    assert not needed(version, None, dtk=False)


@pytest.mark.parametrize(
    ("version", "operator", "dtk", "expected"),
    [
        ("4.9.11", "1.9.1", None, False),
        ("4.9.11", "1.9.1", False, True),
        ("4.9.11", "1.8.2", True, True),
        ("4.9.8", "1.9.1", True, True),
        ("4.9.5", "1.9.1", True, True),
        ("4.9", "1.9.1", True, True),
        ("4.8.22", "1.9.1", True, False),
        ("4.8.22", "1.9.1", None, True),
        ("4.8.21", "1.9.1", True, True),
        ("4.8.40", None, True, False),
    ],
)
def test_4_8_and_4_9_depend_on_patch_operator_and_image_stream(
    version: str, operator: str | None, dtk: Known, expected: Known
) -> None:
    assert needed(version, operator, dtk=dtk) is expected


@pytest.mark.parametrize("version", [r.version for r in openshift_releases()])
@pytest.mark.parametrize("dtk", [True, False, None])
def test_every_decision_has_a_reason(version: str, dtk: Known) -> None:
    decision = decide(version, None, dtk=dtk)
    assert decision.reason
    assert not decision.reason.endswith(".")


def test_a_missing_image_stream_is_a_warning_where_entitled_builds_are_no_way_out() -> None:
    assert "driver-toolkit" in decide("4.20.1", None, dtk=False).warning
    assert not decide("4.20.1", None, dtk=True).warning


def test_a_broken_toolkit_is_a_warning_where_entitled_builds_are_no_way_out() -> None:
    assert "update OpenShift" in decide("4.11.12", None, dtk=True).warning
    assert not decide("4.12.1", None, dtk=True).warning


def test_a_certificate_is_tried_out_in_the_image_of_releases_that_need_one() -> None:
    assert entitlement_needed("4.9.1", None).needed
    assert trial_image() == openshift_release("4.9").ubi
    assert not entitlement_needed("4.10.0", None).needed
