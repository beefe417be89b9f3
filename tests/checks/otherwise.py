"""More ways in which causes show themselves: in state alone, or in words of other programs."""

from collections.abc import Callable
from typing import Any

from oc_gpu.snapshot.texts import Text, TextRef
from tests.checks.patient import NODE, SPACE, Patient

Make = Callable[[], Patient]
_MODE = "nvidia.com/gpu.workload.config"
_VENDOR = "feature.node.kubernetes.io/pci-10de.present"
_FORM = "feature.node.kubernetes.io/pci-0302_10de.present"


def _denied(*, openshift: bool) -> Patient:
    """A kernel that answers EACCES to the driver: a security module's answer."""
    made = Patient(openshift=openshift).fails("driver")
    return made.log("driver", "modprobe: ERROR: could not insert 'nvidia': Permission denied")


def _job(count: int, resource: str = "nvidia.com/gpu", **spec: Any) -> Patient:
    """A well cluster with a job that no node takes."""
    made = Patient(openshift=False)
    gpu = {"limits": {resource: str(count)}}
    container = {"name": "app", "image": "cuda:12", "resources": gpu}
    made.pod("train-0", "ml", {"containers": [container], **spec})
    return made.pending("train-0", f"0/3 nodes are available: 3 Insufficient {resource}.")


def _queue() -> Patient:
    made = _job(1)
    gpu = {"limits": {"nvidia.com/gpu": "1"}}
    container = {"name": "app", "image": "cuda:12", "resources": gpu}
    return made.pod("notebook-0", "users", {"containers": [container], "nodeName": NODE})


def _barred_validation() -> Patient:
    """A pod of the validation on a tainted node that everything else tolerates."""
    made = Patient(openshift=False).taint("workload", "aiml")
    tolerated = [{"operator": "Exists"}]
    for table in ("daemonsets", "pods"):
        for item in made.tables[table]:
            spec = item["spec"]["template"]["spec"] if table == "daemonsets" else item["spec"]
            spec["tolerations"] = tolerated
    container = {"name": "plugin-validation", "image": "cuda-sample:1"}
    made.pod("nvidia-device-plugin-validation", SPACE, {"containers": [container]})
    return made.pending(
        "nvidia-device-plugin-validation",
        "0/3 nodes are available: 1 node(s) had taint {workload: aiml}, that the pod didn't "
        "tolerate, 2 Insufficient nvidia.com/gpu.",
    )


def _guest_takes_host_down() -> Patient:
    made = Patient().workload("sandbox").policy(sandboxWorkloads={"enabled": True})
    made.pod("virt-launcher-vm", "vms", {"containers": [{"name": "compute"}], "nodeName": NODE})
    ready = {
        "type": "Ready",
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
    }
    return made.node(conditions=[ready])


def _vgpus(layout: str) -> Patient:
    made = Patient().workload("sandbox").policy(sandboxWorkloads={"enabled": True})
    text = "version: v1\nvgpu-configs:\n  A2-1Q:\n    - devices: all\n"
    made.add("configmaps", "default-vgpu-devices-config", SPACE, data={"config.yaml": text})
    return made.labels(**{"nvidia.com/vgpu.config": layout, _MODE: "vm-vgpu"})


def _waits_for_vgpus() -> Patient:
    made = _vgpus("A2-1Q").lspci("25b6").fails("sandbox", init="vgpu-devices-validation")
    lines = ("No vGPU devices found, retrying after 5 seconds",)
    return made.log("sandbox", *lines, container="vgpu-devices-validation")


def _all_enabled() -> Patient:
    made = Patient().fails("validator", init="cuda-validation")
    made.labels(
        **{"nvidia.com/mig.config": "all-enabled", "nvidia.com/mig.config.state": "success"}
    )
    return made.node(allocatable={"nvidia.com/gpu": "0"})


