"""Layer access: nodes of which nothing is heard any more."""

from oc_gpu.checks.ages import NODE, age
from oc_gpu.checks.case import Case, has_features
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.passthrough import took_down
from oc_gpu.checks.components import NFD_WORKER, SANDBOX, VFIO
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import KERNEL, cause, of_node, shown, split
from oc_gpu.snapshot.kinds import Node
from oc_gpu.stages import pools

_NOTE = "machineconfiguration.openshift.io/"
SILENCE = 5 * 60.0
"""Seconds of silence after which Kubernetes gives a node's pods up: it is more than slow."""


def _is_updating(node: Node) -> bool:
    """Tell whether the machine-config-operator is at work on a node, which includes a reboot."""
    notes = node.metadata.annotations
    asked = notes.get(f"{_NOTE}desiredConfig")
    return (
        notes.get(f"{_NOTE}currentConfig") != asked
        or notes.get(f"{_NOTE}state", "Done") == "Working"
    )


def _silent(case: Case, says: str) -> Results:
    for node in case.snapshot.nodes:
        ready = node.ready
        if ready is None or not node.is_silent:
            continue
        since = age(case, ready.last_transition_time)
        if since is None or since < (NODE if _is_updating(node) else SILENCE):
            continue
        name = node.metadata.name
        where = f"condition Ready of Node/{name}"
        said = f"{ready.status}, {ready.reason}: {ready.message}"
        evidence = (Evidence(where, f"{said} (since {ready.last_transition_time})"),)
        objects, told = (f"Node/{name}",), {"node": name}
        sure = _is_waited_for(case, node) and not _gives_away(case, node)
        at = 0.9 if sure and not took_down(case, node) else 0.6
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told),)
    return ()


def _gives_away(case: Case, node: Node) -> bool:
    """Tell whether a node hands its GPUs to virtual machines, which may take it down with them."""
    return bool(case.pods_on(node.metadata.name, SANDBOX, VFIO))


def _is_waited_for(case: Case, node: Node) -> bool:
    """Tell whether anything of the road waits for a node: its cards, its features, or its pool.

    A silent node counts against `maxUnavailable`, so that the other nodes of its pool wait as well.
    """
    if node in case.gpu_nodes or (case.pods_of(NFD_WORKER) and not has_features(node)):
        return True
    return any(
        pools.is_behind(pool) and node in pools.members(case.snapshot, pool)
        for pool in case.snapshot.table("machineconfigpools")
    )


_JOURNALS = ("journalctl_kubelet", "kubelet.log", "journals/kubelet", "kubelet", *KERNEL)
"""Files of nodes with what their kubelet said."""
_CUT_OFF = ("dial tcp*:6443", "api-int.*: dial tcp")
_JOINED = ("successfully registered node",)
"""What the kubelet says of a way to the API server that fails, and when it got there."""
_TAIL = 20_000
"""Characters at the end of a text that count as its last words."""


def cut_off(case: Case, says: str) -> Results:
    """Find silent nodes whose kubelet said to the last that the API server cannot be reached."""
    silent = {node.metadata.name: node for node in case.snapshot.nodes if node.is_silent}
    for ref, texts in case.texts_of_nodes(*_JOURNALS) if silent else ():
        node = silent.get(ref.node)
        if node is None:
            continue
        lines = [line for text in texts for one in _CUT_OFF for line in text.find(split(one))]
        last = max(lines, key=lambda line: line.number, default=None)
        again = (line.number for text in texts for line in text.find(_JOINED))
        if last is not None and last.number > max(again, default=0):
            evidence = (Evidence(f"{ref.where}:{last.number}", shown(last.text)), _told(node))
            ends = any(last.text in text.content[-_TAIL:] for text in texts[-1:])
            return (of_node(node, says, evidence, 0.92),) if ends else ()
    return ()


def _told(node: Node) -> Evidence:
    ready = node.ready
    text = f"{ready.status}, {ready.reason}: {ready.message}" if ready is not None else ""
    return Evidence(f"condition Ready of Node/{node.metadata.name}", text)


SILENT = cause(
    "OCG0137",
    "node-not-ready",
    "control-plane-and-webhooks",
    "access",
    title="every node is heard of",
    says="nothing is heard of the node any more, so nothing starts on it",
    means="Its kubelet has not reported for minutes: the machine is off, hangs, or is cut off from "
    "the network. Whatever has to run on it waits.",
    remedy=(
        "oc describe node {node} | grep -A8 Conditions",
        "look at the machine itself: power, console, network; start {node} again",
        "where it will not come back: oc delete node {node}",
    ),
    look=_silent,
)

CAUSES = (SILENT,)
