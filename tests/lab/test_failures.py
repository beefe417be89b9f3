"""Failures of OLM and of the machine-config-operator, provoked on the real ones.

Of each: what the objects say, that `enable` stops at once and says why, and that the doctor names
the cause, live and from what the real `oc adm inspect` writes.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import (
    CATALOG_SOURCES,
    CSVS,
    INSTALL_PLANS,
    MACHINE_CONFIG_POOLS,
    MACHINE_CONFIGS,
    NODES,
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
_MCO = "machineconfiguration.openshift.io"
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
    sub = until(lab, SUBSCRIPTIONS, lambda s: condition(s, "ResolutionFailed"))
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


def test_paused_pool_takes_no_configuration(
    lab: LabCluster, entitled: Path, tmp_path: Path
) -> None:
    merge(lab, "machineconfigpool/worker", {"spec": {"paused": True}})
    meta = {"name": "60-other", "labels": {f"{_MCO}/role": "worker"}}
    config = {
        "apiVersion": MACHINE_CONFIGS.api_version,
        "kind": MACHINE_CONFIGS.kind,
        "metadata": meta,
        "spec": {"kernelArguments": ["quiet"]},
    }
    try:
        create(lab, config)
        pool = until(lab, MACHINE_CONFIG_POOLS, lambda p: _asks_for(p, "60-other"))
        pool = until(lab, MACHINE_CONFIG_POOLS, lambda p: _asks_for(p, "60-other") and _waits(p))
        assert condition(pool, "Updating")["status"] == "False", "it does not even call itself so"
        told = stopped(lab, "--config", str(entitled))
        assert (told["finding"]["cause"], told["writes"]) == ("mcp-paused", 0)
        is_named(lab, "mcp-paused", tmp_path)
    finally:
        lab.as_cluster_admin("delete", "machineconfig", "60-other").ok()
        until(lab, MACHINE_CONFIG_POOLS, lambda p: _is_at_rest(p, "60-other"))
        merge(lab, "machineconfigpool/worker", {"spec": {"paused": False}})


def _asks_for(pool: RawObject, config: str) -> bool:
    """Tell whether the pool of the workers has rendered a MachineConfig into its configuration."""
    sources = (pool["spec"].get("configuration") or {}).get("source") or []
    return pool["metadata"]["name"] == "worker" and config in (s["name"] for s in sources)


def _waits(pool: RawObject) -> bool:
    return condition(pool, "Updated").get("status") == "False"


def _is_at_rest(pool: RawObject, without: str) -> bool:
    """Tell whether the pool of the workers is where it was before a MachineConfig came."""
    ours = pool["metadata"]["name"] == "worker" and not _asks_for(pool, without)
    return ours and condition(pool, "Updated").get("status") == "True"


def test_node_that_does_not_report_holds_its_pool(
    lab: LabCluster, entitled: Path, tmp_path: Path
) -> None:
    create(lab, _lost(until(lab, NODES, lambda n: n["metadata"]["name"] == "worker-0")))
    try:
        node = until(lab, NODES, lambda n: condition(n, "Ready").get("status") == "Unknown")
        assert node["metadata"]["name"] == "lost"
        assert condition(node, "Ready")["reason"] == "NodeStatusUnknown"
        _is_silent_since(lab, node, timedelta(minutes=6))
        pool = until(lab, MACHINE_CONFIG_POOLS, lambda p: p["status"]["unavailableMachineCount"])
        assert pool["metadata"]["name"] == "worker"
        told = stopped(lab, "--config", str(entitled))
        assert told["finding"]["cause"] == "node-not-ready"
        assert told["finding"]["objects"] == ["Node/lost"]
        is_named(lab, "node-not-ready", tmp_path)
        held = until(lab, MACHINE_CONFIG_POOLS, lambda p: _asks_for(p, "50-entitlement-pem"))
        assert held["status"]["updatedMachineCount"] == 0, "no other node is changed either"
    finally:
        ours = "app.kubernetes.io/managed-by=oc-gpu"
        lab.as_cluster_admin("delete", "machineconfig", "-l", ours).ok()
        until(lab, MACHINE_CONFIG_POOLS, lambda p: not _asks_for(p, "50-entitlement-pem"))
        lab.as_cluster_admin("delete", "node", "lost").ok()
        until(lab, MACHINE_CONFIG_POOLS, lambda p: _is_at_rest(p, "50-entitlement-pem"))


def _lost(worker: RawObject) -> RawObject:
    """Return a worker whose kubelet has said once that it is ready, and then no more."""
    meta = worker["metadata"]
    notes = {key: text for key, text in meta["annotations"].items() if key.startswith(_MCO)}
    labels = {"node-role.kubernetes.io/worker": "", "kubernetes.io/hostname": "lost"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "lost", "labels": labels, "annotations": notes},
        "status": {key: worker["status"][key] for key in ("conditions", "nodeInfo", "capacity")},
    }


def _is_silent_since(lab: LabCluster, node: RawObject, past: timedelta) -> None:
    """Put back when a node's silence began, so that nobody has to wait for it."""
    since = (datetime.now(UTC) - past).strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {**condition(node, "Ready"), "lastTransitionTime": since}
    status = {"status": {"conditions": [ready]}}
    name = node["metadata"]["name"]
    change = ("--type=strategic", "-p", json.dumps(status), "--subresource=status")
    lab.as_cluster_admin("patch", "node", name, *change).ok()
