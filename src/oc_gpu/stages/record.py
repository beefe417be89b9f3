"""The record of what was there before the first write, kept in the cluster itself.

`disable` needs it to tell what the operators left behind from what was there already. It is a
ConfigMap in a namespace of our own: the first thing written and the last thing deleted, so that
no state on anybody's laptop is needed.
"""

from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct, field

from oc_gpu.kube import RawObject
from oc_gpu.kube.errors import ConfigError, clean
from oc_gpu.kube.resources import CONFIGMAPS, NAMESPACES, OPERATOR_GROUPS
from oc_gpu.manifests.labels import labels
from oc_gpu.snapshot.kinds import Named, Node
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages.model import Apply, ObjectRef

NAMESPACE = "oc-gpu"
NAME = "oc-gpu-record"
_FILE = "record.json"
_BROKEN = (
    "restore it from a backup, or use the oc-gpu that wrote it",
    f"give it up with `oc delete configmap {NAME} -n {NAMESPACE}`",
    "without it, what was here before cannot be told from what the operators left",
)
GROUP_SPACE = "olm.owner.namespace"
"""Label of OLM's ClusterRoles for an OperatorGroup: the namespace that it is in."""
NODE_KEYS = ("feature.node.kubernetes.io/", "nfd.node.kubernetes.io/", "nvidia.com/")
"""Prefixes of the labels and annotations that NFD and the GPU Operator leave on nodes."""
GPU_KEYS = tuple(prefix for prefix in NODE_KEYS if prefix.startswith("nvidia"))
"""Those of the GPU Operator."""


class Restore(Struct, frozen=True):
    """A field of somebody else's object that we changed, with what it was.

    `before` is None where the field was absent.
    """

    kind: str
    name: str
    path: tuple[str, ...]
    before: list[dict[str, str | int]] | None


class Record(Struct, frozen=True):
    """What was there before us, by name, and what of others we changed.

    Attributes:
        crds: CustomResourceDefinitions of the operators' groups.
        cluster_roles: ClusterRoles that OLM makes for CRDs and OperatorGroups, or out of bundles.
        cluster_role_bindings: ClusterRoleBindings that OLM makes out of bundles.
        operators: OLM Operator objects.
        csvs: ClusterServiceVersions in the namespaces of the road, as `namespace/name`.
        rendered: Rendered MachineConfigs.
        node_labels: Label keys with our prefixes by node.
        node_annotations: Annotation keys with our prefixes by node.
        taint: The taint that GPU nodes are to have, as `key=value:Effect`; empty when none. Which
            nodes got it from us is marked on them.
        restores: Fields of others' objects that we changed.
        proven: Serial number of the certificate that was proven on the nodes, empty when none was.
            The pods that proved it are bare: they go with the next drain.
        rebuilt: True when it was made again after it was lost, from what carries our labels.
    """

    crds: tuple[str, ...] = ()
    cluster_roles: tuple[str, ...] = ()
    cluster_role_bindings: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    csvs: tuple[str, ...] = ()
    rendered: tuple[str, ...] = ()
    node_labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    node_annotations: dict[str, tuple[str, ...]] = field(default_factory=dict)
    taint: str = ""
    restores: tuple[Restore, ...] = ()
    proven: str = ""
    rebuilt: bool = False


def take(snapshot: Snapshot) -> Record:
    """Return the record of a cluster that we have not touched yet."""
    return Record(
        crds=_names(snapshot, "crds", _is_operator_crd),
        cluster_roles=_olm_roles(snapshot, "clusterroles"),
        cluster_role_bindings=_olm_roles(snapshot, "clusterrolebindings"),
        operators=_names(snapshot, "operators", bool),
        csvs=tuple(sorted(csv_key(csv) for csv in snapshot.table("csvs"))),
        rendered=tuple(sorted(rendered_names(snapshot))),
        node_labels=keys_of((n, n.metadata.labels) for n in snapshot.nodes),
        node_annotations=keys_of((n, n.metadata.annotations) for n in snapshot.nodes),
    )


