"""What states, labels and hosts' own lists tell where the programs themselves say nothing."""

import pytest

from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.model import Finding, Severity
from tests.checks.patient import NODE, Patient

_GPU = "nvidia.com/gpu"
_OLD_DRIVER = "cuda-driver-insufficient"
_JOURNAL = "sos_commands/logs/journalctl_--no-pager"


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def _k8s(operator: str = "v24.9.2") -> Patient:
    return Patient(openshift=False, operator=operator)


def job(image: str = "x:1", *lines: str, fails: bool = True) -> Patient:
    """A healthy stack, and a program of a user with a GPU, which fails or runs."""
    asks = {"limits": {_GPU: "1"}}
    container = {"name": "app", "image": image, "resources": asks}
    made = _k8s().pod("train", "ml", {"containers": [container], "nodeName": NODE})
    made = made.fails("train") if fails else made
    return made.log("train", *lines) if lines else made


# -- registries -------------------------------------------------------------------------------


def test_several_images_that_nobody_can_pull_are_no_matter_of_one_tag() -> None:
    image = "nvcr.io/nvidia/driver:550.144.03-ubuntu21.04"
    made = _k8s().fails("driver", "ImagePullBackOff", image=image)
    alone = _one(made, "driver-image-tag-missing")
    assert alone is not None
    assert alone.confidence > SURE
    first = made.fails("toolkit", "ImagePullBackOff").diagnosis()[0]
    assert first.cause == "registry-unreachable"
    assert first.confidence == SURE
    tag = _one(made, "driver-image-tag-missing")
    assert tag is not None
    assert tag.confidence < SURE


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (
            'failed to do request: Get "https://xfiles.ngc.nvidia.com/org/": EOF',
            "registry-unreachable",
        ),
        ("pull QPS exceeded", "registry-rate-limited"),
        ("rpc error: code = Canceled desc = context canceled", "registry-unreachable"),
    ],
)
def test_what_is_said_of_a_pull_that_fails(said: str, cause: str) -> None:
    text = f'Failed to pull image "nvcr.io/nvidia/driver:550": {said}'
    made = _k8s().fails("driver", "ErrImagePull").event("driver", text)
    assert made.diagnosis()[0].cause == cause
    assert _one(made, "driver-image-tag-missing") is None
    assert _one(_k8s().event("driver", text), cause) is None


def test_a_system_that_drivers_are_published_for_makes_a_missing_tag_less_likely() -> None:
    def of(system: str, operator: str = "v24.9.2") -> float:
        image = f"nvcr.io/nvidia/driver:550.144.03-{system}"
        made = _k8s(operator).fails("driver", "ImagePullBackOff", image=image)
        found = _one(made, "driver-image-tag-missing")
        return found.confidence if found is not None else 0.0

    assert of("ubuntu22.04") < SURE < of("ubuntu22.04", "v1.10.1")
    assert of("rhel8.9") > SURE


def test_a_message_of_a_pull_that_is_cut_before_its_reason() -> None:
    text = 'Failed to pull image "nvcr.io/nvidia/gfd:1": failed to do request: Head "https://nv'
    first = _k8s().fails("gfd", "ErrImagePull").event("gfd", text).diagnosis()[0]
    assert first.cause == "registry-unreachable"
    assert first.confidence < 0.7
    whole = f'{text}cr.io/v2": x509: certificate signed by unknown authority'
    made = _k8s().fails("gfd", "ErrImagePull").event("gfd", whole)
    assert made.diagnosis()[0].cause == "registry-ca-untrusted"
    shorter = 'Failed to pull image "nvcr.io/nvidia/gfd:1": failed to pull and unpack image "nvcr'
    short = _k8s().fails("gfd", "ErrImagePull").event("gfd", shorter)
    assert _one(short, "registry-unreachable") is not None
    other = 'Failed to pull image "nvcr.io/nvidia/gfd:1": short-name resolution enforced'
    enforced = _k8s().fails("gfd", "ErrImagePull").event("gfd", other)
    assert _one(enforced, "registry-unreachable") is None


