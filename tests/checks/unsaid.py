"""Ill clusters of which the state alone tells, or a word that stands elsewhere."""

from collections.abc import Callable

from tests.checks.patient import NODE, SPACE, Patient

Make = Callable[[], Patient]
_SHARED = "nvcr.io/nvidia/cloud-native/gpu-operator-validator:v24.9.2"


def pulls(image: str = _SHARED, *, elsewhere: bool = True) -> Patient:
    """Return a cluster in which an image is not pulled, and nobody says why."""
    made = Patient(openshift=False)
    made.pod_of("gfd")["spec"]["containers"][0]["image"] = image
    if elsewhere:
        container = {"name": "main", "image": image}
        made.pod("runs", SPACE, {"containers": [container], "nodeName": "worker-0"})
    return made.fails("gfd", "ImagePullBackOff", message=f"Back-off pulling image {image}")


def _refused_before() -> Patient:
    """A pull whose reason only the journal of its node has."""
    line = f"kubelet: Failed to pull image {_SHARED}: 429: toomanyrequests: slow down"
    return pulls("registry.example.com/a/b:1", elsewhere=False).file("var/log/messages", line)


def left_behind(*parts: str) -> Patient:
    """Return a cluster in which pods of a node stay between two initialisations."""
    made = Patient(openshift=False)
    done = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    waits = {"waiting": {"reason": "PodInitializing"}}
    for part in parts:
        made.pod_of(part)["status"] = {
            "phase": "Pending",
            "initContainerStatuses": [
                {"name": "toolkit-validation", "ready": True, "state": done},
                {"name": "config-manager-init", "state": waits},
            ],
            "containerStatuses": [{"name": "main", "state": waits}],
        }
    return made


def restarted_operator(count: int = 6) -> Patient:
    """Return a cluster whose operator runs, and ended with an error so often."""
    made = Patient()
    one = made.pod_of("operator")["status"]["containerStatuses"][0]
    one |= {
        "restartCount": count,
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
    }
    return made


def paused(**labels: str) -> Patient:
    """Return a cluster whose operands are paused for a change of layout."""
    made = Patient(openshift=False).without("plugin", "exporter")
    made.labels(**{"nvidia.com/gpu.deploy.device-plugin": "paused-for-mig-change"}, **labels)
    return made.node(allocatable={"nvidia.com/gpu": "0"})


def bare_host(driver: str = "") -> Patient:
    """Return a node with nvidia-smi, which does not reach a driver, and a plugin of one's own."""
    made = Patient(openshift=False).without("operator", "driver", "toolkit", "validator")
    made.drop("clusterpolicies").lspci("1db6", driver)
    made.node(allocatable={"nvidia.com/gpu": "0"}, capacity={"nvidia.com/gpu": "0"})
    return made.file("nvidia-bug-report", "it couldn't communicate with the NVIDIA driver. Make")


def proprietary(device: str = "2bb5", *, gpus: str = "0") -> Patient:
    """Return a node on which the proprietary module is loaded, beside a plugin of one's own."""
    made = Patient(openshift=False).without("operator", "driver", "toolkit", "validator")
    made.drop("clusterpolicies").lspci(device, "nvidia")
    made.dmesg("NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23 10:11:16")
    return made.node(allocatable={"nvidia.com/gpu": gpus})


_HEAD = "| NVIDIA-SMI 550.144.03   Driver Version: 550.144.03   CUDA Version: 12.4 |"
_ROWS = (
    "|   0  NVIDIA A100-SXM4-40GB   On  | 00000000:3B:00.0 Off |                   On |",
    "| N/A   31C    P0    43W / 400W |      0MiB / 40960MiB |     N/A      Default |",
    "|                               |                      |              Enabled |",
)
INSTANCE = "|  0    7   0   0  |      6MiB /  4864MiB | 14      0 |  1   0    0    0    0 |"


def split(*rows: str) -> Patient:
    """Return a node in MIG mode on which CUDA does not start; with rows of instances."""
    made = Patient().fails("validator", init="cuda-validation")
    line = "Failed to allocate device vector A (error code initialization error)!"
    made.log("validator", line, container="cuda-validation")
    return made.log("driver", _HEAD, *_ROWS, *rows)


def other_compiler(kernel: str, here: str) -> Patient:
    """Return a driver whose build warned of two compilers."""
    made = Patient(openshift=False).fails("driver")
    return made.log(
        "driver",
        "warning: the compiler differs from the one used to build the kernel",
        f"  The kernel was built by: x86_64-linux-gnu-gcc (Ubuntu) {kernel}",
        f"  You are using:           cc (Ubuntu {here}-1ubuntu1~22.04) {here}",
    )


