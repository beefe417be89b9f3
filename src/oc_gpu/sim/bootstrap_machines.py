"""Nodes, MachineConfigPools, and the MachineConfigs that they were installed with."""

import base64
from collections.abc import Iterator

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.mco_render import API_VERSION, render, sources_of
from oc_gpu.sim.actors.mco_status import (
    CURRENT,
    DESIRED,
    DRAIN,
    DRAINED,
    PREFIX,
    REASON,
    STATE,
    Machine,
    status_of,
)
from oc_gpu.sim.actors.node.registration import node_object
from oc_gpu.sim.actors.objects import name_of, timestamp
from oc_gpu.sim.machine_facts import NodeFacts
from oc_gpu.sim.scenario import OpenShift, Scenario

_ROLE = f"{PREFIX}/role"
_CONTROL_PLANE_SINCE = (4, 12)
_FILES = {
    "00": ("/etc/NetworkManager/conf.d/99-keyfiles.conf", "[keyfile]\npath=/etc/NetworkManager\n"),
    "01-container-runtime": ("/etc/containers/storage.conf", '[storage]\ndriver = "overlay"\n'),
    "01-kubelet": ("/etc/kubernetes/kubelet.conf", "kind: KubeletConfiguration\n# role: {pool}\n"),
    "99-generated-registries": ("/etc/containers/registries.conf", "unqualified-search = []\n"),
}


def machine_objects(scenario: Scenario, now: float) -> Iterator[RawObject]:
    """Yield the machines of a fresh cluster, all of them up to date."""
    release = scenario.openshift
    parts = {pool: machine_configs(pool, release) for pool in ("master", "worker")}
    rendered = {pool: render(_pool(pool, release), parts[pool], release) for pool in parts}
    nodes = [_node(scenario, n, name_of(rendered[n.pool]), now) for n in scenario.nodes]
    for pool, configs in parts.items():
        target = name_of(rendered[pool])
        machines = [
            Machine(node, target)
            for node, facts in zip(nodes, scenario.nodes, strict=True)
            if facts.pool == pool
        ]
        yield from configs
        made = _pool(pool, release)
        yield _with_status(made, target, configs, status_at=now, machines=machines)
        yield rendered[pool]
    yield from nodes
    yield from (_lease(name_of(node), now) for node in nodes)


def machine_configs(pool: str, release: OpenShift) -> list[RawObject]:
    """Return the MachineConfigs that an installation makes for a pool, by name."""
    names = {
        f"00-{pool}": "00",
        f"01-{pool}-container-runtime": "01-container-runtime",
        f"01-{pool}-kubelet": "01-kubelet",
        f"99-{pool}-generated-registries": "99-generated-registries",
    }
    made = [_machine_config(name, pool, _FILES[key], release) for name, key in names.items()]
    ssh = _machine_config(f"99-{pool}-ssh", pool, None, release)
    ssh["spec"]["config"]["passwd"] = {"users": [{"name": "core", "sshAuthorizedKeys": []}]}
    return sorted([*made, ssh], key=name_of)


def _machine_config(
    name: str, pool: str, file: tuple[str, str] | None, release: OpenShift
) -> RawObject:
    version = release.ignition.native
    config: RawObject = {"ignition": {"version": version}}
    if file:
        content = file[1].replace("{pool}", pool)
        text = base64.b64encode(content.encode()).decode()
        entry: RawObject = {
            "path": file[0],
            "mode": 420,
            "contents": {"source": f"data:text/plain;charset=utf-8;base64,{text}"},
        }
        old = version.startswith("2.")
        config["storage"] = {
            "files": [entry | ({"filesystem": "root"} if old else {"overwrite": True})]
        }
    return {
        "apiVersion": API_VERSION,
        "kind": "MachineConfig",
        "metadata": {"name": name, "labels": {_ROLE: pool}},
        "spec": {"config": config, "fips": False, "kernelType": "", "osImageURL": ""},
    }


def _pool(name: str, release: OpenShift) -> RawObject:
    return {
        "apiVersion": API_VERSION,
        "kind": "MachineConfigPool",
        "metadata": {
            "name": name,
            "labels": {
                f"{PREFIX}/mco-built-in": "",
                f"pools.operator.{PREFIX}/{name}": "",
                **({f"operator.{PREFIX}/required-for-upgrade": ""} if name == "master" else {}),
            },
        },
        "spec": {
            "machineConfigSelector": {"matchLabels": {_ROLE: name}},
            "nodeSelector": {"matchLabels": {f"node-role.kubernetes.io/{name}": ""}},
            "paused": name in release.paused_pools,
        },
    }


def _with_status(
    pool: RawObject,
    target: str,
    parts: list[RawObject],
    *,
    status_at: float,
    machines: list[Machine],
) -> RawObject:
    pool["spec"]["configuration"] = {"name": target, "source": sources_of(parts)}
    degraded = {"type": "RenderDegraded", "status": "False", "reason": "", "message": ""}
    since = timestamp(status_at)
    pool["status"] = {"conditions": [degraded | {"lastTransitionTime": since}]}
    pool["metadata"]["generation"] = 1
    pool["status"] = status_of(pool, machines, status_at)
    return pool


def _node(scenario: Scenario, facts: NodeFacts, config: str, now: float) -> RawObject:
    node = node_object(scenario, facts, now)
    labels, notes = node["metadata"]["labels"], node["metadata"]["annotations"]
    if "master" in facts.roles and scenario.openshift.minor >= _CONTROL_PLANE_SINCE:
        labels["node-role.kubernetes.io/control-plane"] = ""
    notes |= {CURRENT: config, DESIRED: config, REASON: "", STATE: "Done"}
    if scenario.openshift.drained_by == "controller":
        request = f"uncordon-{config}"
        notes |= {DRAIN: request, DRAINED: request}
        kind = "SingleReplica" if scenario.single_node else "HighlyAvailable"
        notes[f"{PREFIX}/controlPlaneTopology"] = kind
    return node


def _lease(node: str, now: float) -> RawObject:
    """Return the heartbeat of a node's kubelet, as it was when the cluster was there.

    It is not renewed: writes every ten seconds would be most of what a simulation does.
    """
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": node,
            "namespace": "kube-node-lease",
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node, "uid": ""}],
        },
        "spec": {
            "holderIdentity": node,
            "leaseDurationSeconds": 40,
            "renewTime": timestamp(now).replace("Z", ".000000Z"),
        },
    }
