"""More of what programs say where a cause shows itself, in the words of their sources."""

from collections.abc import Callable

from tests.checks.patient import NODE, SPACE, Patient

Make = Callable[[], Patient]
_GPU = "nvidia.com/gpu"


def _k8s() -> Patient:
    return Patient(openshift=False)


def says(part: str, *lines: str, container: str = "", init: str = "") -> Patient:
    """A part of the stack that fails and says so."""
    made = _k8s()
    if part in ("vgpu-manager", "vgpu-config", "sandbox", "vfio"):
        made.workload(part).policy(sandboxWorkloads={"enabled": True})
    made.fails(part, init=init)
    return made.log(part, *lines, container=container or init)


def _worker(*, fails: bool = True) -> Patient:
    made = _k8s()
    container = {"name": "app", "image": "cuda:12", "resources": {"limits": {_GPU: "1"}}}
    made.pod("train-0", "ml", {"containers": [container], "nodeName": NODE})
    return made.fails("train-0") if fails else made


def invalid_layout(product: str = "NVIDIA-A100-SXM4-40GB-MIG-INVALID") -> Patient:
    """A node whose cards GPU feature discovery calls divided in a way that it cannot offer."""
    made = _k8s().labels(**{"nvidia.com/gpu.product": product, "nvidia.com/gpu.count": "0"})
    return made.fails("plugin").node(allocatable={_GPU: "0"}, capacity={_GPU: "0"})


def mig_manager(*lines: str, state: str = "failed") -> Patient:
    """A change of MIG layout that came to nothing."""
    made = _k8s().labels(**{"nvidia.com/mig.config.state": state}).lspci("20b5", "nvidia")
    return made.log("mig", *lines)


def waits_for_modules(*after: str) -> Patient:
    """A driver that waits for the modules of the fabric, or has waited."""
    made = _k8s()
    pod = made.pod_of("driver")["status"]
    pod["containerStatuses"][0]["ready"] = False
    pod["conditions"] = [{"type": "Ready", "status": "False"}]
    line = "waiting for the mlx5_core and ib_umad kernel modules to be loaded"
    return made.log("driver", "+ lsmod", line, line, "+ sleep 10", *after)


def licence(*after: str) -> Patient:
    """A guest that began without licence, and what its daemon said later."""
    line = "nvidia-gridd: Valid GRID license not found. GPU features and performance are restricted"
    return _k8s().file("var/log/messages", line, *after)


def server(*after: str) -> Patient:
    """A guest whose licence server did not answer, and what its daemon said later."""
    line = "nvidia-gridd: Failed to acquire license from lic.example.com (Info: no answer)"
    return _k8s().file("var/log/messages", line, *after)


def waits_for_network_driver(minutes: float = 60) -> Patient:
    """A driver pod whose first step waits for the network driver."""
    made = _k8s().waits("driver", minutes=minutes)
    status = made.pod_of("driver")["status"]
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    status["phase"] = "Pending"
    status["initContainerStatuses"] = [{"name": "mofed-validation", "state": running}]
    status["containerStatuses"][0]["state"] = {"waiting": {"reason": "PodInitializing"}}
    return made


def guest_machine(line: str) -> Patient:
    """A virtual machine of the cluster that does not start."""
    made = _k8s().workload("vfio").policy(sandboxWorkloads={"enabled": True})
    made.pod("virt-launcher-vm", "vms", {"containers": [{"name": "compute"}], "nodeName": NODE})
    return made.fails("virt-launcher-vm").log("virt-launcher-vm", line)


def refused_request() -> Patient:
    """A pod that wants two of what is shared, where one is the most."""
    made = _worker(fails=False)
    made.pod_of("train-0")["status"] = {
        "phase": "Failed",
        "reason": "UnexpectedAdmissionError",
        "message": "Allocate failed due to rpc error: code = Unknown desc = request for "
        "'nvidia.com/gpu: 2' too large: maximum request size for shared resources is 1",
    }
    return made


def _openshift(line: str) -> Patient:
    return Patient().fails("driver").lspci("1eb8").log("driver", line)


