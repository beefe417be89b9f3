"""How a build of the driver ends, as far as its log goes, and what looks like it."""

import pytest

from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.model import Finding
from tests.checks.patient import Patient
from tests.checks.sayings import says

_WARNS = "/usr/src/nvidia-470.57.02/kernel/common/inc/nv-list.h:81:0: warning: 'f' redefined"


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def host_build(*lines: str, gpus: str = "0") -> Patient:
    """A host on which somebody builds the driver's module, and no GPU is offered."""
    made = Patient(openshift=False).node(
        allocatable={"nvidia.com/gpu": gpus}, capacity={"nvidia.com/gpu": gpus}
    )
    return made.file("sos_commands/logs/journalctl_--no-pager", *lines)


_OTHER = "docker[1435]: WARNING: Ignoring CC version mismatch:"
_REFUSED = "docker[1435]: ERROR: Unable to load the kernel module 'nvidia.ko'."


@pytest.mark.parametrize("target", ["cc_version_check", "Makefile:71: cc_version_check"])
def test_a_build_that_stops_at_the_check_of_its_compiler(target: str) -> None:
    made = says("driver", f"make[2]: *** [{target}] Error 1", "make: *** [modules] Error 2")
    assert made.diagnosis()[0].cause == "gcc-mismatch"


def test_another_compiler_is_the_cause_where_the_kernel_refused_what_it_built() -> None:
    cause = "gcc-mismatch"
    assert _one(host_build(_OTHER, _REFUSED), cause) is not None
    assert _one(host_build(_OTHER), cause) is None
    assert _one(host_build(_OTHER, _REFUSED, gpus="1"), cause) is None


@pytest.mark.parametrize(
    "line",
    [
        "make[2]: *** [/usr/src/linux-headers-6.8.0-1015-aws/Makefile:1925: /usr/src/nvidia-535",
        "make: *** [Makefile:80: /tmp/NVIDIA-Linux-x86_64-470/kernel/nvidia-uvm",
    ],
)
def test_make_ends_with_an_error_though_its_line_is_cut_off(line: str) -> None:
    found = says("driver", line).diagnosis()[0]
    assert found.cause == "driver-kernel-incompatible"
    assert found.confidence > SURE


def test_make_that_only_says_where_it_works_has_not_ended() -> None:
    line = "make[2]: Entering directory '/usr/src/nvidia-535' [for nvidia]"
    assert _one(says("driver", line), "driver-kernel-incompatible") is None


def test_a_log_that_ends_among_warnings_of_the_compiler_is_of_a_build_that_broke() -> None:
    cause = "driver-kernel-incompatible"
    found = _one(says("driver", "Compiling NVIDIA driver kernel modules...", _WARNS), cause)
    assert found is not None
    assert found.confidence < SURE
    assert _one(says("driver", _WARNS, "Relinking NVIDIA driver kernel modules..."), cause) is None
    runs = Patient(openshift=False).waits("driver", minutes=60).log("driver", _WARNS)
    assert _one(runs, cause) is None


def test_a_runtime_that_nobody_tested_stops_no_build() -> None:
    cause = "unsupported-runtime-os"
    system = {"osImage": "CentOS Linux 7 (Core)", "containerRuntimeVersion": "containerd://1.4.8"}
    made = Patient(openshift=False, operator="v1.8.1").node(nodeInfo=system).fails("driver")
    assert _one(made, cause) is not None
    assert _one(made.log("driver", _WARNS), cause) is None


def test_labels_of_an_earlier_driver_do_not_let_a_validation_fail() -> None:
    line = "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  535.104.12  Wed"
    made = Patient(openshift=False).labels(**{"nvidia.com/cuda.driver.major": "525"}).dmesg(line)
    assert made.diagnosis()[0].cause == "stale-node-state"
    made.fails("validator", init="cuda-validation")
    said = "Failed to allocate device vector A (error code unknown error)!"
    made.log("validator", said, container="cuda-validation")
    assert made.diagnosis()[0].cause == "cuda-init-error"


def test_the_version_of_a_library_is_told_where_it_is_not_the_modules() -> None:
    cause = "driver-upgrade-stale-gpu-pods"
    said = says("toolkit", "VML library version: 570.148", init="driver-validation")
    assert said.diagnosis()[0].cause == cause
    assert _one(says("exporter", "NVML library version: 570.148"), cause) is None
    assert _one(says("toolkit", "NVML version: 570.148", init="driver-validation"), cause) is None


def outlived(*, minutes: float = 60, began: str = "2025-12-01T00:00:00Z") -> Patient:
    """A driver pod that does not get ready beside a pod with a GPU."""
    made = Patient(openshift=False).lspci("1eb8").waits("driver", minutes=minutes)
    container = {"name": "app", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    made.pod("train-0", "ml", {"containers": [container], "nodeName": "gpu-0"})
    made.pod_of("train-0")["metadata"]["creationTimestamp"] = began
    return made


def test_pods_of_before_are_a_guess_where_a_new_driver_does_not_get_ready() -> None:
    cause = "driver-upgrade-stale-gpu-pods"
    assert outlived().diagnosis()[0].cause == cause
    assert outlived().diagnosis()[0].confidence < SURE
    assert _one(outlived(minutes=5), cause) is None
    assert _one(outlived(began="2026-01-01T11:59:00Z"), cause) is None
    assert _one(outlived().log("driver", "Compiling..."), cause) is None


def silent_build(kernel: str, driver: str, system: str = "Ubuntu 22.04.4 LTS") -> Patient:
    """A driver that fails without a word on a kernel."""
    made = Patient(openshift=False).fails("driver")
    made.node(nodeInfo={"kernelVersion": kernel, "osImage": system})
    made.labels(**{"feature.node.kubernetes.io/kernel-version.full": kernel})
    image = f"nvcr.io/nvidia/driver:{driver}-ubuntu22.04"
    made.pod_of("driver")["spec"]["containers"][0]["image"] = image
    return made


def test_a_driver_without_a_word_may_lack_the_compiler_of_a_newer_kernel() -> None:
    cause, kernel, driver = "gcc-mismatch", "6.5.0-18-generic", "535.104.12"
    made = silent_build(kernel, driver)
    found = _one(made, cause)
    assert found is not None
    assert found.confidence < SURE
    assert made.diagnosis()[0].cause == cause
    assert _one(silent_build("5.15.0-113-generic", driver), cause) is None
    assert _one(silent_build("6.8.0-45-generic", driver), cause) is None
    assert _one(silent_build(kernel, "535.183.01"), cause) is None
    assert _one(silent_build(kernel, "560.28.03"), cause) is None
    assert _one(silent_build(kernel, driver, "Ubuntu 24.04.1 LTS"), cause) is None
    assert _one(silent_build(kernel, driver).log("driver", "Installing headers"), cause) is None


@pytest.mark.parametrize(
    "line",
    [
        "cc: error: unrecognized command-line opt",
        "./include/linux/compiler-gcc.h:15:3: error: #error Sorry, your version of GCC is too old",
        "*** Compiler is too old.",
    ],
)
def test_a_compiler_that_is_too_old_says_so(line: str) -> None:
    assert says("driver", line).diagnosis()[0].cause == "gcc-mismatch"
