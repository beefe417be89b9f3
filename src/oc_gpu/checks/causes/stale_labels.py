"""Layer nfd: labels that are still there."""

import re

from msgspec import structs

from oc_gpu.checks.cards import ORDER, generation, model
from oc_gpu.checks.case import FEATURES, Case, has_features, pci_label
from oc_gpu.checks.catalogue import Results
from oc_gpu.checks.causes.nfd import FAMILY, has_card
from oc_gpu.checks.causes.nfd_labels import DEPLOYS, is_here
from oc_gpu.checks.components import GFD, ON_NODE, PLUGIN, TOOLKIT
from oc_gpu.checks.listings import Device
from oc_gpu.checks.model import Evidence
from oc_gpu.checks.quotes import cause, find, note, of_node, result
from oc_gpu.snapshot.kinds import Node

_LEFT_HOOK = (
    "/usr/local/nvidia/toolkit/*no such file",
    "/usr/local/nvidia/toolkit/*executable file not found",
)
"""What a runtime says whose hook is still there, and its program is not."""


def _stale(case: Case, says: str) -> Results:
    left = [q for q in find(case, _LEFT_HOOK, None, ("event", "state")) if q.live]
    if left and not case.pods_of(TOOLKIT):
        return (result(says, left, at=0.9),)
    return _by_labels(case, says) or _left_mark(case, says) or _misplaced(case, says) or _bare(case)


def _left_mark(case: Case, says: str) -> Results:
    """Find nodes that are marked as having a driver of their own, whose card nothing holds."""
    for node in case.labelled:
        name, cards = node.metadata.name, case.cards(node.metadata.name)
        marked = node.metadata.labels.get(f"{DEPLOYS}driver") == "pre-installed"
        if marked and cards and not any(c.driver for c in cards) and name in case.unwell_nodes:
            evidence = (
                Evidence(f"labels of Node/{name}", f"{DEPLOYS}driver: pre-installed"),
                Evidence(f"lspci of Node/{name}", "no kernel driver in use"),
            )
            return (of_node(node, says, evidence, 0.76),)
    return ()


def _misplaced(case: Case, says: str) -> Results:
    """Find plugins that fail on a node without a card, which labels of before may have chosen."""
    for one in case.troubles_of(PLUGIN, GFD, fails=True):
        node = case.node(one.pod.spec.node_name)
        if node is None or pci_label(node) or not has_features(node) or has_card(case, node):
            continue
        chosen = [f"{k}={v}" for k, v in one.pod.spec.node_selector.items()]
        if chosen and case.labelled:
            name = node.metadata.name
            evidence = (
                Evidence(f"labels of Node/{name}", f"{', '.join(chosen)}, and no NVIDIA device"),
                Evidence(f"status of Pod/{one.pod.metadata.name}", one.state),
            )
            return (of_node(node, says, evidence, 0.6),)
    return ()


_BARE = "labels of a GPU stack are left on a node, and nothing of it is installed"


def _bare(case: Case) -> Results:
    """Note labels that stay after all was taken away."""
    if case.installed or is_here(case) or not case.snapshot.pods:
        return ()
    for node in case.snapshot.nodes:
        left = [name for name in node.metadata.labels if name.startswith(DEPLOYS)]
        if left:
            evidence = Evidence(f"labels of Node/{node.metadata.name}", ", ".join(left[:3]))
            return (note(of_node(node, _BARE, (evidence,), 0.45)),)
    return ()


def _by_labels(case: Case, says: str) -> Results:
    for node in case.snapshot.nodes:
        labels, name = node.metadata.labels, node.metadata.name
        where = f"labels of Node/{name}"
        present = labels.get("nvidia.com/gpu.present") == "true"
        if present and not pci_label(node) and has_features(node):
            evidence = (
                Evidence(where, "nvidia.com/gpu.present: true"),
                Evidence(where, f"no {FEATURES}pci-10de.present"),
            )
            return (of_node(node, says, evidence, 0.85),)
        kernel = labels.get(_KERNEL, "")
        runs = node.status.node_info.kernel_version
        if kernel and runs and kernel != runs and pci_label(node):
            evidence = (
                Evidence(where, f"{_KERNEL}: {kernel}"),
                Evidence(f"status of Node/{name}", f"kernel {runs}"),
            )
            made = of_node(node, says, evidence, 0.55)
            look = (
                f"oc get pods -A -o wide --field-selector spec.nodeName={name} | grep nfd-worker",
            )
            made = structs.replace(made, remedy=look)
            return (made if case.unwell else note(structs.replace(made, confidence=0.45)),)
        for found, at in ((_differs(case, node), 0.86), (_of_other_card(case, node), 0.6)):
            if found:
                # Labels place pods: that a program fails which was placed has another reason.
                failing = case.troubles_of(*ON_NODE, fails=True)
                return (of_node(node, says, found, 0.55 if failing else at),)
    return ()


