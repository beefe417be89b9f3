"""What is told of the time before us, once the record is lost: by labels and dates."""

from typing import Any

from oc_gpu.config import GpuPlatform
from oc_gpu.snapshot.kinds import Meta, Named
from oc_gpu.stages import context as contexts
from oc_gpu.stages import recovery
from oc_gpu.stages.engine import planned_actions
from oc_gpu.stages.road import way_back
from tests.stages.builders import meta, node, snapshot

BEFORE, FIRST, AFTER = (f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3))


def ours(name: str, stage: str = "nfd", **more: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "oc-gpu", "oc-gpu.io/stage": stage}
    return {"metadata": meta(name, labels=labels, creationTimestamp=FIRST, **more)}


def crd(name: str, at: str) -> Named:
    return Named(Meta(name=name, creation_timestamp=at))


def csv(name: str, at: str, namespace: str = "openshift-nfd") -> dict[str, Any]:
    return {"metadata": meta(name, namespace=namespace, creationTimestamp=at)}


def test_without_anything_of_ours_there_is_no_record_to_make_again() -> None:
    assert recovery.rebuild(snapshot(namespaces=[{"metadata": meta("theirs")}])) is None


def test_the_namespace_of_the_record_alone_is_nothing_to_take_back() -> None:
    assert recovery.rebuild(snapshot(namespaces=[ours("oc-gpu", "record")])) is None


def test_what_is_older_than_our_first_object_was_there_before() -> None:
    made = recovery.rebuild(
        snapshot(
            namespaces=[ours("openshift-nfd")],
            crds=[
                crd("nodefeatures.nfd.openshift.io", BEFORE),
                crd("nodefeaturediscoveries.nfd.openshift.io", AFTER),
            ],
            csvs=[csv("nfd.v1", BEFORE), csv("nfd.v2", AFTER)],
        )
    )
    assert made is not None
    assert made.rebuilt
    assert made.crds == ("nodefeatures.nfd.openshift.io",)
    assert made.csvs == ("openshift-nfd/nfd.v1",)


def test_node_labels_of_an_operator_that_is_not_ours_were_there_before() -> None:
    labels = {"feature.node.kubernetes.io/cpu": "x", "nvidia.com/gpu.present": "true"}
    made = recovery.rebuild(
        snapshot(namespaces=[ours("openshift-nfd")], nodes=[node("gpu-0", labels=labels)])
    )
    assert made is not None
    assert made.node_labels == {"gpu-0": ("nvidia.com/gpu.present",)}


def test_only_the_marked_taint_is_ours() -> None:
    taints = [
        {"key": "ours", "value": "x", "effect": "NoSchedule"},
        {"key": "theirs", "value": "x", "effect": "NoSchedule"},
    ]
    marked = node("gpu-0", taints=taints, annotations={"oc-gpu.io/taint": "ours=x:NoSchedule"})
    seen = snapshot(nodes=[marked, node("gpu-1", taints=taints)])
    context = contexts.build(GpuPlatform(), seen)
    assert context.before.taint == "ours=x:NoSchedule"
    patches = [a for a in planned_actions(way_back(context), seen) if a.ref.name.startswith("gpu")]
    (patch,) = [a.patch for a in patches]  # type: ignore[union-attr]
    assert patch["spec"] == {"taints": [taints[1]]}
    assert patch["metadata"]["annotations"] == {"oc-gpu.io/taint": None}


def test_a_csv_that_was_there_before_is_neither_taken_nor_waited_for() -> None:
    seen = snapshot(
        clusterversions=[
            {
                "metadata": meta("version"),
                "status": {"history": [{"state": "Completed", "version": "4.20.4"}]},
            }
        ],
        clusterpolicies=[{**ours("gpu-cluster-policy", "gpu-operator"), "spec": {}}],
        csvs=[csv("gpu-operator-certified.v25.10.1", BEFORE, "nvidia-gpu-operator")],
    )
    actions = planned_actions(way_back(contexts.build(GpuPlatform(), seen)), seen)
    assert "gpu-operator-certified" not in " ".join(str(action.ref) for action in actions)


def test_what_others_policies_had_before_is_said_to_be_unknown() -> None:
    theirs = {
        "metadata": meta("gpu-cluster-policy", managedFields=[{"manager": "oc-gpu"}]),
        "spec": {},
    }
    (said,) = recovery.unknown(snapshot(clusterpolicies=[theirs]))
    assert "ClusterPolicy/gpu-cluster-policy" in said
    assert "stay" in said
