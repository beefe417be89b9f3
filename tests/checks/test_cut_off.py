"""What is cut off or not there: an API server, a webhook, a fabric, a module, a kernel's image."""

from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.snapshot.texts import Text, TextRef
from tests.checks.patient import BUILD, NODE, Patient

_GPU = "nvidia.com/gpu"
_API = "apiserver-unreachable"
_WEBHOOK = "webhook-unreachable"
_FIFTH = "fabric-manager-nvlink5-prereq"
_FABRIC = "fabric-manager-not-running"
_PROFILING = "dcgm-profiling-failed"
_OLD_PODS = "driver-upgrade-stale-gpu-pods"


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def _k8s() -> Patient:
    return Patient(openshift=False)


_CUT_OFF = (
    "E0416 reflector.go:125] Failed to list *v1.Node: Get https://api.example.com:6443/api/v1/nodes"
    ": dial tcp 192.168.111.5:6443: connect: invalid argument"
)


def silent(*lines: str, status: str = "Unknown", name: str = "journalctl_kubelet") -> Patient:
    """A node of which nothing is heard, and what its kubelet said."""
    made = _k8s()
    made.now = 1767268800.0
    ready = {"type": "Ready", "status": status, "reason": "NodeStatusUnknown", "message": "stopped"}
    told = {**ready, "lastTransitionTime": "2026-01-01T11:00:00Z"}
    return made.node(conditions=[told]).file(f"sos_commands/openshift/{name}", *lines)


def test_the_journal_of_a_silent_node_tells_that_the_way_to_the_api_server_is_cut() -> None:
    assert silent(_CUT_OFF).diagnosis()[0].cause == _API
    assert silent("I0416 kubelet.go: all is well").diagnosis()[0].cause == "node-not-ready"
    joined = silent(_CUT_OFF, "I0416 kubelet_node_status.go: Successfully registered node gpu-0")
    assert _one(joined, _API) is None
    passed = silent(_CUT_OFF, *(f"I0416 kubelet.go: pod {n} started" for n in range(2000)))
    assert passed.diagnosis()[0].cause == "node-not-ready"
    assert _one(silent(_CUT_OFF, status="True"), _API) is None


def late(message: str, *, named: bool = False, reason: str = "FailedCreate") -> Patient:
    """An operand that got no pod, for which its event has a reason."""
    made = _k8s().without("gfd").drop("namespaces").workload("gfd")
    name = "gpu-feature-discovery"
    made.tables["pods"] = [p for p in made.tables["pods"] if name not in p["metadata"]["name"]]
    now = {"desiredNumberScheduled": 1, "currentNumberScheduled": 0, "numberReady": 0}
    made.one("daemonsets", name)["status"] = now
    made.event(name, message, kind="DaemonSet", reason=reason)
    if named:
        pod = "kube-apiserver-master-0"
        made.pod(pod, "kube-system", {"containers": [{"name": "kube-apiserver"}]})
        ref = TextRef(kind="log", where=pod, namespace="kube-system", pod=pod)
        line = 'dispatcher.go: failed calling webhook "webhook.example.com": deadline exceeded'
        made.texts[ref] = (Text([line]),)
    return made


_LATE = "Error creating: Timeout: request did not complete within requested timeout"


def test_an_operand_that_gets_no_pods_in_time_waits_for_a_webhook() -> None:
    first = late(_LATE).diagnosis()[0]
    assert first.cause == _WEBHOOK
    assert first.confidence < SURE
    assert _one(late(_LATE), "pod-security-rejected") is None
    older = late("Error creating: Timeout: request did not complete within allowed duration")
    assert _one(older, _WEBHOOK) is not None
    assert _one(late(_LATE, reason="FailedUpdate"), _WEBHOOK) is None
    other = late("Error creating: the namespace is terminating")
    assert _one(other, _WEBHOOK) is None
    assert _one(other, "pod-security-rejected") is not None


def test_a_webhook_that_the_api_server_names_is_found() -> None:
    found = _one(late(_LATE, named=True), _WEBHOOK)
    assert found is not None
    assert found.confidence > SURE
    assert _one(late("Error creating: no", named=True), _WEBHOOK) is None


def in_progress(product: str = "B200", state: str = "In Progress") -> Patient:
    """A node whose cards wait for their fabric, as nvidia-smi shows it."""
    lines = (
        f"    Product Name                          : NVIDIA {product}",
        "    Fabric",
        f"        State                             : {state}",
        "        Status                            : N/A",
    )
    return _k8s().file("nvidia-bug-report", *lines)


