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
    image = "nvcr.io/nvidia/driver:550.144.03-ubuntu22.04"
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
    ],
)
def test_what_is_said_of_a_pull_that_fails(said: str, cause: str) -> None:
    text = f'Failed to pull image "nvcr.io/nvidia/driver:550": {said}'
    made = _k8s().fails("driver", "ErrImagePull").event("driver", text)
    assert made.diagnosis()[0].cause == cause
    assert _one(made, "driver-image-tag-missing") is None
    assert _one(_k8s().event("driver", text), cause) is None


# -- CUDA -------------------------------------------------------------------------------------


def test_a_program_that_counts_no_cards_met_cuda_that_does_not_start() -> None:
    line = "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 3: initialization error"
    assert job("x:1", line).diagnosis()[0].cause == "cuda-init-error"
    other = "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 2: out of memory"
    assert _one(job("x:1", other), "cuda-init-error") is None


def test_a_code_of_cuda_tells_of_a_driver_that_is_too_old() -> None:
    line = "CUDA error at bodysystem.h:138 code=35(cudaErrorInsufficientDriver)"
    assert job("x:1", line).diagnosis()[0].cause == _OLD_DRIVER


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
