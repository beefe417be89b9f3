"""What hosts, neighbours and settings tell where the GPU stack says nothing."""

from oc_gpu.checks.model import Finding, Severity
from tests.checks.patient import NODE, Patient
from tests.checks.sayings import says

_GPU = "nvidia.com/gpu"


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def _k8s(operator: str = "v24.9.2") -> Patient:
    return Patient(openshift=False, operator=operator)


def chooses(selector: dict[str, str], taint: str = _GPU) -> Patient:
    """A pod without GPU that no node takes, and the taint that the scheduler names."""
    message = f"0/3 nodes are available: 1 node(s) had untolerated taint {{{taint}: present}}"
    made = _k8s().taint(_GPU, "present")
    made.pod("cache-0", "ml", {"containers": [{"name": "cache"}], "nodeSelector": selector})
    return made.pending("cache-0", message)


def test_a_pod_that_chooses_gpu_nodes_wants_their_toleration_though_it_asks_for_no_gpu() -> None:
    cause = "workload-missing-toleration"
    assert _one(chooses({"nvidia.com/gpu.present": "true"}), cause) is not None
    assert _one(chooses({}), cause) is None
    assert _one(chooses({"nvidia.com/gpu.present": "true"}, "example.com/team"), cause) is None
    pool = chooses({"example.com/pool": "big"}).labels(**{"example.com/pool": "big"})
    found = _one(pool, cause)
    assert found is not None
    assert found.severity is Severity.WARNING
    pool.one("nodes", "worker-0")["metadata"]["labels"]["example.com/pool"] = "big"
    assert _one(pool, cause) is None


def sandboxed(driver: str = "vfio-pci", runtime: str = "kata-clh") -> Patient:
    """A pod in a virtual machine of its own that is gone, as the journal of its node tells."""
    made = _k8s().without("driver", "toolkit", "plugin", "gfd", "validator").lspci("1eb8", driver)
    spec = {"containers": [{"name": "cuda"}], "nodeName": NODE, "runtimeClassName": runtime}
    made.pod("cuda-0", "ml", spec).fails("cuda-0")
    line = 'kata[1]: msg="sandbox stopped" error="failed to ping hypervisor process: deadline"'
    return made.file("sos_commands/logs/journalctl_--no-pager", line)


def test_a_virtual_machine_for_one_pod_that_ends_with_a_card_of_its_own() -> None:
    cause = "hypervisor-passthrough-crash"
    assert _one(sandboxed(), cause) is not None
    assert _one(sandboxed("nvidia"), cause) is None
    assert _one(sandboxed(runtime="gvisor"), cause) is None


def test_a_node_that_waits_for_its_network_says_so_itself() -> None:
    cause = "pod-network-broken"
    told = {"type": "Ready", "status": "False", "reason": "KubeletNotReady"}
    words = "NetworkReady=false message:docker: network plugin is not ready: cni config"
    assert _one(_k8s().node(conditions=[{**told, "message": words}]), cause) is not None
    made = _k8s()
    made.now = 1767268800.0
    joined = {**told, "message": words, "lastTransitionTime": "2026-01-01T11:59:00Z"}
    assert _one(made.node(conditions=[joined]), cause) is None
    other = "PLEG is not healthy: pleg was last seen active 3m ago"
    assert _one(_k8s().node(conditions=[{**told, "message": other}]), cause) is None


def refused(message: str, ready: int = 0) -> Patient:
    """A Deployment of somebody else that the API server gave no pods."""
    condition = {"type": "ReplicaFailure", "status": "True", "message": message}
    template = {"spec": {"containers": [{"name": "shop", "image": "shop:1"}]}}
    return _k8s().add(
        "deployments",
        "shop",
        "shop",
        spec={"replicas": 1, "template": template},
        status={"readyReplicas": ready, "conditions": [condition]},
    )


def test_a_webhook_that_keeps_away_pods_of_others_is_worth_a_note() -> None:
    words = 'failed calling admission webhook "a.b.c": Post https://a: connection refused'
    (found,) = refused(words).diagnosis()
    assert (found.cause, found.severity) == ("webhook-unreachable", Severity.WARNING)
    assert refused(words, ready=1).diagnosis() == ()
    assert refused('pods "shop" is forbidden: exceeded quota').diagnosis() == ()


def shared(replicas: str, has: str) -> Patient:
    """A configuration of the plugin, and how often the node offers each GPU."""
    text = f"version: v1\nsharing:\n  timeSlicing:\n    resources:\n    - replicas: {replicas}\n"
    made = _k8s().policy("ready", devicePlugin={"config": {"name": "slices", "default": "any"}})
    made.add("configmaps", "slices", "nvidia-gpu-operator", data={"any": text})
    return made.labels(**{"nvidia.com/gpu.replicas": has})


def test_a_configuration_that_was_changed_in_place_is_not_read_again() -> None:
    cause = "device-plugin-config-wrong"
    assert _one(shared("8", "4"), cause) is not None
    assert _one(shared("8", "8"), cause) is None
    offers = shared("8", "4").node(allocatable={_GPU: "8"})
    assert _one(offers, cause) is None
    assert _one(shared("8\n    - replicas: 4", "4"), cause) is None