def no_links(*lines: str) -> Patient:
    """A host with a driver whose validation cannot make the links to all devices."""
    made = _k8s().policy(driver={"enabled": False}).without("driver").lspci("1eb8", "nvidia")
    made.fails("validator", init="driver-validation")
    said = (*lines, "Failed to create symlinks under /dev/char that point to all possible NVIDIA")
    return made.log("validator", *said, container="driver-validation")


def creating(part: str, line: str) -> Patient:
    """A pod of the stack whose container the runtime does not make."""
    made = _k8s().fails(part, "CreateContainerError")
    return made.event(part, f"Error: failed to create containerd task: {line}")


def asks_for_layout(layout: str, state: str = "pending") -> Patient:
    """A node that asks for a layout of its cards, beside a configuration that has one layout."""
    made = _k8s().labels(**{"nvidia.com/mig.config": layout, "nvidia.com/mig.config.state": state})
    text = "version: v1\nmig-configs:\n  all-1g.10gb:\n    - devices: all\n"
    return made.add("configmaps", "default-mig-parted-config", SPACE, data={"config.yaml": text})


def asks_nobody(product: str = "NVIDIA-A100-80GB-PCIe") -> Patient:
    """A node that asks for a layout, where nobody makes layouts."""
    made = _k8s().without("mig").policy("ready", migManager={"enabled": False})
    labels = {"nvidia.com/mig.config": "all-1g.10gb", "nvidia.com/gpu.product": product}
    return made.labels(**labels)


def not_created(message: str) -> Patient:
    """A DaemonSet whose pods the API server refuses."""
    made = _k8s().without("driver").workload("driver")
    made.tables["pods"] = [p for p in made.tables["pods"] if "driver" not in p["metadata"]["name"]]
    counts = {"desiredNumberScheduled": 1, "currentNumberScheduled": 0, "numberReady": 0}
    made.one("daemonsets", "nvidia-driver-daemonset")["status"] = counts
    name = "nvidia-driver-daemonset"
    return made.event(name, message, kind="DaemonSet", reason="FailedCreate")


_GFD = "W0101 00:00:00.000000 1 mig-strategy.go:1] Invalid configuration detected for "
_CHANGED = "MIG mode change did not take effect after rebooting"
_POLICY = "cannot proceed until all GPU pods are drained from the node"

