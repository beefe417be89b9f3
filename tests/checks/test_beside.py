"""Causes that show beside what fails: in files of a node, in neighbours, in what another has said.

Each has its counterpart, in which the same sign means nothing.
"""

from datetime import UTC, datetime

from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.model import Severity
from tests.checks.ailments import pool
from tests.checks.patient import NODE, Patient

_AVC = (
    'type=AVC msg=audit(1.2:3): avc:  denied  { read } for  pid=7 comm="nvidia-smi" name="params" '
    "scontext=system_u:system_r:container_t:s0 tcontext=system_u:object_r:tmpfs_t:s0 tclass=file"
)
_CONFIG = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]'
_TABLE = (
    "|   0  NVIDIA A100 80GB PCIe          On  |   00000000:3B:00.0 Off |                   On |",
    "|                                         |                        |              Enabled |",
)
_REASON = (
    "can't reconcile config rendered-a with rendered-b: ignition disks section contains changes"
)
_NOTE = "machineconfiguration.openshift.io/"


def job(*, fails: bool) -> Patient:
    gpu = {"limits": {"nvidia.com/gpu": "1"}}
    container = {"name": "app", "image": "cuda:12", "resources": gpu}
    made = Patient(openshift=False)
    made.pod("train-0", "ml", {"containers": [container], "nodeName": NODE})
    return made.fails("train-0") if fails else made


def first(patient: Patient) -> str | None:
    found = patient.diagnosis()
    return found[0].cause if found else None


def test_what_selinux_denies_to_a_users_pod_is_in_the_audit_log() -> None:
    assert first(job(fails=True).file("var/log/audit/audit.log", _AVC)) == "selinux-denied"
    assert first(job(fails=False).file("var/log/audit/audit.log", _AVC)) is None


def test_a_configuration_without_the_runtime_is_told_before_anything_fails() -> None:
    bare = Patient(openshift=False).file("etc/containerd/config.toml", *_CONFIG.splitlines())
    assert first(bare) == "containerd-config-overwritten"
    imports = 'imports = ["/etc/containerd/conf.d/*.toml"]'
    split = Patient(openshift=False).file("etc/containerd/config.toml", imports, _CONFIG)
    assert first(split) is None


def shaken(*, sandboxes: bool) -> Patient:
    """A toolkit that has started often, and a neighbour that started nearly as often."""
    made = Patient(openshift=False)
    made.pod("web-0", "team", {"containers": [{"name": "web"}], "nodeName": NODE})
    for part, count in (("toolkit", 9), ("web-0", 8)):
        made.pod_of(part)["status"]["containerStatuses"][0]["restartCount"] = count
    message = "Pod sandbox changed, it will be killed and re-created."
    return made.event("web-0", message, reason="SandboxChanged") if sandboxes else made


def test_a_toolkit_that_takes_sandboxes_down_with_it_restarts_the_runtime() -> None:
    assert first(shaken(sandboxes=True)) == "toolkit-restarts-runtime"
    assert first(shaken(sandboxes=False)) is None


def test_an_early_operator_does_not_know_a_card_by_its_class() -> None:
    names = "pci-10de.present", "pci-0302_10de.present"
    vendor, form = (f"feature.node.kubernetes.io/{name}" for name in names)

    def bare(operator: str) -> Patient:
        made = Patient(openshift=False, operator=operator).policy()
        made.without("driver", "toolkit", "plugin", "gfd", "dcgm", "exporter", "mig", "validator")
        made.labels(vendor, **{form: "true"})
        for part in ("capacity", "allocatable"):
            made.one("nodes", NODE)["status"][part].pop("nvidia.com/gpu")
        return made

    assert first(bare("v1.3.0")) == "nfd-cr-misconfigured"
    assert first(bare("v1.8.2")) != "nfd-cr-misconfigured"


def test_a_plugin_that_fails_beside_an_unbound_card_lacks_a_driver() -> None:
    def alone(driver: str) -> Patient:
        made = Patient(openshift=False).drop("clusterpolicies")
        made.without("driver", "toolkit", "gfd", "dcgm", "exporter", "mig", "validator", "operator")
        return made.fails("plugin").lspci("1eb8", driver)

    assert first(alone("")) == "driver-disabled-no-host-driver"
    assert first(alone("nvidia")) != "driver-disabled-no-host-driver"


