"""Stage mig: the layout in which the cards of nodes are divided, when one is asked for.

A layout is asked for by a label of the node. The MIG manager then stops the operands that use its
cards, divides them, starts the operands again and writes what came of it into another label. The
layout asked for before us is kept in an annotation that is written together with the label, so
that no record is needed to put it back.
"""

import re

from oc_gpu import facts
from oc_gpu.config.document import chosen
from oc_gpu.kube.resources import NODES
from oc_gpu.manifests.labels import LAYOUT
from oc_gpu.snapshot.kinds import Node
from oc_gpu.snapshot.naming import named
from oc_gpu.stages import tenants
from oc_gpu.stages.context import Context
from oc_gpu.stages.model import Milestone, ObjectRef, Patch, Progress, StagePlan, State

NAME = "mig"
TITLE = "Layout of divided GPUs"
WHOLE = "all-disabled"
"""The layout in which no card is divided."""
_BALANCED = "all-balanced"
_SIZE = re.compile(r"all-(\d+g\.\d+gb.*)")
"""Layouts that divide all cards into parts of one size, and that size."""
_PART, _IN_PRODUCT = "nvidia.com/mig-", "-MIG-"
_DISTURBS = "operands on {node} restart, and its cards are taken from whatever uses them"


def plan(context: Context) -> StagePlan:
    """Return the road of the layouts in one snapshot."""
    spec = context.config.spec.gpu_operator.mig
    if not spec.given:
        return StagePlan(NAME, TITLE, not_needed="no layout asked for")
    decision = ", ".join(_words(context)) or "no node whose cards can be divided is known yet"
    wanted = tuple(
        (node, layout)
        for node in context.platform.gpu_nodes
        if (layout := _wanted(context, node)) is not None
    )
    title = "the cards are divided as asked for"
    patches = tuple(_ask(node, layout) for node, layout in wanted if _asked(node) != layout)
    progress = _divided(context, wanted)
    milestone = Milestone(title, patches, progress, ("record", "gpu-operator"))
    return StagePlan(NAME, TITLE, (milestone,), decision=decision)


def _words(context: Context) -> list[str]:
    spec = context.config.spec.gpu_operator.mig
    every = [f"{spec.layout} on nodes whose cards can be divided"] if spec.layout != "auto" else []
    return [*every, *(f"{layout} on {node}" for node, layout in sorted(spec.nodes.items()))]


def _wanted(context: Context, node: Node) -> str | None:
    """Return the layout that a node is to have, None where none is asked for or possible.

    A node that is named gets what is said, capable or not: that its cards cannot be divided is
    told, not passed over.
    """
    spec = context.config.spec.gpu_operator.mig
    if node.metadata.name in spec.nodes:
        return spec.nodes[node.metadata.name]
    able = _capable(node) or LAYOUT in node.metadata.annotations
    return chosen(spec.layout, None) if able else None


def _capable(node: Node) -> bool | None:
    """Tell whether a node's cards can be divided, None where nothing tells.

    GPU Feature Discovery does; while the cards are divided it does not run, and its labels go.
    """
    told = node.metadata.labels.get(facts.gpu_labels().mig_capable)
    return None if told is None else told == "true"


def _asked(node: Node) -> str:
    return node.metadata.labels.get(facts.gpu_labels().mig_layout, "")


def _ask(node: Node, layout: str) -> Patch:
    """Return the change that asks for a layout; what was asked for before us is noted once."""
    names, meta = facts.gpu_labels(), node.metadata
    before = meta.annotations.get(LAYOUT, _asked(node))
    patch = {
        "metadata": {
            "resourceVersion": meta.resource_version,
            "labels": {names.mig_layout: layout},
            "annotations": {LAYOUT: before},
        }
    }
    disturbs = _DISTURBS.format(node=meta.name)
    why = f"ask for the layout {layout}"
    return Patch(ObjectRef(NODES, meta.name), patch, holds=False, why=why, disturbs=disturbs)


def _divided(context: Context, wanted: tuple[tuple[Node, str], ...]) -> Progress:
    absent = _absent(context)
    if absent is not None:
        return absent
    for node, layout in wanted:
        step = _standing(context, node, layout)
        if step.state is not State.DONE:
            return step
    return Progress(State.DONE)


