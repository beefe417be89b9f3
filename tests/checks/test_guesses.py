"""What the state alone tells is a guess, and another state takes it back."""

import pytest

from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.model import Finding, Severity
from tests.checks.patient import NODE, Patient
from tests.checks.unsaid import (
    INSTANCE,
    bare_host,
    builder,
    default_runtime,
    journal,
    left_behind,
    other_compiler,
    paused,
    proprietary,
    pulls,
    refused,
    restarted_operator,
    split,
)


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


@pytest.mark.parametrize(
    ("made", "cause"),
    [
        (pulls(), "registry-rate-limited"),
        (pulls(elsewhere=False), "registry-unreachable"),
        (left_behind("plugin", "gfd"), "toolkit-restarts-runtime"),
        (restarted_operator(), "leader-election-lost-apiserver"),
        (paused(**{"nvidia.com/mig.config.state": "pending"}), "gpu-deploy-labels-wrong"),
        (Patient().fails("validator", init="cuda-validation"), "cuda-init-error"),
    ],
)
def test_a_guess_is_below_what_is_sure_and_says_what_gets_more(made: Patient, cause: str) -> None:
    found = made.diagnosis()[0]
    assert found.cause == cause
    assert found.confidence < SURE
    assert found.remedy


def test_a_plugin_that_is_paused_offers_nothing_and_has_marked_nothing() -> None:
    made = paused(**{"nvidia.com/mig.config.state": "success"})
    assert _one(made, "gpu-marked-unhealthy") is None
    less = Patient(openshift=False).node(allocatable={"nvidia.com/gpu": "0"})
    assert _one(less, "gpu-marked-unhealthy") is not None


def test_a_pull_that_says_why_needs_no_guess() -> None:
    made = pulls().event("gfd", "Failed to pull image: unauthorized: authentication required")
    assert made.diagnosis()[0].cause == "registry-auth-forbidden"
    assert _one(made, "registry-rate-limited") is None


def test_what_was_pulled_before_is_no_reason_and_an_unknown_one_is() -> None:
    made = pulls().event("gfd", 'Successfully pulled image "a:1" in 3.2s')
    assert made.diagnosis()[0].cause == "registry-rate-limited"
    made.event("gfd", "Failed to pull image: short-name resolution enforced")
    assert _one(made, "registry-rate-limited") is None


def test_a_plugin_that_the_system_runs_by_itself_may_mark_cards() -> None:
    made = Patient(openshift=False).without("operator", "plugin", "validator")
    made.drop("clusterpolicies").node(allocatable={"nvidia.com/gpu": "0"})
    assert _one(made, "gpu-marked-unhealthy") is not None


def test_a_refusal_of_before_tells_nothing_where_all_images_are_there() -> None:
    line = "kubelet: Failed to pull image a: toomanyrequests: slow down"
    assert Patient().file("var/log/messages", line).diagnosis() == ()


def test_who_waits_for_an_image_waits_for_no_marker() -> None:
    made = Patient().policy(driver={"enabled": False}).without("driver")
    made.fails("toolkit", "ImagePullBackOff", init="driver-validation")
    made.fails("plugin", "Init", init="toolkit-validation")
    assert _one(made, "validation-markers-missing") is None


def test_one_pod_between_two_initialisations_may_wait_for_its_image() -> None:
    assert _one(left_behind("plugin"), "toolkit-restarts-runtime") is None


def test_an_operator_whose_log_says_why_it_ended_or_that_ended_seldom_needs_no_guess() -> None:
    assert restarted_operator(4).diagnosis() == ()
    found = restarted_operator().diagnosis()
    assert [one.severity for one in found] == [Severity.WARNING]


def test_a_lease_that_another_program_lost_is_its_own_affair_once_it_runs() -> None:
    made = builder("leader election lost")
    runs = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    made.pod_of("modules")["status"] = {
        "phase": "Running",
        "containerStatuses": [{"name": "builder", "ready": True, "state": runs}],
    }
    assert made.diagnosis() == ()


