"""Namespaces, OLM objects and the pods of verify."""

from typing import Any

import pytest
from msgspec.structs import replace

from oc_gpu.manifests import entitlement, namespaces, olm, verify
from oc_gpu.manifests.labels import labels
from oc_gpu.manifests.olm import Wanted

WANTED = Wanted(
    package="gpu-operator-certified",
    channel="v25.10",
    csv="gpu-operator-certified.v25.10.1",
    namespace="nvidia-gpu-operator",
    catalog="certified-operators",
)
EVERYTHING = (
    namespaces.namespace("ns", "nfd"),
    olm.operator_group("ns", "nfd"),
    olm.subscription(WANTED, "gpu-operator"),
    entitlement.secret(b"pem", "default"),
    *entitlement.machine_configs(b"pem", "worker", "3.2.0"),
    entitlement.mounting_pod("default", "ubi"),
    entitlement.cluster_pod("default", "ubi"),
    verify.sample_pod(verify.Place("node", "ns", "cuda", "run"), "/vectorAdd"),
    verify.stay_off_pod(verify.Place("node", "ns", "ubi", "run")),
)


@pytest.mark.parametrize("made", EVERYTHING, ids=lambda o: f"{o['kind']}/{o['metadata']['name']}")
def test_everything_that_we_make_says_so(made: Any) -> None:
    carried = made["metadata"]["labels"]
    assert carried["app.kubernetes.io/managed-by"] == "oc-gpu"
    assert carried["app.kubernetes.io/part-of"] == "oc-gpu"
    assert carried["oc-gpu.io/stage"] in {"entitlement", "nfd", "gpu-operator", "verify"}


def test_labels_of_one_s_own_cannot_hide_whose_it_is() -> None:
    assert labels("nfd", {"app.kubernetes.io/managed-by": "x"})[
        "app.kubernetes.io/managed-by"
    ] == "oc-gpu"  # fmt: skip


def test_a_cluster_wide_node_selector_does_not_reach_our_namespaces() -> None:
    made = namespaces.namespace("ocp-nfd", "nfd")
    assert made["metadata"]["annotations"] == {"openshift.io/node-selector": ""}


@pytest.mark.parametrize(("stage", "monitored"), [("gpu-operator", "true"), ("nfd", None)])
def test_only_the_namespace_of_gpu_operands_is_monitored(stage: str, monitored: str | None) -> None:
    carried = namespaces.namespace("ns", stage)["metadata"]["labels"]
    assert carried.get("openshift.io/cluster-monitoring") == monitored


def test_an_operator_group_targets_its_own_namespace_only() -> None:
    made = olm.operator_group("openshift-nfd", "nfd")
    assert made["metadata"]["namespace"] == "openshift-nfd"
    assert made["spec"] == {"targetNamespaces": ["openshift-nfd"]}


def test_a_subscription_names_catalog_and_channel() -> None:
    made = olm.subscription(WANTED, "gpu-operator")
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == (
        "gpu-operator-certified",
        "nvidia-gpu-operator",
    )
    assert made["spec"]["name"] == "gpu-operator-certified"
    assert made["spec"]["channel"] == "v25.10"
    assert made["spec"]["source"] == "certified-operators"
    assert made["spec"]["sourceNamespace"] == "openshift-marketplace"
    assert made["spec"]["installPlanApproval"] == "Automatic"
    assert "startingCSV" not in made["spec"]


def test_a_pinned_release_is_named_and_its_upgrades_wait() -> None:
    made = olm.subscription(replace(WANTED, pinned=True), "gpu-operator")
    assert made["spec"]["startingCSV"] == "gpu-operator-certified.v25.10.1"
    assert made["spec"]["installPlanApproval"] == "Manual"


def node_of(pod: Any) -> Any:
    required = pod["spec"]["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    (term,) = required["nodeSelectorTerms"]
    (field,) = term["matchFields"]
    assert (field["key"], field["operator"]) == ("metadata.name", "In")
    return field["values"]


PLACE = verify.Place("worker03", "oc-gpu", "cuda", "run1", 1000.5)


def test_a_verify_pod_tells_its_run_and_until_when_that_may_need_it() -> None:
    meta = verify.stay_off_pod(PLACE)["metadata"]
    assert meta["labels"][verify.RUN] == "run1"
    assert meta["annotations"] == {verify.UNTIL: "1000"}


def test_the_sample_pod_asks_for_one_gpu_of_one_node_and_names_it() -> None:
    pod = verify.sample_pod(PLACE, "/cuda-samples/vectorAdd")
    (container,) = pod["spec"]["containers"]
    assert node_of(pod) == ["worker03"]
    assert container["resources"] == {"limits": {"nvidia.com/gpu": "1"}}
    assert container["command"] == ["sh", "-c", "nvidia-smi -L && /cuda-samples/vectorAdd"]
    assert "tolerations" not in pod["spec"]


def test_the_sample_pod_tolerates_what_it_is_told_to() -> None:
    toleration = {"key": "nodetype", "operator": "Exists"}
    pod = verify.sample_pod(PLACE, "/x", (toleration,))
    assert pod["spec"]["tolerations"] == [toleration]


def test_the_stay_off_pod_asks_for_no_gpu_and_tolerates_nothing() -> None:
    pod = verify.stay_off_pod(PLACE)
    assert node_of(pod) == ["worker03"]
    assert "resources" not in pod["spec"]["containers"][0]
    assert "tolerations" not in pod["spec"]


@pytest.mark.parametrize("build", [verify.sample_pod, verify.stay_off_pod])
def test_verify_pods_end_and_need_no_privilege_nor_credentials(build: Any) -> None:
    more = ("/x",) if build is verify.sample_pod else ()
    pod = build(PLACE, *more)
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["automountServiceAccountToken"] is False
    context = pod["spec"]["containers"][0]["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}


def test_pods_never_fix_a_user_that_the_cluster_may_refuse() -> None:
    contexts = [
        context
        for made in EVERYTHING
        if made["kind"] == "Pod"
        for context in (
            made["spec"].get("securityContext") or {},
            made["spec"]["containers"][0]["securityContext"],
        )
    ]
    assert contexts
    for context in contexts:
        assert not {"runAsUser", "runAsNonRoot"} & set(context)


def test_names_of_verify_pods_differ_by_node_and_fit() -> None:
    long = "a" * 250
    nodes = ("n1", "n2", f"{long}x", f"{long}y")
    names = {verify.pod_name("cuda-sample", node, run) for node in nodes for run in ("r1", "r2")}
    assert len(names) == 8
    assert max(map(len, names)) <= 253
    assert verify.pod_name("cuda-sample", "worker03", "r1") == "oc-gpu-cuda-sample-worker03-r1"
