"""NodeFeatureDiscovery and ClusterPolicy: the CSV's example with exactly what must be different."""

import json
from typing import Any

import pytest

from oc_gpu.facts import (
    DriverImage,
    gpu_operator_release,
    gpu_operator_releases,
    openshift_release,
    openshift_releases,
)
from oc_gpu.kube import RawObject
from oc_gpu.manifests import Proxy
from oc_gpu.manifests.clusterpolicy import (
    BUILT_IN,
    PolicyWishes,
    cluster_policy,
    toleration_of,
)
from oc_gpu.manifests.examples import find_example
from oc_gpu.manifests.merging import at
from oc_gpu.manifests.nfd import node_feature_discovery
from tests.facts import reference
from tests.manifests import bundles
from tests.manifests.pruning import drop_unknown_fields

PROXY = Proxy("http://proxy:8080", "http://proxy:8443", ".local")
TAINT = toleration_of("nodetype", "gpu", "NoSchedule")
DOCKER = {"operator": {"defaultRuntime": "docker"}}
OLD, NEW = "gpu-operator-certified.v1.5.2", "gpu-operator-certified.v25.10.1"


def policy(csv: str, **wishes: Any) -> RawObject:
    example = bundles.example(csv, "ClusterPolicy")
    return cluster_policy(example, gpu_operator_release(csv), PolicyWishes(**wishes))


@pytest.mark.parametrize("csv", [OLD, NEW])
def test_without_wishes_a_policy_is_what_the_crd_keeps_of_the_example(csv: str) -> None:
    example = bundles.example(csv, "ClusterPolicy")
    made = policy(csv)
    assert (
        made["spec"] == drop_unknown_fields(example, bundles.schema(csv, "ClusterPolicy"))["spec"]
    )
    assert made["metadata"]["name"] == "gpu-cluster-policy"
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "oc-gpu"


@pytest.mark.parametrize("csv", [OLD, NEW])
def test_nothing_in_a_policy_is_refused_by_its_crd(csv: str) -> None:
    made = policy(csv, proxy=PROXY, tolerations=(TAINT,))
    assert drop_unknown_fields(made, bundles.schema(csv, "ClusterPolicy")) == made


@pytest.mark.parametrize("csv", [OLD, NEW])
def test_a_policy_has_all_that_the_release_requires(csv: str) -> None:
    assert set(gpu_operator_release(csv).era.required) <= set(policy(csv)["spec"]) | {"daemonsets"}


def test_an_old_operator_gets_the_proxy_for_its_driver() -> None:
    variables = {
        entry["name"]: entry["value"] for entry in policy(OLD, proxy=PROXY)["spec"]["driver"]["env"]
    }
    assert variables["HTTPS_PROXY"] == variables["https_proxy"] == "http://proxy:8443"
    assert variables["no_proxy"] == ".local"


def test_a_newer_operator_finds_the_proxy_by_itself() -> None:
    assert "env" not in policy(NEW, proxy=PROXY)["spec"]["driver"]


def test_an_old_operator_gets_tolerations_in_every_component_behind_the_built_in_one() -> None:
    spec = policy(OLD, tolerations=(TAINT,))["spec"]
    for component in ("dcgmExporter", "devicePlugin", "driver", "gfd", "toolkit"):
        assert spec[component]["tolerations"] == [BUILT_IN, TAINT]


def test_a_newer_operator_gets_tolerations_in_one_place_behind_the_built_in_one() -> None:
    spec = policy(NEW, tolerations=(TAINT,))["spec"]
    assert spec["daemonsets"]["tolerations"] == [BUILT_IN, TAINT]
    assert spec["daemonsets"]["updateStrategy"] == "RollingUpdate"
    assert "tolerations" not in spec["driver"]


def test_without_taint_the_tolerations_are_left_alone() -> None:
    assert "tolerations" not in policy(NEW)["spec"]["daemonsets"]
    assert policy(OLD)["spec"]["driver"]["tolerations"] == []