def _absent(context: Context) -> Progress | None:
    """Return what is wrong with the names of nodes, None when nothing is."""
    names = {node.metadata.name for node in context.snapshot.nodes}
    strange = sorted(set(context.config.spec.gpu_operator.mig.nodes) - names)
    if not strange:
        return None
    detail = f"a layout is asked for on {named(strange)}, and there is no such node"
    hints = ("correct spec.gpuOperator.mig.nodes of the GpuPlatform document", "oc get nodes")
    return Progress(State.BLOCKED, detail, hints)


def _standing(context: Context, node: Node, layout: str) -> Progress:
    name, names = node.metadata.name, facts.gpu_labels()
    capable = _capable(node)
    if capable is None:
        return Progress(State.WAITING, f"GPU Feature Discovery has not told of {name} yet")
    if not capable:
        detail = f"the cards of {name} cannot be divided, and layout {layout} is asked for"
        hints = (f"take {name} out of spec.gpuOperator.mig.nodes of the GpuPlatform document",)
        return Progress(State.BLOCKED, detail, hints, "mig-config-failed", (f"Node/{name}",))
    state = node.metadata.labels.get(names.mig_state, "")
    if state == "failed":
        return _failed(context, name, layout)
    if state != "success":
        return Progress(State.WAITING, f"the MIG manager divides {name} ({state or 'not yet'})")
    if not _fits(node, layout, _strategy(context)):
        return Progress(State.WAITING, f"{name} does not offer what {layout} makes yet")
    return Progress(State.DONE)


def _fits(node: Node, layout: str, strategy: str) -> bool:
    """Tell whether a node offers what a layout makes.

    The label that says `success` may still speak of the layout before, so what the device plugin
    offers has to be seen, too. Of a layout of one's own it is not known what that is.
    """
    parts = [name.removeprefix(_PART) for name in node.devices if name.startswith(_PART)]
    if strategy == "single":
        product = node.metadata.labels.get(facts.gpu_labels().product, "")
        parts = [product.rpartition(_IN_PRODUCT)[2]] if _IN_PRODUCT in product else []
    if not node.devices or strategy not in ("single", "mixed"):
        return bool(node.devices)
    if layout == WHOLE:
        return not parts
    if size := _SIZE.fullmatch(layout):
        return parts == [size[1]]
    return len(parts) > 1 if layout == _BALANCED else bool(parts)


def _strategy(context: Context) -> str:
    for policy in context.snapshot.table("clusterpolicies"):
        return str(((policy.get("spec") or {}).get("mig") or {}).get("strategy") or "")
    return ""


def _failed(context: Context, node: str, layout: str) -> Progress:
    namespace = context.platform.operand_namespace
    label = facts.gpu_labels().mig_layout
    return Progress(
        State.FAILED,
        f"the MIG manager could not give {node} the layout {layout}",
        hints=(
            f"oc logs -n {namespace} -l app=nvidia-mig-manager --tail=50",
            f"oc get pods -A --field-selector spec.nodeName={node}   # what uses its cards",
            f"oc label node {node} {label}={WHOLE} --overwrite   # cards in one piece again",
        ),
        cause="mig-config-failed",
        objects=(f"Node/{node}",),
    )


def undo(context: Context) -> StagePlan:
    """Return the way back: cards are as they were before us while the MIG manager is still there.

    A card stays divided when the operator has gone, so that it has to be put together before.
    """
    marked = [node for node in context.snapshot.nodes if LAYOUT in node.metadata.annotations]
    if not marked:
        return StagePlan(NAME, TITLE, not_needed="no layout was asked for")
    managed = bool(context.snapshot.table("clusterpolicies"))
    asks = tuple(_ask(n, _before(n)) for n in marked if managed and _asked(n) != _before(n))
    steps = (_standing(context, node, _before(node)) for node in marked if managed)
    left = next((step for step in steps if step.state is not State.DONE), Progress(State.DONE))
    milestones = (
        Milestone("the cards are as before", (*tenants.evictions(context), *asks), left),
        Milestone("the marks are off the nodes", tuple(_unmarked(node) for node in marked)),
    )
    return StagePlan(NAME, TITLE, milestones)


def _before(node: Node) -> str:
    return node.metadata.annotations[LAYOUT] or WHOLE


def _unmarked(node: Node) -> Patch:
    """Return the change that takes our mark off a node.

    The label goes with those that the GPU Operator leaves, where it was not there before us.
    """
    meta = node.metadata
    patch = {"metadata": {"resourceVersion": meta.resource_version, "annotations": {LAYOUT: None}}}
    why = "take off the mark of its layout"
    return Patch(ObjectRef(NODES, meta.name), patch, holds=False, why=why)
