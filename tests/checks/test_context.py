"""What the stages know becomes the input of the checks, without anything lost on the way."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from oc_gpu.checks import preflight
from oc_gpu.checks.catalogue import run_all
from oc_gpu.checks.context import inputs
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.model import Severity
from oc_gpu.config import Entitlement, GpuPlatform, Secret, from_value
from oc_gpu.manifests.entitlement import CONFIG_NAMES
from oc_gpu.snapshot.packages import PackageManifest
from oc_gpu.stages.context import build
from tests.checks import world
from tests.checks.world import only, snapshot


def _version(version: str) -> dict[str, Any]:
    history = [{"state": "Completed", "version": version}]
    return world.raw("version", status={"history": history})


def _package(name: str, catalog: str, channel: str, csv: str) -> PackageManifest:
    raw = {
        "metadata": {"name": name},
        "status": {
            "catalogSource": catalog,
            "packageName": name,
            "defaultChannel": channel,
            "channels": [{"name": channel, "currentCSV": csv}],
        },
    }
    return msgspec.convert(raw, PackageManifest)


SEED = {
    "clusterversions": (_version("4.4.33"),),
    "packagemanifests": (
        _package("nfd", "redhat-operators", "4.4", "nfd.v4.4.0"),
        _package(
            "gpu-operator-certified",
            "certified-operators",
            "stable",
            "gpu-operator-certified.v1.5.2",
        ),
    ),
}
PORTAL = Entitlement(
    Secret(b"pem"),
    "1.pem",
    "1",
    "CN=1",
    datetime.fromtimestamp(world.NOW - 86_400, UTC),
    datetime.fromtimestamp(world.NOW + 300 * 86_400, UTC),
)


def _given(
    document: GpuPlatform | None = None, entitlement: Entitlement | None = None, **tables: Any
) -> Inputs:
    cluster = snapshot(**(SEED | tables))
    return inputs(build(document or GpuPlatform(), cluster, entitlement))


def test_the_walk_throughs_cluster_wants_an_entitlement_and_takes_the_offered_operators() -> None:
    given = _given()
    findings = run_all(preflight.CHECKS, given)
    assert given.release.version == "4.4.33"
    assert only(findings, "OCG0102").severity is Severity.OK
    assert only(findings, "OCG0301").cause == "entitlement-missing"
    assert [f.title for f in findings if f.code == "OCG0501"] == [
        "redhat-operators offers nfd.v4.4.0 in channel 4.4",
        "certified-operators offers gpu-operator-certified.v1.5.2 in channel stable",
    ]


def test_a_certificate_that_was_given_is_judged_by_the_clusters_clock() -> None:
    given = _given(entitlement=PORTAL)
    assert only(run_all(preflight.CHECKS, given), "OCG0301").severity is Severity.OK


def test_a_catalog_without_the_package_is_named() -> None:
    findings = run_all(preflight.CHECKS, _given(packagemanifests=()))
    found = [f for f in findings if f.code == "OCG0501"]
    assert [(f.severity, f.cause) for f in found] == [
        (Severity.ERROR, "olm-package-not-in-catalog")
    ] * 2


@pytest.mark.parametrize(("names", "there"), [(CONFIG_NAMES, True), (CONFIG_NAMES[:-1], False)])
def test_an_entitlement_is_on_the_nodes_when_all_its_machine_configs_are_there(
    names: tuple[str, ...],
    there: bool,  # noqa: FBT001
) -> None:
    configs = tuple(world.raw(name) for name in names)
    assert _given(machineconfigs=configs).entitlement.on_nodes is there


def test_the_documents_taint_and_mode_are_taken_over() -> None:
    spec = {"isolation": {"taint": "nodetype=gpu:NoSchedule"}, "entitlement": {"mode": "skip"}}
    document = from_value({"spec": spec})
    given = _given(document)
    assert given.taint == world.TAINT
    assert given.entitlement.mode == "skip"


def test_an_operand_that_the_cluster_policy_switches_off_is_not_asked_for() -> None:
    whole = _given(clusterversions=(_version("4.20.4"),), clusterpolicies=())
    policy = world.raw("p", spec={"dcgmExporter": {"enabled": False}, "dcgm": {"enabled": True}})
    less = _given(clusterversions=(_version("4.20.4"),), clusterpolicies=(policy,))
    assert set(whole.operands) - set(less.operands) == {"nvidia-dcgm-exporter"}


def test_gpu_nodes_are_those_that_node_feature_discovery_labelled() -> None:
    assert _given().gpu_nodes == ("worker03",)
    assert len(_given().workers) == 4
