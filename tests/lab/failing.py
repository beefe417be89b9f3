"""Provoking failures on a lab cluster, and what the program makes of them."""

import asyncio
import json
import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from oc_gpu.kube import Client, RawObject, Replaced, Resource, Updated, WatchEvent
from oc_gpu.kube.resources import OPERATOR_GROUPS, SUBSCRIPTIONS
from tests.lab.conftest import LabCluster

NAMESPACE, PACKAGE = "nvidia-gpu-operator", "gpu-operator-certified"
MARKETPLACE = "openshift-marketplace"
RECORD = "oc-gpu"
_PATIENCE = 120.0
_SECONDS = 60.0
"""Within which `enable` ends where the cause is there from the start; a busy machine takes most."""
_NAMED = (NAMESPACE, MARKETPLACE, "openshift-nfd", "openshift-operator-lifecycle-manager")
_KINDS = "clusterversions,clusteroperators,nodes,machineconfigs,machineconfigpools,infrastructures"
_INCOMPLETE = "errors occurred while gathering data"
_EVERYWHERE = (
    "subscriptions.operators.coreos.com,installplans,clusterserviceversions,operatorgroups,"
    "catalogsources"
)


def group(name: str) -> RawObject:
    """Return an OperatorGroup of the GPU Operator's namespace."""
    return {
        "apiVersion": OPERATOR_GROUPS.api_version,
        "kind": OPERATOR_GROUPS.kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"targetNamespaces": [NAMESPACE]},
    }


def install(lab: LabCluster, *groups: str, **spec: Any) -> None:
    """Ask for the GPU Operator as another administrator would."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    source = {"source": "certified-operators", "sourceNamespace": MARKETPLACE}
    subscription = {
        "apiVersion": SUBSCRIPTIONS.api_version,
        "kind": SUBSCRIPTIONS.kind,
        "metadata": {"name": PACKAGE, "namespace": NAMESPACE},
        "spec": {"name": PACKAGE, "channel": "v25.10"} | source | spec,
    }
    for obj in (space, *map(group, groups), subscription):
        create(lab, obj)


def create(lab: LabCluster, obj: RawObject) -> None:
    """Create an object with all rights."""
    lab.as_cluster_admin("create", "-f", "-", stdin=json.dumps(obj)).ok()


def merge(lab: LabCluster, what: str, change: RawObject, *more: str) -> None:
    """Patch an object with all rights."""
    lab.as_cluster_admin("patch", what, "--type=merge", "-p", json.dumps(change), *more).ok()


def until(lab: LabCluster, resource: Resource, wanted: Callable[[RawObject], object]) -> RawObject:
    """Return the first object of a kind that is as wanted."""

    async def watch(client: Client) -> RawObject:
        async with asyncio.timeout(_PATIENCE), aclosing(client.watch(resource)) as events:
            async for event in events:
                for obj in _objects(event):
                    if wanted(obj):
                        return obj
        raise AssertionError  # a watch does not end

    return dict(lab.ask(watch))


def _objects(event: WatchEvent[RawObject]) -> Sequence[RawObject]:
    if isinstance(event, Replaced):
        return event.items
    return (event.object,) if isinstance(event, Updated) else ()


def condition(obj: RawObject, kind: str) -> RawObject:
    """Return a condition of an object, empty when it has none such."""
    every = (obj.get("status") or {}).get("conditions") or []
    return next((c for c in every if c.get("type") == kind), {})


def phase(obj: RawObject) -> str:
    """Return the phase of an object, empty when it has none yet."""
    return str((obj.get("status") or {}).get("phase", ""))


def causes(lab: LabCluster, *where: str) -> list[str]:
    """Return the causes that the doctor names, first things first."""
    told = json.loads(lab.oc_gpu("doctor", *where, "-o", "json").out)
    return [str(finding["cause"]) for finding in told["findings"]]


def stopped(lab: LabCluster, *arguments: str) -> dict[str, Any]:
    """Return what `enable` tells programs when it stops at once with a failure."""
    started = time.monotonic()
    done = lab.oc_gpu("enable", "--yes", "-o", "json", *arguments, timeout=120)
    assert done.code == 1, done.out + done.err
    assert time.monotonic() - started < _SECONDS, done.err
    return dict(json.loads(done.out))


def inspected(lab: LabCluster, folder: Path) -> str:
    """Return the folder that `oc adm inspect` writes, called as must-gather calls it.

    That it could not read something, as the logs of a node that is silent, is no failure to
    must-gather either: it keeps the rest.
    """
    there = lab.as_cluster_admin("get", "namespaces", "-o", "name").ok().out
    named = [f"ns/{name}" for name in _NAMED if f"namespace/{name}\n" in there]
    for what in (named, [_KINDS], ["--all-namespaces", _EVERYWHERE]):
        done = lab.as_cluster_admin("adm", "inspect", f"--dest-dir={folder}", *what)
        assert done.code == 0 or _INCOMPLETE in done.err, done.err
    return str(folder)


def is_named(lab: LabCluster, cause: str, folder: Path) -> None:
    """Insist that the doctor names a cause first, live and from what `oc adm inspect` writes."""
    for found in (causes(lab), causes(lab, inspected(lab, folder))):
        assert found[:1] == [cause], found


def do(lab: LabCluster, remedy: str) -> None:
    """Do what the last line of a remedy says: commands of `oc`, with a remark behind them."""
    for line in remedy.partition("#")[0].split(";"):
        program, *arguments = shlex.split(line)
        assert program == "oc"
        lab.as_cluster_admin(*arguments).ok()


def take_back(lab: LabCluster) -> None:
    """Take away what a failure left: the other administrator's installation, and ours."""
    kinds = "subscription,clusterserviceversion,installplan,operatorgroup"
    lab.as_cluster_admin("delete", kinds, "--all", "-n", NAMESPACE).ok()
    if lab.as_cluster_admin("get", "namespace", RECORD).code == 0:
        lab.oc_gpu("disable", "--yes", timeout=150).ok()
    lab.as_cluster_admin("delete", "namespace", NAMESPACE, "--ignore-not-found").ok()