# -- CUDA -------------------------------------------------------------------------------------


def test_a_program_that_counts_no_cards_met_cuda_that_does_not_start() -> None:
    line = "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 3: initialization error"
    assert job("x:1", line).diagnosis()[0].cause == "cuda-init-error"
    other = "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 2: out of memory"
    assert _one(job("x:1", other), "cuda-init-error") is None


def test_a_code_of_cuda_tells_of_a_driver_that_is_too_old() -> None:
    line = "CUDA error at bodysystem.h:138 code=35(cudaErrorInsufficientDriver)"
    assert job("x:1", line).diagnosis()[0].cause == _OLD_DRIVER


def test_a_library_tells_of_the_cuda_that_it_is_made_for() -> None:
    line = "Found CUDA version 11040, but JAX was built against version 12020, which is newer."
    assert job("x:1", line).diagnosis()[0].cause == _OLD_DRIVER
    assert _one(job("x:1", "Found CUDA version 12020"), _OLD_DRIVER) is None


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            "Failed to allocate device vector A (error code CUDA driver version is insuf",
            _OLD_DRIVER,
        ),
        ("NVIDIA driver on your system is too", _OLD_DRIVER),
        ("Error 802: system not yet initia", "fabric-manager-not-running"),
        (
            "nvidia-container-cli.real: /lib64/libc.so.6: version `GLIBC_2.2",
            "unsupported-runtime-os",
        ),
    ],
)
def test_a_line_that_is_cut_tells_as_much(line: str, cause: str) -> None:
    assert job("x:1", line).diagnosis()[0].cause == cause


def test_a_program_that_runs_on_without_gpus_is_worth_a_note() -> None:
    line = "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040)"
    (found,) = job("x:1", line, fails=False).diagnosis()
    assert (found.cause, found.severity) == (_OLD_DRIVER, Severity.WARNING)


def test_an_image_of_a_later_cuda_than_the_driver_knows() -> None:
    def of(image: str, known: str = "11") -> Finding | None:
        made = job(image).labels(**{"nvidia.com/cuda.runtime.major": known})
        return _one(made, _OLD_DRIVER)

    assert of("nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0") is not None
    assert of("nvidia/cuda:12.4.1-base") is not None
    assert of("nvidia/cuda:12.4.1-base", known="12") is None
    assert of("nvidia/cuda:12.4.1-base", known="") is None
    assert of("vllm/vllm-openai:v0.6") is None
    spoke = job("nvidia/cuda:12.4.1-base", "ValueError: shapes differ")
    assert _one(spoke.labels(**{"nvidia.com/cuda.runtime.major": "11"}), _OLD_DRIVER) is None


# -- virtual GPUs -----------------------------------------------------------------------------


def test_the_journal_of_a_guest_tells_of_its_licence_server() -> None:
    cause = "vgpu-license-server-failed"
    line = "nvidia-gridd[2211]: Failed to connect to license server at dls.lab:443"
    assert _one(_k8s().file(_JOURNAL, line), cause) is not None
    later = "nvidia-gridd[2211]: License acquired successfully"
    assert _one(_k8s().file(_JOURNAL, line, later), cause) is None


_NO_MDEV = "error getting vGPU config: unable to read MDEV devices directory"


def device_manager(*lines: str) -> Patient:
    """A device manager for virtual GPUs that is ready, and what it said."""
    return _k8s().workload("vgpu-config").log("vgpu-config", *lines)


def test_a_device_manager_that_gave_up_is_ready_all_the_same() -> None:
    cause = "vgpu-config-failed"
    assert _one(device_manager(_NO_MDEV, "Waiting for change to label"), cause) is not None
    done = device_manager(_NO_MDEV, "Successfully updated to vGPU config: A10-8Q")
    assert _one(done, cause) is None


def test_a_device_manager_without_its_layouts() -> None:
    text = 'MountVolume.SetUp failed for volume "vgpu-config" : configmap "vgpu" not found'
    made = device_manager("Waiting").fails("vgpu-config", "ContainerCreating")
    assert made.event("vgpu-config", text).diagnosis()[0].cause == "vgpu-config-failed"
    assert _one(device_manager("Waiting").event("vgpu-config", text), "vgpu-config-failed") is None