def test_the_runtime_is_crio_where_one_must_be_named() -> None:
    example = {
        **bundles.example(OLD, "ClusterPolicy"),
        "spec": {"operator": {"defaultRuntime": "docker"}},
    }
    for version, runtime in (("1.1.4", "crio"), ("25.10.1", "crio"), ("26.3.0", "docker")):
        made = cluster_policy(example, gpu_operator_release(version), PolicyWishes())
        assert made["spec"]["operator"]["defaultRuntime"] == runtime


def test_another_driver_image_is_written_whole() -> None:
    image = DriverImage("example.com/nvidia", "driver", "570.172.08")
    driver = policy(NEW, driver=image)["spec"]["driver"]
    assert (driver["repository"], driver["image"], driver["version"]) == (
        "example.com/nvidia",
        "driver",
        "570.172.08",
    )
    assert driver["enabled"] is True


def test_overrides_have_the_last_word() -> None:
    over: dict[str, Any] = {"dcgm": {"enabled": False}, "mig": None, "driver": {"env": []}}
    spec = policy(OLD, proxy=PROXY, overrides=over)["spec"]
    assert spec["dcgm"] == {"enabled": False}
    assert spec["driver"]["env"] == []
    assert "mig" not in policy(NEW, overrides=over)["spec"]


def test_the_example_is_never_changed() -> None:
    example = bundles.example(NEW, "ClusterPolicy")
    before = json.dumps(example)
    wishes = PolicyWishes(proxy=PROXY, tolerations=(TAINT,), overrides={"dcgm": {"enabled": False}})
    cluster_policy(example, gpu_operator_release(NEW), wishes)
    assert json.dumps(example) == before


def test_the_toleration_of_a_taint_without_value_asks_only_for_its_key() -> None:
    assert toleration_of("k", "", "NoExecute") == {
        "key": "k",
        "operator": "Exists",
        "effect": "NoExecute",
    }


def nfd(name: str, version: str, **more: Any) -> RawObject:
    example = bundles.example(name, "NodeFeatureDiscovery")
    facts = openshift_release(version).nfd
    return node_feature_discovery(example, facts, facts.operand_namespace, **more)


@pytest.mark.parametrize(
    ("name", "version", "place"),
    [("nfd.v4.4.0", "4.4", "ocp-nfd"), ("nfd.v4.20.0", "4.20", "openshift-nfd")],
)
def test_nfd_is_what_the_crd_keeps_of_the_example_in_our_namespace(
    name: str, version: str, place: str
) -> None:
    made = nfd(name, version)
    assert made["metadata"]["namespace"] == place
    assert made["metadata"]["name"] == openshift_release(version).nfd.name
    assert made["apiVersion"] == openshift_release(version).nfd.api_version
    assert drop_unknown_fields(made, bundles.schema(name, "NodeFeatureDiscovery")) == made


def test_nfd_keeps_the_example_s_worker_configuration() -> None:
    example = bundles.example("nfd.v4.20.0", "NodeFeatureDiscovery")
    assert nfd("nfd.v4.20.0", "4.20")["spec"]["workerConfig"] == example["spec"]["workerConfig"]


@pytest.mark.parametrize(("version", "kept"), [("4.7", True), ("4.17", True), ("4.18", False)])
def test_nfd_s_image_stays_only_where_the_operator_has_no_better_one(
    version: str, *, kept: bool
) -> None:
    example = {
        "apiVersion": "nfd.openshift.io/v1",
        "metadata": {"name": "n"},
        "spec": {"operand": {"image": "old", "servicePort": 1, "namespace": "elsewhere"}},
    }
    operand = node_feature_discovery(example, openshift_release(version).nfd, "here")["spec"][
        "operand"
    ]
    assert ("image" in operand) is kept
    assert operand["servicePort"] == 1
    assert operand["namespace"] == ("here" if version == "4.7" else "elsewhere")