SAYINGS: dict[str, tuple[Make, ...]] = {
    "nfd-operand-image-mismatch": (
        lambda: says("nfd-worker", "flag provided but not defined: -ca-file"),
        lambda: says("nfd-master", "unknown flag: --instance"),
        lambda: creating("nfd-worker", 'exec: "nfd-worker": executable file not found in $PATH'),
    ),
    "toolkit-wrong-runtime": (
        lambda: says(
            "toolkit",
            "unable to restart docker: unable to dial: dial unix /runtime/sock-dir/docker.sock: "
            "connect: no such file or directory",
        ),
    ),
    "validation-markers-missing": (no_links,),
    "precompiled-kernel-mismatch": (
        lambda: says(
            "driver",
            "E: Unable to locate package linux-objects-nvidia-535-server-5.15.0-113-generic",
        ),
    ),
    "dtk-image-missing": (
        lambda: _openshift(
            "WARNING: RHCOS '416.94' imagetag missing, using entitlement-based fallback"
        ),
    ),
    "driver-kernel-incompatible": (
        lambda: says("driver", "modprobe: ERROR: could not insert 'nvidia': Exec format error"),
        lambda: (
            _k8s()
            .fails("driver")
            .dmesg("nvidia: version magic '5.15.0-1 SMP mod_unload ' should be '5.15.0-2 SMP '")
        ),
    ),
    "gpu-fallen-off-bus": (
        lambda: (
            _k8s()
            .fails("driver")
            .file("lspci", "3b:00.0 0302: 10de:1eb8 (rev ff)", "\t!!! Unknown")
        ),
        lambda: (
            _k8s()
            .fails("driver")
            .dmesg(
                "nvidia 0000:3b:00.0: Unable to change power state from D3cold to D0, device "
                "inaccessible"
            )
        ),
    ),
    "rminitadapter-failed": (
        lambda: (
            _k8s()
            .fails("driver")
            .dmesg("NVRM: _kgspBootGspRm: unexpected WPR2 already up, cannot proceed with booting")
        ),
    ),
    "passthrough-bar-mmio": (
        lambda: (
            _k8s().fails("driver").dmesg("NVRM: request_mem_region failed for 0M @ 0x0. This can")
        ),
    ),
    "proxy-unreachable": (
        lambda: says("driver", "Status code: 407 for https://cdn.example.com/repomd.xml"),
    ),
    "registry-auth-forbidden": (
        lambda: (
            _k8s()
            .fails("driver", "ImagePullBackOff")
            .event(
                "driver",
                "Failed to pull image nvcr.io/a/b:1: unexpected status: 402 Payment Required",
            )
        ),
    ),
    "apiserver-unreachable": (
        lambda: says("operator", "etcdserver: mvcc: database space exceeded"),
    ),
    "mig-strategy-mismatch": (
        lambda: says(
            "plugin", "all devices on the node must be configured with the same migEnabled value"
        ),
        invalid_layout,
        lambda: says(
            "gfd", f"{_GFD}mig-strategy=single: devices with MIG enabled and disable detected"
        ),
        lambda: says("gfd", f"{_GFD}mig-strategy=single: more than one MIG device type present"),
    ),
    "mig-enabled-no-devices": (
        lambda: says(
            "plugin",
            "invalid MIG configuration: at least one device with migEnabled=true was not "
            "configured correctly: device 0 has an invalid MIG configuration",
        ),
        lambda: says(
            "gfd", f"{_GFD}mig-strategy=single: at least one MIG device is enabled but empty"
        ),
    ),
    "webhook-denied": (
        lambda: not_created(
            "Error creating: pods is forbidden: ValidatingAdmissionPolicy 'plain' with binding 'b' "
            "denied request: privileged containers are not allowed"
        ),
    ),
    "registry-unreachable": (
        lambda: (
            _k8s()
            .fails("toolkit", "ImagePullBackOff")
            .event(
                "toolkit",
                'Failed to pull image "r:5000/a:1": failed to do request: Head "https://r:5000/": '
                "http: server gave HTTP response to HTTPS client",
            )
        ),
    ),
    "clusterpolicy-driver-image-incomplete": (
        lambda: _k8s().policy(
            sandboxWorkloads={"enabled": True},
            vgpuManager={"enabled": True, "repository": "registry.example.com/gpu"},
        ),
    ),
    "mig-config-failed": (
        lambda: asks_for_layout("all-9g.10gb"),
        asks_nobody,
        lambda: mig_manager(f'level=error msg="{_CHANGED}"', "MIG mode change failed after reboot"),
        lambda: mig_manager(
            "Error clearing MigConfig: error destroying Compute instance for profile '(0, 0)': In "
            "use by another client"
        ),
        lambda: says("mig", "unable to shutdown k8s GPU clients: timed out"),
        lambda: (
            _k8s()
            .fails("mig", "ContainerCreating")
            .event("mig", 'MountVolume.SetUp failed for volume "c": configmap "layouts" not found')
        ),
    ),
    "mig-mode-needs-reboot": (
        lambda: mig_manager('level=debug msg="    Mode change pending: true"'),
        lambda: mig_manager("Warning: MIG mode is in pending enable state for GPU 0"),
        lambda: says("mig", "Unable to reset this GPU because it's being used by some other"),
    ),
    "dcgm-profiling-failed": (
        lambda: says(
            "exporter",
            "Error watching fields: The requested profiling metrics cannot be collected in a "
            "single pass",
        ),
        lambda: says(
            "exporter",
            "Failed to watch metrics: The requested operation could not be completed because the "
            "affected resource is in use",
        ),
        lambda: says("exporter", "[[Profiling]] DcgmModuleProfiling failed to initialize."),
    ),
    "vgpu-wrong-package": (
        lambda: says("driver", "cannot find match for compatible vgpu driver from available list"),
        lambda: says("vgpu-manager", "modprobe: FATAL: Module nvidia_vgpu_vfio not found in dir"),
    ),
    "vgpu-unlicensed": (
        licence,
        lambda: says("driver", "cp: cannot stat '/drivers/gridd.conf': No such file or directory"),
    ),
    "vgpu-license-server-failed": (server,),
    "vgpu-config-failed": (
        lambda: says(
            "vgpu-config", "error setting VGPUConfig: vGPU type H100-20C is not supported: no id"
        ),
        lambda: says("vgpu-config", "unable to validate the selected vGPU configuration"),
        lambda: says("vgpu-config", "error clearing VGPUConfig: device or resource busy"),
    ),
    "fabric-manager-not-running": (
        lambda: says(
            "driver",
            "fabric manager NVIDIA GPU driver interface version 550.127.05 don't match with driver "
            "version 550.120. Please update with matching NVIDIA driver package.",
        ),
    ),
    "fabric-manager-nvlink5-prereq": (waits_for_modules,),
    "peermem-ofed-mismatch": (
        lambda: says(
            "toolkit",
            "Error: error validating nvidia-peermem driver installation: exit status 1",
            init="driver-validation",
        ),
        lambda: says(
            "driver", "error validating MOFED driver installation: exit 1", init="mofed-validation"
        ),
        waits_for_network_driver,
        lambda: says("driver", "Waiting for MOFED to be installed...", init="k8s-driver-manager"),
        lambda: says("driver", "failed to load nvidia-peermem module", container="nvidia-peermem"),
    ),
    "device-plugin-config-wrong": (
        lambda: says(
            "plugin", "requested 4 devices to be replicated, but only 2 devices available"
        ),
        lambda: says("plugin", "GPU name 'NVIDIA T4' does not match any resource patterns"),
        lambda: says(
            "plugin", "no config was set, no default was provided, and all fallbacks failed"
        ),
        lambda: says("plugin", "no configuration files available"),
        lambda: says("plugin", "number of replicas must be >= 2"),
        lambda: says("plugin", "invalid device maximum allowed replicas exceeded: 64 > 48"),
        lambda: says("plugin", "unknown time-slicing strategy: packed"),
    ),
    "device-plugin-config-symlink": (
        lambda: says("plugin", "error removing existing config: remove /config/config.yaml: busy"),
    ),
    "cuda-driver-insufficient": (
        lambda: _worker().log(
            "train-0",
            "Error 803: system has unsupported display driver / cuda driver combination",
        ),
    ),
    "driver-in-use-cannot-unload": (
        lambda: says("driver", f"level=fatal msg={_POLICY}", init="k8s-driver-manager"),
        lambda: says(
            "driver",
            "cannot drain the DRA kubelet-plugin: pod(s) still hold GPU resource claims: ml/a",
            init="k8s-driver-manager",
        ),
        lambda: says("driver", "An instance of the NVIDIA driver is already running, aborting"),
        lambda: says(
            "vgpu-manager", "Previous NVIDIA driver installation cannot be removed. Exiting"
        ),
    ),
    "package-repo-unreachable": (
        lambda: says(
            "driver", "E: The repository 'http://a/ubuntu x Release' does not have a Release file."
        ),
        lambda: says("driver", "Valid metadata not found at specified URL"),
        lambda: says(
            "driver", "FATAL: failed to update the dnf metadata cache after multiple attempts"
        ),
    ),
    "iommu-disabled": (
        lambda: guest_machine(
            "unsupported configuration: host doesn't support VFIO PCI passthrough"
        ),
        lambda: guest_machine("host doesn't support passthrough of host PCI devices"),
        lambda: guest_machine("qemu-kvm: failed to set iommu for container").dmesg(
            "vfio_iommu_type1_attach_group: No interrupt remapping support. Use the module"
        ),
    ),
    "host-driver-installed": (
        lambda: says(
            "sandbox", "device not bound to 'vfio-pci'; device: 0000:3b:00.0 driver: 'nvidia'"
        ),
    ),
    "nouveau-loaded": (
        lambda: says(
            "sandbox", "device not bound to 'vfio-pci'; device: 0000:3b:00.0 driver: 'nouveau'"
        ),
    ),
    "workload-asks-too-much": (refused_request,),
    "unsupported-runtime-os": (
        lambda: creating(
            "plugin", "nvidia-container-cli: container error: cgroup subsystem devices not found"
        ),
    ),
    "runtime-not-injecting-driver": (
        lambda: says(
            "toolkit",
            "error generating CDI specification: failed to generate CDI spec: "
            "failed to locate libcuda.so: pattern libcuda.so.550 not found",
        ),
        lambda: creating(
            "plugin", "error locating runtime: no runtime binary found from candidate list: [runc]"
        ),
    ),
}
"""Makers of ill clusters by cause, beside those of `ailments`."""
