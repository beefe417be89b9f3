"""Layer nfd: labels that Node Feature Discovery should write, and does not."""

import re

import msgspec

from oc_gpu.checks.case import (
    FEATURES,
    Case,
    has_features,
    pci_label,
)
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.nfd_settings import config
from oc_gpu.checks.components import NFD, NFD_WORKER, ON_NODE, OPERATOR
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import cause, find, of_node
from oc_gpu.snapshot.kinds import DaemonSet, Node, Taint
from oc_gpu.stages import tolerations

FAMILY = "nfd"
CONTROL = ("node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane")
_PASSING = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")


def untolerated(item: DaemonSet, node: Node) -> list[Taint]:
    """Return the lasting taints of a node that a DaemonSet's pods do not tolerate."""
    given = [msgspec.to_builtins(one) for one in item.spec.template.spec.tolerations]
    return [
        taint
        for taint in node.spec.taints
        if taint.effect in ("NoSchedule", "NoExecute")
        and not taint.key.startswith(_PASSING)
        and not tolerations.tolerates(given, taint)
    ]


def is_control(node: Node) -> bool:
    """Tell whether a node is of the control plane."""
    return any(role in node.metadata.labels for role in CONTROL)


def _bare(case: Case) -> list[Node]:
    """Return the nodes without any label of NFD, other than mere control-plane nodes."""
    return [
        node
        for node in case.snapshot.nodes
        if not has_features(node) and (not is_control(node) or has_card(case, node))
    ]


def has_card(case: Case, node: Node) -> bool:
    """Tell whether lspci shows an NVIDIA card on a node."""
    return bool(case.cards(node.metadata.name))


def _worker_on(case: Case, node: Node) -> bool:
    name = node.metadata.name
    return bool(case.pods_on(name, NFD_WORKER))


def _taint(case: Case, says: str) -> Results:
    for item in case.sets_of(NFD_WORKER):
        for node in case.snapshot.nodes:
            lacking = [t for t in untolerated(item, node) if t.key not in CONTROL]
            if not lacking or pci_label(node) or _worker_on(case, node):
                continue
            name, taint = node.metadata.name, str(lacking[0])
            evidence = (
                Evidence(f"taints of Node/{name}", taint),
                Evidence(f"DaemonSet/{item.metadata.name}", f"does not tolerate {taint}"),
                Evidence(f"labels of Node/{name}", f"no {FEATURES}pci-10de.present"),
            )
            sure = has_card(case, node) or has_features(node) is False
            return (of_node(node, says, evidence, 0.93 if sure else 0.8),)
    return ()


def _role(case: Case, says: str) -> Results:
    for node in case.snapshot.nodes:
        suspect = is_control(node) and not pci_label(node) and not _worker_on(case, node)
        alone = case.managed and all(map(is_control, case.snapshot.nodes))
        if not suspect or not (has_card(case, node) or case.gpu_nodes == (node,) or alone):
            continue
        for item in case.sets_of(NFD_WORKER):
            name = node.metadata.name
            evidence = (
                Evidence(f"lspci of Node/{name}", "an NVIDIA GPU"),
                Evidence(f"labels of Node/{name}", "node-role.kubernetes.io/control-plane"),
                Evidence(f"DaemonSet/{item.metadata.name}", "has no pod there"),
            )
            return (of_node(node, says, evidence, 0.94),)
    return ()


_ANY_CARD = re.compile(r"feature\.node\.kubernetes\.io/pci-[\w.-]*10de[\w.-]*$")
_ANY_PCI = re.compile(r"feature\.node\.kubernetes\.io/pci-[\w.-]+$")


def _misconfigured(case: Case, says: str) -> Results:
    for node in case.snapshot.nodes:
        if pci_label(node) or not has_features(node):
            continue
        names = node.metadata.labels
        other = [name for name in names if _ANY_CARD.match(name)]
        if not other and has_card(case, node):
            other = [n for n in names if re.match(r".*/pci-03\d\d(_[\w.]+)?\.present$", n)]
        if other:
            where = f"labels of Node/{node.metadata.name}"
            evidence = (
                Evidence(where, other[0]),
                Evidence(where, f"no {FEATURES}pci-10de.present"),
                *config(case),
            )
            return (of_node(node, says, evidence, 0.94),)
    if passed := _passed_over(case, says) or _other_form(case, says):
        return passed
    settings = config(case)
    for node in case.snapshot.nodes:
        if settings and has_features(node) and not pci_label(node) and has_card(case, node):
            return (of_node(node, says, settings, 0.9),)
    seen = any(has_features(node) for node in case.snapshot.nodes)
    if settings and case.managed and not case.labelled and seen:
        return (Result(Severity.ERROR, says, evidence=settings, confidence=0.82),)
    return ()


