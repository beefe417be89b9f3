import json
from typing import Any

import pytest

from oc_gpu.kube import RawObject
from oc_gpu.sim import bundles
from oc_gpu.sim.actors.gpu_operator_nodes import node_change
from oc_gpu.sim.actors.gpu_operator_operands import Surroundings, image_of, objects

NEW, OLD = bundles.operands("25.10.1"), bundles.operands("1.5.2")
CARD = {"feature.node.kubernetes.io/pci-10de.present": "true"}
RHCOS = "9.6.20251028-0"
DEFAULT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def example(bundle: str) -> RawObject:
    found = next(e for e in bundles.load(bundle).examples if e["kind"] == "ClusterPolicy")
    copied: RawObject = json.loads(json.dumps(found))
    return copied


def policy(**spec: Any) -> RawObject:
    made = example("gpu-operator-certified.v25.10.1")
    made["spec"] |= spec
    return made


def old_policy(**spec: Any) -> RawObject:
    made = example("gpu-operator-certified.v1.5.2")
    for component, fields in spec.items():
        made["spec"][component] |= fields
    return made


def around(**fields: Any) -> Surroundings:
    env = {"DRIVER_IMAGE": "nvcr.io/nvidia/driver@sha256:aa", "VALIDATOR_IMAGE": "validator:1"}
    given: dict[str, Any] = {
        "namespace": "here",
        "env": env,
        "openshift": "4.20",
        "os_tag": "rhel9.6",
        "proxy": {},
        "toolkits": {RHCOS: "dtk@sha256:bb"},
    }
    return Surroundings(**(given | fields))


def made(table: bundles.OperandTable, cr: RawObject, **fields: Any) -> dict[str, RawObject]:
    found = [o for e in table.operands for o in objects(table, e, cr, around(**fields))]
    return {o["metadata"]["name"]: o for o in found}


def pod_of(workload: RawObject) -> RawObject:
    spec: RawObject = workload["spec"]
    return spec["template"]["spec"] if "template" in spec else spec


def env_of(container: RawObject) -> dict[str, Any]:
    return {e["name"]: e.get("value") for e in container.get("env") or []}


