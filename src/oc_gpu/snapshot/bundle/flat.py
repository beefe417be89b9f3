"""The flat folder of the GPU Operator's own must-gather.sh (NVIDIA/gpu-operator, hack).

It holds the pods and DaemonSets of the operator's namespace as lists, one log a pod, and nodes
only as `kubectl describe` prints them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.snapshot.bundle.documents import objects
from oc_gpu.snapshot.bundle.files import File, Notes, whole
from oc_gpu.snapshot.bundle.index import Index
from oc_gpu.snapshot.bundle.layout import Place

_TABLES: Mapping[str, tuple[str, ...]] = {
    "clusterpolicies": ("cluster_policy.yaml",),
    "nvidiadrivers.nvidia.com": ("nvidiadrivers.yaml",),
    "clusterversions": ("openshift_version.yaml",),
    "pods": ("gpu_operator_pod.yaml", "gpu_operand_pods.yaml"),
    "daemonsets": ("gpu_operand_ds.yaml",),
}
_LOG = re.compile(r"gpu_oper(?:and_pod_(?P<pod>.+?)|ator_pod)(?P<before>\.previous)?\.log$")
_NODES = "gpu_nodes.descr"
_DESCRIBED = re.compile(r"gpu_operand_(pod|ds)_(?P<name>.+)\.descr$")


def sources(index: Index, notes: Notes) -> dict[str, Callable[[], list[RawObject]]]:
    """Return readers of the tables that a flat gather holds, by name of source."""
    found: dict[str, Callable[[], list[RawObject]]] = {}
    for name, names in _TABLES.items():
        files = [file for wanted in names for _, file in index.named.get(wanted, [])]
        if files:
            found[name] = partial(_read, files, notes)
    nodes = [file for _, file in index.named.get(_NODES, [])]
    if nodes:
        found["nodes"] = partial(_nodes, nodes, notes)
    told = [
        (match["name"], "Pod" if match[1] == "pod" else "DaemonSet", file)
        for name, entries in index.named.items()
        if (match := _DESCRIBED.match(name)) is not None
        for _, file in entries
    ]
    if told:
        found["events"] = partial(_events, told, notes)
    return found


def texts(index: Index) -> Iterator[tuple[Place, File]]:
    """Yield the logs of a flat gather; their names tell no namespace and no container."""
    for name, entries in index.named.items():
        match = _LOG.match(name)
        if match is None:
            continue
        for _, file in entries:
            pod, before = match["pod"] or "gpu-operator", bool(match["before"])
            yield Place(role="log", pod=pod, previous=before), file


def _read(files: list[File], notes: Notes) -> list[RawObject]:
    return [item for file in files for item in objects(file, notes)]


def _nodes(files: list[File], notes: Notes) -> list[RawObject]:
    texts_ = [whole(file, notes).decode("utf-8", "replace") for file in files]
    return [_node(part) for text in texts_ for part in re.split(r"(?m)^(?=Name:)", text) if part]


_TAINT = re.compile(r"(?P<key>[^\s=:]+)(=(?P<value>[^\s:]*))?:(?P<effect>\w+)$")


def _node(text: str) -> RawObject:
    parts = _sections(text)
    info = _pairs(parts.get("System Info", []), ":")
    taints = [match.groupdict("") for t in parts.get("Taints", []) if (match := _TAINT.match(t))]
    return {
        "kind": "Node",
        "metadata": {
            "name": "".join(parts.get("Name", [""])),
            "labels": _pairs(parts.get("Labels", []), "="),
            "annotations": _pairs(parts.get("Annotations", []), ":"),
        },
        "spec": {
            "taints": taints,
            "unschedulable": parts.get("Unschedulable") == ["true"],
        },
        "status": {
            "capacity": _pairs(parts.get("Capacity", []), ":"),
            "allocatable": _pairs(parts.get("Allocatable", []), ":"),
            "conditions": list(_conditions(parts.get("Conditions", []))),
            "nodeInfo": {
                "kernelVersion": info.get("Kernel Version", ""),
                "osImage": info.get("OS Image", ""),
                "kubeletVersion": info.get("Kubelet Version", ""),
                "containerRuntimeVersion": info.get("Container Runtime Version", ""),
                "architecture": info.get("Architecture", ""),
            },
        },
    }


def _sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section of `kubectl describe` by its title."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in text.splitlines():
        head = re.match(r"([A-Z][\w .()-]*):(\s+|$)(.*)", line)
        if head is not None:
            title = head[1]
            found[title] = [head[3].strip()] if head[3].strip() else []
        elif title and line.strip():
            found[title].append(line.strip())
    return found


def _pairs(lines: list[str], sign: str) -> dict[str, str]:
    split = (line.partition(sign) for line in lines if sign in line)
    return {key.strip(): value.strip() for key, _, value in split}


_CELLS = re.compile(r"\s{2,}")
_CONDITION_CELLS = 6


def _conditions(lines: list[str]) -> Iterator[dict[str, Any]]:
    for line in lines[2:]:
        cells = _CELLS.split(line, maxsplit=_CONDITION_CELLS - 1)
        if len(cells) == _CONDITION_CELLS:
            kind, status, _, _, reason, message = cells
            yield {"type": kind, "status": status, "reason": reason, "message": message}


_EVENT_CELLS = 5


def _events(files: list[tuple[str, str, File]], notes: Notes) -> list[RawObject]:
    found = []
    for name, kind, file in files:
        lines = _sections(whole(file, notes).decode("utf-8", "replace")).get("Events", [])
        for number, line in enumerate(lines):
            cells = _CELLS.split(line, maxsplit=_EVENT_CELLS - 1)
            if len(cells) == _EVENT_CELLS and cells[0] == "Warning":
                found.append(_event(f"{name}.{number}", kind, name, cells))
    return found


def _event(unique: str, kind: str, name: str, cells: list[str]) -> RawObject:
    return {
        "kind": "Event",
        "metadata": {"name": unique},
        "involvedObject": {"kind": kind, "name": name},
        "type": cells[0],
        "reason": cells[1],
        "message": cells[4],
    }
