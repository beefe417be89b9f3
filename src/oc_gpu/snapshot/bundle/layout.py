"""What a file of a bundle is, by its path.

Layouts, all of which may lie below any number of folders (a must-gather has one per image):
`oc adm inspect` (openshift/oc, pkg/cli/admin/inspect), node files of must-gather's
gather_ppc, gather_monitoring and sosreports (openshift/must-gather, collection-scripts), and the
flat folder of the GPU Operator's must-gather.sh (NVIDIA/gpu-operator, hack).
"""

import re
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Role = Literal["objects", "log", "node", "rules", "version", "record", "flat", "other"]

CORE = "core"
RECORD = "oc-gpu-gather.json"
"""What `oc-gpu gather` says of its own bundle."""
_YAML = (".yaml", ".yml", ".json")
_PACKED = (".gz", ".xz", ".bz2")
_NODE_FILES = ("dmesg", "lspci", "proc_cmdline", "lsmod", "kubelet", "crio", "journal")
_BUG_REPORT = "nvidia-bug-report"
_FLAT = re.compile(
    r"(cluster_policy|nvidiadrivers|openshift_version|gpu_nodes|gpu_operator_pod|"
    r"gpu_operand_pods?|gpu_operand_ds)[\w.-]*$"
)
_LOG_NAME = re.compile(r"(current|previous)(\.insecure)?\.log|.+\.log(\.\d{8}-\d{6})?(\.gz)?$")
_BY_NAME: Mapping[str, Role] = {
    "rules.json": "rules",
    "version": "version",
    "timestamp": "version",
    RECORD: "record",
}
_SOS = re.compile(r"sosreport-(?P<host>.+?)(-\d{4}-\d\d-\d\d.*|-\d+.*)?$")
_OTHER_DEPTH = 2
"""Folders below which a loose log is no longer taken for output that a user put there."""


class Place(Struct, frozen=True, kw_only=True):
    """What one file is.

    Attributes:
        role: What it holds.
        namespace: Namespace of its objects or of its pod.
        group: API group of its objects, `core` for the core group.
        plural: Their plural, in lower case.
        pod: Pod of a log.
        container: Container of a log.
        previous: True for the log of an instance before the present one.
        node: Node of a node's file.
        name: Name of a node's file.
    """

    role: Role
    namespace: str = ""
    group: str = ""
    plural: str = ""
    pod: str = ""
    container: str = ""
    previous: bool = False
    node: str = ""
    name: str = ""


def place(path: str) -> Place | None:
    """Return what a file is, None when nothing is ever read from it.

    >>> place("a/namespaces/nv/pods/p/c/c/logs/previous.log").previous
    True
    >>> place("must-gather/audit_logs/kube-apiserver/x.log.gz") is None
    True
    """
    parts = path.split("/")
    for number, part in enumerate(parts[:-1]):
        rest = parts[number + 1 :]
        if part == "cluster-scoped-resources":
            return _objects("", rest)
        if part == "namespaces":
            return _namespaced(rest)
        if part == "nodes" and len(rest) > 1:
            return _of_node(rest)
        if part == "sosreports" and len(rest) > 1:
            return Place(role="node", node=rest[0], name="/".join(rest[1:]))
        if (found := _SOS.match(part)) is not None:
            return Place(role="node", node=found["host"], name="/".join(rest))
    return _loose(parts)


def _of_node(rest: list[str]) -> Place | None:
    name = rest[-1]
    known = name.startswith(_NODE_FILES)
    return Place(role="node", node=rest[0], name=_unpacked(name)) if known else None


def _loose(parts: list[str]) -> Place | None:
    name = parts[-1]
    if name.startswith(_BUG_REPORT):
        node = _unpacked(name).removeprefix(_BUG_REPORT).removesuffix(".log").lstrip("_-")
        return Place(role="node", node=node, name=_BUG_REPORT)
    if (role := _BY_NAME.get(name)) is not None:
        return Place(role=role, name="" if role == "rules" else name)
    if _FLAT.match(name):
        return Place(role="flat", name=name)
    if len(parts) <= _OTHER_DEPTH and name.endswith((".log", ".txt")):
        return Place(role="other", name=name)
    return None


def _unpacked(name: str) -> str:
    for suffix in _PACKED:
        name = name.removesuffix(suffix)
    return name


def _namespaced(rest: list[str]) -> Place | None:
    namespace, inner = rest[0], rest[1:]
    if inner == [f"{namespace}.yaml"]:
        return Place(role="objects", group=CORE, plural="namespaces")
    if inner[:1] == ["pods"]:
        return _of_pod(namespace, inner[1:])
    return _objects(namespace, inner)


_POD_ITSELF = 2
_WITH_LOGS = 4


def _of_pod(namespace: str, inner: list[str]) -> Place | None:
    if len(inner) == _POD_ITSELF and inner[1].endswith(_YAML):
        return Place(role="objects", namespace=namespace, group=CORE, plural="pods", pod=inner[0])
    if len(inner) < _WITH_LOGS or "logs" not in inner or not _LOG_NAME.match(inner[-1]):
        return None
    return Place(
        role="log",
        namespace=namespace,
        pod=inner[0],
        container=inner[1],
        previous="previous" in inner[-1] or "rotated" in inner,
    )


_LIST = 2
_SINGLE = 3


def _objects(namespace: str, inner: list[str]) -> Place | None:
    if len(inner) not in (_LIST, _SINGLE) or not inner[-1].endswith(_YAML):
        return None
    plural = inner[1].rsplit(".", 1)[0] if len(inner) == _LIST else inner[1]
    group = CORE if inner[0] in ("", CORE) else inner[0]
    return Place(role="objects", namespace=namespace, group=group, plural=plural.lower())