def test_driver_daemonset_is_named_after_the_rhcos_version_and_built_in_the_toolkit() -> None:
    driver = made(NEW, policy())[f"nvidia-driver-daemonset-{RHCOS}"]
    labels = driver["spec"]["template"]["metadata"]["labels"]
    assert labels["app"] == f"nvidia-driver-daemonset-{RHCOS}"
    pod = pod_of(driver)
    names = [c["name"] for c in pod["containers"]]
    assert names == ["nvidia-driver-ctr", "openshift-driver-toolkit-ctr"]
    assert pod["containers"][0]["image"] == "nvcr.io/nvidia/driver@sha256:aa"
    assert pod["containers"][1]["image"] == "dtk@sha256:bb"
    assert env_of(pod["containers"][0])["OPENSHIFT_VERSION"] == "4.20"
    key = "feature.node.kubernetes.io/system-os_release.OSTREE_VERSION"
    assert pod["nodeSelector"] == {key: RHCOS, "nvidia.com/gpu.deploy.driver": "true"}
    assert driver["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_one_driver_daemonset_per_rhcos_version() -> None:
    names = made(NEW, policy(), toolkits={"1": "a", "2": "b"})
    assert {"nvidia-driver-daemonset-1", "nvidia-driver-daemonset-2"} <= set(names)


def test_missing_toolkit_image_is_said_and_falls_back_to_entitled_packages() -> None:
    driver = made(NEW, policy(), toolkits={RHCOS: None})[f"nvidia-driver-daemonset-{RHCOS}"]
    label = "openshift.driver-toolkit.rhcos-image-missing"
    assert driver["metadata"]["labels"][label] == "true"
    assert [c["name"] for c in pod_of(driver)["containers"]] == ["nvidia-driver-ctr"]


@pytest.mark.parametrize("off", ["switch", "labels"])
def test_driver_without_toolkit_is_one_daemonset_for_all_nodes(off: str) -> None:
    cr = policy(operator={"use_ocp_driver_toolkit": off != "switch"})
    found = made(NEW, cr, **({} if off == "switch" else {"toolkits": {}}))
    driver = found["nvidia-driver-daemonset"]
    pod = pod_of(driver)
    assert pod["nodeSelector"] == {"nvidia.com/gpu.deploy.driver": "true"}
    assert [c["command"] for c in pod["containers"]] == [["nvidia-driver"]]
    assert "openshift.driver-toolkit" not in driver["metadata"]["labels"]
    assert driver["spec"]["selector"]["matchLabels"] == {"app": "nvidia-driver-daemonset"}


def test_tolerations_of_the_policy_replace_the_default_everywhere() -> None:
    assert {str(pod_of(o)["tolerations"]) for o in made(NEW, policy()).values()} == {str([DEFAULT])}
    own = [{"key": "nodetype", "operator": "Exists"}]
    changed = made(NEW, policy(daemonsets={"tolerations": own}))
    assert all(pod_of(o)["tolerations"] == own for o in changed.values())


def test_old_release_takes_tolerations_per_component() -> None:
    own = [{"key": "nodetype", "operator": "Exists"}]
    found = made(OLD, old_policy(driver={"tolerations": own}))
    assert pod_of(found["nvidia-driver-daemonset"])["tolerations"] == own
    assert DEFAULT in pod_of(found["nvidia-dcgm-exporter"])["tolerations"]
    assert pod_of(found["gpu-feature-discovery"])["tolerations"] == []


def test_old_release_takes_images_and_environment_from_the_policy() -> None:
    env = [{"name": "https_proxy", "value": "http://proxy"}]
    found = made(OLD, old_policy(driver={"env": env}))
    container = pod_of(found["nvidia-driver-daemonset"])["containers"][0]
    assert container["image"].startswith("nvcr.io/nvidia/driver@sha256:324e9dc265")
    assert env_of(container) == {"https_proxy": "http://proxy"}
    check = pod_of(found["nvidia-driver-validation"])["containers"][0]
    assert check["image"].startswith("nvcr.io/nvidia/k8s/cuda-sample@sha256:")
    assert found["nvidia-driver-validation"]["kind"] == "Pod"


@pytest.mark.parametrize(
    ("component", "name", "image"),
    [
        ({}, "driver", "default"),
        ({"repository": "r", "image": "driver", "version": "1"}, "driver", "r/driver:1-rhel9.6"),
        (
            {"repository": "r", "image": "driver", "version": "sha256:a"},
            "driver",
            "r/driver@sha256:a",
        ),
        ({"repository": "r", "image": "dcgm", "version": "1"}, "dcgm", "r/dcgm:1"),
    ],
)
def test_image_is_the_policys_or_the_default(component: RawObject, name: str, image: str) -> None:
    assert image_of(component, "default", "rhel9.6", name) == image


def test_proxy_reaches_the_driver_container_only_and_only_in_releases_that_do_so() -> None:
    spec = {"httpProxy": "http://p", "noProxy": "local", "trustedCA": {"name": "bundle"}}
    pod = pod_of(made(NEW, policy(), proxy={"spec": spec})[f"nvidia-driver-daemonset-{RHCOS}"])
    first, second = (env_of(c) for c in pod["containers"])
    assert first["HTTP_PROXY"] == first["http_proxy"] == "http://p"
    assert first["no_proxy"] == "local"
    assert "HTTPS_PROXY" not in first
    assert "HTTP_PROXY" not in second
    assert any(v["name"] == "gpu-operator-trusted-ca" for v in pod["volumes"])
    old = pod_of(made(OLD, old_policy(), proxy={"spec": spec})["nvidia-driver-daemonset"])
    assert env_of(old["containers"][0]) == {}


def test_disabled_component_is_not_made() -> None:
    assert "nvidia-dcgm" not in made(NEW, policy(dcgm={"enabled": False}))


def node(**labels: str) -> RawObject:
    return {"metadata": {"name": "n", "labels": labels, "annotations": {}}}


def labels_for(given: RawObject, table: bundles.OperandTable = NEW) -> RawObject:
    change = node_change(given, table, policy()) or {"metadata": {}}
    labels: RawObject = change["metadata"].get("labels", {})
    return labels


def test_node_with_a_card_is_labelled_for_every_component() -> None:
    labels = labels_for(node(**CARD))
    assert labels["nvidia.com/gpu.present"] == "true"
    deployed = {k.removeprefix("nvidia.com/gpu.deploy.") for k in labels if "deploy" in k}
    assert deployed == {
        "container-toolkit",
        "dcgm",
        "dcgm-exporter",
        "device-plugin",
        "driver",
        "gpu-feature-discovery",
        "node-status-exporter",
        "operator-validator",
    }
    assert labels_for(node(**CARD), OLD) == {"nvidia.com/gpu.present": "true"}


def test_node_without_a_card_is_left_alone_and_one_that_lost_it_is_marked() -> None:
    assert labels_for(node(other="x")) == {}
    lost = node(**{"nvidia.com/gpu.present": "true", "nvidia.com/gpu.deploy.driver": "true"})
    assert labels_for(lost) == {
        "nvidia.com/gpu.present": "false",
        "nvidia.com/gpu.deploy.driver": None,
    }


def test_node_that_can_be_partitioned_gets_the_mig_manager() -> None:
    capable = node(**CARD, **{"nvidia.com/mig.capable": "true"})
    labels = labels_for(capable)
    assert labels["nvidia.com/gpu.deploy.mig-manager"] == "true"
    assert labels["nvidia.com/mig.config"] == "all-disabled"


def test_value_that_somebody_set_on_a_deploy_label_stays() -> None:
    paused = node(**CARD, **{"nvidia.com/gpu.deploy.dcgm": "paused-for-driver-upgrade"})
    assert "nvidia.com/gpu.deploy.dcgm" not in labels_for(paused)
    switched = node(**CARD, **{"nvidia.com/gpu.deploy.operands": "false"})
    assert labels_for(switched) == {"nvidia.com/gpu.present": "true"}