def test_cards_that_wait_for_their_fabric_are_worth_a_note() -> None:
    (found,) = in_progress().diagnosis()
    assert (found.cause, found.severity) == (_FIFTH, Severity.WARNING)
    (found,) = in_progress("H100 80GB HBM3").diagnosis()
    assert (found.cause, found.severity) == (_FABRIC, Severity.WARNING)
    assert in_progress(state="Completed").diagnosis() == ()


def test_a_program_that_fails_on_such_a_card_makes_it_a_cause() -> None:
    container = {"name": "app", "resources": {"limits": {_GPU: "1"}}}
    made = in_progress().pod("train-0", "ml", {"containers": [container], "nodeName": NODE})
    pulls = _one(made.fails("train-0", "ImagePullBackOff"), _FIFTH)
    assert pulls is not None
    assert pulls.severity is Severity.WARNING
    found = _one(made.fails("train-0"), _FIFTH)
    assert found is not None
    assert found.severity is Severity.ERROR
    assert found.confidence > SURE


def test_a_unit_of_the_host_that_failed_is_shown_beside_it() -> None:
    line = "* nvidia-fabricmanager.service loaded failed failed NVIDIA fabric manager service"
    (found,) = in_progress().file("systemctl_list-units_--failed", line).diagnosis()
    assert line in [one.quote for one in found.evidence]
    assert _k8s().file("systemctl_list-units_--failed", line).diagnosis() == ()


_LEFT_OUT = "Not collecting DCP metrics: a module of DCGM that is not currently loaded"
_NO_FILE = "Failed to load module 8 - dlopen(libdcgmmoduleprofiling.so.4) returned: No such file"


def test_an_exporter_without_the_profiling_module_leaves_its_metrics_out() -> None:
    (found,) = _k8s().log("exporter", _LEFT_OUT, _NO_FILE).diagnosis()
    assert (found.cause, found.severity) == (_PROFILING, Severity.WARNING)
    assert "not in the exporter's image" in found.title
    (found,) = _k8s().log("exporter", _LEFT_OUT).diagnosis()
    assert found.cause == "dcgm-profiling-unsupported"
    other = "Failed to load module 4 - dlopen(libdcgmmodulehealth.so.4) returned: No such file"
    assert _one(_k8s().log("exporter", other), _PROFILING) is None


def test_an_exporter_that_fails_for_want_of_the_module_is_a_cause() -> None:
    fails = ("DcgmModuleProfiling failed to initialize.", "Failed to load module 8 [LoadModule]")
    there = _one(_k8s().fails("exporter").log("exporter", *fails), _PROFILING)
    assert there is not None
    assert "not in the exporter's image" not in there.title
    found = _one(_k8s().fails("exporter").log("exporter", _NO_FILE), _PROFILING)
    assert found is not None
    assert found.severity is Severity.ERROR
    assert found.confidence > SURE


def broken_toolkit(build: str = BUILD) -> Patient:
    """A Driver Toolkit of another kernel than its node's, on a node with the label of a build."""
    made = Patient().fails("driver")
    made.labels(**{"feature.node.kubernetes.io/system-os_release.OSTREE_VERSION": build})
    lines = (
        "WARNING: broken Driver Toolkit image detected:",
        "- Node kernel:    6.12.0-224.el10.x86_64",
        "- Kernel package: 6.12.0-212.el10.x86_64",
    )
    return made.log("driver", *lines, container="openshift-driver-toolkit-ctr")


def test_an_image_of_the_right_build_may_be_of_another_kernel() -> None:
    first = broken_toolkit().diagnosis()[0]
    assert first.cause == "dtk-image-missing"
    assert any("6.12.0-212" in one.quote for one in first.evidence)
    stale = broken_toolkit("415.92.202401010000-0")
    assert stale.diagnosis()[0].cause == "nfd-stale-labels"
    assert _one(stale, "dtk-image-missing") is None


def mismatch(began: str, words: str = "Driver/library version mismatch") -> Patient:
    """A program with a GPU that runs beside a driver of the host, and a plugin of one day."""
    made = _k8s().policy("ready", driver={"enabled": False}).without("driver")
    made.pod_of("plugin")["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    container = {"name": "app", "resources": {"limits": {_GPU: "1"}}}
    spec = {"containers": [container], "nodeName": NODE}
    made.pod("notebook-0", "ml", spec, creationTimestamp=began)
    return made.log("notebook-0", f"Failed to initialize NVML: {words}")


def test_a_program_older_than_a_plugin_that_works_still_has_the_library_of_before() -> None:
    assert _one(mismatch("2025-12-01T00:00:00Z"), _OLD_PODS) is not None
    spelled = mismatch("2025-12-01T00:00:00Z", "Driver / library version mismatch")
    assert _one(spelled, _OLD_PODS) is not None
    assert _one(mismatch("2026-01-01T11:00:00Z"), _OLD_PODS) is None
