"""The record made again after it was lost, from what carries our labels.

The record is taken before the first object is made. So what is older than the oldest object with
our label was there before us, and what is younger came with us. Labels of nodes carry no date:
those of an operator that we installed count as its own.
"""

from collections.abc import Iterator

from oc_gpu.kube import RawObject
from oc_gpu.manifests.labels import NAME, STAGE
from oc_gpu.snapshot.kinds import Named, Node
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages import marks
from oc_gpu.stages.ownership import is_ours, owner_of
from oc_gpu.stages.record import GPU_KEYS, NAMESPACE, NODE_KEYS, Record, csv_key, keys_of, take

_LABELLED = (
    "namespaces",
    "subscriptions",
    "operatorgroups",
    "nodefeaturediscoveries",
    "clusterpolicies",
    "machineconfigs",
    "secrets",
)
"""Sources of what is made once and stays; pods come and go, and verify makes some anywhere."""
_NEVER = "9999-12-31T23:59:59Z"
LOST = (
    "the record of what was here before is lost, or was never written, so what is ours is told by "
    "its labels"
)


def rebuild(snapshot: Snapshot) -> Record | None:
    """Return the record as far as it can be told now, None when nothing here is ours."""
    ours = tuple(_ours(snapshot))
    taints = sorted({str(t) for node in snapshot.nodes if (t := marks.of(node)) is not None})
    if not ours and not taints:
        return None
    since = min((obj["metadata"].get("creationTimestamp", "") for obj in ours), default=_NEVER)
    made = frozenset(obj["metadata"]["labels"].get(STAGE, "") for obj in ours)
    present = take(snapshot)
    return Record(
        crds=_older(snapshot, "crds", present.crds, since),
        cluster_roles=_older(snapshot, "clusterroles", present.cluster_roles, since),
        cluster_role_bindings=_older(
            snapshot, "clusterrolebindings", present.cluster_role_bindings, since
        ),
        operators=_older(snapshot, "operators", present.operators, since),
        csvs=tuple(sorted(csv_key(c) for c in snapshot.table("csvs") if _created(c) < since)),
        rendered=tuple(
            name
            for name in present.rendered
            if _created(snapshot.raw("machineconfigs", name) or {}) < since
        ),
        node_labels=keys_of(((n, n.metadata.labels) for n in snapshot.nodes), _others(made)),
        node_annotations=keys_of(
            ((n, n.metadata.annotations) for n in snapshot.nodes), _others(made)
        ),
        taint=taints[0] if taints else "",
        rebuilt=True,
    )


def _ours(snapshot: Snapshot) -> Iterator[RawObject]:
    for source in _LABELLED:
        for obj in snapshot.table(source):
            if is_ours(obj) and (source, obj["metadata"]["name"]) != ("namespaces", NAMESPACE):
                yield obj


def _created(obj: RawObject) -> str:
    return str(obj.get("metadata", {}).get("creationTimestamp", ""))


def _older(snapshot: Snapshot, source: str, names: tuple[str, ...], since: str) -> tuple[str, ...]:
    found: dict[str, Named] = snapshot.named(source)
    return tuple(name for name in names if found[name].metadata.creation_timestamp < since)


def _others(made: frozenset[str]) -> tuple[str, ...]:
    """Return the prefixes of the node labels of operators that we did not install."""
    return tuple(
        prefix
        for prefix in NODE_KEYS
        if ("gpu-operator" if prefix in GPU_KEYS else "nfd") not in made
    )


def unknown(snapshot: Snapshot) -> tuple[str, ...]:
    """Return what nobody can tell any more without the record, a clause each."""
    said = []
    if any(_has_keys(node) for node in snapshot.nodes):
        said.append(
            "which labels and annotations of NFD and the GPU Operator nodes had before: "
            "disable takes all of an operator that it removes"
        )
    said += [
        f"which tolerations ClusterPolicy/{policy['metadata']['name']} of {owner_of(policy)} had: "
        "those that oc-gpu added stay, look at spec.daemonsets.tolerations"
        for policy in snapshot.table("clusterpolicies")
        if not is_ours(policy) and _changed_by_us(policy)
    ]
    return tuple(said)


def _has_keys(node: Node) -> bool:
    return any(key.startswith(NODE_KEYS) for key in node.metadata.labels)


def _changed_by_us(obj: RawObject) -> bool:
    managers = obj["metadata"].get("managedFields") or ()
    return any(entry.get("manager") == NAME for entry in managers)


def words(snapshot: Snapshot) -> str:
    """Say that the record is lost, and what cannot be known without it."""
    missing = unknown(snapshot)
    return f"{LOST}; it cannot be known {'; nor '.join(missing)}" if missing else LOST
