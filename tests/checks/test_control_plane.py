"""What tells of the API server, webhooks and the pod network where no program names them."""

import pytest

from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.model import Finding, Severity
from tests.checks.patient import NODE, Patient

_NETWORK, _SERVER = "pod-network-broken", "apiserver-unreachable"


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def _k8s(operator: str = "v24.9.2") -> Patient:
    return Patient(openshift=False, operator=operator)


def server(
    part: str = "kube-apiserver", *, asks: bool = True, space: str = "kube-system"
) -> Patient:
    """An API server, or its store, that crashes, and an operator that asks it."""
    made = _k8s().pod(f"{part}-master-0", space, {"containers": [{"name": part}]})
    made.fails(f"{part}-master-0")
    return made.fails("operator") if asks else made


@pytest.mark.parametrize("part", ["kube-apiserver", "etcd"])
def test_an_api_server_that_crashes_itself(part: str) -> None:
    assert server(part).diagnosis()[0].cause == _SERVER
    assert _one(server(part, asks=False), _SERVER) is None
    assert _one(server(part, space="ml"), _SERVER) is None


def operator(name: str, kind: str, status: str, *, asks: bool = True) -> Patient:
    """An operator of the platform that says how it is, and a GPU Operator that crashes."""
    told = {"type": kind, "status": status, "reason": "RolloutHung", "message": "no progress"}
    made = Patient().add("clusteroperators", name, status={"conditions": [told]})
    return made.fails("operator") if asks else made


@pytest.mark.parametrize(
    ("name", "kind", "status", "cause"),
    [
        ("kube-apiserver", "Available", "False", _SERVER),
        ("etcd", "Degraded", "True", _SERVER),
        ("network", "Degraded", "True", _NETWORK),
    ],
)
def test_operators_of_the_platform_say_that_they_are_not_well(
    name: str, kind: str, status: str, cause: str
) -> None:
    assert operator(name, kind, status).diagnosis()[0].cause == cause
    assert _one(operator(name, kind, status, asks=False), cause) is None
    other = "True" if status == "False" else "False"
    assert _one(operator(name, kind, other), cause) is None
    assert _one(operator("console", kind, status), cause) is None


def test_a_node_that_is_cut_off_from_the_pod_network() -> None:
    told = {"type": "NetworkUnavailable", "status": "True", "message": "Calico is shutting down"}
    ready = {"type": "Ready", "status": "True"}
    made = _k8s().fails("gfd").node(conditions=[ready, told])
    assert made.diagnosis()[0].cause == _NETWORK
    assert _one(_k8s().node(conditions=[ready, told]), _NETWORK) is None
    well = _k8s().fails("gfd").node(conditions=[ready, {**told, "status": "False"}])
    assert _one(well, _NETWORK) is None


def beside(state: str = "not ready", name: str = "calico-node-0") -> Patient:
    """A part of the network that is not ready, and a program beside it that fails."""
    made = _k8s().fails("gfd").pod(name, "net", {"containers": [{"name": "n"}], "nodeName": NODE})
    if state == "not ready":
        pod = made.pod_of(name)
        pod["status"]["containerStatuses"][0] |= {"ready": False}
        pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    return made


def test_a_part_of_the_network_that_is_not_ready_beside_what_asks_for_it() -> None:
    assert beside().diagnosis()[0].cause == _NETWORK
    assert _one(beside("ready"), _NETWORK) is None
    assert _one(beside(name="web-0"), _NETWORK) is None


def test_a_call_to_the_api_server_that_ends_at_once() -> None:
    line = 'failed to get server groups: Get "https://10.233.0.1:443/api": EOF'
    assert _k8s().fails("operator").log("operator", line).diagnosis()[0].cause == _SERVER
    other = 'Get "https://nvcr.io/v2/": EOF'
    assert _one(_k8s().fails("operator").log("operator", other), _SERVER) is None


def test_calls_that_failed_where_the_reason_is_cut() -> None:
    line = 'Reconciler error {"error": "Get \\"https://10.96.0.1:443/api/v1/nodes?li'
    first = _k8s().fails("gfd").log("gfd", line).diagnosis()[0]
    assert first.cause == _SERVER
    assert _one(_k8s().log("gfd", line), _SERVER) is None
    whole = 'Get "https://10.96.0.1:443/api": x509: certificate has expired'
    assert _one(_k8s().fails("gfd").log("gfd", whole), _SERVER) is None
    other = 'Get "https://example.com/models": unex'
    assert _one(_k8s().fails("gfd").log("gfd", other), _SERVER) is None


def test_a_lease_that_was_not_kept_where_the_reason_is_cut() -> None:
    cause = "leader-election-lost-apiserver"
    line = 'leaderelection.go:369] Failed to update lock: Put "https://10.96.0.1:443/apis/coor'
    assert _k8s().fails("operator").log("operator", line).diagnosis()[0].cause == cause
    refused = 'error retrieving resource lock gpu-operator/x: leases "x" is forbidden: User "y"'
    assert _one(_k8s().fails("operator").log("operator", refused), cause) is None


def test_features_that_are_not_published_for_want_of_the_api_server() -> None:
    cause, line = "gfd-nodefeature-api-mismatch", "error creating NodeFeature object: "
    lost = f'{line}Post "https://10.96.0.1:443/apis/nfd.k8s-sigs.io/v1alpha1": EOF'
    assert _k8s().fails("gfd").log("gfd", lost).diagnosis()[0].cause == _SERVER
    assert _one(_k8s().fails("gfd").log("gfd", lost), cause) is None
    assert _one(_k8s().fails("gfd").log("gfd", f"{line}not found"), cause) is not None