def _asks_for_vendor() -> Patient:
    """An early operator that knows the vendor's label only."""
    made = Patient(openshift=False, operator="v1.3.1").policy()
    made.without("driver", "toolkit", "plugin", "gfd", "dcgm", "exporter", "mig", "validator")
    made.labels(_VENDOR, **{_FORM: "true"})
    for part in ("capacity", "allocatable"):
        made.one("nodes", NODE)["status"][part].pop("nvidia.com/gpu")
    return made.log("operator", "Could not get any nodes to match pci-10de.present=true label")


def _runtime_down(*journal: str) -> Patient:
    made = Patient(openshift=False)
    message = "container runtime is down"
    ready = {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": message}
    made.node(conditions=[ready])
    return made.file("var/log/messages", *journal) if journal else made


def _printed(line: str) -> Patient:
    """A cluster without a ClusterPolicy, and what a program on the admin's machine printed."""
    made = Patient(openshift=False).drop("clusterpolicies")
    made.without("driver", "toolkit", "plugin", "gfd", "dcgm", "exporter", "mig", "validator")
    made.node(allocatable={"nvidia.com/gpu": "0"})
    made.texts[TextRef(kind="other", where="helm-install.log")] = (Text([line]),)
    return made


def _fifth_generation() -> Patient:
    made = Patient(openshift=False).labels(**{"nvidia.com/gpu.product": "NVIDIA-B200"})
    made.fails("validator", init="cuda-validation")
    return made.log(
        "driver",
        "Starting NVIDIA fabric manager daemon...",
        "request to query NVSwitch device information from NVSwitch driver failed with "
        "error:WARNING Nothing to do [NV_WARN_NOTHING_TO_DO]",
    )


def _left_to_the_host() -> Patient:
    """A node that the driver's manager left to a driver of the host, which does not answer."""
    made = Patient(openshift=False).labels(**{"nvidia.com/gpu.deploy.driver": "pre-installed"})
    return made.fails("validator", "PodInitializing", init="driver-validation")


def _master_without_rules() -> Patient:
    """A master of NFD that ends without a word, on a cluster that lacks a CRD it watches."""
    made = Patient(openshift=False)
    made.fails("nfd-master", image="registry.k8s.io/nfd/node-feature-discovery:v0.12.1")
    return made.add("crds", "clusterpolicies.nvidia.com")


def _server_ahead() -> Patient:
    """An operator that ends without a word, on a Kubernetes that is years younger."""
    made = Patient(openshift=False, operator="v1.11.1").fails("operator")
    return made.node(nodeInfo={"kubeletVersion": "v1.25.4", "osImage": "Ubuntu 22.04.1 LTS"})


def _peermem(line: str = "") -> Patient:
    """A driver that is up but for its container that loads nvidia-peermem."""
    made = Patient()
    pod = made.pod_of("driver")
    pod["spec"]["containers"].append({"name": "nvidia-peermem-ctr", "image": "driver:1"})
    pod["status"]["containerStatuses"].append(
        {
            "name": "nvidia-peermem-ctr",
            "ready": False,
            "restartCount": 0,
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        }
    )
    pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    return made.log("driver", line, container="nvidia-peermem-ctr") if line else made


def _tainted_job() -> Patient:
    """A job that the taint of the only GPU node bars, without a word of the scheduler's."""
    made = Patient(openshift=False).taint("nvidia.com/gpu", "present")
    for table in ("daemonsets", "pods"):
        for item in made.tables[table]:
            spec = item["spec"]["template"]["spec"] if table == "daemonsets" else item["spec"]
            spec["tolerations"] = [{"operator": "Exists"}]
    gpu = {"limits": {"nvidia.com/gpu": "1"}}
    container = {"name": "app", "image": "cuda:12", "resources": gpu}
    return made.pod("train-0", "ml", {"containers": [container]}).pending("train-0", "")


def _read_only_root() -> Patient:
    made = Patient().fails("operator")
    return made.log("operator", '"error":"open /tmp/operator-sdk-ready: read-only file system"')


def _cordoned(*, said: bool) -> Patient:
    """A node that is emptied for its pool, and a budget that lets no pod go."""
    made = Patient()
    made.one("nodes", NODE)["spec"]["unschedulable"] = True
    now = {"disruptionsAllowed": 0, "expectedPods": 3}
    made.add("poddisruptionbudgets", "osd", "rook", status=now)
    made.add(
        "machineconfigpools",
        "worker",
        status={"machineCount": 3, "updatedMachineCount": 1, "unavailableMachineCount": 1},
    )
    if said:
        line = f"failed to drain node: {NODE} after 1 hour. error when evicting pods/osd-1"
        made.event(NODE, line, kind="Node", reason="FailedToDrain")
    return made


def _mig_mode_by_the_validator() -> Patient:
    made = Patient().fails("validator", init="cuda-validation")
    return made.log("validator", "|  No MIG devices found  |", container="toolkit-validation")


def _old_library() -> Patient:
    """A user's pod with libraries of another driver than the kernel's, on a node that is well."""
    made = Patient(openshift=False)
    gpu = {"limits": {"nvidia.com/gpu": "1"}}
    container = {"name": "app", "image": "cuda:12", "resources": gpu}
    made.pod("app-0", "ml", {"containers": [container], "nodeName": NODE}).fails("app-0")
    return made.dmesg("NVRM: API mismatch: the client has the version 570.148.08, but")


def _waits_for_mps() -> Patient:
    line = "Failed to start plugin: error waiting for MPS daemon: error checking MPS daemon health"
    return Patient(openshift=False).fails("plugin").log("plugin", line)


MORE: dict[str, tuple[Make, ...]] = {
    "selinux-denied": (lambda: _denied(openshift=True),),
    "secure-boot-enabled": (lambda: _denied(openshift=False),),
    "apiserver-unreachable": (
        lambda: (
            Patient()
            .fails("operator")
            .log("operator", 'Get "https://10.43.0.1:443/api": net/http: TLS handshake timeout')
        ),
    ),
    "operand-missing-toleration": (_barred_validation,),
    "workload-asks-too-much": (
        lambda: _job(8),
        lambda: _job(1, "nvidia.com/mig-1g.5gb"),
    ),
    "workload-selects-no-node": (
        lambda: _job(1, nodeSelector={"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}),
    ),
    "gpus-all-taken": (_queue,),
    "hypervisor-passthrough-crash": (_guest_takes_host_down,),
    "vgpu-config-failed": (lambda: _vgpus("A2-1B"), _waits_for_vgpus),
    "mig-enabled-no-devices": (_all_enabled, _mig_mode_by_the_validator),
    "drain-blocked-by-pdb": (lambda: _cordoned(said=True), lambda: _cordoned(said=False)),
    "nfd-cr-misconfigured": (_asks_for_vendor,),
    "toolkit-wrong-containerd-config": (
        lambda: _runtime_down(
            "containerd: drop-in config version 4 higher than root config version 2"
        ),
        _runtime_down,
    ),
    "clusterpolicy-version-mismatch": (
        lambda: _printed(
            'Error: ClusterPolicy.nvidia.com "cluster-policy" is invalid: '
            "spec.operator.defaultRuntime: Required value"
        ),
    ),
    "workload-missing-toleration": (_tainted_job,),
    "scc-wrong-selected": (_read_only_root,),
    "driver-upgrade-stale-gpu-pods": (_old_library,),
    "device-plugin-config-wrong": (_waits_for_mps,),
    "nfd-crd-missing": (_master_without_rules,),
    "unsupported-version-matrix": (_server_ahead,),
    "peermem-ofed-mismatch": (
        _peermem,
        lambda: _peermem("waiting for mellanox ofed and nvidia drivers to be installed"),
    ),
    "host-driver-installed": (_left_to_the_host,),
    "fabric-manager-nvlink5-prereq": (_fifth_generation,),
}
"""Makers of ill clusters by cause, beside those of `ailments`."""