def fabric(device: str = "2901", file: str = "var/log/fabricmanager.log") -> Patient:
    """A program with GPUs that fails, and the log of a fabric that its host runs."""
    container = {"name": "app", "resources": {"limits": {_GPU: "1"}}}
    made = _k8s().lspci(device, "nvidia")
    made.pod("train-0", "ml", {"containers": [container], "nodeName": NODE}).fails("train-0")
    line = "nvlsm: umad_init: can't read ABI version (No such file): is ib_umad module loaded?"
    return made.file(file, line)


def test_a_fabric_that_the_host_runs_says_what_it_lacks_in_its_own_log() -> None:
    cause = "fabric-manager-nvlink5-prereq"
    assert _one(fabric(), cause) is not None
    assert _one(fabric("2330"), cause) is None
    assert _one(fabric(file="var/log/other.log"), cause) is None


_UNKNOWN = "nv_peer_mem: Unknown symbol ib_register_peer_memory_client (err 0)"


def test_a_module_for_rdma_that_the_kernel_did_not_take_is_worth_a_note() -> None:
    (found,) = _k8s().dmesg(_UNKNOWN).diagnosis()
    assert (found.cause, found.severity) == ("peermem-ofed-mismatch", Severity.WARNING)
    later = _k8s().dmesg(_UNKNOWN).file("lsmod", "nv_peer_mem 16384 0")
    assert later.diagnosis() == ()
    by_package = "modprobe: ERROR: could not insert 'nv_peer_mem': Invalid argument"
    assert _one(_k8s().file("var/log/apt/term.log", by_package), "peermem-ofed-mismatch")
    other = "modprobe: ERROR: could not insert 'zfs': Invalid argument"
    assert _k8s().file("var/log/apt/term.log", other).diagnosis() == ()


def test_a_manager_of_virtual_gpus_without_firmware_has_half_a_package() -> None:
    line = "Direct firmware load for nvidia/550.54.10/gsp_ga10x.bin failed with error -2"
    assert says("vgpu-manager", "popd: stack").dmesg(line).diagnosis()[0].confidence > 0.5
    found = _one(says("driver", "something else").dmesg(line), "vgpu-wrong-package")
    assert found is None


def test_a_docker_before_the_operators_first_release_is_a_guess() -> None:
    cause = "unsupported-runtime-os"
    made = _k8s("v1.3.0").fails("validator", init="cuda-validation")
    assert _one(made.node(nodeInfo={"containerRuntimeVersion": "docker://19.3.8"}), cause) is None
    old = made.node(nodeInfo={"containerRuntimeVersion": "docker://17.3.2"})
    assert _one(old, cause) is not None


def test_who_does_not_start_does_not_look_for_markers() -> None:
    cause = "validation-markers-missing"
    made = _k8s().policy(driver={"enabled": False}).without("driver")
    assert _one(made.fails("validator", "Init", init="toolkit-validation"), cause) is not None
    made.fails("validator", "RunContainerError", init="toolkit-validation")
    assert _one(made, cause) is None


def platform(version: str) -> Patient:
    """A cluster that works, with an operator of a release before that of its platform."""
    made = Patient(operator="v24.9.2")
    made.one("clusterversions", "version")["status"]["desired"]["version"] = version
    return made


def test_a_platform_that_went_on_without_its_operator_is_worth_a_note() -> None:
    cause = "unsupported-version-matrix"
    found = _one(platform("4.20.1"), cause)
    assert found is not None
    assert found.severity is Severity.WARNING
    assert _one(platform("4.16.10"), cause) is None
    later = Patient(operator="v29.1.0")
    later.one("clusterversions", "version")["status"]["desired"]["version"] = "4.30.1"
    assert _one(later, cause) is None


def resolved(csv: str = "other.v1") -> Patient:
    """A Subscription of a catalog that is gone, whose operator is there but not complete."""
    made = Patient().add("catalogsources", "certified-operators", "openshift-marketplace")
    spec = {"name": "other", "source": "gone", "sourceNamespace": "openshift-marketplace"}
    made.add("subscriptions", "other", "ml", spec=spec, status={"currentCSV": csv})
    return made.add("csvs", "other.v1", "ml", status={"phase": "Pending"})


def test_what_is_resolved_waits_for_no_catalog() -> None:
    cause = "olm-catalogsource-missing"
    assert _one(resolved(), cause) is None
    assert _one(resolved("other.v2"), cause) is not None


def splits(strategy: str, device: str = "20b0") -> Patient:
    """A plugin of somebody's own that fails without a word."""
    made = _k8s().without("operator", "gfd", "validator").drop("clusterpolicies")
    made.lspci(device, "nvidia").fails("plugin")
    made.pod_of("plugin")["spec"]["containers"][0]["args"] = [f"--mig-strategy={strategy}"]
    return made.node(allocatable={_GPU: "0"}, capacity={_GPU: "0"})


def test_a_plugin_that_fails_to_offer_parts_of_cards_is_about_mig_first() -> None:
    cause = "runtime-not-injecting-driver"
    assert _one(splits("single"), cause) is None
    assert _one(splits("none"), cause) is not None
    assert _one(splits("single", "1eb8"), cause) is not None
