"""People without OpenShift have kubectl: what they are told to run is there."""

import pytest

from oc_gpu.checks.case import Case
from oc_gpu.checks.clients import for_kubectl
from oc_gpu.checks.unheard import unheard
from tests.checks.patient import NODE, Patient

_DEBUG = "kubectl debug node/n1 -it --profile=sysadmin --image=busybox"


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("oc get pods -A; then oc logs x", "kubectl get pods -A; then kubectl logs x"),
        ("oc adm drain n1", "kubectl drain n1"),
        (
            "oc debug node/n1 -- chroot /host lsmod | grep nvidia",
            f"{_DEBUG} -- chroot /host lsmod | grep nvidia",
        ),
    ],
)
def test_a_command_that_kubectl_has_is_one_of_kubectl(line: str, instead: str) -> None:
    assert for_kubectl(line) == instead


@pytest.mark.parametrize(
    "line", ["oc adm policy add-scc-to-user privileged -z x", "oc-gpu doctor", "oc set data s"]
)
def test_what_kubectl_lacks_is_left_as_it_is(line: str) -> None:
    assert for_kubectl(line) == line


@pytest.mark.parametrize("client", ["oc ", "kubectl "])
def test_findings_and_what_is_missing_name_the_client_of_the_cluster(client: str) -> None:
    made = Patient(openshift=client == "oc ").fails("driver")
    commands = [line for line in made.diagnosis()[0].remedy if "get " in line or "logs " in line]
    commands += [one.command for one in unheard(Case(made.snapshot()))]
    assert len(commands) > 1
    assert all(line.startswith(client) for line in commands)
    assert any(NODE in line for line in commands)
