"""What the GPU Operator itself says of what it lacks, in words of several releases."""

import pytest

from tests.checks.patient import Patient

_PARTS = (
    "unable to resolve driver image path for pre-compiled drivers, driver.repository, "
    "driver.image and driver.version have to be specified in the ClusterPolicy"
)
SAID = {
    "dtk-image-missing": (
        "WARNINGs: RHCOS driver-toolkit image missing. Version-specific fallback mode enabled.",
        "WARNING: DriverToolkit image tag missing. Version-specific fallback mode enabled.",
        "ocpHasDriverToolkitImageStream: driver-toolkit imagestream is broken, see RHBZ#2015024",
    ),
    "clusterpolicy-driver-image-incomplete": (_PARTS,),
}


@pytest.mark.parametrize(
    ("cause", "said"), [(cause, said) for cause, every in SAID.items() for said in every]
)
def test_the_operator_names_what_it_lacks(cause: str, said: str) -> None:
    patient = Patient().fails("driver").log("operator", said)
    assert patient.diagnosis()[0].cause == cause


def test_a_label_that_the_operator_asks_for_is_told_where_no_node_was_gathered() -> None:
    said = "node doesn't have the proper NFD RHCOS version label."
    patient = Patient().fails("driver").drop("nodes").log("operator", said)
    assert patient.diagnosis()[0].cause == "nfd-ostree-label-missing"


@pytest.mark.parametrize(
    "said",
    [
        "Couldn't get kernelVersion, did you run the node feature discovery?",
        "WARNING: Could not find NFD labels for node. Is NFD installed?",
    ],
)
def test_the_operator_tells_of_nodes_without_features_where_no_node_was_gathered(said: str) -> None:
    made = Patient().without("nfd-worker", "nfd-master", "nfd-operator")
    made.drop("nodefeaturediscoveries").drop("nodes").fails("operator")
    assert all(found.cause != "nfd-missing" for found in made.diagnosis())
    assert made.log("operator", said).diagnosis()[0].cause == "nfd-missing"