def csv_key(csv: RawObject) -> str:
    """Return `namespace/name` of a ClusterServiceVersion."""
    return f"{csv['metadata']['namespace']}/{csv['metadata']['name']}"


def _names(snapshot: Snapshot, source: str, wanted: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(sorted(name for name in snapshot.named(source) if wanted(name)))


def _olm_roles(snapshot: Snapshot, source: str) -> tuple[str, ...]:
    found = snapshot.named(source).items()
    return tuple(sorted(name for name, r in found if is_olm_role(r) or bundle_owner(r)))


def bundle_owner(role: Named) -> str:
    """Return the CSV whose bundle a ClusterRole or its binding is a file of, empty for others.

    OLM labels those with the CSV's name alone. Roles that it makes from a CSV's permissions also
    carry the owner's kind and namespace, and only those does it remove with the CSV (seen with OLM
    0.42 and the bundle of NFD 4.17).
    """
    given = role.metadata.labels
    return "" if "olm.owner.kind" in given else given.get("olm.owner", "")


def _is_operator_crd(name: str) -> bool:
    return name.endswith((".nvidia.com", ".nfd.openshift.io", ".nfd.k8s-sigs.io"))


def is_olm_role(role: Named) -> bool:
    """Tell whether a ClusterRole is one that OLM makes for a CRD of ours or an OperatorGroup.

    Those of an OperatorGroup are told by their labels: since OpenShift 4.15 they are named
    `olm.og.<group>.<verb>-<hash>`, before that `<group>-<verb>`, like anybody's.
    """
    name, labels = role.metadata.name, role.metadata.labels
    if labels.get("olm.owner.kind") == OPERATOR_GROUPS.kind:
        return GROUP_SPACE in labels
    return name.endswith(("-admin", "-edit", "-view", "-crdview")) and "-v1" in name


def rendered_names(snapshot: Snapshot) -> Iterable[str]:
    """Return the names of all rendered MachineConfigs."""
    for config in snapshot.table("machineconfigs"):
        name = config["metadata"]["name"]
        if name.startswith("rendered-"):
            yield name


def keys_of(
    pairs: Iterable[tuple[Node, dict[str, str]]], prefixes: tuple[str, ...] = NODE_KEYS
) -> dict[str, tuple[str, ...]]:
    """Return the keys with some prefixes by node, nodes without any left out."""
    found = {
        node.metadata.name: tuple(sorted(key for key in keys if key.startswith(prefixes)))
        for node, keys in pairs
    }
    return {name: keys for name, keys in found.items() if keys}


def namespace_action() -> Apply:
    """Return the action that makes the record's namespace."""
    manifest: RawObject = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": labels("record"),
            "annotations": {"openshift.io/node-selector": ""},
        },
    }
    return Apply(ObjectRef(NAMESPACES, NAMESPACE), manifest, adopt=True)


def action(record: Record) -> Apply:
    """Return the action that writes the record."""
    manifest: RawObject = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": labels("record"),
        },
        "data": {_FILE: msgspec.json.encode(record, order="sorted").decode()},
    }
    return Apply(ObjectRef(CONFIGMAPS, NAME, NAMESPACE), manifest)


def from_snapshot(snapshot: Snapshot) -> Record | None:
    """Return the record that the cluster holds, None when nothing was made here.

    Raises:
        ConfigError: The record is not one that this version understands.
    """
    live = snapshot.raw("configmaps", NAME, NAMESPACE)
    if live is None:
        return None
    try:
        return msgspec.json.decode((live.get("data") or {})[_FILE], type=Record)
    except (KeyError, msgspec.MsgspecError) as error:
        why = f"it has no {_FILE}" if isinstance(error, KeyError) else clean(str(error))
        message = f"ConfigMap/{NAME} in {NAMESPACE}, the record of what was here, is broken: {why}"
        raise ConfigError(message, hints=_BROKEN) from error