def test_a_card_in_mig_mode_without_instances_lets_a_plugin_fail() -> None:
    made = Patient(openshift=False).fails("plugin").file("nvidia-bug-report", *_TABLE)
    assert first(made) == "mig-enabled-no-devices"
    waits = Patient(openshift=False).fails("plugin", init="toolkit-validation")
    assert first(waits.file("nvidia-bug-report", *_TABLE)) != "mig-enabled-no-devices"


def test_a_driver_that_times_out_cannot_start_its_card() -> None:
    said = "nvidia-container-cli: initialization error: driver rpc error: timed out"
    made = Patient(openshift=False).fails("plugin", "RunContainerError", message=said)
    assert first(made) == "rminitadapter-failed"


def test_a_reason_that_is_told_goes_before_a_configuration_that_is_not_seen() -> None:
    def degraded(reason: str) -> Patient:
        made = pool(reason).add("machineconfigs", "rendered-worker-0", "", spec={})
        notes = {f"{_NOTE}currentConfig": "rendered-a", f"{_NOTE}desiredConfig": "rendered-b"}
        made.one("nodes", NODE)["metadata"]["annotations"] = notes
        return made

    assert first(degraded(_REASON)) == "mcp-bad-machineconfig"
    assert first(degraded("")) == "mcp-rendered-config-missing"


def test_an_operand_of_dgx_systems_is_not_switched_off_elsewhere() -> None:
    deploy = "nvidia.com/gpu.deploy."
    made = Patient().labels(**{f"{deploy}nvsm": ""}).policy()
    assert first(made) != "gpu-deploy-labels-wrong"
    assert first(made.labels(**{f"{deploy}device-plugin": ""})) == "gpu-deploy-labels-wrong"


def test_a_runtime_that_worked_before_is_not_surely_configured_wrongly() -> None:
    def stuck(amounts: dict[str, str]) -> float:
        made = Patient(openshift=False).fails("validator", init="toolkit-validation")
        made.node(nodeInfo={"kubeletVersion": "v1.33.5+rke2r1"})
        made.node(nodeInfo={"containerRuntimeVersion": "containerd://2.1.4-k3s2"})
        made.one("nodes", NODE)["status"]["capacity"] = amounts
        wrong = [f for f in made.diagnosis() if f.cause == "toolkit-wrong-containerd-config"]
        return max((one.confidence for one in wrong), default=0.0)

    assert stuck({"nvidia.com/gpu": "0"}) < stuck({"cpu": "8"})


def test_what_was_evicted_elsewhere_or_days_ago_is_no_cause() -> None:
    def evicted(space: str, days: float = 0.1) -> str | None:
        made = Patient(openshift=False)
        made.now = made.now or 1_760_000_000.0
        stamp = datetime.fromtimestamp(made.now - days * 86_400, UTC).isoformat()
        container = {"name": "app", "image": "app:1"}
        made.pod("evicted-0", space, {"containers": [container]}, creationTimestamp=stamp)
        message = "The node was low on resource: ephemeral-storage."
        status = {"phase": "Failed", "reason": "Evicted", "message": message}
        made.one("pods", "evicted-0")["status"] = status
        sure = [one for one in made.diagnosis() if one.severity is Severity.ERROR]
        return sure[0].cause if sure else None

    assert evicted("kube-system") == "node-disk-pressure"
    assert evicted("kube-system", days=9) is None
    assert evicted("reports") is None


def test_an_exporter_that_goes_on_without_its_profiling_module_is_worth_a_note() -> None:
    line = "ERROR [91:93] [[Profiling]] DcgmModuleProfiling failed to initialize. See the logs."
    runs = Patient(openshift=False).log("exporter", line).diagnosis()
    assert [(one.cause, one.severity) for one in runs] == [
        ("dcgm-profiling-failed", Severity.WARNING)
    ]
    assert first(Patient(openshift=False).fails("exporter").log("exporter", line)) == (
        "dcgm-profiling-failed"
    )


def operator_of_others(name: str, *containers: str) -> Patient:
    made = Patient()
    made.pod(name, "openshift-operators", {"containers": [{"name": c} for c in containers]})
    return made.fails(name, reason="OOMKilled")


def test_an_operator_of_others_that_is_killed_for_memory_is_told_too() -> None:
    by_name = operator_of_others("metrics-operator-5d", "app")
    for made in by_name, operator_of_others("metrics-5d", "manager"):
        found = made.diagnosis()[0]
        assert (found.cause, found.severity) == ("operator-oomkilled", Severity.WARNING)
    assert first(operator_of_others("web-5d", "app")) is None


