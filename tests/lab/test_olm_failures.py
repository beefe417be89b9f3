"""Failures of OLM, provoked on the real one.

Of each: what the objects say, that `enable` stops at once and says why, and that the doctor names
the cause, live and from what the real `oc adm inspect` writes.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import (
    CATALOG_SOURCES,
    CSVS,
    INSTALL_PLANS,
    SUBSCRIPTIONS,
)
from tests.lab.conftest import LabCluster
from tests.lab.failing import (
    MARKETPLACE,
    PACKAGE,
    condition,
    create,
    do,
    group,
    install,
    is_named,
    merge,
    phase,
    stopped,
    take_back,
    until,
)

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
SILENT = "172.30.200.99:50051"
"""An address in the cluster at which nothing answers."""
_SECONDS = 30.0
"""Within which a run ends once its cause is to be seen; a busy machine takes most of them."""


@pytest.fixture
def lab(lab: LabCluster) -> Iterator[LabCluster]:
    """Give the cluster, and take away what was installed on it."""
    yield lab
    take_back(lab)


def test_nothing_is_resolved_with_two_operator_groups(lab: LabCluster, tmp_path: Path) -> None:
    install(lab, "one", "another")
    sub = until(lab, SUBSCRIPTIONS, lambda s: condition(s, "CatalogSourcesUnhealthy"))
    assert [c["type"] for c in sub["status"]["conditions"]] == ["CatalogSourcesUnhealthy"]
    assert "state" not in sub["status"], "only the log of OLM tells why"
    written = lab.writes()
    told = stopped(lab)
    assert told["finding"]["cause"] == "olm-multiple-operatorgroups"
    assert (told["writes"], lab.writes()) == (0, written)
    is_named(lab, "olm-multiple-operatorgroups", tmp_path)


def test_operator_that_runs_fails_when_another_operator_group_comes(
    lab: LabCluster, tmp_path: Path
) -> None:
    install(lab, "one")
    until(lab, CSVS, lambda csv: phase(csv) == "Succeeded")
    create(lab, group("another"))
    csv = until(lab, CSVS, lambda csv: phase(csv) == "Failed")
    assert csv["status"]["reason"] == "TooManyOperatorGroups"
    assert csv["status"]["message"] == (
        "csv created in namespace with multiple operatorgroups, can't pick one automatically"
    )
    assert stopped(lab)["finding"]["cause"] == "olm-multiple-operatorgroups"
    is_named(lab, "olm-multiple-operatorgroups", tmp_path)


def test_kind_that_is_not_there_fails_the_install_plan_for_good(
    lab: LabCluster, tmp_path: Path
) -> None:
    rules = "prometheusrules.monitoring.coreos.com"
    kept = json.loads(lab.as_cluster_admin("get", "crd", rules, "-o", "json").ok().out)
    kept["metadata"] = {key: kept["metadata"][key] for key in ("name", "annotations")}
    lab.as_cluster_admin("delete", "crd", rules).ok()
    walk = lab.start("enable", "--yes", "-o", "json")
    try:
        plan = until(lab, INSTALL_PLANS, lambda p: (p.get("status") or {}).get("message"))
        lacks = "Unable to find GVK in discovery: monitoring.coreos.com v1 PrometheusRule"
        assert (phase(plan), plan["status"]["message"]) == (
            "Installing",
            f"retrying execution due to error: {lacks}",
        )
        plan = until(lab, INSTALL_PLANS, lambda p: phase(p) == "Failed")
        assert condition(plan, "Installed")["reason"] == "InstallComponentFailed"
        assert plan["status"]["message"] == lacks
        out, told = walk.communicate(timeout=_SECONDS)
    finally:
        walk.kill()
        walk.communicate()
        create(lab, kept)
    assert walk.returncode == 1, told
    finding = json.loads(out)["finding"]
    assert finding["cause"] == "olm-csv-requirements-not-met"
    assert lacks in finding["evidence"][0]["quote"]
    is_named(lab, "olm-csv-requirements-not-met", tmp_path)

    assert phase(until(lab, INSTALL_PLANS, _is_of_nfd)) == "Failed", "OLM does not look again"
    do(lab, finding["remedy"][-1])
    until(lab, CSVS, lambda csv: _is_of_nfd(csv) and phase(csv) == "Succeeded")


def _is_of_nfd(obj: RawObject) -> bool:
    return bool(obj["metadata"]["namespace"] == "openshift-nfd")


def test_plan_of_another_admin_waits_for_approval(lab: LabCluster, tmp_path: Path) -> None:
    install(lab, "one", installPlanApproval="Manual")
    sub = until(lab, SUBSCRIPTIONS, lambda s: condition(s, "InstallPlanPending"))
    assert condition(sub, "InstallPlanPending")["reason"] == "RequiresApproval"
    assert sub["status"]["state"] == "UpgradePending"
    assert phase(until(lab, INSTALL_PLANS, phase)) == "RequiresApproval"
    finding = stopped(lab)["finding"]
    assert finding["cause"] == "olm-installplan-awaiting-approval"
    is_named(lab, "olm-installplan-awaiting-approval", tmp_path)
    do(lab, finding["remedy"][-1])
    until(lab, INSTALL_PLANS, lambda p: phase(p) in ("Installing", "Complete"))


def test_channel_that_is_not_there_prevents_resolution(lab: LabCluster, tmp_path: Path) -> None:
    install(lab, "one", channel="v99.9")
    sub = until(lab, SUBSCRIPTIONS, lambda s: condition(s, "ResolutionFailed"))
    said = condition(sub, "ResolutionFailed")
    assert (said["status"], said["reason"]) == ("True", "ConstraintsNotSatisfiable")
    assert said["message"] == (
        f"constraints not satisfiable: no operators found in channel v99.9 of package {PACKAGE} "
        f"in the catalog referenced by subscription {PACKAGE}, subscription {PACKAGE} exists"
    )
    assert stopped(lab)["finding"]["cause"] == "olm-package-not-in-catalog"
    until(lab, CSVS, lambda csv: _is_of_nfd(csv) and phase(csv) == "Succeeded")
    is_named(lab, "olm-package-not-in-catalog", tmp_path)


@pytest.fixture
def silent(lab: LabCluster) -> Iterator[str]:
    """Make a catalog that nobody serves."""
    source = {
        "apiVersion": CATALOG_SOURCES.api_version,
        "kind": CATALOG_SOURCES.kind,
        "metadata": {"name": "silent", "namespace": MARKETPLACE},
        "spec": {"sourceType": "grpc", "address": SILENT},
    }
    create(lab, source)
    yield "silent"
    lab.as_cluster_admin("delete", "catalogsource", "silent", "-n", MARKETPLACE).ok()


def test_subscription_to_a_catalog_that_does_not_answer_is_not_resolved(
    lab: LabCluster, silent: str, tmp_path: Path
) -> None:
    until(lab, CATALOG_SOURCES, lambda source: _state(source, silent) == "TRANSIENT_FAILURE")
    install(lab, "one", source=silent)
    kinds = "ResolutionFailed", "CatalogSourcesUnhealthy"  # OLM tells them one after the other
    sub = until(lab, SUBSCRIPTIONS, lambda s: all(condition(s, kind) for kind in kinds))
    assert condition(sub, "ResolutionFailed")["reason"] == "ErrorPreventedResolution"
    assert condition(sub, "CatalogSourcesUnhealthy")["status"] == "False", "OLM calls it healthy"
    told = stopped(lab)
    assert (told["finding"]["cause"], told["writes"]) == ("olm-catalogsource-unhealthy", 0)
    is_named(lab, "olm-catalogsource-unhealthy", tmp_path)


def test_catalog_that_stops_answering_offers_nothing_any_more(
    lab: LabCluster, tmp_path: Path
) -> None:
    name = "certified-operators"
    before = until(lab, CATALOG_SOURCES, lambda s: _state(s, name) == "READY")["spec"]["address"]
    try:
        _serve_at(lab, name, SILENT)
        until(lab, CATALOG_SOURCES, lambda s: _state(s, name) == "TRANSIENT_FAILURE")
        told = stopped(lab)
        assert (told["finding"]["cause"], told["writes"]) == ("olm-catalogsource-unhealthy", 0)
        is_named(lab, "olm-catalogsource-unhealthy", tmp_path)
    finally:
        _serve_at(lab, name, before)
        until(lab, CATALOG_SOURCES, lambda s: _state(s, name) == "READY")
        _until_offered(lab)


def _serve_at(lab: LabCluster, catalog: str, address: str) -> None:
    spec = {"spec": {"address": address}}
    merge(lab, f"catalogsource/{catalog}", spec, "-n", MARKETPLACE)


def _state(source: RawObject, name: str) -> str:
    told = ((source.get("status") or {}).get("connectionState") or {}).get("lastObservedState")
    return str(told or "") if source["metadata"]["name"] == name else ""


def _until_offered(lab: LabCluster) -> None:
    """Wait for the package server, whose objects cannot be watched."""
    deadline = time.monotonic() + 60
    look = ("get", "packagemanifest", PACKAGE, "-n", MARKETPLACE)
    while lab.as_cluster_admin(*look).code:
        assert time.monotonic() < deadline
        time.sleep(0.2)