def test_nfd_workers_get_a_toleration_only_for_what_they_do_not_tolerate() -> None:
    evict = toleration_of("nodetype", "gpu", "NoExecute")
    new = nfd("nfd.v4.20.0", "4.20", tolerations=(TAINT, evict))
    assert at(new, ("spec", "operand", "workerTolerations")) == [evict]
    assert (
        at(
            nfd("nfd.v4.20.0", "4.20", tolerations=(TAINT,)),
            ("spec", "operand", "workerTolerations"),
        )
        is None
    )
    old = nfd("nfd.v4.20.0", "4.18", tolerations=(evict,))
    assert at(old, ("spec", "operand", "workerTolerations")) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[1]", '[{"kind": "Other"}]'])
def test_examples_that_hold_no_such_kind_give_none(text: str) -> None:
    assert find_example(text, "ClusterPolicy") is None


def test_the_example_is_found_by_kind_not_by_place() -> None:
    found = find_example(
        '[{"kind": "NVIDIADriver"}, {"kind": "ClusterPolicy", "a": 1}]', "ClusterPolicy"
    )
    assert found == {"kind": "ClusterPolicy", "a": 1}


def _crd_schemas(pattern: str) -> dict[str, Any]:
    schemas = {}
    for file in (reference.folder() / "crds" / "older").glob(pattern):
        crd = reference.read(f"crds/older/{file.name}")["spec"]
        version = file.stem.rpartition("__")[2].removeprefix("v").removeprefix("ocp")
        validation = crd.get("validation") or crd["versions"][0].get("schema")
        schemas[version] = validation["openAPIV3Schema"]
    return schemas


def test_every_release_s_example_loses_exactly_what_its_crd_refuses() -> None:
    schemas = _crd_schemas("nvidia.com_clusterpolicies__*.yaml")
    checked = 0
    for release in gpu_operator_releases():
        if release.version not in schemas:
            continue
        example = reference.read(f"samples/clusterpolicy/clusterpolicy__v{release.version}.yaml")
        made = cluster_policy(example, release, PolicyWishes())
        assert made["spec"] == drop_unknown_fields(example, schemas[release.version])["spec"]
        checked += 1
    assert checked > 10


def test_every_release_s_nfd_example_fits_its_crd() -> None:
    schemas = _crd_schemas("nfd.openshift.io_nodefeaturediscoveries__ocp*.yaml")
    for release in openshift_releases():
        name = f"samples/nodefeaturediscovery/nodefeaturediscovery__ocp{release.version}.yaml"
        made = node_feature_discovery(reference.read(name), release.nfd, "somewhere")
        if release.version in schemas:
            assert drop_unknown_fields(made, schemas[release.version])["spec"] == made["spec"]


def test_divided_cards_are_offered_as_asked_where_the_release_knows_of_them() -> None:
    spec = policy(NEW, mig_strategy="mixed", mig_layouts="mine")["spec"]
    assert spec["mig"]["strategy"] == "mixed"
    assert spec["migManager"]["config"]["name"] == "mine"
    assert policy(NEW)["spec"]["mig"] == {"strategy": "single"}
    assert "mig" not in policy(OLD, mig_strategy="mixed", mig_layouts="mine")["spec"]


@pytest.mark.parametrize(
    ("csv", "named"),
    [
        (NEW, {"secretName": "licence", "nlsEnabled": True}),
        ("gpu-operator-certified.v24.6.2", {"configMapName": "licence", "nlsEnabled": True}),
        ("gpu-operator-certified.v1.6.2", {"configMapName": "licence"}),
    ],
)
def test_the_licence_is_named_in_the_field_of_the_release(csv: str, named: RawObject) -> None:
    made = policy(csv, licence="licence")
    given = made["spec"]["driver"]["licensingConfig"]
    assert {key: given[key] for key in named} == named
    assert drop_unknown_fields(made, bundles.schema(csv, "ClusterPolicy")) == made


def test_the_driver_is_pulled_with_the_secrets_that_are_named() -> None:
    assert policy(NEW, pull_secrets=("login",))["spec"]["driver"]["imagePullSecrets"] == ["login"]
