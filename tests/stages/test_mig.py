"""The layout of divided cards: asked for by a label, seen by what a node offers, put back."""

from typing import Any

import msgspec
import pytest

from oc_gpu.config import GpuPlatform
from oc_gpu.manifests.labels import LAYOUT
from oc_gpu.stages import context as contexts
from oc_gpu.stages import mig
from oc_gpu.stages.engine import assess
from oc_gpu.stages.model import Assessment, Patch, StagePlan, State
from tests.stages.builders import meta, node, snapshot

CARD = "feature.node.kubernetes.io/pci-10de.present"
ASKED, STATE = "nvidia.com/mig.config", "nvidia.com/mig.config.state"
A100 = "NVIDIA-A100-80GB-PCIe"


def document(**spec: Any) -> GpuPlatform:
    return msgspec.convert({"spec": {"gpuOperator": {"mig": spec}}}, GpuPlatform)


def gpu_node(  # noqa: PLR0913  # each has a default, and a test gives two or three
    name: str = "gpu-0",
    *,
    offers: dict[str, str] | None = None,
    product: str = A100,
    capable: str | None = "true",
    notes: dict[str, str] | None = None,
    config: str = "",
    state: str = "",
) -> Any:
    given = {
        CARD: "true",
        "nvidia.com/gpu.product": product,
        **({"nvidia.com/mig.capable": capable} if capable is not None else {}),
        **({ASKED: config} if config else {}),
        **({STATE: state} if state else {}),
    }
    made = node(name, labels=given)
    status = msgspec.structs.replace(
        made.status, allocatable=offers if offers is not None else {"nvidia.com/gpu": "1"}
    )
    about = msgspec.structs.replace(made.metadata, annotations=notes or {})
    return msgspec.structs.replace(made, status=status, metadata=about)


def policy(strategy: str) -> Any:
    ours = {"app.kubernetes.io/managed-by": "oc-gpu"}
    spec = {"mig": {"strategy": strategy}}
    return {"metadata": meta("gpu-cluster-policy", labels=ours), "spec": spec}


def planned(config: GpuPlatform, *nodes: Any, strategy: str = "mixed") -> StagePlan:
    tables = {"nodes": list(nodes), "clusterpolicies": [policy(strategy)]}
    return mig.plan(contexts.build(config, snapshot(**tables)))


def stands(config: GpuPlatform, *nodes: Any, strategy: str = "mixed") -> Assessment:
    plan = planned(config, *nodes, strategy=strategy)
    free = [msgspec.structs.replace(m, after=()) for m in plan.milestones]
    alone = msgspec.structs.replace(plan, milestones=tuple(free))
    return assess([alone], snapshot(nodes=list(nodes)))[0]


def changes(plan: StagePlan) -> dict[str, dict[str, Any]]:
    return {
        a.ref.name: a.patch["metadata"]
        for m in plan.milestones
        for a in m.actions
        if isinstance(a, Patch)
    }


def test_without_a_layout_the_stage_is_not_needed() -> None:
    assert planned(document(strategy="mixed"), gpu_node()).not_needed == "no layout asked for"


def test_a_layout_is_asked_for_where_cards_can_be_divided_and_what_was_there_is_noted() -> None:
    nodes = (gpu_node(config="all-disabled"), gpu_node("gpu-1"), gpu_node("t4", capable="false"))
    asked = changes(planned(document(layout="all-balanced"), *nodes))
    assert set(asked) == {"gpu-0", "gpu-1"}
    assert asked["gpu-0"]["labels"] == asked["gpu-1"]["labels"] == {ASKED: "all-balanced"}
    assert asked["gpu-0"]["annotations"] == {LAYOUT: "all-disabled"}
    assert asked["gpu-1"]["annotations"] == {LAYOUT: ""}


def test_what_was_there_before_us_is_noted_once() -> None:
    marked = gpu_node(notes={LAYOUT: ""}, config="all-1g.10gb")
    asked = changes(planned(document(layout="all-balanced"), marked))
    assert asked["gpu-0"]["annotations"] == {LAYOUT: ""}


def test_a_named_node_gets_its_own_layout() -> None:
    nodes = (gpu_node(), gpu_node("gpu-1"))
    asked = changes(planned(document(layout="all-1g.10gb", nodes={"gpu-1": "all-3g.40gb"}), *nodes))
    assert [asked[n]["labels"][ASKED] for n in ("gpu-0", "gpu-1")] == ["all-1g.10gb", "all-3g.40gb"]


def test_a_node_that_is_not_there_and_one_that_cannot_be_divided_block_with_their_names() -> None:
    absent = stands(document(nodes={"gpu-9": "all-1g.10gb"}), gpu_node())
    assert absent.state is State.BLOCKED
    assert "gpu-9" in absent.detail
    t4 = gpu_node("t4", capable="false", config="all-1g.10gb")
    whole = stands(document(nodes={"t4": "all-1g.10gb"}), t4)
    assert (whole.state, whole.objects) == (State.BLOCKED, ("Node/t4",))


