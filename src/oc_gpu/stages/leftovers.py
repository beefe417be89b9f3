"""What the operators leave behind, and how it is taken away again.

Deleting their custom resources and Subscriptions leaves node labels, CRDs, OLM's ClusterRoles and
Operator objects, and rendered MachineConfigs. All of it is compared with the record of what was
there before; only the difference is removed.
"""

from collections.abc import Iterable, Mapping

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CRDS,
    INSTALL_PLANS,
    MACHINE_CONFIGS,
    NODES,
    OPERATORS,
)
from oc_gpu.kube.words import counted
from oc_gpu.snapshot.kinds import Node
from oc_gpu.snapshot.model import Snapshot, spec_of
from oc_gpu.snapshot.sources import CUSTOM_OBJECTS
from oc_gpu.stages.model import REACHED, Action, Delete, ObjectRef, Patch, Progress, State
from oc_gpu.stages.pools import files
from oc_gpu.stages.record import GROUP_SPACE, Record, bundle_owner, is_olm_role, rendered_names

_COMPONENT = "operators.coreos.com"
"""Prefix of the label that OLM puts on all parts of an operator (since OpenShift 4.6)."""


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
    taken = ((len(labels), "label"), (len(notes), "annotation"))
    what = " and ".join(counted(number, noun) for number, noun in taken if number)
    why = f"take {what} of the operators off the node"
    return Patch(ObjectRef(NODES, meta.name), {"metadata": change}, holds=False, why=why)


def _new_keys(
    present: Mapping[str, str], before: Iterable[str], prefixes: tuple[str, ...]
) -> list[str]:
    old = frozenset(before)
    return sorted(k for k in present if k.startswith(prefixes) and k not in old)


def crds(
    snapshot: Snapshot, record: Record, groups: tuple[str, ...], component: str
) -> tuple[Delete, ...]:
    """Return the deletion of the CRDs that came with us and hold no object.

    Args:
        snapshot: What is known now.
        record: What was there before.
        groups: API groups of the operator.
        component: OLM's name of the operator: CRDs of other groups that its bundle brought along
            (NFD 4.17: noderesourcetopologies) carry it in a label.
    """
    ends = tuple(f".{group}" for group in groups)
    label = f"{_COMPONENT}/{component}"
    names = [
        crd.metadata.name
        for crd in snapshot.table("crds")
        if crd.metadata.name.endswith(ends) or label in crd.metadata.labels
    ]
    return tuple(
        Delete(ObjectRef(CRDS, name))
        for name in sorted(names)
        if not _stays(snapshot, record, name)
    )


def _stays(snapshot: Snapshot, record: Record, crd: str) -> bool:
    """Tell whether a CRD was there before, or holds objects, or may hold some."""
    source = next((s for s in (crd, crd.partition(".")[0]) if s in snapshot.tables), None)
    return crd in record.crds or source is None or bool(snapshot.table(source))


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
        if snapshot.named("clusterroles")[name].metadata.labels.get(GROUP_SPACE) == namespace
    )


def bundle_roles(snapshot: Snapshot, record: Record, package: str) -> tuple[Delete, ...]:
    """Return the deletion of new ClusterRoles, and bindings, that were files of a package's bundle.

    Args:
        snapshot: What is known now.
        record: What was there before.
        package: OLM's name of the package; its CSVs are named `<package>.<version>`.
    """
    looked = (
        (CLUSTER_ROLE_BINDINGS, "clusterrolebindings", record.cluster_role_bindings),
        (CLUSTER_ROLES, "clusterroles", record.cluster_roles),
    )
    return tuple(
        Delete(ObjectRef(resource, name))
        for resource, source, before in looked
        for name, role in sorted(snapshot.named(source).items())
        if bundle_owner(role).startswith(f"{package}.") and name not in before
    )


def _new_roles(snapshot: Snapshot, record: Record) -> list[str]:
    found = snapshot.named("clusterroles").items()
    return sorted(n for n, role in found if is_olm_role(role) and n not in record.cluster_roles)


def shared_plans(snapshot: Snapshot, name: str) -> tuple[Patch, ...]:
    """Return patches that take an operator off the InstallPlans that it shares with others.

    OLM installs all Subscriptions of a namespace with one InstallPlan. It stays for as long as one
    of them does, and with the operator's label on it OLM goes on seeing a part of the operator.

    Args:
        snapshot: What is known now.
        name: OLM's name of the operator, `<package>.<namespace>`.
    """
    label = f"{_COMPONENT}/{name}"
    alive = {sub["metadata"].get("uid") for sub in snapshot.table("subscriptions")}
    return tuple(
        Patch(
            ObjectRef(INSTALL_PLANS, meta["name"], meta["namespace"]),
            {"metadata": {"labels": {label: None}}},
            holds=False,
            why=f"{name} is gone, and others were installed with it",
        )
        for plan in snapshot.table("installplans")
        if label in ((meta := plan["metadata"]).get("labels") or {})
        and any(owner["uid"] in alive for owner in meta.get("ownerReferences") or ())
    )


def operator(snapshot: Snapshot, record: Record, name: str) -> tuple[tuple[Delete, ...], Progress]:
    """Return the deletion of OLM's Operator object, and what it has to wait for.

    OLM makes it anew for as long as it sees a part of the operator, so it goes when OLM sees none.
    Where a CRD stays, because it was there before or holds objects, so does the Operator.

    Args:
        snapshot: What is known now.
        record: What was there before.
        name: OLM's name of the operator, `<package>.<namespace>`.
    """
    found = next((o for o in snapshot.table("operators") if o.metadata.name == name), None)
    if found is None or name in record.operators:
        return (), REACHED
    parts = found.status.components.refs
    if any(p.kind == CRDS.kind and _stays(snapshot, record, p.name) for p in parts):
        return (), REACHED
    if parts:
        left = f"{parts[0].kind} {parts[0].name}"
        return (), Progress(State.WAITING, f"until OLM has seen that {left} is gone")
    return (Delete(ObjectRef(OPERATORS, name)),), REACHED


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
        for part in (spec_of(pool), pool.get("status") or {}):
            used.add((part.get("configuration") or {}).get("name", ""))
    for node in snapshot.nodes:
        for key in ("currentConfig", "desiredConfig"):
            used.add(node.metadata.annotations.get(f"machineconfiguration.openshift.io/{key}", ""))
    return frozenset(used)
