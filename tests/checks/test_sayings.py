"""What was said and has passed, or was said by others, is no cause."""

from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.model import Finding
from tests.checks.patient import Patient
from tests.checks.sayings import (
    asks_for_layout,
    asks_nobody,
    creating,
    invalid_layout,
    licence,
    mig_manager,
    no_links,
    says,
    server,
    waits_for_modules,
    waits_for_network_driver,
)

_GOT = "nvidia-gridd: License acquired successfully. (Info: lic.example.com)"


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def test_a_guest_that_got_its_licence_after_a_while_has_it() -> None:
    assert _one(licence(_GOT), "vgpu-unlicensed") is None
    assert _one(server(_GOT), "vgpu-license-server-failed") is None
    shown = licence().file("nvidia-bug-report", "    License Status : Licensed (Expiry: 2027-1-1)")
    assert _one(shown, "vgpu-unlicensed") is None


def test_a_guest_that_lost_its_licence_again_has_none() -> None:
    again = "nvidia-gridd: Failed to acquire license from lic.example.com (Info: no answer)"
    assert _one(server(_GOT, again), "vgpu-license-server-failed") is not None


def test_a_driver_that_went_on_after_it_waited_for_modules_has_them() -> None:
    went_on = "Starting NVIDIA fabric manager daemon for NVLink5+..."
    found = _one(waits_for_modules(went_on), "fabric-manager-nvlink5-prereq")
    assert found is None or found.confidence < SURE


def test_a_driver_that_has_just_begun_to_wait_may_still_get_its_network_driver() -> None:
    assert _one(waits_for_network_driver(minutes=2), "peermem-ofed-mismatch") is None


def test_a_card_that_is_called_divided_as_it_should_be_is_well() -> None:
    made = invalid_layout("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb")
    found = _one(made, "mig-strategy-mismatch")
    assert found is None or found.confidence < SURE


def test_a_mode_that_is_not_to_change_wants_no_reboot() -> None:
    made = mig_manager('level=debug msg="    Mode change pending: false"')
    assert _one(made, "mig-mode-needs-reboot") is None


def test_an_instance_in_use_keeps_its_layout_and_not_its_mode() -> None:
    line = "error destroying Compute instance for profile '(0, 0)': In use by another client"
    assert _one(mig_manager(line), "mig-mode-needs-reboot") is None


def test_a_layout_that_a_strategy_cannot_offer_is_no_fault_of_the_plugins_file() -> None:
    line = "Invalid configuration detected for mig-strategy=single: more than one MIG device type"
    assert _one(says("gfd", line), "device-plugin-config-wrong") is None


def test_a_manager_of_virtual_gpus_that_says_something_else_may_have_the_right_package() -> None:
    found = _one(says("vgpu-manager", "Failed to enable VFs"), "vgpu-wrong-package")
    assert found is not None
    assert found.confidence < SURE


def test_a_cgroup_that_another_program_misses_is_its_own_affair() -> None:
    made = creating("plugin", "runc: cgroup subsystem memory not found")
    assert _one(made, "unsupported-runtime-os") is None


def test_a_device_that_is_no_card_and_does_not_wake_up_is_none_of_the_gpus() -> None:
    made = says("driver", "something else")
    made.dmesg("nvme 0000:01:00.0: Unable to change power state from D3cold to D0, device inaccess")
    assert _one(made, "gpu-fallen-off-bus") is None


def test_a_card_that_answers_has_a_revision() -> None:
    made = says("driver", "something else")
    made.file("lspci", "3b:00.0 0302: 10de:1eb8 (rev a1)", "3c:00.0 0200: 15b3:1017 (rev ff)")
    assert _one(made, "gpu-fallen-off-bus") is None


def test_a_module_for_the_network_that_fits_another_kernel_is_not_the_drivers() -> None:
    made = says("driver", "something else").dmesg("nvidia_peermem: disagrees about version of sym")
    assert _one(made, "driver-kernel-incompatible") is None


def test_a_card_for_guests_that_has_no_driver_at_all_has_not_the_hosts() -> None:
    made = says("sandbox", "device not bound to 'vfio-pci'; device: 0000:3b:00.0 driver: ''")
    assert _one(made, "host-driver-installed") is None


def test_a_layout_that_is_known_or_is_there_is_not_lacking() -> None:
    assert _one(asks_for_layout("all-1g.10gb"), "mig-config-failed") is None
    assert _one(asks_for_layout("my-own", state="success"), "mig-config-failed") is None


def test_cards_that_somebody_divided_by_hand_want_nobody_for_it() -> None:
    assert _one(asks_nobody("NVIDIA-A100-80GB-PCIe-MIG-1g.10gb"), "mig-config-failed") is None


def test_a_manager_of_virtual_gpus_that_is_off_needs_no_image() -> None:
    made = says("driver", "x").policy(vgpuManager={"enabled": False, "repository": "r/x"})
    assert _one(made, "clusterpolicy-driver-image-incomplete") is None


def test_links_that_fail_for_want_of_a_module_are_told_by_the_module() -> None:
    made = no_links("failed to load module nvidia-uvm: exit status 1")
    assert _one(made, "validation-markers-missing") is None


def test_headers_that_are_missing_are_no_modules_of_a_precompiled_driver() -> None:
    made = says("driver", "E: Unable to locate package linux-headers-5.15.0-113-generic")
    assert _one(made, "precompiled-kernel-mismatch") is None


def test_a_socket_of_containerd_is_not_one_of_docker() -> None:
    line = "unable to dial: dial unix /runtime/sock-dir/containerd.sock: connect: no such file"
    assert says("toolkit", line).diagnosis()[0].cause == "toolkit-wrong-containerd-config"


def test_a_flag_that_a_program_of_the_stack_does_not_know_is_none_of_nfds() -> None:
    made = says("plugin", "flag provided but not defined: -mig")
    assert _one(made, "nfd-operand-image-mismatch") is None
