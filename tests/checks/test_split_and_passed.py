"""GPUs that are split, virtual or passed on, and plugins that read a configuration."""

import pytest

from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.habits import HABIT
from oc_gpu.checks.model import Finding
from tests.checks.patient import NODE, Patient

_GPU = "nvidia.com/gpu"
_MONITOR = "NVIDIA_MIG_MONITOR_DEVICES"
_NO_RIGHT = "mig-monitor-env-missing"
_CRASH = "hypervisor-passthrough-crash"
_LICENCE = "vgpu-license-server-failed"


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def _k8s(operator: str = "v24.9.2") -> Patient:
    return Patient(openshift=False, operator=operator)


def asks(made: Patient, part: str, value: str = "all") -> Patient:
    """Let a part's container ask for the right to watch MIG devices."""
    made.pod_of(part)["spec"]["containers"][0]["env"] = [{"name": _MONITOR, "value": value}]
    return made


def split(layout: str = "all-1g.10gb", state: str = "success") -> Patient:
    """Feature discovery that fails without a word on a node with a layout."""
    made = _k8s().fails("gfd")
    made.pod_of("plugin")["spec"]["containers"][0]["args"] = ["--mig-strategy=mixed"]
    return made.labels(**{"nvidia.com/mig.config": layout, "nvidia.com/mig.config.state": state})


def test_who_fails_silently_on_a_node_with_a_layout_may_lack_the_right_to_watch_it() -> None:
    found = _one(split(), _NO_RIGHT)
    assert found is not None
    assert found.confidence < SURE
    assert _one(split("all-disabled"), _NO_RIGHT) is None
    assert _one(split(state="pending"), _NO_RIGHT) is None
    assert _one(asks(split(), "gfd"), _NO_RIGHT) is None


def test_what_stands_beside_the_container_that_fails_does_not_speak_for_it() -> None:
    beside = split().log("gfd", "all is well", container="config-manager")
    assert _one(beside, _NO_RIGHT) is not None
    assert _one(split().log("gfd", "panic: nil map"), _NO_RIGHT) is None


def test_a_neighbour_that_asks_for_the_right_and_works_tells_more() -> None:
    found = _one(asks(split(), "plugin"), _NO_RIGHT)
    assert found is not None
    assert found.confidence > SURE
    both = _one(asks(split(), "plugin").fails("plugin"), _NO_RIGHT)
    assert both is not None
    assert both.confidence < SURE


_IN_MODE = (
    "|   0  A100-PCIE-40GB      Off  | 00000000:3B:00.0 Off |                   On |",
    "|                               |                      |              Enabled |",
)


def parts(amount: str = "7", *rows: str) -> Patient:
    """Feature discovery that fails on a node that offers parts, and the table of nvidia-smi."""
    made = split().node(allocatable={"nvidia.com/mig-1g.5gb": amount})
    return made.file("nvidia-bug-report", *_IN_MODE, *rows)


def test_a_node_that_offers_parts_has_mig_devices_though_the_table_ends_early() -> None:
    assert _one(parts(), "mig-enabled-no-devices") is None
    assert _one(parts(), _NO_RIGHT) is not None
    assert _one(parts("0"), "mig-enabled-no-devices") is not None
    told = parts("7", "|  No MIG devices found                                        |")
    assert _one(told, "mig-enabled-no-devices") is not None


def unmade(reason: str) -> Patient:
    """A plugin that cannot make its resources for a reason."""
    line = f"error getting plugins: failed to construct resource managers: {reason}"
    return _k8s().fails("plugin").log("plugin", line)


def test_permissions_of_mig_devices_are_no_matter_of_the_configuration() -> None:
    refused = unmade("error visiting MIG device: error getting parent: Insufficient Permissions")
    first = refused.diagnosis()[0]
    assert first.cause == _NO_RIGHT
    assert first.confidence > SURE
    assert _one(refused, "device-plugin-config-wrong") is None
    assert unmade("no such resource").diagnosis()[0].cause == "device-plugin-config-wrong"


def configured(value: str, part: str = "plugin", args: tuple[str, ...] = ()) -> Patient:
    """A part that fails without a word, and the file of its configuration."""
    made = _k8s().fails(part)
    container = made.pod_of(part)["spec"]["containers"][0]
    container["env"] = [{"name": "CONFIG_FILE", "value": value}]
    container["args"] = list(args)
    container["volumeMounts"] = [{"name": "config", "mountPath": "/config"}]
    return made


