"""What OLM says of an operator that it does not install, in words of several releases."""

import pytest

from tests.checks.ailments import subscription

SAID = {
    "olm-no-operatorgroup": (
        "expected 1 OperatorGroup in the namespace, found 0",
        "found 0 operatorGroups, expected 1",
        (
            "attenuated service account query failed - no operator group found that is managing "
            "this namespace"
        ),
    ),
    "olm-multiple-operatorgroups": (
        (
            "attenuated service account query failed - more than one operator group(s) are "
            "managing this namespace count=2"
        ),
        "csv created in namespace with multiple operatorgroups, can't pick one automatically",
    ),
    "olm-bundle-unpack-failed": (
        (
            "Unpack pod(openshift-marketplace/a1b2) container(pull) is pending. "
            "Reason: ErrImagePull, Message: manifest unknown"
        ),
    ),
    "olm-catalogsource-unhealthy": (
        (
            "error using catalogsource openshift-marketplace/certified-operators: connection never "
            "satisfied predicate; last state=TRANSIENT_FAILURE"
        ),
    ),
}


@pytest.mark.parametrize(
    ("cause", "said"), [(cause, said) for cause, every in SAID.items() for said in every]
)
def test_a_condition_tells_of_its_cause(cause: str, said: str) -> None:
    condition = {"type": "ResolutionFailed", "status": "True", "reason": "Failed", "message": said}
    patient = subscription(conditions=[condition])
    assert patient.diagnosis()[0].cause == cause
