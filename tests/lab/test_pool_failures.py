"""Failures of the machine-config-operator, provoked on the real one.

Of each: what the objects say, that `enable` stops at once and says why, and that the doctor names
the cause, live and from what the real `oc adm inspect` writes.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import MACHINE_CONFIG_POOLS, MACHINE_CONFIGS, NODES
from tests.lab.conftest import LabCluster
from tests.lab.failing import condition, create, is_named, merge, stopped, take_back, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
_MCO = "machineconfiguration.openshift.io"


@pytest.fixture
def lab(lab: LabCluster) -> Iterator[LabCluster]:
    """Give the cluster, and take away what was installed on it."""
    yield lab
    take_back(lab)


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
