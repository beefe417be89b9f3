"""What tells nothing of a cause, although it looks like what does."""

from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.model import Finding, Severity
from tests.checks.indirect import (
    SECOND,
    clients_stay,
    compiled,
    crashing_operator,
    docker,
    half_split,
    host_package,
    in_use,
    lost_lease,
    no_monitor,
    plugin_validation,
    proxy_elsewhere,
    unknown_system,
    validation_fails,
    without_account,
)
from tests.checks.patient import Patient


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def test_an_operator_that_alone_ended_or_says_why_needs_no_guess() -> None:
    cause = "leader-election-lost-apiserver"
    found = _one(crashing_operator(), cause)
    assert found is not None
    assert found.confidence < SURE
    assert _one(crashing_operator(others=False), cause) is None
    assert _one(crashing_operator().log("operator", "panic: nil map"), cause) is None


def test_a_lease_that_another_program_loses_again_and_again_is_a_notice() -> None:
    (found,) = lost_lease().diagnosis()
    assert (found.cause, found.severity) == ("leader-election-lost-apiserver", Severity.WARNING)
    assert lost_lease(1).diagnosis() == ()
    assert lost_lease(line="signal: terminated").diagnosis() == ()


def test_a_compiler_that_read_the_headers_has_them() -> None:
    line = "nv.c:63: error: implicit declaration of function 'f'"
    assert _one(compiled(line), "kernel-headers-not-found") is None


def test_an_api_of_openshift_that_is_missing_on_openshift_is_something_else() -> None:
    line = "failed to get OpenShift version: the server could not find the requested resource"
    assert _one(unknown_system(line, openshift=True), "unsupported-runtime-os") is None


def test_a_module_that_only_its_own_modules_use_can_be_unloaded() -> None:
    found = _one(in_use(2), "driver-in-use-cannot-unload")
    assert found is None or found.confidence < SURE


def test_a_driver_that_says_why_it_ended_is_believed_before_a_guess() -> None:
    made = clients_stay(said="nv.c:63: error: implicit declaration of function 'f'")
    assert made.diagnosis()[0].cause == "driver-kernel-incompatible"


def test_a_validation_that_fails_for_want_of_a_gpu_is_told_so() -> None:
    assert _one(plugin_validation(held=True), "cuda-init-error") is None


def test_cards_that_all_have_instances_have_another_trouble() -> None:
    assert _one(half_split(SECOND), "mig-enabled-no-devices") is None


def test_a_plugin_that_asks_for_the_right_has_another_trouble() -> None:
    assert _one(no_monitor("all"), "mig-monitor-env-missing") is None
    assert _one(no_monitor().log("plugin", "out of memory"), "mig-monitor-env-missing") is None


def test_containerd_may_know_the_handler_that_docker_cannot() -> None:
    assert _one(docker("containerd://1.7.18"), "toolkit-wrong-runtime") is None


def test_a_driver_that_has_the_proxy_or_got_its_packages_lacks_none() -> None:
    assert _one(proxy_elsewhere(driver=True), "proxy-missing-driver") is None
    went_on = ("+ yum -q makecache", "Installing Linux kernel headers...")
    assert _one(proxy_elsewhere(*went_on), "proxy-missing-driver") is None


def test_a_registry_that_anybody_may_pull_from_wants_no_account() -> None:
    image = "registry.access.redhat.com/ubi8:latest"
    assert _one(without_account(image), "registry-auth-forbidden") is None
    on_red_hat = without_account()
    on_red_hat.node(nodeInfo={"osImage": "Red Hat Enterprise Linux 8.10 (Ootpa)"})
    assert _one(on_red_hat, "registry-auth-forbidden") is None


def test_who_looked_and_failed_is_not_short_of_a_marker() -> None:
    assert _one(validation_fails(), "validation-markers-missing") is None
    assert _one(host_package(), "validation-markers-missing") is None


def test_a_release_just_beyond_the_tested_ones_is_a_notice() -> None:
    made = Patient(operator="v24.9.2").fails("operator")
    made.one("clusterversions", "version")["status"]["desired"]["version"] = "4.18.1"
    found = _one(made, "unsupported-version-matrix")
    assert found is not None
    assert found.severity is Severity.WARNING
