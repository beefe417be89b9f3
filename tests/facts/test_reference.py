"""The facts say what the collected reference says, for every field that they carry."""

from typing import Any

from oc_gpu.facts import (
    driver_branch,
    gpu_labels,
    gpu_operator,
    gpu_operator_releases,
    openshift_release,
    openshift_releases,
)
from oc_gpu.facts.drivers import drivers
from oc_gpu.facts.versions import numbers
from tests.facts import reference


def _reference() -> Any:
    return reference.read("facts.yaml")


def test_openshift_releases_agree() -> None:
    rows = _reference()["openshift"]
    assert [row["version"] for row in rows] == [r.version for r in openshift_releases()]
    for row in rows:
        ours = openshift_release(row["version"])
        assert ours.kubernetes == row["kubernetes"]
        assert ours.ignition == row["ignition_to_emit"]
        assert ours.rhel in str(row["rhel"])
        assert row["os_release_id"] in ours.os_release_ids
        assert all(kernel.rpartition("-")[2] in row["kernel_prefix"] for kernel in ours.kernels)
        needed = {"required": "yes", "no": "no"}.get(row["entitlement_for_driver"].split()[0])
        if ours.entitlement.needed != "without-toolkit":
            assert ours.entitlement.needed == needed


def test_broken_driver_toolkits_agree() -> None:
    ours = {z for release in openshift_releases() for z in release.entitlement.broken}
    assert ours == set(_reference()["entitlement"]["broken_dtk_z"])


def test_nfd_agrees() -> None:
    for row in _reference()["openshift"]:
        theirs, ours = row["nfd"], openshift_release(row["version"]).nfd
        assert ours.package == theirs["package"]
        assert ours.catalog == theirs["catalog_source"]
        assert ours.channels == (theirs["channel"],)
        assert ours.api_version == theirs["sample_kind_api"]
        assert ours.deployment == theirs["controller_deployment"]
        mode = {"global": "AllNamespaces", "own": "OwnNamespace"}[ours.install]
        assert mode in theirs["install_modes"]
        if theirs["suggested_namespace"]:
            assert ours.namespace == ours.operand_namespace == theirs["suggested_namespace"]


def test_nfd_examples_agree() -> None:
    for release in openshift_releases():
        name = f"samples/nodefeaturediscovery/nodefeaturediscovery__ocp{release.version}.yaml"
        sample = reference.read(name)
        assert sample["metadata"]["name"] == release.nfd.name
        assert sample["apiVersion"] == release.nfd.api_version
        assert ("namespace" in sample["spec"].get("operand", {})) == release.nfd.namespace_field


def test_gpu_operator_releases_agree() -> None:
    rows = {row["version"]: row for row in _reference()["gpu_operator"]["releases"]}
    ours = {release.version: release for release in gpu_operator_releases()}
    assert list(rows) == list(ours)
    for version, row in rows.items():
        release = ours[version]
        assert list(release.channels) == row["channels"]
        if row["default_driver"]:
            assert release.driver == row["default_driver"]
        if row["ocp_label"]:
            assert row["ocp_label"] == "-".join(f"v{end}" for end in release.openshift)
        assert release.era.namespace in row["operator_namespace"] or version.startswith("1.1.")
        mode = {"global": "AllNamespaces", "own": "OwnNamespace"}[release.era.install]
        assert mode in row["install_modes"]
        maker = {"n/a": "same", "operator": "operator"}.get(
            row["operand_namespace_created_by"], "administrator"
        )
        assert release.era.namespace_maker == maker


def test_operands_agree() -> None:
    special = ("sandbox", "vfio", "vgpu", "kata", "cc-manager", "mps-control")
    tables = _reference()["gpu_operator"]["operands_by_tag"]
    releases = {release.version: release for release in gpu_operator_releases()}
    for tag, table in tables.items():
        ours = {operand.name: operand for operand in releases[tag].era.operands}
        theirs = {
            row["name"]: row
            for row in table
            if row["kind"] == "DaemonSet" and not any(word in row["name"] for word in special)
        }
        assert set(ours) == set(theirs), tag
        for name, row in theirs.items():
            assert ours[name].container in row["containers"], (tag, name)


def test_required_keys_agree() -> None:
    theirs = _reference()["gpu_operator"]["clusterpolicy"]["required_spec_by_version"]
    bounds = (("1.1.7", (1, 3, 0)), ("1.3-1.7", (1, 8, 0)), ("1.8+", (99, 0, 0)))
    for release in gpu_operator_releases():
        key = next(name for name, below in bounds if numbers(release.version) < below)
        assert list(release.era.required) == theirs[key]


def test_the_label_names_agree() -> None:
    theirs = _reference()["gpu_operator"]["node_labels"]
    ours = gpu_labels()
    assert list(ours.cards) == theirs["gpu_detected_from"]
    assert theirs["present"].startswith(ours.present)
    assert ours.deploy == theirs["deploy_prefix"]
    assert {ours.product, ours.count, ours.memory} <= set(theirs["gfd"])


def test_the_package_agrees() -> None:
    theirs, ours = _reference()["gpu_operator"], gpu_operator()
    assert ours.package == theirs["package"]
    assert ours.catalog == theirs["catalog_source"]
    assert ours.deployment == theirs["deployment"]


def test_driver_branches_agree() -> None:
    rows = _reference()["driver_branches"]
    assert [row["branch"] for row in rows] == [branch.number for branch in drivers().branches]
    for row in rows:
        ours = driver_branch(f"{row['branch']}.1.1")
        assert ours.cuda == row["cuda"]
        assert (ours.oldest, ours.newest) == (row["oldest_arch"], row["newest_arch"].split("/")[0])
