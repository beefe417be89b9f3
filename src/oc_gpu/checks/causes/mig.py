"""Layer device-plugin: changes of the layout of GPUs that are split."""

import re

from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.components import GFD, MIG, PLUGIN
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import cause, find, of_node, result, shown
from oc_gpu.snapshot.kinds import Node

FAMILY = "mig"


def _failed(case: Case, says: str) -> Results:
    phrases = (
        "error applying mig configuration",
        "error setting migconfig",
        "error setting mig",
        "failed to apply mig",
        "unable to apply mig",
        "selected mig-config not present",
        "not present in*mig-parted",
        "invalid mig-config",
        "unable to validate*mig",
        "error asserting mig",
        "error assembling*mig",
        "error validating*mig",
        "error creating mig",
        "failed to create gpu instance",
        "unable to create gpu instance",
        "unable to get mig config",
        "insufficient resources*gpu instance",
        "changing the 'nvidia.com/mig.config.state' node label to 'failed'",
        "failed to assert mig",
        "error clearing mig",
        "error destroying*instance",
        "mig mode change did not take effect",
        "mig mode change failed after reboot",
        "unable to shutdown*gpu clients",
    )
    unmounted = find(case, ('configmap "*" not found',), (MIG,), ("event", "state"))
    if lacking := [q for q in unmounted if q.live]:
        return (result(says, lacking, at=0.95),)
    quotes = [q for q in find(case, phrases, (MIG,), ("log",)) if q.live or _state(case, "failed")]
    node = _state(case, "failed")
    if node is not None:
        where = f"labels of Node/{node.metadata.name}"
        evidence = [Evidence(where, "nvidia.com/mig.config.state: failed")]
        wanted = node.metadata.labels.get("nvidia.com/mig.config", "")
        if wanted:
            evidence.append(Evidence(where, f"nvidia.com/mig.config: {wanted}"))
        evidence += [quote.evidence for quote in quotes[:1]]
        return (of_node(node, says, tuple(evidence), 0.9),)
    if quotes:
        return (result(says, quotes, at=0.86),)
    return _unknown_layout(case, says) or _by_nobody(case, says) or _gave_up(case, says)


_LAYOUT = "nvidia.com/mig.config"


def _asking(case: Case) -> list[tuple[Node, str]]:
    """Return the nodes that ask for a layout and are not said to have it, with its name."""
    asking = [(node, node.metadata.labels.get(_LAYOUT, "")) for node in case.gpu_nodes]
    state = f"{_LAYOUT}.state"
    return [(n, name) for n, name in asking if name and n.metadata.labels.get(state) != "success"]


def _unknown_layout(case: Case, says: str) -> Results:
    """Find nodes whose label asks for a layout that no configuration has."""
    every = (raw.get("data") or {} for raw in case.snapshot.table("configmaps"))
    texts = [str(text) for data in every for text in data.values() if "mig-configs:" in str(text)]
    for node, wanted in _asking(case) if texts else []:
        if not any(re.search(rf"(?m)^\s+{re.escape(wanted)}:", text) for text in texts):
            evidence = (
                Evidence(f"labels of Node/{node.metadata.name}", f"{_LAYOUT}: {wanted}"),
                Evidence("ConfigMaps with mig-configs", "none has this layout"),
            )
            return (of_node(node, says, evidence, 0.88),)
    return ()


def _by_nobody(case: Case, says: str) -> Results:
    """Find nodes whose label asks for a layout, where the operand that makes layouts is off."""
    off = case.setting("migManager", "enabled") is False and not case.pods_of(MIG)
    for node, wanted in _asking(case) if off else []:
        has = any(name.startswith("nvidia.com/mig-") for name in node.status.allocatable)
        if (
            wanted != "all-disabled"
            and not has
            and "MIG" not in node.metadata.labels.get(_CARD, "")
        ):
            evidence = (
                Evidence(f"labels of Node/{node.metadata.name}", f"{_LAYOUT}: {wanted}"),
                Evidence("ClusterPolicy", "spec.migManager.enabled: false"),
            )
            return (of_node(node, says, evidence, 0.75),)
    return ()


_CARD = "nvidia.com/gpu.product"
_ASKED_NO_MORE = "waiting for change to 'nvidia.com/mig.config'"