def test_a_node_in_mig_mode_with_instances_has_another_trouble() -> None:
    assert _one(split(INSTANCE), "mig-enabled-no-devices") is None


def test_a_card_that_a_driver_holds_was_given_its_module() -> None:
    assert _one(bare_host("nvidia"), "module-load-failed-generic") is None


def test_a_card_before_blackwell_or_one_that_works_takes_either_module() -> None:
    assert _one(proprietary("20b5"), "open-kernel-module-required") is None
    assert _one(proprietary(gpus="1"), "open-kernel-module-required") is None


def test_compilers_of_one_release_stop_no_build() -> None:
    found = _one(other_compiler("11.4.0", "11.3.0"), "gcc-mismatch")
    assert found is not None
    assert found.confidence < SURE


def test_what_somebody_else_builds_is_not_the_driver() -> None:
    made = builder("src/main.c:21:3: error: 'FOO' undeclared (first use in this function)")
    assert _one(made, "driver-kernel-incompatible") is None


def test_a_right_that_is_missing_on_a_card_that_cannot_be_split_is_not_about_mig() -> None:
    line = "error getting device memory info: Insufficient Permissions"
    made = Patient(openshift=False).lspci("1eb8", "nvidia").fails("plugin").log("plugin", line)
    assert _one(made, "mig-monitor-env-missing") is None


def test_an_exporter_that_runs_without_profiling_is_a_notice() -> None:
    made = Patient(openshift=False)
    line = "Not collecting DCP metrics: Profiling is not supported for this group of GPUs or GPU"
    (found,) = made.log("exporter", line).diagnosis()
    assert (found.cause, found.severity) == ("dcgm-profiling-unsupported", Severity.WARNING)


@pytest.mark.parametrize(
    "fault",
    [
        "CUDA error: an illegal memory access was encountered",
        "CUDA_ERROR_ILLEGAL_ADDRESS",
        "torch.OutOfMemoryError: CUDA error: out of memory",
        "CUDA error: device-side assert triggered",
    ],
)
def test_a_fault_of_a_program_is_none_of_the_gpus(fault: str) -> None:
    made = Patient(openshift=False)
    gpu = {"limits": {"nvidia.com/gpu": "1"}}
    container = {"name": "app", "image": "cuda:12", "resources": gpu}
    made.pod("train-0", "ml", {"containers": [container], "nodeName": NODE}).fails("train-0")
    assert _one(made.log("train-0", fault), "cuda-init-error") is None


def test_a_volume_of_a_neighbour_that_is_full_is_not_the_nodes() -> None:
    line = "java.io.IOException: No space left on device"
    assert _one(builder(line), "node-disk-pressure") is None
    driver = Patient().fails("driver").log("driver", "cp: write error: No space left on device")
    assert driver.diagnosis()[0].cause == "node-disk-pressure"


def test_a_change_that_failed_by_the_log_is_told_before_the_pause_that_it_left() -> None:
    made = Patient(openshift=False).workload("vgpu-config").without("plugin")
    made.node(allocatable={"nvidia.com/gpu": "0"}).policy(sandboxWorkloads={"enabled": True})
    made.labels(
        **{
            "nvidia.com/gpu.deploy.sandbox-validator": "paused-for-vgpu-change",
            "nvidia.com/vgpu.config.state": "success",
        }
    )
    made.log(
        "vgpu-config", "level=error msg=\"ERROR: unable to apply config 'A2-1Q': exit status 1\""
    )
    assert made.diagnosis()[0].cause == "vgpu-config-failed"


def test_a_deployment_of_somebody_else_that_is_refused_is_not_the_gpus() -> None:
    assert refused("shop", image="shop:1").diagnosis() == ()


def test_a_fabric_manager_that_started_later_is_well() -> None:
    assert journal("systemd[1]: Started NVIDIA fabric manager service.").diagnosis() == ()


def test_a_default_runtime_that_is_written_over_is_worth_a_note() -> None:
    (found,) = default_runtime().diagnosis()
    assert found.cause == "toolkit-wrong-containerd-config"
    assert found.severity is Severity.WARNING
    assert default_runtime("config.toml.tmpl").diagnosis() == ()
    assert default_runtime(kubelet="v1.31.4").diagnosis() == ()