def _waits(part: str, container: str) -> Patient:
    made = _k8s().workload(part).fails(part, init=container)
    status = made.pod_of(part)["status"]["initContainerStatuses"][-1]
    status |= {"state": {"running": {}}, "restartCount": 0, "lastState": {}}
    return made


def test_a_validation_that_waits_for_virtual_gpus_where_their_manager_is_well() -> None:
    cause = "vgpu-config-failed"
    found = _one(_waits("sandbox", "vgpu-devices-validation").workload("vgpu-manager"), cause)
    assert found is not None
    assert found.confidence < SURE
    ill = _waits("sandbox", "vgpu-devices-validation").workload("vgpu-manager")
    assert _one(ill.fails("vgpu-manager"), cause) is None
    assert _one(_waits("sandbox", "vgpu-manager-validation"), cause) is None


def test_what_waits_for_a_manager_of_virtual_gpus_that_runs() -> None:
    cause = "vgpu-wrong-package"
    made = _waits("vgpu-config", "vgpu-manager-validation").workload("vgpu-manager")
    found = _one(made.policy(driver={"enabled": False}).lspci("2235", "nvidia"), cause)
    assert found is not None
    assert found.confidence < SURE
    assert _one(made, "validation-markers-missing") is None
    assert _one(_waits("vgpu-config", "vgpu-manager-validation"), cause) is None


# -- the fabric -------------------------------------------------------------------------------


def _product(name: str, count: str = "8") -> dict[str, str]:
    return {"nvidia.com/gpu.product": name, "nvidia.com/gpu.count": count}


def test_a_host_whose_own_fabric_manager_failed_with_programs_on_it() -> None:
    cause, file = "fabric-manager-not-running", "systemctl_list-units_--failed"
    line = "* nvidia-fabricmanager.service loaded failed failed NVIDIA fabric manager service"

    def of(product: str, *, fails: bool = True) -> Finding | None:
        made = job(fails=fails).file(file, line).labels(**_product(product))
        return _one(made, cause)

    found = of("NVIDIA-H100-80GB-HBM3")
    assert found is not None
    assert found.confidence > SURE
    assert of("NVIDIA-H100-80GB-HBM3", fails=False) is None
    assert of("Tesla-T4") is None


def fifth(product: str = "NVIDIA-B200") -> Patient:
    """A board of the fifth generation of NVLink on which the validation of CUDA fails."""
    device = "2901" if "B200" in product else "2330"
    made = _k8s().fails("validator", init="cuda-validation").lspci(device, "nvidia")
    return made.labels(**_product(product))


def test_a_board_of_the_fifth_generation_on_which_cuda_does_not_start() -> None:
    cause = "fabric-manager-nvlink5-prereq"
    first = fifth().diagnosis()[0]
    assert first.cause == cause
    assert fifth("NVIDIA-H100-80GB-HBM3").diagnosis()[0].cause == "fabric-manager-not-running"
    known = fifth().file("lsmod", "nvidia 1 0", "mlx5_core 1 0").diagnosis()[0]
    assert known.confidence > first.confidence
    loaded = fifth().file("lsmod", "nvidia 1 0", "ib_umad 1 0").diagnosis()[0]
    assert loaded.confidence < first.confidence
    assert _one(_k8s().labels(**_product("NVIDIA-B200")), cause) is None


def test_a_driver_that_waits_on_such_a_board_without_the_module() -> None:
    cause = "fabric-manager-nvlink5-prereq"

    def of(minutes: float, *modules: str, device: str = "2901") -> Finding | None:
        made = _k8s().waits("driver", minutes=minutes).lspci(device, "nvidia")
        return _one(made.file("lsmod", "nvidia 1 0", *modules), cause)

    assert of(60) is not None
    assert of(5) is None
    assert of(60, "ib_umad 1 0") is None
    assert of(60, device="2bb5") is None