_CALL = 'failed calling webhook "validate.kyverno": no endpoints available for service "kyverno"'


def status(kind: str, value: str, text: str = _CALL) -> Patient:
    """A ClusterPolicy with a condition."""
    made = _k8s().policy()
    told = {"type": kind, "status": value, "reason": "ReconcileFailed", "message": text}
    made.one("clusterpolicies", "gpu-cluster-policy")["status"]["conditions"] = [told]
    return made


def test_the_status_of_an_object_tells_of_a_webhook_that_was_called_in_vain() -> None:
    cause = "webhook-unreachable"
    assert status("Error", "True").diagnosis()[0].cause == cause
    assert status("Ready", "False").diagnosis()[0].cause == cause
    assert _one(status("Error", "False"), cause) is None
    assert _one(status("Error", "True", "it is not ready"), cause) is None
    csv = {"phase": "Failed", "message": f"install strategy failed: {_CALL}"}
    failed = Patient().add("csvs", "gpu-operator-certified.v24.9.2", "nv", status=csv)
    assert failed.diagnosis()[0].cause == cause
    well = Patient().add("csvs", "gpu-operator.v24.9.2", "nv", status={**csv, "phase": "Succeeded"})
    assert _one(well, cause) is None


def test_a_webhook_that_converts_objects_is_one_too() -> None:
    line = "conversion webhook for nfd.openshift.io/v1, Kind=NodeFeatureDiscovery failed: Post"
    made = _k8s().fails("nfd-operator").log("nfd-operator", line)
    assert made.diagnosis()[0].cause == "webhook-unreachable"


def test_the_operator_writes_again_and_again_that_the_driver_is_not_ready() -> None:
    cause = "driver-not-ready-generic"
    wait = 'ClusterPolicy step completed {"state:": "state-driver", "status": "notReady"}'
    done = 'ClusterPolicy step completed {"state:": "state-driver", "status": "ready"}'
    assert _one(_k8s().policy().log("operator", wait), cause) is not None
    assert _one(_k8s().policy().log("operator", wait, done), cause) is None
    assert _k8s().log("operator", wait).diagnosis() == ()


def test_an_operator_that_holds_the_platform_back_is_worth_a_note() -> None:
    text = "nv/gpu-operator.v22.9.2 is incompatible with OpenShift minor versions greater than 4.12"

    def of(message: str) -> tuple[Finding, ...]:
        told = {"type": "Upgradeable", "status": "False", "message": message}
        made = Patient().add("clusteroperators", "olm", status={"conditions": [told]})
        return made.diagnosis()

    (found,) = of(text)
    assert (found.cause, found.severity) == ("unsupported-version-matrix", Severity.WARNING)
    assert of(text.replace("gpu-operator", "other")) == ()


def test_derivatives_of_red_hats_system_are_like_it() -> None:
    def of(runtime: str) -> Finding | None:
        info = {"osImage": "Rocky Linux 8.6 (Green)", "containerRuntimeVersion": runtime}
        made = _k8s("v22.9.1").fails("toolkit").node(nodeInfo=info)
        return _one(made, "unsupported-runtime-os")

    assert of("docker://20.10.17") is not None
    assert of("containerd://1.7.1") is None


def policies(name: str = "gatekeeper-controller-manager-0", current: int = 0) -> Patient:
    """A program that answers for webhooks and crashes, and operands without pods."""
    made = _k8s().pod(name, "policies", {"containers": [{"name": "manager"}], "nodeName": NODE})
    counts = made.fails(name).one("daemonsets", "nvidia-device-plugin-daemonset")["status"]
    counts |= {"currentNumberScheduled": current, "numberReady": current}
    return made


def test_operands_without_pods_beside_a_webhook_that_crashes() -> None:
    cause = "webhook-unreachable"
    found = _one(policies(), cause)
    assert found is not None
    assert found.confidence < SURE
    assert _one(policies(current=1), cause) is None
    assert _one(policies("web-0"), cause) is None


def worked(count: int = 17, *lines: str) -> Patient:
    """An operator that crashes so often, and whose operands are well."""
    made = _k8s().fails("operator")
    made.pod_of("operator")["status"]["containerStatuses"][0]["restartCount"] = count
    return made.log("operator", *lines) if lines else made


def test_an_operator_that_crashes_for_long_after_it_did_its_work() -> None:
    cause = "leader-election-lost-apiserver"
    found = _one(worked(), cause)
    assert found is not None
    assert found.confidence < SURE
    assert _one(worked(3), cause) is None
    assert _one(worked(17, "panic: nil map"), cause) is None
    assert _one(worked().fails("plugin"), cause) is None


def without_stream(*, container: str = "") -> Patient:
    """A driver that fails where there is no image stream of Driver Toolkit."""
    made = Patient().drop("imagestreams").fails("driver")
    if container:
        made.pod_of("driver")["spec"]["containers"].append({"name": container})
    return made


def test_a_driver_that_is_built_without_driver_toolkit_though_it_should_be() -> None:
    cause = "dtk-image-missing"
    assert _one(without_stream(), cause) is not None
    assert _one(without_stream(container="openshift-driver-toolkit-ctr"), cause) is None
    off = without_stream().policy(operator={"use_ocp_driver_toolkit": False})
    assert _one(off, cause) is None
    assert _one(Patient().fails("driver"), cause) is None