@pytest.mark.parametrize("part", ["plugin", "gfd"])
def test_a_configuration_that_no_volume_brings_is_not_there(part: str) -> None:
    cause = "device-plugin-config-wrong"
    for words in (("--config-file=/etc/x.yaml",), ("--config-file", "/etc/x.yaml")):
        first = configured("", part, words).diagnosis()[0]
        assert first.cause == cause
        assert first.confidence > SURE
    well = _k8s()
    well.pod_of(part)["spec"]["containers"][0]["args"] = ["--config-file=/etc/x.yaml"]
    assert well.diagnosis() == ()


@pytest.mark.parametrize("part", ["plugin", "gfd"])
def test_who_reads_a_configuration_mostly_fails_by_it(part: str) -> None:
    first = configured("/config/config.yaml", part).diagnosis()[0]
    assert (first.cause, first.confidence) == ("device-plugin-config-wrong", HABIT)
    by_flag = configured("", part, ("--config-file=/config/config.yaml",)).diagnosis()[0]
    assert by_flag.cause == "device-plugin-config-wrong"
    assert configured("", part).diagnosis()[0].cause == "runtime-not-injecting-driver"


def guest(resource: str = "nvidia.com/GA100_A100", state: str = "Error") -> Patient:
    """A virtual machine with a device, whose pod fails."""
    container = {"name": "compute", "resources": {"limits": {resource: "1"}}}
    made = _k8s().pod("virt-launcher-vm-0", "vms", {"containers": [container], "nodeName": NODE})
    return made.fails("virt-launcher-vm-0", state)


_GONE = '{"level":"error","msg":"Unable to read from monitor: Connection reset by peer"}'


def test_a_machine_with_a_card_ends_under_the_hands_of_libvirt() -> None:
    found = _one(guest().log("virt-launcher-vm-0", _GONE), _CRASH)
    assert found is not None
    assert found.confidence < SURE
    assert _one(guest("devices.kubevirt.io/kvm").log("virt-launcher-vm-0", _GONE), _CRASH) is None
    assert _one(guest().log("virt-launcher-vm-0", "Disk is full"), _CRASH) is None
    runs = _k8s()
    container = {"name": "compute", "resources": {"limits": {_GPU: "1"}}}
    runs.pod("virt-launcher-vm-0", "vms", {"containers": [container], "nodeName": NODE})
    assert _one(runs.log("virt-launcher-vm-0", _GONE), _CRASH) is None


def killed(code: int = 137, **more: str) -> Patient:
    """A virtual machine with a card that ended so."""
    made = guest(**more)
    status = made.pod_of("virt-launcher-vm-0")["status"]["containerStatuses"][0]
    status["lastState"] = {"terminated": {"exitCode": code, "reason": "OOMKilled"}}
    return made


def test_a_machine_with_a_card_that_is_killed_may_not_bear_it() -> None:
    found = _one(killed(), _CRASH)
    assert found is not None
    assert found.confidence < SURE
    assert _one(killed(1), _CRASH) is None
    assert _one(killed(resource="devices.kubevirt.io/kvm"), _CRASH) is None


@pytest.mark.parametrize(
    "line",
    [
        "nvidia-gridd: Client fingerprint mismatch - No valid lease found in local trusted store",
        "nvidia-gridd: Mismatch between client and server with respect to licenses held",
        "nvidia-gridd: Failed to renew lease",
    ],
)
def test_a_guest_whose_lease_is_refused_has_no_licence(line: str) -> None:
    assert _one(_k8s().file("var/log/messages", line), _LICENCE) is not None
    got = "nvidia-gridd: License acquired successfully. (Info: lic.example.com)"
    assert _one(_k8s().file("var/log/messages", line, got), _LICENCE) is None


def manager(*lines: str) -> Patient:
    """A manager of vGPUs that is not ready, and a validation that waits for it."""
    made = _k8s().workload("vgpu-manager").workload("sandbox").lspci("1eb8", "nvidia")
    made.waits("vgpu-manager", minutes=600).log("vgpu-manager", *lines)
    waits = {"name": "vgpu-devices-validation", "ready": False, "state": {"running": {}}}
    made.pod_of("sandbox")["status"]["initContainerStatuses"] = [waits]
    return made


def test_a_host_on_which_the_guests_daemon_speaks_has_the_guests_package() -> None:
    told = manager("nvidia-gridd[1685]: Licensing not supported for GPUs in the system")
    assert told.diagnosis()[0].cause == "vgpu-wrong-package"
    assert _one(manager("installing nvidia-vgpud.service"), "vgpu-wrong-package") is None


def test_a_validation_waits_for_its_manager_before_it_waits_for_sriov() -> None:
    assert _one(manager("installing"), "sandbox-validator-sriov") is None
    ready = manager("installing")
    ready.pod_of("vgpu-manager")["status"]["containerStatuses"][0]["ready"] = True
    ready.pod_of("vgpu-manager")["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    assert _one(ready, "sandbox-validator-sriov") is not None