def test_a_node_of_which_nothing_is_told_is_waited_for_and_not_forgotten() -> None:
    """Feature discovery stops while cards are divided, and its labels go meanwhile."""
    named = gpu_node(capable=None, config="all-1g.10gb")
    assert stands(document(nodes={"gpu-0": "all-1g.10gb"}), named).state is State.WAITING
    marked = gpu_node(capable=None, notes={LAYOUT: ""}, config="all-1g.10gb", state="success")
    assert stands(document(layout="all-1g.10gb"), marked).state is State.WAITING
    assert undone(marked).milestones[0].progress.state is State.WAITING


BALANCED = {"nvidia.com/mig-1g.10gb": "4", "nvidia.com/mig-3g.40gb": "2", "nvidia.com/gpu": "0"}
SMALL = {"nvidia.com/mig-1g.10gb": "14"}
DIVIDED = f"{A100}-MIG-1g.10gb"


@pytest.mark.parametrize(
    ("strategy", "layout", "given", "done"),
    [
        ("mixed", "all-balanced", {"offers": BALANCED, "state": "success"}, True),
        ("mixed", "all-balanced", {"offers": BALANCED, "state": "pending"}, False),
        ("mixed", "all-balanced", {"offers": BALANCED}, False),
        ("mixed", "all-balanced", {"offers": SMALL, "state": "success"}, False),
        ("mixed", "all-1g.10gb", {"offers": SMALL, "state": "success"}, True),
        ("mixed", "all-1g.10gb", {"state": "success"}, False),
        ("mixed", "all-3g.40gb", {"offers": SMALL, "state": "success"}, False),
        ("mixed", "all-disabled", {"state": "success"}, True),
        ("mixed", "all-disabled", {"offers": SMALL, "state": "success"}, False),
        ("mixed", "mine", {"offers": SMALL, "state": "success"}, True),
        ("mixed", "mine", {"state": "success"}, False),
        ("single", "all-1g.10gb", {"product": DIVIDED, "state": "success"}, True),
        ("single", "all-1g.10gb", {"state": "success"}, False),
        ("single", "all-disabled", {"product": DIVIDED, "state": "success"}, False),
        ("single", "all-disabled", {"offers": {}, "state": "success"}, False),
        ("none", "all-disabled", {"state": "success"}, True),
    ],
)
def test_a_layout_is_there_when_the_node_offers_what_it_makes(
    strategy: str,
    layout: str,
    given: dict[str, Any],
    done: bool,  # noqa: FBT001
) -> None:
    found = stands(document(layout=layout), gpu_node(config=layout, **given), strategy=strategy)
    assert found.state is (State.DONE if done else State.WAITING)


def test_a_layout_that_failed_is_told_with_its_cause() -> None:
    found = stands(document(layout="all-1g.5gb"), gpu_node(config="all-1g.5gb", state="failed"))
    assert (found.state, found.cause) == (State.FAILED, "mig-config-failed")


def undone(*nodes: Any, strategy: str = "mixed") -> StagePlan:
    tables = {"nodes": list(nodes), "clusterpolicies": [policy(strategy)], "tenants": []}
    return mig.undo(contexts.build(GpuPlatform(), snapshot(**tables)))


def test_the_way_back_puts_cards_together_before_the_mark_goes() -> None:
    node = gpu_node(offers=SMALL, notes={LAYOUT: ""}, config="all-1g.10gb", state="success")
    before, after = undone(node).milestones
    (ask,) = before.actions
    assert isinstance(ask, Patch)
    assert ask.patch["metadata"]["labels"] == {ASKED: "all-disabled"}
    (unmark,) = after.actions
    assert isinstance(unmark, Patch)
    assert unmark.patch["metadata"]["annotations"] == {LAYOUT: None}


def test_the_way_back_waits_until_the_cards_are_whole() -> None:
    node = gpu_node(offers=SMALL, notes={LAYOUT: ""}, config="all-disabled", state="success")
    assert undone(node).milestones[0].progress.state is State.WAITING
    whole = gpu_node(notes={LAYOUT: ""}, config="all-disabled", state="success")
    assert undone(whole).milestones[0].progress.state is State.DONE


def test_the_way_back_restores_the_layout_of_before_and_leaves_unmarked_nodes() -> None:
    theirs = gpu_node("gpu-1", config="all-3g.40gb")
    ours = gpu_node(notes={LAYOUT: "all-3g.40gb"}, config="all-1g.10gb")
    asked = changes(undone(ours, theirs))
    assert set(asked) == {"gpu-0"}
    (ask, *_) = undone(ours).milestones[0].actions
    assert isinstance(ask, Patch)
    assert ask.patch["metadata"]["labels"] == {ASKED: "all-3g.40gb"}
    assert undone(theirs).not_needed