def builder(line: str) -> Patient:
    """Return a cluster in which a program that is none of the operator's builds something."""
    made = Patient(openshift=False)
    container = {"name": "builder", "image": "builder:1"}
    made.pod("modules", "kube-system", {"containers": [container], "nodeName": NODE})
    return made.fails("modules").log("modules", line)


def refused(
    name: str = "mps-control-daemon-5f2c", *, image: str = "a/k8s-dra-driver-gpu:v25.3.0"
) -> Patient:
    """Return a Deployment that gets no pods, and says why only in its condition."""
    made = Patient()
    why = "pods is forbidden: unable to validate against any security context constraint: []"
    spec = {"replicas": 1, "template": {"spec": {"containers": [{"name": "a", "image": image}]}}}
    condition = {"type": "ReplicaFailure", "status": "True", "message": why}
    status = {"readyReplicas": 0, "conditions": [condition]}
    return made.add("deployments", name, "nvidia-dra-driver-gpu", spec=spec, status=status)


_UNSTARTED = 'Kernel module "ib_umad" has not been loaded, fabric manager cannot be started'


def journal(*later: str) -> Patient:
    """Return a node that looks well, and whose fabric manager did not start at first."""
    return Patient(openshift=False).file(
        "var/log/messages", "Detected NVL5+ system", _UNSTARTED, *later
    )


_RANCHER = "/var/lib/rancher/rke2/agent/etc/containerd/"


def default_runtime(file: str = "config.toml", kubelet: str = "v1.31.4+rke2r1") -> Patient:
    """Return a toolkit that is to make its runtime the default one, in some file."""
    env = {"CONTAINERD_CONFIG": _RANCHER + file, "CONTAINERD_SET_AS_DEFAULT": "true"}
    made = Patient(openshift=False).policy(
        "ready", toolkit={"env": [{"name": k, "value": v} for k, v in env.items()]}
    )
    return made.node(nodeInfo={"kubeletVersion": kubelet})


_NO_RIGHT = "error visiting device: error getting device memory info: Insufficient Permissions"


UNSAID: dict[str, tuple[Make, ...]] = {
    "registry-rate-limited": (pulls, _refused_before),
    "registry-unreachable": (
        lambda: pulls("registry.example.com/a/b:1"),
        lambda: pulls(elsewhere=False),
    ),
    "toolkit-restarts-runtime": (lambda: left_behind("plugin", "gfd"),),
    "gpu-deploy-labels-wrong": (
        lambda: paused(**{"nvidia.com/mig.config.state": "pending"}),
        lambda: paused(**{"nvidia.com/mig.config.state": "success"}),
    ),
    "module-load-failed-generic": (bare_host,),
    "open-kernel-module-required": (proprietary,),
    "mig-enabled-no-devices": (split,),
    "mig-monitor-env-missing": (
        lambda: (
            Patient(openshift=False)
            .lspci("20b0", "nvidia")
            .fails("plugin")
            .log("plugin", _NO_RIGHT)
        ),
    ),
    "gcc-mismatch": (lambda: other_compiler("12.3.0", "11.4.0"),),
    "driver-kernel-incompatible": (
        lambda: builder(
            "/var/lib/dkms/nvidia/570.1/build/nvidia/nv-p2p.c:21:3: error: 'FOO' undeclared "
            "(first use in this function)"
        ),
    ),
    "nouveau-loaded": (
        lambda: Patient().fails("driver").lspci("2204", "NovaCore"),
        lambda: Patient().fails("driver").file("sos_commands/kernel/lsmod", "nova_core  65536  0"),
        lambda: (
            Patient()
            .lspci("2204")
            .fails("driver")
            .dmesg("NVRM: GPU 0000:3b:00.0 is already bound to nova.")
        ),
    ),
    "dcgm-profiling-unsupported": (
        lambda: (
            Patient()
            .fails("exporter")
            .log("exporter", 'level=fatal msg="Error watching fields: Feature not supported"')
        ),
    ),
    "scc-rejected": (refused,),
    "fabric-manager-nvlink5-prereq": (journal,),
    "nfd-master-failing": (lambda: Patient().fails("nfd-master", reason="OOMKilled"),),
    "leader-election-lost-apiserver": (
        lambda: builder("Failed to update lock: etcdserver: request timed out"),
    ),
}
"""Makers of ill clusters by cause, beside those of `ailments`."""
