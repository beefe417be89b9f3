"""What programs of users and hosts' own logs tell, and what objects alone tell of the stack."""

import pytest

from oc_gpu.checks.model import Finding, Severity
from tests.checks.patient import NODE, Patient


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def user(*lines: str, asks: str = "nvidia.com/gpu", fails: bool = True) -> Patient:
    """A healthy stack, and a program of a user with a GPU, which fails or runs."""
    container = {"name": "app", "image": "x:1", "resources": {"limits": {asks: "1"}}}
    made = Patient(openshift=False).pod(
        "train", "ml", {"containers": [container], "nodeName": NODE}
    )
    return (made.fails("train") if fails else made).log("train", *lines)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            "RuntimeError: CUDA unknown error - due to the environment",
            "cuda-init-error",
        ),
        ("nvidia-container-cli: requirement error: invalid expression", "cuda-driver-insufficient"),
    ],
)
def test_a_program_that_fails_says_what_cuda_met(line: str, cause: str) -> None:
    assert user(line).diagnosis()[0].cause == cause
    assert _one(user("ValueError: shapes differ"), cause) is None


def test_a_program_with_a_part_of_a_card_may_not_ask_for_all_of_it() -> None:
    cause, line = "mig-monitor-env-missing", "NVMLError_NoPermission: Insufficient Permissions"
    assert _one(user(line, asks="nvidia.com/mig-3g.40gb"), cause) is not None
    assert _one(user(line), cause) is None


def test_a_program_that_met_a_fabric_which_was_not_set_up_is_worth_a_note() -> None:
    cause, line = "fabric-manager-not-running", "Error 802: system not yet initialized"
    found = _one(user(line, fails=False), cause)
    assert found is not None
    assert found.severity is Severity.WARNING
    assert _one(user("Error 2: out of memory", fails=False), cause) is None


def test_a_fabric_manager_of_another_release_than_the_driver() -> None:
    line = "fabric manager NVIDIA GPU driver interface version 525.85.12 don't match with driver"
    made = Patient(openshift=False).file(
        "ext-nvidia-fabricmanager.log", f"{line} version 530.41.03"
    )
    found = _one(made, "fabric-manager-not-running")
    assert found is not None
    assert found.severity is Severity.WARNING
    started = Patient(openshift=False).file(
        "ext-nvidia-fabricmanager.log", "fabric manager started"
    )
    assert started.diagnosis() == ()


def built(*lines: str) -> Patient:
    """A driver whose build said something, and that fails."""
    return Patient(openshift=False).fails("driver").log("driver", *lines)


def test_a_module_is_not_taken_that_another_compiler_built() -> None:
    warned = (
        "The kernel was built with gcc version 7.2.0, but the current compiler version is cc 4.9"
    )
    refused = "ERROR: Unable to load the kernel module 'nvidia.ko'"
    assert built(warned, refused).diagnosis()[0].cause == "gcc-mismatch"
    assert built(refused).diagnosis()[0].cause == "module-load-failed-generic"


def test_the_module_of_the_network_that_cannot_be_loaded() -> None:
    line = "modprobe: ERROR: could not insert 'nv_peer_mem': Invalid argument"
    assert built(line).diagnosis()[0].cause == "peermem-ofed-mismatch"


def bare(kubelet: str) -> Patient:
    """An old operator that runs, and has made no operand."""
    made = Patient(openshift=False, operator="v1.11.1").policy("notReady")
    made.node(nodeInfo={"kubeletVersion": kubelet})
    for one in made.tables["nodes"]:
        one["status"]["nodeInfo"]["kubeletVersion"] = kubelet
    sets = ("driver", "toolkit", "plugin", "gfd", "dcgm", "exporter", "mig", "validator")
    return made.without(*sets)


def test_an_operator_that_makes_nothing_where_its_apis_are_gone() -> None:
    assert _one(bare("v1.25.4"), "unsupported-version-matrix") is not None
    assert _one(bare("v1.24.4"), "unsupported-version-matrix") is None


def sharing(text: str) -> Patient:
    """A configuration of the plugin that nothing else is wrong with."""
    made = Patient(openshift=False).policy("ready", devicePlugin={"config": {"name": "c"}})
    return made.add("configmaps", "c", "nvidia-gpu-operator", data={"any": text})


def test_settings_of_sharing_among_the_flags_are_read_by_nobody() -> None:
    cause = "device-plugin-config-wrong"
    head = "version: v1\nflags:\n  migStrategy: none\n"
    tail = "sharing:\n  timeSlicing:\n    renameByDefault: true\n    resources: []\n"
    found = _one(sharing(f"{head}  renameByDefault: true\n{tail}"), cause)
    assert found is not None
    assert "flags.renameByDefault" in found.evidence[0].quote
    right = _one(sharing(head + tail), cause)
    assert right is None or "flags." not in right.evidence[0].quote


def test_a_daemon_of_licences_that_asks_for_what_is_not_there() -> None:
    line = "nvidia-gridd[5805]: Invalid feature type requested"
    made = Patient(openshift=False).fails("driver").log("driver", line)
    assert _one(made, "vgpu-license-server-failed") is not None
