"""Checks of what a GPU node says of itself: labels and the GPUs that it offers."""

from oc_gpu import facts
from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.hardware import card_label
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.proof import Proof, offered
from oc_gpu.checks.smi import Report
from oc_gpu.snapshot.kinds import GPU, Node

_REPLICAS = f"{GPU}.replicas"


def _nfd(proof: Proof) -> Results:
    return tuple(_nfd_label(node) for node in proof.nodes)


def _nfd_label(node: Node) -> Result:
    name, label = node.metadata.name, card_label(node)
    objects = (f"Node/{name}",)
    if label:
        title = f"{name} carries the label {label}"
        return Result(Severity.OK, title, objects=objects)
    title = f"{name} has a GPU, but Node Feature Discovery does not label it as such"
    remedy = (
        "oc get pods -A -l app=nfd-worker -o wide",
        f"oc get node {name} -o jsonpath='{{.metadata.labels}}'",
    )
    return Result(Severity.ERROR, title, "nfd-labels-missing", objects, remedy=remedy)


def _gpu(proof: Proof) -> Results:
    return tuple(_gpu_labels(node, proof.seen(node.metadata.name)) for node in proof.nodes)


def _gpu_labels(node: Node, seen: Report | None) -> Result:
    name, labels, names = node.metadata.name, node.metadata.labels, facts.gpu_labels()
    objects = (f"Node/{name}",)
    wanted = (names.present, names.product, names.count)
    shown = {key: labels[key] for key in wanted if key in labels}
    evidence = tuple(Evidence(f"labels of Node/{name}", f"{k}: {v}") for k, v in shown.items())
    remedy = (f"oc get pods -A -l app=gpu-feature-discovery --field-selector spec.nodeName={name}",)
    lacking = [key for key in wanted if key not in shown]
    if not lacking and shown[names.present] != "true":
        lacking = [f"{names.present}=true"]
    if lacking:
        title = f"{name} lacks the labels of the GPU Operator: {', '.join(lacking)}"
        return Result(Severity.ERROR, title, None, objects, evidence, remedy)
    product, count = shown[names.product], shown[names.count]
    wrong = _wrong(product, count, seen) if seen is not None else ""
    if wrong:
        title = f"the labels of {name} are not those of its cards: {wrong}"
        return Result(Severity.ERROR, title, "stale-node-state", objects, evidence, remedy)
    title = f"{name} is labelled with {count} x {product}"
    return Result(Severity.OK, title, objects=objects, evidence=evidence)


def _wrong(product: str, count: str, seen: Report) -> str:
    """Return how labels differ from what nvidia-smi sees; with MIG they count its devices."""
    names = {card.name.strip().replace(" ", "-") for card in seen.cards}
    if not any(product == name or product.startswith(f"{name}-") for name in names):
        return f"product is {product}, nvidia-smi sees {', '.join(sorted(names)) or 'no card'}"
    mig = any(card.mig == "Enabled" for card in seen.cards)
    if not mig and count != str(len(seen.cards)):
        return f"count is {count}, nvidia-smi sees {len(seen.cards)}"
    return ""


def _allocatable(proof: Proof) -> Results:
    return tuple(_offers(node, proof.seen(node.metadata.name)) for node in proof.nodes)


def _offers(node: Node, seen: Report | None) -> Result:
    name, count = node.metadata.name, offered(node)
    objects = (f"Node/{name}",)
    evidence = tuple(
        Evidence(f"status of Node/{name}", f"{part}.{key}: {value}")
        for part, amounts in (
            ("capacity", node.status.capacity),
            ("allocatable", node.status.allocatable),
        )
        for key, value in sorted(amounts.items())
        if key.startswith("nvidia.com/")
    )
    remedy = (
        f"oc get pods -A --field-selector spec.nodeName={name} | grep device-plugin",
        f"oc describe node {name}",
    )
    if not count:
        title = f"{name} offers no GPU to pods"
        return Result(Severity.ERROR, title, None, objects, evidence, remedy)
    expected = _expected(node, seen) if seen is not None else None
    if expected is None:
        title = f"{name} has {_gpus(count)} allocatable, but nvidia-smi did not say how many it has"
        return Result(Severity.UNKNOWN, title, None, objects, evidence)
    if count != expected:
        title = f"{name} has {_gpus(count)} allocatable, and its cards make {expected}"
        sick = node.status.capacity.get(GPU) == str(expected)
        cause = "gpu-marked-unhealthy" if sick else None
        return Result(Severity.ERROR, title, cause, objects, evidence, remedy)
    title = f"{name} has {_gpus(count)} allocatable"
    return Result(Severity.OK, title, objects=objects, evidence=evidence)


def _expected(node: Node, seen: Report) -> int:
    """Return how many devices the cards make: one each, or its MIG devices, times replicas."""
    replicas = node.metadata.labels.get(_REPLICAS, "1")
    each = (len(card.mig_uuids) if card.mig == "Enabled" else 1 for card in seen.cards)
    return sum(each) * (int(replicas) if replicas.isdigit() and replicas != "0" else 1)


def _gpus(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"


NFD_LABELS = Check(
    "OCG0601",
    "nfd-labels",
    "nfd",
    "Node Feature Discovery labels every GPU node",
    _nfd,
    ("nodes",),
)
GPU_LABELS = Check(
    "OCG0602",
    "gpu-labels",
    "nfd",
    "the labels of every GPU node name its cards",
    _gpu,
    ("nodes",),
)
ALLOCATABLE = Check(
    "OCG1201",
    "allocatable",
    "capacity",
    "every GPU node offers all its cards to pods",
    _allocatable,
    ("nodes",),
)