def _passed_over(case: Case, says: str) -> Results:
    """Find DaemonSets of the stack that ask for a PCI label which no node has, but for its form.

    Old releases of the operator, and charts of single operands, know one form of the label only.
    """
    for name, item in case.sets:
        wanted = [label for label in _pci_wanted(item) if _ANY_CARD.match(label)]
        if name in NFD or not wanted or item.status.desired_number_scheduled:
            continue
        for node in case.snapshot.nodes:
            names = node.metadata.labels
            other = [label for label in names if _ANY_CARD.match(label)]
            if other and not any(label in names for label in wanted):
                evidence = (
                    Evidence(f"labels of Node/{node.metadata.name}", other[0]),
                    Evidence(f"DaemonSet/{item.metadata.name}", f"asks for {wanted[0]}"),
                )
                return (of_node(node, says, evidence, 0.9),)
    return ()


def _other_form(case: Case, says: str) -> Results:
    """Find an operator that sees no GPU node, though NFD labels one in another form than vendor."""
    phrases = ("could not get any nodes to match", "no gpu node in the cluster")
    quotes = find(case, phrases, (OPERATOR,), ("log",)) if not case.sets_of(*ON_NODE) else []
    told = tuple(quote.evidence for quote in quotes[:1]) or _knows_vendor_only(case)
    for node in case.labelled:
        label = pci_label(node)
        if told and "_10de" in label:
            where = f"labels of Node/{node.metadata.name}"
            return (of_node(node, says, (*told, Evidence(where, label)), 0.84),)
    return ()


_KNOWS_FORMS = (1, 4)
"""First release of the GPU Operator that knows a card by its class, too (its state manager)."""


def _knows_vendor_only(case: Case) -> tuple[Evidence, ...]:
    """Return the operator's release where it made no operand and looks for one label only."""
    if case.sets_of(*ON_NODE) or not () < case.operator_version < _KNOWS_FORMS:
        return ()
    shown = ".".join(map(str, case.operator_version))
    return (Evidence("GPU Operator", f"version {shown} looks for {FEATURES}pci-10de.present"),)


def _pci_wanted(item: DaemonSet) -> list[str]:
    """Return the PCI labels of NFD by which a DaemonSet finds its nodes."""
    return [name for name in item.spec.template.spec.node_selector if _ANY_PCI.match(name)]


WORKERS = "oc get pods -A -o wide | grep nfd-worker"

TAINT = cause(
    "OCG0620",
    "nfd-worker-not-tolerating-taint",
    FAMILY,
    "nfd",
    title="nfd-worker tolerates the taints of the GPU nodes",
    says="nfd-worker does not tolerate a taint of the node, so the node gets no feature labels",
    means="Without labels of NFD the GPU Operator does not know the node as a GPU node, and "
    "starts nothing on it.",
    remedy=(
        "oc describe node {node} | grep -A3 Taints",
        "oc edit nodefeaturediscovery -n openshift-nfd   # spec.operand.workerTolerations (4.19+)",
        "with the NFD chart: --set worker.tolerations[0].operator=Exists",
    ),
    look=_taint,
)
ROLE = cause(
    "OCG0621",
    "nfd-worker-excluded-by-role",
    FAMILY,
    "nfd",
    title="nfd-worker runs on GPU nodes of the control plane, too",
    says="nfd-worker is kept off the GPU node, because the node also has the control-plane role",
    means="NFD's DaemonSet leaves nodes of the control plane out, by taint or by affinity.",
    remedy=(WORKERS, "oc get daemonset -A -l app=nfd-worker -o yaml | grep -A12 affinity"),
    look=_role,
)
MISCONFIGURED = cause(
    "OCG0622",
    "nfd-cr-misconfigured",
    FAMILY,
    "nfd",
    title="NFD writes the PCI labels that the GPU Operator looks for",
    says="NFD is configured to make other PCI labels than the GPU Operator looks for",
    means="The GPU Operator looks for pci-10de.present, pci-0302_10de.present or "
    "pci-0300_10de.present. "
    "deviceLabelFields other than vendor (or class and vendor), or a whitelist without class 03, "
    "give others.",
    remedy=(
        "oc get nodefeaturediscovery -A -o yaml | grep -A20 configData",
        (
            "set sources.pci.deviceLabelFields: [vendor] and deviceClassWhitelist: ['0200', '03', "
            "'12']"
        ),
    ),
    look=_misconfigured,
)

CAUSES = (TAINT, ROLE, MISCONFIGURED)
