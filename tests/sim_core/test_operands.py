"""Operands, barriers, validators and workloads of the hardware half."""

import pytest
from tests.sim_core.views import changed, gpu_of, view

from oc_gpu.sim.hardware.features import Cards, discovery_labels, local_features
from oc_gpu.sim.hardware.model import DEVICE_PLUGIN, DRIVER, TOOLKIT, VALIDATIONS
from oc_gpu.sim.hardware.programs import behave
from oc_gpu.sim.scenario import load

NODE = "worker03"
SEED_LABELS = {
    "nvidia.com/cuda.driver.major": "450",
    "nvidia.com/cuda.driver.minor": "80",
    "nvidia.com/cuda.driver.rev": "02",
    "nvidia.com/cuda.runtime.major": "11",
    "nvidia.com/cuda.runtime.minor": "0",
    "nvidia.com/gfd.timestamp": "1614600000",
    "nvidia.com/gpu.compute.major": "7",
    "nvidia.com/gpu.compute.minor": "5",
    "nvidia.com/gpu.count": "1",
    "nvidia.com/gpu.family": "turing",
    "nvidia.com/gpu.memory": "15109",
    "nvidia.com/gpu.product": "Tesla-T4",
}


def test_discovery_on_the_seed_writes_the_labels_of_the_walk_through() -> None:
    scenario = load("seed")
    node = scenario.node(NODE)
    assert node is not None
    labels = discovery_labels(scenario, node, Cards("450.80.02"), stamp=1614600000, extended=False)
    assert labels == SEED_LABELS


def test_newer_discovery_adds_versions_mig_and_sharing() -> None:
    scenario = load("ocp-4.20")
    node = scenario.node("gpu-a100-0")
    assert node is not None
    labels = discovery_labels(scenario, node, Cards("580.105.08"), stamp=1, extended=True)
    assert labels["nvidia.com/gpu.product"] == "NVIDIA-A100-80GB-PCIe"
    assert labels["nvidia.com/gpu.count"] == "2"
    assert labels["nvidia.com/cuda.driver-version.full"] == "580.105.08"
    assert labels["nvidia.com/cuda.runtime-version.full"] == "13.0"
    assert labels["nvidia.com/mig.capable"] == "true"
    assert labels["nvidia.com/gpu.sharing-strategy"] == "none"
    assert labels["nvidia.com/gpu.machine"] == "PowerEdge-R760xa"


def test_another_card_and_driver_show_in_every_label() -> None:
    device = gpu_of(changed("seed"), NODE)
    device["gpu"] |= {
        "product": "Tesla V100-PCIE-32GB",
        "memoryMiB": 32510,
        "architecture": "Volta",
        "computeCapability": "7.0",
    }
    scenario = changed("seed", NODE, pci=[device])
    node = scenario.node(NODE)
    assert node is not None
    labels = discovery_labels(scenario, node, Cards("460.32.03"), stamp=1, extended=False)
    assert labels["nvidia.com/gpu.product"] == "Tesla-V100-PCIE-32GB"
    assert labels["nvidia.com/gpu.family"] == "volta"
    assert labels["nvidia.com/gpu.memory"] == "32510"
    assert labels["nvidia.com/gpu.compute.minor"] == "0"
    assert labels["nvidia.com/cuda.driver.major"] == "460"
    assert labels["nvidia.com/cuda.runtime.minor"] == "2"


def pod(container: str, image: str, *, ready: bool = True) -> dict[str, object]:
    state = {"running": {"startedAt": "2021-03-01T12:00:00Z"}}
    return {
        "spec": {"nodeName": NODE, "containers": [{"name": container, "image": image}]},
        "status": {"containerStatuses": [{"name": container, "ready": ready, "state": state}]},
    }


def test_features_are_on_the_node_while_discovery_and_driver_run_there() -> None:
    scenario = load("seed")
    node, other = scenario.node(NODE), scenario.node("worker01")
    assert node is not None
    assert other is not None
    driver = pod("nvidia-driver-ctr", "nvcr.io/nvidia/driver:450.80.02-rhcos4.4")
    discovery = pod("gpu-feature-discovery", "nvcr.io/nvidia/gpu-feature-discovery:v0.4.1")
    assert local_features(scenario, node, [driver, discovery]) == SEED_LABELS
    assert local_features(scenario, other, [driver, discovery]) == {}
    assert local_features(scenario, node, [discovery]) == {}
    unready = pod("nvidia-driver-ctr", "nvcr.io/nvidia/driver:450.80.02-rhcos4.4", ready=False)
    assert local_features(scenario, node, [unready, discovery]) == {}


