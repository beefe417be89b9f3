"""The road on small worlds: state in, milestones out."""

from typing import Any

import msgspec

from oc_gpu.config import GpuPlatform
from oc_gpu.snapshot.naming import names_of
from oc_gpu.snapshot.packages import PackageManifest
from oc_gpu.stages import context as contexts
from oc_gpu.stages import nfd
from oc_gpu.stages import record as records
from oc_gpu.stages.engine import assess, planned_actions
from oc_gpu.stages.gpu_operator import node_operands
from oc_gpu.stages.model import Apply, Assessment, Delete, State
from oc_gpu.stages.platform import gpu_nodes
from oc_gpu.stages.road import road, way_back
from tests.stages.builders import meta, node, pool, snapshot

CARD = "feature.node.kubernetes.io/pci-10de.present"
EXAMPLES = {
    "nfd": {
        "apiVersion": "nfd.openshift.io/v1",
        "kind": "NodeFeatureDiscovery",
        "metadata": {"name": "nfd-instance"},
        "spec": {"operand": {"image": "quay.io/nfd:1", "servicePort": 12000}},
    },
    "gpu-operator-certified": {
        "apiVersion": "nvidia.com/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "gpu-cluster-policy"},
        "spec": {"driver": {"enabled": True}, "daemonsets": {}},
    },
}


def _package(name: str, catalog: str, **channels: str) -> PackageManifest:
    annotations = {"alm-examples": msgspec.json.encode([EXAMPLES[name]]).decode()}
    return msgspec.convert(
        {
            "metadata": meta(name),
            "status": {
                "catalogSource": catalog,
                "catalogSourceNamespace": "openshift-marketplace",
                "packageName": name,
                "defaultChannel": next(iter(channels)),
                "channels": [
                    {"name": c, "currentCSV": csv, "currentCSVDesc": {"annotations": annotations}}
                    for c, csv in channels.items()
                ],
            },
        },
        PackageManifest,
    )


def _world(**more: Any) -> dict[str, Any]:
    version = {"status": {"history": [{"state": "Completed", "version": "4.20.4"}]}}
    return {
        "clusterversions": [{"metadata": meta("version"), **version}],
        "nodes": [node("gpu-0"), node("worker-0"), node("master-0", role="master")],
        "packagemanifests": [
            _package("nfd", "redhat-operators", stable="nfd.4.20.0-1"),
            _package(
                "gpu-operator-certified",
                "certified-operators",
                **{"v25.10": "gpu-operator-certified.v25.10.1"},
            ),
        ],
        "imagestreams": [{"metadata": meta("driver-toolkit", namespace="openshift")}],
        "machineconfigpools": [pool("worker", "00-worker")],
        **more,
    }


def _assessed(**more: Any) -> dict[str, Assessment]:
    seen = snapshot(**_world(**more))
    return {a.stage: a for a in assess(road(contexts.build(GpuPlatform(), seen)), seen)}


def _document(**spec: Any) -> GpuPlatform:
    return msgspec.convert({"spec": spec}, GpuPlatform)


def test_new_cluster_of_today_needs_no_entitlement_and_starts_with_the_record() -> None:
    stages = _assessed()
    assert stages["entitlement"].state is State.NOT_NEEDED
    assert stages["record"].state is State.DUE
    assert stages["nfd"].detail == "waits for record"
    assert stages["isolation"].state is State.NOT_NEEDED


def test_plan_of_a_new_cluster_lists_all_objects_of_the_road() -> None:
    seen = snapshot(**_world())
    actions = planned_actions(road(contexts.build(GpuPlatform(), seen)), seen)
    assert [str(a.ref) for a in actions] == [
        "Namespace/oc-gpu",
        "ConfigMap/oc-gpu-record in oc-gpu",
        "Namespace/openshift-nfd",
        "OperatorGroup/openshift-nfd in openshift-nfd",
        "Subscription/nfd in openshift-nfd",
        "NodeFeatureDiscovery/nfd-instance in openshift-nfd",
        "Namespace/nvidia-gpu-operator",
        "OperatorGroup/nvidia-gpu-operator in nvidia-gpu-operator",
        "Subscription/gpu-operator-certified in nvidia-gpu-operator",
        "ClusterPolicy/gpu-cluster-policy",
    ]


def test_catalog_without_the_package_blocks_before_anything_is_due() -> None:
    stages = _assessed(packagemanifests=[])
    assert stages["gpu-operator"].state is State.BLOCKED
    assert stages["gpu-operator"].cause == "olm-package-not-in-catalog"


def test_entitlement_without_a_file_blocks_with_what_to_do() -> None:
    version = {"status": {"history": [{"state": "Completed", "version": "4.4.33"}]}}
    stages = _assessed(clusterversions=[{"metadata": meta("version"), **version}])
    assert stages["entitlement"].state is State.BLOCKED
    assert any("--entitlement" in hint for hint in stages["entitlement"].hints)


