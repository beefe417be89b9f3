"""How the GPU Operator labels nodes. Pure.

Nothing here takes labels away when the ClusterPolicy goes: they stay, as in life.
"""

from collections.abc import Iterable, Sequence

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.nfd_features import PREFIX
from oc_gpu.sim.actors.objects import annotations_of, labels_of, name_of
from oc_gpu.sim.bundles import OperandTable

_PCI = tuple(f"{PREFIX}pci-{what}.present" for what in ("10de", "0302_10de", "0300_10de"))
_PRESENT = "nvidia.com/gpu.present"
_DEPLOY = "nvidia.com/gpu.deploy."
_MIG_CAPABLE, _MIG_CONFIG = "nvidia.com/mig.capable", "nvidia.com/mig.config"
_UPGRADE_ENABLED = "nvidia.com/gpu-driver-upgrade-enabled"
GPU = "gpu"
OSTREE = f"{PREFIX}system-os_release.OSTREE_VERSION"


def has_gpu(node: RawObject) -> bool:
    """Tell whether NFD found an NVIDIA card in a node."""
    labels = labels_of(node)
    return any(labels.get(key) == "true" for key in _PCI)


def by_gpu(node: RawObject) -> str | None:
    """Return `GPU` for a node with a card, or with the label of one that it had: an index."""
    return GPU if has_gpu(node) or labels_of(node).get(_PRESENT) == "true" else None


def has_features(node: RawObject) -> bool:
    """Tell whether NFD has labelled a node at all."""
    return any(key.startswith(PREFIX) for key in labels_of(node))


def node_change(node: RawObject, table: OperandTable, policy: RawObject) -> RawObject | None:
    """Return the patch for a node, None when its labels are right.

    Args:
        node: The node.
        table: How this release of the operator works.
        policy: The ClusterPolicy.
    """
    labels = _labels(node, table)
    notes: dict[str, str] = {}
    if has_gpu(node) and table.conditions:
        labels |= _mig(node, policy)
        if _upgrades(policy):
            notes[_UPGRADE_ENABLED] = "true"
    have = labels_of(node)
    changed = {k: v for k, v in labels.items() if have.get(k) != v}
    noted = {k: v for k, v in notes.items() if annotations_of(node).get(k) != v}
    if not changed and not noted:
        return None
    meta = {"labels": changed} if changed else {}
    return {"metadata": meta | ({"annotations": noted} if noted else {})}


def _labels(node: RawObject, table: OperandTable) -> dict[str, str | None]:
    have = labels_of(node)
    if not has_gpu(node):
        if have.get(_PRESENT) != "true":
            return {}
        gone: dict[str, str | None] = {k: None for k in have if k.startswith(_DEPLOY)}
        return {_PRESENT: "false", **gone}
    labels: dict[str, str | None] = {_PRESENT: "true"}
    if have.get(f"{_DEPLOY}operands") == "false":
        return labels
    wanted = [*table.deploy_labels]
    if have.get(_MIG_CAPABLE) == "true" and wanted:
        wanted.append("mig-manager")
    missing = [f"{_DEPLOY}{name}" for name in wanted if f"{_DEPLOY}{name}" not in have]
    return labels | dict.fromkeys(missing, "true")


def _mig(node: RawObject, policy: RawObject) -> dict[str, str]:
    """Return the label that asks for the default layout, where none is asked for."""
    have = labels_of(node)
    if have.get(_MIG_CAPABLE) != "true":
        return {}
    config = (policy["spec"].get("migManager") or {}).get("config") or {}
    default = config.get("default", "all-disabled")
    return {} if _MIG_CONFIG in have or not default else {_MIG_CONFIG: default}


def _upgrades(policy: RawObject) -> bool:
    spec = policy["spec"].get("driver") or {}
    return bool((spec.get("upgradePolicy") or {}).get("autoUpgrade"))


def ostree_versions(nodes: Sequence[RawObject]) -> list[str]:
    """Return the RHCOS versions of the GPU nodes, as NFD has labelled them."""
    found = {labels_of(n)[OSTREE] for n in nodes if has_gpu(n) and OSTREE in labels_of(n)}
    return sorted(found)


def names(nodes: Iterable[RawObject]) -> list[str]:
    """Return the names of nodes."""
    return sorted(map(name_of, nodes))