def test_a_shell_loop_on_a_barrier_file_waits_for_that_file() -> None:
    path = f"{VALIDATIONS}/toolkit-ready"
    loop = f"until [ -f {path} ]; do echo waiting for nvidia container stack; sleep 5; done"
    found = behave(view("ocp-4.20", "gpu-h100-0", command=("sh", "-c", loop)))
    assert found.waits == (path,)
    assert found.exit_code == 0


@pytest.mark.parametrize(
    ("step", "waits", "spawns"),
    [
        ("driver", (DRIVER,), None),
        ("toolkit", (DRIVER, TOOLKIT), None),
        ("cuda", (DRIVER, TOOLKIT), "nvidia-cuda-validator"),
        ("plugin", (DRIVER, DEVICE_PLUGIN), None),
    ],
)
def test_each_validation_waits_for_its_part_and_leaves_its_file(
    step: str, waits: tuple[str, ...], spawns: str | None
) -> None:
    seen = view(
        "ocp-4.20",
        "gpu-h100-0",
        container=f"{step}-validation",
        command=("sh", "-c", "nvidia-validator"),
        env={"COMPONENT": step, "WITH_WORKLOAD": "false"},
    )
    found = behave(seen)
    assert (found.waits, found.spawns) == (waits, spawns)
    assert f"{VALIDATIONS}/{step}-ready" in found.starts.sets


@pytest.mark.parametrize("name", ["nvidia-device-plugin", "nvidia-device-plugin-ctr"])
def test_the_device_plugin_fails_without_driver_and_registers_with_it(name: str) -> None:
    assert behave(view("seed", NODE, container=name)).exit_code == 1
    found = behave(view("seed", NODE, container=name, host={DRIVER: "450.80.02"}))
    assert found.exit_code is None
    assert DEVICE_PLUGIN in found.starts.sets


SAMPLE = "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda11.7.1-ubi8"


def test_the_cuda_sample_passes_with_a_card_and_a_driver() -> None:
    scenario = load("seed")
    node = scenario.node(NODE)
    assert node is not None
    host = {DRIVER: "450.80.02", TOOLKIT: "running"}
    found = behave(view(scenario, NODE, image=SAMPLE, host=host, devices=node.gpu_devices))
    assert found.exit_code == 0
    assert found.log[0] == "[Vector addition of 50000 elements]"
    assert "Test PASSED" in found.log


@pytest.mark.parametrize("host", [{}, {DRIVER: "450.80.02"}])
def test_the_cuda_sample_fails_without_a_card(host: dict[str, str]) -> None:
    found = behave(view("seed", NODE, image=SAMPLE, host=host))
    assert found.exit_code == 1
    assert "Test PASSED" not in found.log


def test_joined_commands_run_until_one_fails() -> None:
    scenario = load("seed")
    node = scenario.node(NODE)
    assert node is not None
    script = (
        "nvidia-smi --query-gpu=uuid --format=csv,noheader && /cuda-samples/vectorAdd && sleep 2"
    )
    seen = view(
        scenario,
        NODE,
        command=("sh", "-c", script),
        host={DRIVER: "450.80.02", TOOLKIT: "running"},
        devices=node.gpu_devices,
    )
    found = behave(seen)
    assert found.exit_code == 0
    assert found.log[0].startswith("GPU-")
    assert "Test PASSED" in found.log
    assert found.seconds == scenario.latencies.cuda_sample + 2
    broken = behave(view("seed", NODE, command=("sh", "-c", script)))
    assert broken.exit_code == 127


def test_an_unknown_program_runs_on_or_fails_as_the_restart_policy_has_it() -> None:
    unknown = ("/usr/bin/serve-things",)
    assert behave(view("seed", NODE, command=unknown)).exit_code is None
    once = behave(view("seed", NODE, command=unknown, restart_policy="Never"))
    assert once.exit_code == 127
    assert once.log == (
        "oc-gpu sim: containers are played, and what this one runs is not: /usr/bin/serve-things",
    )
    assert behave(view("seed", NODE, command=unknown, init=True)).exit_code == 0