def test_a_virtual_gpu_of_whose_licence_nothing_is_known_is_worth_a_note() -> None:
    made = Patient(openshift=False).labels(**{"nvidia.com/vgpu.present": "true"})
    (found,) = made.diagnosis()
    assert (found.cause, found.severity) == ("vgpu-unlicensed", Severity.WARNING)
    assert made.file("nvidia-bug-report", "License Status : Licensed").diagnosis() == ()
    asked = made.policy("ready", driver={"licensingConfig": {"configMapName": "licensing"}})
    assert asked.diagnosis() == ()


def test_fewer_gpus_than_cards_are_worth_a_note_unless_they_are_divided_or_given_away() -> None:
    lspci = ("3b:00.0 0302: 10de:1eb8", "af:00.0 0302: 10de:1eb8")
    made = Patient(openshift=False).file("lspci", *lspci)
    (found,) = made.diagnosis()
    assert (found.cause, found.severity) == ("rminitadapter-failed", Severity.WARNING)
    given = made.file("lspci", *lspci, "\tKernel driver in use: vfio-pci")
    assert given.diagnosis() == ()
    split_up = Patient(openshift=False).file("lspci", *lspci)
    assert split_up.labels(**{"nvidia.com/mig.config": "all-1g.5gb"}).diagnosis() == ()


def test_a_driver_image_that_is_not_pulled_through_a_proxy_or_from_a_mirror_may_be_there() -> None:
    made = Patient().fails(
        "driver", "ImagePullBackOff", image="nvcr.io/nvidia/driver:550-rhcos4.16"
    )
    direct = _one(made, "driver-image-tag-missing")
    made.add("proxies", "cluster", spec={"httpsProxy": "http://10.0.0.5:3128"})
    proxied = _one(made, "driver-image-tag-missing")
    assert direct is not None
    assert proxied is not None
    assert proxied.confidence < SURE < direct.confidence


def test_the_last_line_of_a_build_alone_leaves_open_why_packages_are_not_found() -> None:
    line = "Error: Unable to find a match: kernel-headers-5.15.0-113"
    alone = Patient(openshift=False).fails("driver").log("driver", line)
    whole = Patient(openshift=False).fails("driver").log("driver", "Installing packages...", line)
    found = [_one(made, "kernel-headers-not-found") for made in (alone, whole)]
    assert [one.confidence for one in found if one is not None] == [0.68, 0.88]


def test_a_pool_that_calls_itself_updated_is_not_stuck() -> None:
    made = Patient()
    made.one("machineconfigpools", "worker")["spec"] = {"configuration": {"name": "rendered-2"}}
    assert _one(made, "mcp-stuck-updating") is None


def _board(count: int, device: str = "2330") -> Patient:
    made = Patient().fails("validator", init="cuda-validation")
    made.labels(**{"nvidia.com/gpu.product": "NVIDIA-Graphics-Device"})
    slots = (f"{number:02x}:00.0 0302: 10de:{device} (rev a1)" for number in range(count))
    return made.file("lspci", *slots)


def test_modules_of_a_whole_board_want_a_fabric_manager_and_others_do_not() -> None:
    assert _board(8).diagnosis()[0].cause == "fabric-manager-not-running"
    assert _one(_board(4), "fabric-manager-not-running") is None
    assert _one(_board(8, "2331"), "fabric-manager-not-running") is None


@pytest.mark.parametrize("device", ["15ad:0405", "1af4:1000"])
def test_a_virtual_machine_is_known_by_the_devices_that_are_made_up_for_it(device: str) -> None:
    ready = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}
    made = Patient().node(conditions=[ready])
    assert _one(made, "hypervisor-passthrough-crash") is None
    made.file("lspci", "3b:00.0 0302: 10de:1eb8", f"00:0f.0 0300: {device}")
    found = _one(made, "hypervisor-passthrough-crash")
    assert found is not None
    assert found.confidence < SURE