def test_the_journal_tells_of_a_fabric_manager_that_wants_a_module() -> None:
    line = "fabricmanager-start.sh: requires ib_umad module; Fabric Manager cannot be started."
    assert _one(_k8s().file(_JOURNAL, line), "fabric-manager-nvlink5-prereq") is not None
    began = "systemd[1]: Started NVIDIA fabric manager service."
    assert _one(_k8s().file(_JOURNAL, line, began), "fabric-manager-nvlink5-prereq") is None


def test_a_fabric_manager_that_finds_no_switch_on_a_board_that_lspci_shows() -> None:
    line = "request to query NVSwitch device information failed [NV_WARN_NOTHING_TO_DO]"

    def of(device: str) -> Finding | None:
        made = _k8s().fails("driver").log("driver", line).lspci(device, "nvidia")
        return _one(made, "fabric-manager-not-running")

    board, card = of("2330"), of("1eb8")
    assert board is not None
    assert card is not None
    assert card.confidence < SURE < board.confidence


# -- pods of before, and hosts ------------------------------------------------------------------

_STALE = "driver-upgrade-stale-gpu-pods"
_BEFORE, _AFTER = "2025-12-30T00:00:00Z", "2026-01-01T11:00:00Z"


def old(*lines: str, part: str = "train", born: str = _BEFORE) -> Patient:
    """A program with a GPU that began before the driver on its node, or after it."""
    made = job(fails=False)
    made.pod_of("driver")["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    made.pod_of(part)["metadata"]["creationTimestamp"] = born
    return made.log(part, *lines) if lines else made


def test_a_program_of_before_that_lost_its_card_is_worth_a_note() -> None:
    line = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    (found,) = old(line).diagnosis()
    assert (found.cause, found.severity) == (_STALE, Severity.WARNING)
    assert _one(old(line, born=_AFTER), _STALE) is None


def test_a_part_of_the_stack_that_is_of_before_has_the_library_of_before() -> None:
    line = "Error getting device information: Driver/library version mismatch"
    assert old(line, part="exporter").diagnosis()[0].cause == _STALE
    assert _one(old(line, part="exporter", born=_AFTER), _STALE) is None


def test_validations_do_not_see_a_new_driver_beside_a_program_of_before() -> None:
    found = _one(old().fails("toolkit", init="driver-validation"), _STALE)
    assert found is not None
    assert found.confidence < SURE
    assert _one(old(born=_AFTER).fails("toolkit", init="driver-validation"), _STALE) is None
    ill = old().fails("driver").fails("toolkit", init="driver-validation")
    assert _one(ill, _STALE) is None


def test_a_system_whose_library_is_older_than_the_toolkit_whatever_its_runtime() -> None:
    def of(system: str, operator: str = "v23.9.2") -> Finding | None:
        made = _k8s(operator).fails("plugin", "RunContainerError")
        info = {"osImage": system, "containerRuntimeVersion": "docker://20.10.17"}
        return _one(made.node(nodeInfo=info), "unsupported-runtime-os")

    assert of("CentOS Linux 7 (Core)") is not None
    assert of("CentOS Linux 7 (Core)", "v1.8.2") is None
    assert of("Ubuntu 20.04.5 LTS") is None


def test_a_toolkit_that_fails_itself_leaves_markers_no_question() -> None:
    cause = "validation-markers-missing"
    made = _k8s().policy(driver={"enabled": False}).without("driver").lspci("1eb8", "nvidia")
    made = made.fails("plugin", init="toolkit-validation")
    assert _one(made, cause) is not None
    assert _one(made.fails("toolkit"), cause) is None


def test_masters_whose_image_is_not_pulled_tell_nothing_of_their_crds() -> None:
    made = _k8s().add("crds", "clusterpolicies.nvidia.com")
    image = "registry.k8s.io/nfd/node-feature-discovery:v0.10.1"
    assert _one(made.fails("nfd-master", image=image), "nfd-crd-missing") is not None
    pulls = made.fails("nfd-master", "ImagePullBackOff", image=image)
    assert pulls.diagnosis()[0].cause == "registry-unreachable"
    assert _one(pulls, "nfd-crd-missing") is None