def test_nfd_of_somebody_else_is_used_and_not_applied() -> None:
    theirs = {"metadata": meta("theirs", namespace="openshift-nfd"), "spec": {}}
    seen = snapshot(
        **_world(nodefeaturediscoveries=[theirs], nodes=[node("gpu-0", labels={CARD: "true"})])
    )
    plans = road(contexts.build(GpuPlatform(), seen))
    stages = {a.stage: a for a in assess(plans, seen)}
    assert stages["nfd"].state is State.DONE
    assert not any("nfd" in str(a.ref).lower() for a in planned_actions(plans, seen))


def test_way_back_of_an_untouched_cluster_deletes_nothing() -> None:
    theirs = {"metadata": meta("theirs", namespace="openshift-nfd"), "spec": {}}
    seen = snapshot(
        **_world(nodefeaturediscoveries=[theirs], nodes=[node("gpu-0", labels={CARD: "true"})])
    )
    plans = way_back(contexts.build(GpuPlatform(), seen))
    assert planned_actions(plans, seen) == ()
    assert {a.state for a in assess(plans, seen)} <= {State.DONE, State.NOT_NEEDED}


def test_taint_is_set_on_gpu_nodes_only_and_after_the_operands_tolerate_it() -> None:
    seen = snapshot(**_world(nodes=[node("gpu-0", labels={CARD: "true"}), node("worker-0")]))
    config = _document(isolation={"taint": "nodetype=gpu:NoSchedule"})
    plans = road(contexts.build(config, seen))
    isolation = next(p for p in plans if p.name == "isolation")
    tolerated, tainted = isolation.milestones
    assert [a.ref.name for a in tainted.actions] == ["gpu-0"]
    assert tolerated.after == tainted.after == ("record", "gpu-operator")
    policy = next(
        a.manifest
        for a in planned_actions(plans, seen)
        if isinstance(a, Apply) and a.ref.resource.kind == "ClusterPolicy"
    )
    assert [t["key"] for t in policy["spec"]["daemonsets"]["tolerations"]] == [
        "nvidia.com/gpu",
        "nodetype",
    ]


def test_operands_tolerate_a_taint_that_gpu_nodes_have_already() -> None:
    taints = [{"key": "dedicated", "value": "ml", "effect": "NoSchedule"}]
    seen = snapshot(**_world(nodes=[node("gpu-0", labels={CARD: "true"}, taints=taints)]))
    policy = next(
        a.manifest
        for a in planned_actions(road(contexts.build(GpuPlatform(), seen)), seen)
        if isinstance(a, Apply) and a.ref.resource.kind == "ClusterPolicy"
    )
    assert policy["spec"]["daemonsets"]["tolerations"][1]["key"] == "dedicated"


def test_gpu_nodes_without_operands_are_not_waited_for() -> None:
    def labelled(name: str, **more: str) -> Any:
        return node(name, labels={CARD: "true", **{f"nvidia.com/{k}": v for k, v in more.items()}})

    nodes = [
        labelled("gpu-0"),
        labelled("gpu-off", **{"gpu.deploy.operands": "false"}),
        labelled("gpu-vm", **{"gpu.workload.config": "vm-passthrough"}),
    ]
    policy = {"metadata": meta("gpu-cluster-policy"), "spec": {}}
    seen = snapshot(**_world(nodes=nodes, clusterpolicies=[policy]))
    assert names_of(gpu_nodes(seen)) == ("gpu-0", "gpu-vm")
    policy["spec"] = {"sandboxWorkloads": {"enabled": True}}
    divided = snapshot(**_world(nodes=nodes, clusterpolicies=[policy]))
    assert names_of(gpu_nodes(divided)) == ("gpu-0",)


def test_cluster_whose_gpu_nodes_are_all_switched_off_is_told_so() -> None:
    labels = {CARD: "true", "nvidia.com/gpu.deploy.operands": "false", f"{nfd.FEATURE}x": "true"}
    off = node("gpu-0", labels=labels)
    progress = nfd._labels(contexts.build(GpuPlatform(), snapshot(**_world(nodes=[off]))))
    assert progress.state is State.FAILED
    assert "every GPU node is switched off" in progress.detail


def test_mig_manager_is_waited_for_where_the_cards_can_be_divided() -> None:
    labels = {CARD: "true", "nvidia.com/gpu.product": "A100", "nvidia.com/mig.capable": "true"}
    context = contexts.build(GpuPlatform(), snapshot(**_world()))
    whole, divisible = node("gpu-0", labels={CARD: "true"}), node("gpu-1", labels=labels)
    more = set(node_operands(context, divisible)) - set(node_operands(context, whole))
    assert more == {"nvidia-mig-manager"}
    assert node_operands(context, whole) == node_operands(context)


def test_way_back_deletes_what_is_ours_and_waits_for_what_depends_on_it() -> None:
    ours = {"app.kubernetes.io/managed-by": "oc-gpu"}
    policy = {"metadata": meta("gpu-cluster-policy", labels=ours), "spec": {}}
    kept = records.action(records.Record()).manifest
    seen = snapshot(**_world(clusterpolicies=[policy], configmaps=[kept]))
    plans = way_back(contexts.build(GpuPlatform(), seen))
    due = {a.stage: a.due for a in assess(plans, seen)}
    assert [str(a.ref) for a in due["gpu-operator"]] == ["ClusterPolicy/gpu-cluster-policy"]
    assert all(isinstance(a, Delete) for a in due["gpu-operator"])
