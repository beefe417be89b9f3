"""The walk-through, to the letter, on the simulated cluster `seed`."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from oc_gpu.kube import Client, Resource
from oc_gpu.kube.resources import (
    CRDS,
    DAEMONSETS,
    MACHINE_CONFIGS,
    NODES,
    PODS,
    SECRETS,
)
from tests import portal as made
from tests.acceptance.conftest import Cluster

CURRENT = "machineconfiguration.openshift.io/currentConfig"
TAINT = "nodetype=gpu:NoSchedule"
NEWLINE = "data:text/plain;charset=utf-8;base64,Cg=="
FILES = {
    "50-disable-secret-automount": "/etc/containers/mounts.conf",
    "50-rhsm-conf": "/etc/rhsm/rhsm.conf",
    "50-entitlement-pem": "/etc/pki/entitlement/entitlement.pem",
    "50-entitlement-key-pem": "/etc/pki/entitlement/entitlement-key.pem",
}
CPU_FLAGS = ("ADX", "AESNI", "AVX", "AVX2", "FMA3", "IBPB", "STIBP")
GPU_LABELS = {
    "cuda.driver.major": "450",
    "cuda.driver.minor": "80",
    "cuda.driver.rev": "02",
    "cuda.runtime.major": "11",
    "cuda.runtime.minor": "0",
    "gpu.compute.major": "7",
    "gpu.compute.minor": "5",
    "gpu.count": "1",
    "gpu.family": "turing",
    "gpu.memory": "15109",
    "gpu.present": "true",
    "gpu.product": "Tesla-T4",
}
RUNNING = (
    "gpu-feature-discovery",
    "nvidia-container-toolkit-daemonset",
    "nvidia-dcgm-exporter",
    "nvidia-device-plugin-daemonset",
    "nvidia-driver-daemonset",
)
COMPLETED = ("nvidia-device-plugin-validation", "nvidia-driver-validation")


def _pods(cluster: Cluster, namespace: str) -> dict[str, Any]:
    async def listed(client: Client) -> dict[str, Any]:
        found = await client.list(PODS, namespace)
        return {pod["metadata"]["name"]: pod for pod in found.items}

    return dict(cluster.ask(listed))


def _node(cluster: Cluster, name: str) -> dict[str, Any]:
    async def got(client: Client) -> Any:
        return await client.get(NODES, name)

    return dict(cluster.ask(got))


def _raw(cluster: Cluster, resource: Resource, name: str, namespace: str | None = None) -> Any:
    async def got(client: Client) -> Any:
        return await client.get(resource, name, namespace)

    return cluster.ask(got)


def _starting(pods: dict[str, Any], prefix: str, phase: str) -> list[str]:
    return [
        name
        for name, pod in pods.items()
        if name.startswith(prefix) and pod["status"]["phase"] == phase
    ]


@pytest.mark.slow
def test_enable_leaves_everything_that_the_walkthrough_lists(seed: Cluster, portal: Path) -> None:
    seed.oc_gpu("enable", "--yes", "--entitlement", str(portal), "--taint", TAINT).ok()
    _entitlement(seed)
    _nfd(seed)
    _gpu_operator(seed)
    _worker03(seed)
    _nvidia_smi(seed)
    seed.oc_gpu("verify").ok()


def _entitlement(seed: Cluster) -> None:
    secret = _raw(seed, SECRETS, "entitlement", "default")
    assert set(secret["data"]) == {"entitlement.pem", "entitlement-key.pem"}
    assert secret["data"]["entitlement.pem"] == secret["data"]["entitlement-key.pem"]
    assert secret.get("type", "Opaque") == "Opaque"
    for name, path in FILES.items():
        _check_machine_config(_raw(seed, MACHINE_CONFIGS, name), path)
    for name in ("entitled-build-pod", "cluster-entitled-build-pod"):
        pod = _raw(seed, PODS, name, "default")
        assert pod["status"]["phase"] == "Succeeded"
        assert pod["spec"]["restartPolicy"] == "Never"

        async def log(client: Client, name: str = name) -> str:
            return await client.logs("default", name)

        lines = str(seed.ask(log)).strip().splitlines()
        assert lines[-1].startswith("kernel-devel-")
        assert any("4.18.0-240.10.1.el8_3" in line for line in lines)
        assert any("4.18.0-240.15.1.el8_3" in line for line in lines)
    mounting = _raw(seed, PODS, "entitled-build-pod", "default")["spec"]["containers"][0]
    mounts = {mount["mountPath"]: mount for mount in mounting["volumeMounts"]}
    assert mounts["/etc/pki/entitlement"]["readOnly"] is True
    assert {"http_proxy", "https_proxy"} <= {entry["name"] for entry in mounting["env"]}


def _check_machine_config(config: dict[str, Any], path: str) -> None:
    labels = config["metadata"]["labels"]
    assert labels["machineconfiguration.openshift.io/role"] == "worker"
    ignition = config["spec"]["config"]
    assert ignition["ignition"]["version"] == "2.2.0"
    (file,) = ignition["storage"]["files"]
    assert file["path"] == path
    assert file["filesystem"] == "root"
    assert file["mode"] == 0o644
    if path == "/etc/containers/mounts.conf":
        assert file["contents"]["source"] == NEWLINE
    assert file["contents"]["source"].startswith("data:text/plain;charset=utf-8;base64,")


def _nfd(seed: Cluster) -> None:
    _raw(seed, CRDS, "nodefeaturediscoveries.nfd.openshift.io")
    pods = _pods(seed, "ocp-nfd")
    masters = _starting(pods, "nfd-master", "Running")
    workers = _starting(pods, "nfd-worker", "Running")
    assert len(masters) == len(workers) == 3
    assert {pods[n]["spec"]["nodeName"] for n in masters} == {"master01", "master02", "master03"}
    assert {pods[n]["spec"]["nodeName"] for n in workers} == {"worker01", "worker02", "worker03"}
    assert len(_starting(_pods(seed, "openshift-operators"), "nfd-operator", "Running")) == 1


def _gpu_operator(seed: Cluster) -> None:
    pods = _pods(seed, "gpu-operator-resources")
    for name in RUNNING:
        assert len(_starting(pods, name, "Running")) == 1, name
    for name in COMPLETED:
        assert len(_starting(pods, name, "Succeeded")) == 1, name
    assert len(_starting(_pods(seed, "openshift-operators"), "gpu-operator", "Running")) == 1
    driver = _raw(seed, DAEMONSETS, "nvidia-driver-daemonset", "gpu-operator-resources")
    environment = driver["spec"]["template"]["spec"]["containers"][0]["env"]
    names = {entry["name"].lower() for entry in environment}
    assert {"http_proxy", "https_proxy", "no_proxy"} <= names


def _worker03(seed: Cluster) -> None:
    node = _node(seed, "worker03")
    labels = node["metadata"]["labels"]
    feature = "feature.node.kubernetes.io/"
    for flag in CPU_FLAGS:
        assert labels[f"{feature}cpu-cpuid.{flag}"] == "true"
    assert labels[f"{feature}pci-10de.present"] == "true"
    assert labels[f"{feature}pci-15ad.present"] == "true"
    assert labels[f"{feature}kernel-selinux.enabled"] == "true"
    assert labels[f"{feature}kernel-version.full"] == "4.18.0-193.29.1.el8_2.x86_64"
    assert labels[f"{feature}system-os_release.ID"] == "rhcos"
    assert labels[f"{feature}system-os_release.VERSION_ID"] == "4.4"
    for key, value in GPU_LABELS.items():
        assert labels[f"nvidia.com/{key}"] == value, key
    assert labels["nvidia.com/gfd.timestamp"].isdigit()
    for kind in ("capacity", "allocatable"):
        assert node["status"][kind]["nvidia.com/gpu"] == "1"
    listed = node["metadata"]["annotations"]["nfd.node.kubernetes.io/feature-labels"]
    assert "pci-10de.present" in listed
    assert "nvidia.com/gpu.count" in listed
    taint = {"key": "nodetype", "value": "gpu", "effect": "NoSchedule"}
    assert taint in node["spec"]["taints"]
    for other in ("worker01", "worker02"):
        assert taint not in _node(seed, other)["spec"].get("taints", [])


def _nvidia_smi(seed: Cluster) -> None:
    pods = _pods(seed, "gpu-operator-resources")
    (driver,) = _starting(pods, "nvidia-driver-daemonset", "Running")

    async def run(client: Client) -> str:
        result = await client.exec("gpu-operator-resources", driver, ["nvidia-smi"])
        return str(result.stdout)

    table = str(seed.ask(run))
    for seen in (
        "NVIDIA-SMI 450.80.02",
        "Driver Version: 450.80.02",
        "CUDA Version: 11.0",
        "Tesla T4",
        "00000000:13:00.0",
        "0MiB / 15109MiB",
        "17W /  70W",
        "55C",
        "P8",
        "No running processes found",
    ):
        assert seen in table, table
    assert {len(line) for line in table.splitlines() if line.startswith(("|", "+"))} == {79}


def test_render_gives_the_machine_configs_of_the_walkthrough(
    seed: Cluster, portal: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rendered"
    seed.oc_gpu("render", "--entitlement", str(portal), "--output-dir", str(out)).ok()
    documents = [
        document
        for path in sorted(out.rglob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]
    configs = {d["metadata"]["name"]: d for d in documents if d["kind"] == "MachineConfig"}
    assert set(configs) == set(FILES)
    for name, path in FILES.items():
        assert configs[name]["apiVersion"] == "machineconfiguration.openshift.io/v1"
        _check_machine_config(configs[name], path)
    pem, key = (
        configs[name]["spec"]["config"]["storage"]["files"][0]["contents"]["source"]
        for name in ("50-entitlement-pem", "50-entitlement-key-pem")
    )
    assert pem == key
    assert b"PRIVATE KEY" in base64.b64decode(pem.partition("base64,")[2])
    assert all(path.stat().st_mode & 0o077 == 0 for path in out.rglob("*.yaml"))


def test_status_after_enable_says_done_for_every_stage(seed: Cluster, portal: Path) -> None:
    seed.oc_gpu("enable", "--yes", "--entitlement", str(portal)).ok()
    status = json.loads(seed.oc_gpu("status", "-o", "json").ok().out)
    states = {stage["stage"]: stage["state"] for stage in status["stages"]}
    assert states["entitlement"] == states["nfd"] == states["gpu-operator"] == "done"
    assert status["simulated"] is True


@pytest.mark.long
@pytest.mark.slow
def test_renewed_certificate_is_proven_and_rolled_out_again(
    seed: Cluster, portal: Path, tmp_path: Path
) -> None:
    seed.oc_gpu("enable", "--yes", "--entitlement", str(portal)).ok()
    renewed = made.lasting(serial=4711)
    again = made.portal_zip(tmp_path, renewed)
    seed.oc_gpu("enable", "--yes", "--entitlement", str(again)).ok()
    current = _node(seed, "worker01")["metadata"]["annotations"][CURRENT]
    storage = _raw(seed, MACHINE_CONFIGS, current)["spec"]["config"]["storage"]
    sources = {file["path"]: file["contents"]["source"] for file in storage["files"]}
    content = sources["/etc/pki/entitlement/entitlement.pem"].partition("base64,")[2]
    assert base64.b64decode(content) == renewed
    for name in ("entitled-build-pod", "cluster-entitled-build-pod"):
        notes = _raw(seed, PODS, name, "default")["metadata"]["annotations"]
        assert notes["oc-gpu.io/certificate-serial"] == "4711"
    seed.oc_gpu("verify").ok()