def _gave_up(case: Case, says: str) -> Results:
    """Find changes that are said to be under way, where the manager waits for the next already.

    It leaves the label at pending where it fails early, and begins anew for another layout alone.
    """
    for ref, pod, part in case.logs:
        node = case.node(pod.spec.node_name) if pod is not None and part == MIG else None
        pending = node is not None and node.metadata.labels.get(f"{_LAYOUT}.state") == "pending"
        if node is None or not pending or ref.previous:
            continue
        last = case.snapshot.texts[ref][-1].content.rstrip().rpartition("\n")[2]
        if _ASKED_NO_MORE in last.lower():
            where = f"labels of Node/{node.metadata.name}"
            evidence = (
                Evidence(where, f"{_LAYOUT}.state: pending"),
                Evidence(ref.where, shown(last)),
            )
            return (of_node(node, says, evidence, 0.7),)
    return ()


def _state(case: Case, value: str) -> Node | None:
    label = "nvidia.com/mig.config.state"
    return next((n for n in case.snapshot.nodes if n.metadata.labels.get(label) == value), None)


def _pending(case: Case, says: str) -> Results:
    phrases = (
        "mig mode change is pending",
        "pending enable state",
        "is in pending",
        "mig mode*pending",
        "warning: mig mode is in pending",
        "mode*in use by another client",
        "mode change pending: true",
        "at least one mode change pending",
        "reset of gpu*required",
        "requires a reboot",
        "gpu reset*not supported",
        "unable to reset gpu",
        "unable to reset this gpu",
        "resetting gpu*failed",
        "could not be reset",
        "reboot*required*mig",
    )
    quotes = [
        q
        for q in find(case, phrases, (MIG, PLUGIN, GFD, "client"), ("log", "client"))
        if q.live or _state(case, "failed") or _state(case, "rebooting")
    ]
    if quotes:
        return (result(says, quotes, at=0.93),)
    found = _smi(
        case, re.compile(r"(?i)(Current\s*: (\w+)\s+Pending\s*: (?!\2)\w+)|Enabled\*|Disabled\*")
    )
    if found is not None:
        return (Result(Severity.ERROR, says, evidence=(found,), confidence=0.92),)
    node = _state(case, "rebooting")
    if node is not None:
        evidence = (
            Evidence(f"labels of Node/{node.metadata.name}", "mig.config.state: rebooting"),
        )
        return (of_node(node, says, evidence, 0.75),)
    return ()


_OF_CHANGE = ("pending", "enabled*", "disabled*")
"""Words without one of which nvidia-smi tells of no change: a pattern over all of it is slow."""


def _smi(case: Case, pattern: re.Pattern[str]) -> Evidence | None:
    for ref, texts in case.texts_of_nodes("nvidia-bug-report"):
        for text in texts:
            told = any(next(text.find((word,)), None) for word in _OF_CHANGE)
            match = pattern.search(text.content) if told else None
            if match is not None:
                return Evidence(ref.where, " ".join(match[0].split()))
    return None


PENDING = cause(
    "OCG1032",
    "mig-mode-needs-reboot",
    FAMILY,
    "device-plugin",
    title="no change of MIG mode is pending",
    says="a change of MIG mode is pending until the GPU or the node is reset",
    means="MIG mode takes effect with a reset of the GPU, which is refused while anything uses "
    "it, and in most virtual "
    "machines altogether. There the node has to reboot (mig-manager WITH_REBOOT).",
    remedy=(
        (
            "oc adm drain {node} --ignore-daemonsets --delete-emptydir-data && oc debug "
            "node/{node} "
            "-- chroot /host systemctl reboot"
        ),
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"migManager":{"env":[{"name":"WITH_REBOOT","value":"true"}]}}}\''
        ),
    ),
    look=_pending,
)

FAILED = cause(
    "OCG1034",
    "mig-config-failed",
    FAMILY,
    "device-plugin",
    title="the MIG layout that was asked for is there",
    says="the requested MIG configuration could not be applied",
    means="The layout does not exist in the configuration, does not fit the card, or the GPU was "
    "in use.",
    remedy=(
        "oc logs -n {namespace} -l app=nvidia-mig-manager",
        "oc get node {node} -o jsonpath='{.metadata.labels}' | tr , '\\n' | grep mig",
        "oc get configmap default-mig-parted-config -n {namespace} -o yaml",
    ),
    look=_failed,
)
CAUSES = (PENDING, FAILED)
