import json
from importlib import resources

import pytest

from oc_gpu.kube.errors import ConfigError
from oc_gpu.sim import bundles
from oc_gpu.sim.scenario import load

FOLDER = resources.files("oc_gpu.sim.bundles")
BUNDLES = sorted(f.name[:-5] for f in FOLDER.iterdir() if f.name.endswith(".json"))


@pytest.mark.parametrize("name", BUNDLES)
def test_bundle_owns_the_crds_that_it_brings(name: str) -> None:
    bundle = bundles.load(name)
    assert {o.name for o in bundle.owned} == {c["metadata"]["name"] for c in bundle.crds}
    assert bundle.install_modes
    assert json.loads(bundle.annotations["alm-examples"]) == list(bundle.examples)


@pytest.mark.parametrize("name", BUNDLES)
def test_schemas_carry_no_descriptions(name: str) -> None:
    for crd in bundles.load(name).crds:
        for version in crd["spec"]["versions"]:
            spec = version["schema"]["openAPIV3Schema"].get("properties", {}).get("spec", {})
            assert not isinstance(spec.get("description"), str)


def test_example_keeps_the_field_that_its_own_crd_does_not_know() -> None:
    bundle = bundles.load("nfd.v4.20.0")
    example = next(e for e in bundle.examples if e["kind"] == "NodeFeatureDiscovery")
    crd = next(c for c in bundle.crds if c["spec"]["names"]["kind"] == "NodeFeatureDiscovery")
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert "customConfig" in example["spec"]
    assert "customConfig" not in schema["properties"]


def test_catalog_builds_are_named_like_builds() -> None:
    assert bundles.load("nfd.v4.20.0").name.startswith("nfd.4.20.0-2025")
    assert bundles.load("nfd.v4.4.0").name == "nfd.v4.4.0"


def test_bundle_is_found_by_the_name_of_its_csv() -> None:
    bundle = bundles.by_csv(load("ocp-4.20"), bundles.load("nfd.v4.20.0").name)
    assert bundle is bundles.load("nfd.v4.20.0")
    assert bundles.by_csv(load("ocp-4.20"), "other.v1") is None


def test_operands_of_25_10_are_the_ten_daemonsets() -> None:
    table = bundles.operands("25.10.1")
    assert len(table.operands) == 10
    assert {o.kind for o in table.operands} == {"DaemonSet"}


def test_operands_of_1_5_end_with_feature_discovery_and_have_two_one_shot_pods() -> None:
    table = bundles.operands("1.5.2")
    names = [o.object["metadata"]["name"] for o in table.operands]
    assert names[-1] == "gpu-feature-discovery"
    assert [n for n, o in zip(names, table.operands, strict=True) if o.kind == "Pod"] == [
        "nvidia-driver-validation",
        "nvidia-device-plugin-validation",
    ]


@pytest.mark.parametrize(
    ("version", "table", "namespace", "plugin"),
    [
        ("1.6.2", "1.6", "gpu-operator-resources", "nvidia-device-plugin-ctr"),
        ("1.8.2", "1.8", "gpu-operator-resources", "nvidia-device-plugin-ctr"),
        ("1.10.1", "1.9", "", "nvidia-device-plugin-ctr"),
        ("22.9.2", "1.11", "", "nvidia-device-plugin"),
        ("25.3.2", "24.3", "", "nvidia-device-plugin"),
        ("26.3.3", "25.10", "", "nvidia-device-plugin"),
    ],
)
def test_operand_table_holds_until_the_next_one(
    version: str, table: str, namespace: str, plugin: str
) -> None:
    found = bundles.operands(version)
    assert (found.version, found.namespace) == (table, namespace)
    made = {o.component: o.object for o in reversed(found.operands)}
    assert made["devicePlugin"]["spec"]["template"]["spec"]["containers"][0]["name"] == plugin


def test_drivers_of_1_8_are_built_from_packages_and_those_of_1_9_in_the_driver_toolkit() -> None:
    for version, suffix, containers in (("1.8.2", "", 1), ("1.9.1", "-$(OSTREE_VERSION)", 2)):
        driver = bundles.operands(version).operands[0].object
        assert driver["metadata"]["name"] == f"nvidia-driver-daemonset{suffix}"
        assert len(driver["spec"]["template"]["spec"]["containers"]) == containers


def test_release_older_than_every_table_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no operand table of GPU Operator 1\.1\.7"):
        bundles.operands("1.1.7")


def test_unknown_bundle_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no bundle 'nfd\.v9'") as caught:
        bundles.load("nfd.v9")
    assert "nfd.v4.4.0" in caught.value.hints[0]