_KERNEL = f"{FEATURES}kernel-version.full"

_LOADED = re.compile(
    r"loading NVIDIA UNIX .*?Kernel Module\D*?(?:for \S+\s+)?(\d{3}\.\d+(?:\.\d+)?)"
)


def _differs(case: Case, node: Node) -> tuple[Evidence, ...]:
    """Return how labels of GPU Feature Discovery contradict the driver that the kernel loaded."""
    labels, name = node.metadata.labels, node.metadata.name
    told = labels.get("nvidia.com/cuda.driver.major") or labels.get(
        "nvidia.com/cuda.driver-version.major", ""
    )
    if not told:
        return ()
    for ref, texts in case.texts_of_nodes("dmesg"):
        if ref.node != name:
            continue
        loaded = [m[1] for text in texts for m in _LOADED.finditer(text.content)]
        if loaded and loaded[-1].split(".")[0] != told:
            return (
                Evidence(f"labels of Node/{name}", f"nvidia.com/cuda.driver.major: {told}"),
                Evidence(ref.where, f"the kernel loaded driver {loaded[-1]}"),
            )
    return ()


_FAMILY_LABEL = "nvidia.com/gpu.family"
_PRODUCT_LABEL = "nvidia.com/gpu.product"
_FAMILIES = {"ada-lovelace": "ada"}
"""Generations that GPU Feature Discovery calls otherwise."""
_WITH_CLASS = re.compile(rf"{re.escape(FEATURES)}pci-(03\d\d)_10de\.present$")


def _of_other_card(case: Case, node: Node) -> tuple[Evidence, ...]:
    """Return what the labels tell of the card, where lspci shows others only."""
    cards, name = case.cards(node.metadata.name), node.metadata.name
    told = cards and (_family(node, cards) or _product(node, cards) or _class(node, cards))
    if not told:
        return ()
    label, seen = told
    value = node.metadata.labels[label]
    return (
        Evidence(f"labels of Node/{name}", f"{label}: {value}"),
        Evidence(f"lspci of Node/{name}", f"has only {seen}"),
    )


def _family(node: Node, cards: list[Device]) -> tuple[str, str] | None:
    told = node.metadata.labels.get(_FAMILY_LABEL, "")
    seen = {generation(card.device) for card in cards}
    differs = _FAMILIES.get(told, told) in set(ORDER) - seen and "" not in seen
    return (_FAMILY_LABEL, ", ".join(sorted(seen))) if differs else None


def _product(node: Node, cards: list[Device]) -> tuple[str, str] | None:
    told = node.metadata.labels.get(_PRODUCT_LABEL, "")
    seen = {model(card.device) for card in cards}
    words = re.split(r"\W+", told)
    named = re.search(r"\d", told)  # an old driver calls a card that it does not know a device
    differs = named and "" not in seen and not any(w.startswith(tuple(seen)) for w in words)
    return (_PRODUCT_LABEL, ", ".join(sorted(seen))) if differs else None


def _class(node: Node, cards: list[Device]) -> tuple[str, str] | None:
    """Find a label with the PCI class of a card that is not there, as NFD writes them."""
    seen = {card.kind for card in cards}
    for label in node.metadata.labels:
        match = _WITH_CLASS.match(label)
        if match is not None and match[1] not in seen:
            return label, f"cards of class {', '.join(sorted(seen))}"
    return None


STALE = cause(
    "OCG0632",
    "stale-node-state",
    FAMILY,
    "nfd",
    title="labels describe the node's present GPU and driver",
    says="labels on the node still describe an earlier GPU or driver",
    means="They were written by what is no longer there; workloads and operands are placed by "
    "them.",
    remedy=(
        "oc label node {node} nvidia.com/gpu.present- nvidia.com/gpu.product-",
        "oc delete pod -n nvidia-gpu-operator -l app=gpu-feature-discovery",
    ),
    look=_stale,
)


CAUSES = (STALE,)