def test_a_crashing_part_of_the_pod_network_is_told_beside_gpus_that_are_well() -> None:
    def ovn(state: str) -> list[tuple[str | None, Severity]]:
        spec = {"containers": [{"name": "ovnkube-node"}], "nodeName": NODE}
        made = Patient().pod("ovnkube-node-5x", "openshift-ovn", spec)
        return [(one.cause, one.severity) for one in made.fails("ovnkube", state).diagnosis()]

    assert ovn("CrashLoopBackOff") == [("pod-network-broken", Severity.WARNING)]
    assert ovn("Error") == []


def test_a_host_driver_keeps_cards_from_virtual_machines_whatever_else_waits() -> None:
    said = "device not bound to 'vfio-pci'; device: 0000:18:00.0 driver: 'nvidia'"
    made = Patient(openshift=False).workload("sandbox").fails("sandbox", init="vfio-pci-validation")
    made.policy(sandboxWorkloads={"enabled": True}, driver={"enabled": False})
    made.lspci("2330", "nvidia")
    assert first(made) != "host-driver-installed"
    made.log("sandbox", said, container="vfio-pci-validation")
    assert first(made) == "host-driver-installed"


def test_a_class_that_the_server_does_not_know_is_asked_for_in_vain_on_crio() -> None:
    said = 'pods "triton-" is forbidden: pod rejected: RuntimeClass "nvidia" not found'

    def refused(runtime: str) -> str | None:
        made = job(fails=True).node(nodeInfo={"containerRuntimeVersion": runtime})
        return first(made.event("train-0", said, reason="FailedCreate"))

    assert refused("cri-o://1.21.8") == "runtimeclass-not-applicable-crio"
    assert refused("containerd://1.7.0") != "runtimeclass-not-applicable-crio"


def test_a_hook_that_outlived_its_toolkit_is_left_over() -> None:
    said = "fork/exec /usr/local/nvidia/toolkit/nvidia-container-toolkit: no such file or directory"
    gone = Patient().without("toolkit").pod("web-0", "team", {"containers": [{"name": "web"}]})
    gone.fails("web-0", "CreateContainerError").event("web-0", said)
    assert first(gone) == "stale-node-state"
    here = Patient().pod("web-0", "team", {"containers": [{"name": "web"}]})
    here.fails("web-0", "CreateContainerError").event("web-0", said)
    assert first(here) != "stale-node-state"


def test_a_program_older_than_the_driver_still_uses_the_one_before() -> None:
    said = "CUDA error 803: system has unsupported display driver / cuda driver combination"

    def served(born: str) -> str | None:
        made = job(fails=False).log("train-0", said)
        made.pod_of("driver")["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
        made.pod_of("train-0")["metadata"]["creationTimestamp"] = born
        return first(made)

    assert served("2026-01-01T00:00:00Z") == "driver-upgrade-stale-gpu-pods"
    assert served("2026-01-03T00:00:00Z") is None


def test_a_node_that_rebooted_has_no_toolkit_that_restarts_the_runtime() -> None:
    made = Patient()
    made.pod("ovnkube-node-5x", "ovn", {"containers": [{"name": "ovnkube"}], "nodeName": NODE})
    made.pod("node-exporter-7", "mon", {"containers": [{"name": "exporter"}], "nodeName": NODE})
    for pod in made.tables["pods"]:
        for one in pod["status"]["containerStatuses"]:
            one["restartCount"] = 3
    assert made.diagnosis() == ()


def test_a_change_of_layout_under_way_is_no_error_where_all_is_well() -> None:
    paused = {"nvidia.com/gpu.deploy.device-plugin": "paused-for-mig-change"}
    made = Patient().policy("ready").labels(**paused, **{"nvidia.com/mig.config.state": "pending"})
    assert [one.severity for one in made.diagnosis()] == [Severity.WARNING]


def test_a_guess_says_that_it_is_one() -> None:
    guess = Patient(openshift=False).fails("gfd", "ImagePullBackOff").diagnosis()[0]
    assert guess.confidence < SURE
    assert guess.title.startswith("perhaps ")
    assert not Patient().fails("nfd-operator").diagnosis()[0].title.startswith("perhaps ")
