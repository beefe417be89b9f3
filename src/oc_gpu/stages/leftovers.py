"""What the operators leave behind, and how it is taken away again.

Deleting their custom resources and Subscriptions leaves node labels, CRDs, OLM's ClusterRoles and
Operator objects, and rendered MachineConfigs. All of it is compared with the record of what was
there before; only the difference is removed.
"""

from collections.abc import Iterable, Mapping

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import CLUSTER_ROLES, CRDS, MACHINE_CONFIGS, NODES, OPERATORS
from oc_gpu.snapshot.kinds import Node
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.sources import CUSTOM_OBJECTS
from oc_gpu.stages.model import Action, Delete, ObjectRef, Patch
from oc_gpu.stages.pools import files
from oc_gpu.stages.record import NODE_KEYS, Record, is_olm_role, rendered_names


def node_keys(snapshot: Snapshot, record: Record, prefixes: tuple[str, ...]) -> tuple[Patch, ...]:
    """Return patches that take labels and annotations off nodes which were not there before.

    Args:
        snapshot: What is known now.
        record: What was there before.
        prefixes: The prefixes of the keys to look at, out of `record.NODE_KEYS`.
    """
    patches = (_node_patch(node, record, prefixes) for node in snapshot.nodes)
    return tuple(patch for patch in patches if patch is not None)


def _node_patch(node: Node, record: Record, prefixes: tuple[str, ...]) -> Patch | None:
    meta = node.metadata
    labels = _new_keys(meta.labels, record.node_labels.get(meta.name, ()), prefixes)
    notes = _new_keys(meta.annotations, record.node_annotations.get(meta.name, ()), prefixes)
    if not labels and not notes:
        return None
    change: RawObject = {}
    if labels:
        change["labels"] = dict.fromkeys(labels)
    if notes:
        change["annotations"] = dict.fromkeys(notes)
    why = f"take {len(labels)} labels and {len(notes)} annotations of the operators off the node"
    return Patch(ObjectRef(NODES, meta.name), {"metadata": change}, holds=False, why=why)


def _new_keys(
    present: Mapping[str, str], before: Iterable[str], prefixes: tuple[str, ...]
) -> list[str]:
    old = frozenset(before)
    return sorted(k for k in present if k.startswith(prefixes) and k not in old)


GPU_KEYS = tuple(prefix for prefix in NODE_KEYS if prefix.startswith("nvidia"))


def crds(snapshot: Snapshot, record: Record, groups: tuple[str, ...]) -> tuple[Delete, ...]:
    """Return the deletion of the CRDs of some API groups that came with us and hold no object."""
    ends = tuple(f".{group}" for group in groups)
    names = [
        name
        for name in sorted(snapshot.named("crds"))
        if name.endswith(ends) and name not in record.crds
    ]
    return tuple(Delete(ObjectRef(CRDS, name)) for name in names if not _in_use(snapshot, name))


def _in_use(snapshot: Snapshot, crd: str) -> bool:
    source = crd if crd in snapshot.tables else crd.partition(".")[0]
    return bool(snapshot.table(source))


def node_features(snapshot: Snapshot, namespace: str) -> tuple[Delete, ...]:
    """Return the deletion of the NodeFeature objects that NFD left in a namespace."""
    return tuple(
        Delete(ObjectRef(source.resource, item.metadata.name, namespace))
        for source in CUSTOM_OBJECTS
        if source.resource.kind == "NodeFeature"
        for item in snapshot.table(source.name)
        if item.metadata.namespace == namespace
    )


def crd_roles(snapshot: Snapshot, record: Record, groups: tuple[str, ...]) -> tuple[Delete, ...]:
    """Return the deletion of OLM's new ClusterRoles for CRDs of some groups that are gone.

    OLM names them `<crd>-<version>-admin|edit|view|crdview`.
    """
    live = snapshot.named("crds")
    return tuple(
        Delete(ObjectRef(CLUSTER_ROLES, name))
        for name in _new_roles(snapshot, record)
        if (crd := _crd_of(name)).endswith(tuple(f".{group}" for group in groups))
        and crd not in live
    )


def _crd_of(role: str) -> str:
    return role.rpartition("-")[0].rpartition("-")[0]


def group_roles(snapshot: Snapshot, record: Record, namespace: str) -> tuple[Delete, ...]:
    """Return the deletion of OLM's new ClusterRoles for the OperatorGroup of a namespace."""
    return tuple(
        Delete(ObjectRef(CLUSTER_ROLES, name))
        for name in _new_roles(snapshot, record)
        if name.startswith(f"olm.og.{namespace}.")
    )


def _new_roles(snapshot: Snapshot, record: Record) -> list[str]:
    roles = (name for name in snapshot.named("clusterroles") if is_olm_role(name))
    return sorted(name for name in roles if name not in record.cluster_roles)


def operators(snapshot: Snapshot, record: Record, names: Iterable[str]) -> tuple[Delete, ...]:
    """Return the deletion of OLM's Operator objects of some names that are new."""
    return tuple(
        Delete(ObjectRef(OPERATORS, name))
        for name in names
        if name in snapshot.named("operators") and name not in record.operators
    )


def rendered(snapshot: Snapshot, record: Record, paths: frozenset[str]) -> tuple[Action, ...]:
    """Return the deletion of rendered MachineConfigs that hold our files and serve nobody.

    They hold the entitlement's key, and the machine-config-operator never removes them.
    """
    used = _rendered_in_use(snapshot)
    return tuple(
        Delete(ObjectRef(MACHINE_CONFIGS, name))
        for name in sorted(rendered_names(snapshot))
        if name not in record.rendered
        and name not in used
        and paths & files(snapshot.raw("machineconfigs", name)).keys()
    )


def _rendered_in_use(snapshot: Snapshot) -> frozenset[str]:
    used = set()
    for pool in snapshot.table("machineconfigpools"):
        for part in (pool["spec"], pool.get("status") or {}):
            used.add((part.get("configuration") or {}).get("name", ""))
    for node in snapshot.nodes:
        for key in ("currentConfig", "desiredConfig"):
            used.add(node.metadata.annotations.get(f"machineconfiguration.openshift.io/{key}", ""))
    return frozenset(used)
