"""A small cluster of every OpenShift release, from a table of what differs between them."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from oc_gpu.sim import scenario
from oc_gpu.sim.scenario import Scenario

_TABLE = Path(__file__).with_name("releases.yaml")
_BASE = "ocp-4.20"
_NODES = ("master-0", "worker-0", "gpu-a100-0")
_RHEL_NAMED_SINCE = (4, 19)
_CONTROLLER_DRAINS_SINCE = (4, 11)
_CHANNEL_STABLE_SINCE = (4, 9)
_CARD = {
    "product": "Tesla T4",
    "memoryMiB": 15360,
    "architecture": "Turing",
    "computeCapability": "7.5",
}
"""Every driver from 440 on drives it."""


@cache
def rows() -> dict[str, dict[str, Any]]:
    """Return the table by minor release."""
    table = yaml.safe_load(_TABLE.read_text())
    return {row["version"].rpartition(".")[0]: row for row in table}


def release(minor: str) -> Scenario:
    """Return a cluster of a minor release: a master, a worker, and a node with a T4."""
    row = rows()[minor]
    document = scenario.to_document(scenario.load(_BASE))
    document["name"] = f"release-{minor}"
    document["openshift"] |= _openshift(row)
    document["nodes"] = [_node(n, row) for n in document["nodes"] if n["name"] in _NODES]
    document["catalogs"] = _catalogs(row, minor)
    document["driver"] = {"version": row["driver"]}
    if row.get("entitled"):
        document["subscription"] = {"repositories": [_repository(row)]}
    return scenario.from_document(document, document["name"])


def _numbers(row: dict[str, Any]) -> tuple[int, int]:
    first, second = row["version"].split(".")[:2]
    return int(first), int(second)


def _openshift(row: dict[str, Any]) -> dict[str, Any]:
    minor = row["version"].rpartition(".")[0]
    toolkit = {
        "ostreeVersion": row["ostree"],
        "kernel": f"{row['kernel']}.x86_64",
        "image": f"quay.io/openshift-release-dev/ocp-v4.0-art-dev:{minor}-driver-toolkit",
    }
    drains = _numbers(row) >= _CONTROLLER_DRAINS_SINCE
    native = row.get("native", row["accepted"][-1])
    return {
        "version": row["version"],
        "kubernetes": row["kubernetes"],
        "channel": f"stable-{minor}",
        "releaseImage": f"quay.io/openshift-release-dev/ocp-release:{row['version']}-x86_64",
        "containerRuntime": f"cri-o://{row['kubernetes'].removeprefix('v')}",
        "ignition": {"native": native, "accepted": row["accepted"]},
        "drainedBy": "controller" if drains else "daemon",
        "driverToolkit": [toolkit] if row.get("toolkit") else [],
    }


def _node(node: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    minor = row["version"].rpartition(".")[0]
    named_rhel = _numbers(row) >= _RHEL_NAMED_SINCE
    release = {
        "ID": "rhel" if named_rhel else "rhcos",
        "VERSION_ID": row["rhel"] if named_rhel else minor,
        "OPENSHIFT_VERSION": minor,
        "RHEL_VERSION": row["rhel"],
        "OSTREE_VERSION": row["ostree"],
        **({"VARIANT_ID": "coreos"} if named_rhel else {}),
    }
    cards = [d | {"gpu": _CARD} if d.get("gpu") else d for d in node["pci"]]
    return node | {
        "kernel": f"{row['kernel']}.x86_64",
        "osRelease": release,
        "osImage": f"Red Hat Enterprise Linux CoreOS {row['ostree']}",
        "pci": cards[:3],
    }


def _catalogs(row: dict[str, Any], minor: str) -> list[dict[str, Any]]:
    channel = "stable" if _numbers(row) >= _CHANNEL_STABLE_SINCE else minor
    nfd = {"name": "nfd", "defaultChannel": channel, "channels": {channel: [f"nfd.v{minor}.0"]}}
    package = "gpu-operator-certified"
    offered = {name: [f"{package}.v{head}"] for name, head in row["channels"].items()}
    gpu = {"name": package, "defaultChannel": next(iter(offered)), "channels": offered}
    sources = {"redhat-operators": nfd, "certified-operators": gpu}
    return [
        {"name": name, "displayName": name, "publisher": "Red Hat", "packages": [offer]}
        for name, offer in sources.items()
    ]


def _repository(row: dict[str, Any]) -> dict[str, Any]:
    major = row["rhel"].partition(".")[0]
    return {
        "id": f"rhel-{major}-for-x86_64-baseos-rpms",
        "title": f"Red Hat Enterprise Linux {major} for x86_64 - BaseOS (RPMs)",
        "kernelDevel": [row["kernel"]],
    }
