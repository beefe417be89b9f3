"""The entitlement's Secret, MachineConfigs and proof pods: field by field the walk-through's."""

import base64
from typing import Any

import pytest

from oc_gpu.facts import openshift_releases
from oc_gpu.manifests import Proxy, entitlement

PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\nkey\n"
PROXY = Proxy("http://proxy:8080", "http://proxy:8443", ".local")
IMAGE = "registry.access.redhat.com/ubi8/ubi:latest"


def configs(ignition: str) -> dict[str, Any]:
    made = entitlement.machine_configs(PEM, "worker", ignition)
    return {config["metadata"]["name"]: config for config in made}


def file_of(config: Any) -> Any:
    (file,) = config["spec"]["config"]["storage"]["files"]
    return file


def text_of(file: Any) -> str:
    head, _, content = file["contents"]["source"].partition(",")
    assert head == "data:text/plain;charset=utf-8;base64"
    return base64.b64decode(content).decode()


def test_the_first_config_is_the_walk_through_s_to_the_letter() -> None:
    config = configs("2.2.0")["50-disable-secret-automount"]
    labels = config["metadata"].pop("labels")
    assert labels["machineconfiguration.openshift.io/role"] == "worker"
    assert config == {
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfig",
        "metadata": {"name": "50-disable-secret-automount"},
        "spec": {
            "config": {
                "ignition": {"version": "2.2.0"},
                "storage": {
                    "files": [
                        {
                            "contents": {"source": "data:text/plain;charset=utf-8;base64,Cg=="},
                            "filesystem": "root",
                            "mode": 420,
                            "path": "/etc/containers/mounts.conf",
                        }
                    ]
                },
            }
        },
    }


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("50-disable-secret-automount", "/etc/containers/mounts.conf"),
        ("50-rhsm-conf", "/etc/rhsm/rhsm.conf"),
        ("50-entitlement-pem", "/etc/pki/entitlement/entitlement.pem"),
        ("50-entitlement-key-pem", "/etc/pki/entitlement/entitlement-key.pem"),
    ],
)
def test_each_config_writes_its_file_for_workers(name: str, path: str) -> None:
    config = configs("2.2.0")[name]
    file = file_of(config)
    assert (file["path"], file["mode"], file["filesystem"]) == (path, 0o644, "root")
    assert "overwrite" not in file
    assert config["spec"]["config"]["ignition"] == {"version": "2.2.0"}
    assert config["metadata"]["labels"]["machineconfiguration.openshift.io/role"] == "worker"


def test_certificate_and_key_hold_the_same_whole_pem() -> None:
    made = configs("2.2.0")
    texts = [text_of(file_of(made[f"50-entitlement-{part}"])) for part in ("pem", "key-pem")]
    assert texts == [PEM.decode()] * 2


def test_rhsm_conf_points_at_the_certificate_and_the_content_network() -> None:
    text = text_of(file_of(configs("2.2.0")["50-rhsm-conf"]))
    lines = {line.replace(" ", "") for line in text.splitlines()}
    assert {
        "entitlementCertDir=/etc/pki/entitlement",
        "repo_ca_cert=/etc/rhsm/ca/redhat-uep.pem",
        "baseurl=https://cdn.redhat.com",
    } <= lines


@pytest.mark.parametrize("release", openshift_releases(), ids=lambda release: release.version)
def test_no_file_mixes_the_two_specifications(release: Any) -> None:
    for config in entitlement.machine_configs(PEM, "worker", release.ignition):
        assert config["spec"]["config"]["ignition"]["version"] == release.ignition
        file = file_of(config)
        assert ("filesystem" in file) == release.ignition.startswith("2.")
        assert ("overwrite" in file) == release.ignition.startswith("3.")
        assert type(file["mode"]) is int


def test_the_names_and_paths_that_others_rely_on_are_those_made() -> None:
    made = entitlement.machine_configs(PEM, "worker", "3.2.0")
    assert tuple(config["metadata"]["name"] for config in made) == entitlement.CONFIG_NAMES
    paths = {file_of(config)["path"] for config in made}
    assert paths == entitlement.NODE_PATHS


def test_the_secret_holds_the_pem_under_both_keys() -> None:
    secret = entitlement.secret(PEM, "default")
    assert (secret["metadata"]["name"], secret["metadata"]["namespace"]) == (
        "entitlement",
        "default",
    )
    assert set(secret["data"]) == {"entitlement.pem", "entitlement-key.pem"}
    assert {base64.b64decode(value) for value in secret["data"].values()} == {PEM}


def test_the_mounting_pod_sees_the_secret_read_only_where_dnf_looks() -> None:
    pod = entitlement.mounting_pod("default", IMAGE, PROXY)
    (container,) = pod["spec"]["containers"]
    assert pod["metadata"]["name"] == "entitled-build-pod"
    assert container["volumeMounts"] == [
        {"name": "entitlement", "mountPath": "/etc/pki/entitlement", "readOnly": True}
    ]
    assert pod["spec"]["volumes"] == [
        {"name": "entitlement", "secret": {"secretName": "entitlement"}}
    ]


def test_the_cluster_pod_has_no_mount() -> None:
    pod = entitlement.cluster_pod("default", IMAGE, PROXY)
    assert pod["metadata"]["name"] == "cluster-entitled-build-pod"
    assert "volumes" not in pod["spec"]
    assert "volumeMounts" not in pod["spec"]["containers"][0]


@pytest.mark.parametrize("build", [entitlement.mounting_pod, entitlement.cluster_pod])
def test_proof_pods_search_once_and_end(build: Any) -> None:
    pod = build("default", IMAGE, PROXY)
    (container,) = pod["spec"]["containers"]
    assert pod["spec"]["restartPolicy"] == "Never"
    assert container["command"] == ["dnf", "search", "kernel-devel", "--showduplicates"]
    assert container["image"] == IMAGE
    assert "oc-gpu.io/proof" in pod["metadata"]["labels"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert environment["http_proxy"] == environment["HTTP_PROXY"] == "http://proxy:8080"
    assert environment["https_proxy"] == "http://proxy:8443"
    assert environment["no_proxy"] == ".local"


@pytest.mark.parametrize("proxy", [None, Proxy(), Proxy(no_proxy=".local")])
def test_without_proxy_there_is_no_environment(proxy: Proxy | None) -> None:
    pod = entitlement.cluster_pod("default", IMAGE, proxy)
    assert "env" not in pod["spec"]["containers"][0]


def test_proof_pods_ask_for_no_privilege() -> None:
    (container,) = entitlement.cluster_pod("default", IMAGE)["spec"]["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
