"""Ill clusters of which something beside the GPU stack tells, or a number, or what is not there."""

from collections.abc import Callable
from typing import Any

from oc_gpu.snapshot.texts import Text, TextRef
from tests.checks.patient import NODE, SPACE, Patient

Make = Callable[[], Patient]
_GPU = "nvidia.com/gpu"


def _k8s(operator: str = "v24.9.2") -> Patient:
    return Patient(openshift=False, operator=operator)


def _ended(made: Patient, part: str, count: int = 1) -> dict[str, Any]:
    """Let the programs of a part have ended with an error, on all their nodes; return one."""
    found = {}
    name = made.pod_of(part)["metadata"]["name"].rpartition("-")[0].removesuffix("-gpu")
    for pod in made.tables["pods"]:
        if pod["metadata"]["name"].startswith(name):
            found = pod["status"]["containerStatuses"][0]
            found["restartCount"] = count
            found["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
    return found


def crashing_operator(*, others: bool = True) -> Patient:
    """An operator that crashes without a word, where others ended that ask the API server."""
    made = _k8s().fails("operator")
    if others:
        _ended(made, "nfd-worker")
    return made


def lost_lease(count: int = 6, line: str = '{"error": "leader election lost"}') -> Patient:
    """An operator of somebody else that runs, and lost its lease so often."""
    made = _k8s().pod("ray-operator", "ray", {"containers": [{"name": "m"}], "nodeName": NODE})
    made.pod_of("ray-operator")["status"]["containerStatuses"][0]["restartCount"] = count
    ref = TextRef(
        kind="log",
        where="ray-operator/m/previous.log",
        namespace="ray",
        pod="ray-operator",
        container="m",
        previous=True,
    )
    made.texts[ref] = (Text([line]),)
    return made


def compiled(*more: str) -> Patient:
    """A build that warns of a file of the kernel's, and goes on, or does not."""
    made = _k8s().fails("driver").labels("nvidia.com/gpu.product")
    warning = "Unable to open the file '/lib/modules/5.15.0-113-generic/proc/version'"
    return made.log("driver", warning, *more)


def unknown_system(line: str, *, openshift: bool = False) -> Patient:
    """An operator that does not know the nodes' system."""
    made = Patient(openshift=openshift).without("driver", "toolkit", "plugin", "validator").policy()
    made.node(allocatable={_GPU: "0"})
    return made.log("operator", line)


def in_use(users: int) -> Patient:
    """A driver that ends where the module of before has so many users."""
    made = _k8s().fails("driver").lspci("20b5", "nvidia")
    line = f"nvidia 34041856 {users} nvidia_modeset,nvidia_uvm, Live 0xffffffffc099b000 (POE)"
    return made.log("driver", line, "Verifying archive integrity... OK")


def clients_stay(*, said: str = "") -> Patient:
    """A driver that ends, while the plugin of before still runs on its GPU."""
    made = _k8s().fails("driver").lspci("20b5", "nvidia")
    return made.log("driver", said) if said else made


def plugin_validation(*, held: bool = False) -> Patient:
    """A validation whose workload fails on a node that offers a GPU."""
    made = _k8s().fails("validator", init="plugin-validation")
    if held:
        container = {"name": "app", "resources": {"limits": {_GPU: "1"}}}
        made.pod("train-0", "ml", {"containers": [container], "nodeName": NODE})
    return made


def own_profiler(*, exporter: bool = True) -> Patient:
    """A program of one's own that wants DCGM's profiling beside the exporter."""
    made = _k8s()
    if not exporter:
        made.without("exporter", "dcgm")
    made.pod("meter", "metrics", {"containers": [{"name": "meter"}], "nodeName": NODE})
    line = "error watching: The third-party Profiling module returned an unrecoverable error"
    return made.fails("meter").log("meter", line)


_TABLE = (
    "|   0  NVIDIA A100 80G...  Off  | 00000000:3B:00.0 Off |                   On |",
    "|                               |                      |              Enabled |",
    "|   1  NVIDIA A100 80G...  Off  | 00000000:AF:00.0 Off |                   On |",
    "|                               |                      |              Enabled |",
    "|  0    1   0   0  |     19MiB / 40192MiB | 42      0 |  3   0    2    0    0 |",
)
SECOND = "|  1    1   0   0  |     19MiB / 40192MiB | 42      0 |  3   0    2    0    0 |"


def half_split(*rows: str) -> Patient:
    """A node with two cards in MIG mode, of which one has an instance; with more rows of them."""
    made = _k8s().fails("plugin").lspci("20b5", "nvidia").node(allocatable={_GPU: "0"})
    return made.file("nvidia-bug-report", *_TABLE, *rows)


def no_monitor(value: str = "") -> Patient:
    """A plugin that fails without a word on a node with MIG devices."""
    made = half_split(SECOND)
    container = made.pod_of("plugin")["spec"]["containers"][0]
    container["args"] = ["--mig-strategy=single"]
    container["env"] = [{"name": "NVIDIA_MIG_MONITOR_DEVICES", "value": value}] if value else []
    return made


def unsubscribed(path: str = "/etc/yum.repos.d/redhat.repo") -> Patient:
    """A host without the file by which the operator hands its subscription on."""
    made = _k8s().fails("driver", "ContainerCreating")
    line = (
        'MountVolume.SetUp failed for volume "subscription-config-1" : hostPath type check '
        f"failed: {path} is not a file"
    )
    return made.event("driver", line, reason="FailedMount")


def docker(runtime: str = "docker://19.3.15") -> Patient:
    """A node that is asked for a runtime of a RuntimeClass."""
    made = _k8s("v1.8.0").policy(toolkit={"enabled": False}).without("toolkit")
    made.policy(operator={"defaultRuntime": "containerd"})
    made.node(nodeInfo={"containerRuntimeVersion": runtime}).fails("plugin", "ContainerCreating")
    line = 'Failed to create pod sandbox: rpc error: RuntimeHandler "nvidia" not supported'
    return made.event("plugin", line, reason="FailedCreatePodSandBox")


def proxy_elsewhere(*lines: str, driver: bool = False, **place: Any) -> Patient:
    """A proxy that some other program than the driver has."""
    env = [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}]
    spec = {"env": env} if driver else {"manager": {"env": env}}
    made = _k8s().fails("driver").policy(driver=spec, **place)
    if driver:
        made.pod_of("driver")["spec"]["containers"][0]["env"] = env
    made.log("driver", "NVIDIA driver module is not loaded", container="k8s-driver-manager")
    return made.log("driver", *lines) if lines else made


def _by_subscription() -> Patient:
    made = _k8s().fails("driver").log("driver", "+ yum -q makecache")
    env = [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}]
    spec = {"name": "gpu-operator-certified", "config": {"env": env}}
    return made.add("subscriptions", "gpu-operator-certified", SPACE, spec=spec)


def without_account(image: str = "registry.redhat.io/openshift4/proxy:1") -> Patient:
    """A cluster without Red Hat's systems that pulls from Red Hat's registry."""
    made = _k8s()
    made.pod_of("nfd-operator")["spec"]["containers"][0]["image"] = image
    text = f"Back-off pulling image {image}"
    return made.fails("nfd-operator", "ImagePullBackOff", message=text)


def host_package(*lines: str) -> Patient:
    """A host with a driver of its own that lacks nvidia-uvm."""
    made = _k8s().policy(driver={"enabled": False}).without("driver").lspci("1db5", "nvidia")
    made.fails("toolkit", init="driver-validation")
    said = (*lines, "failed to load module nvidia-uvm")
    return made.log("toolkit", *said, container="driver-validation")


def validation_fails() -> Patient:
    """A validation of the toolkit that looked, and says what it saw."""
    made = _k8s().policy(driver={"enabled": False}).without("driver").lspci("1eb8", "nvidia")
    made.fails("validator", init="toolkit-validation")
    made.node(allocatable={_GPU: "0"}, capacity={_GPU: "0"})
    lines = ("NVIDIA-SMI couldn't find libnvidia-ml.so library", "toolkit is not ready")
    return made.log("validator", *lines, container="toolkit-validation")


_NO_CUDA = "| NVIDIA-SMI 580.105.06     Driver Version: 580.105.06     CUDA Version: N/A      |"

INDIRECT: dict[str, tuple[Make, ...]] = {
    "leader-election-lost-apiserver": (crashing_operator,),
    "driver-kernel-incompatible": (
        lambda: compiled(
            "nv-gem.c:63:48: error: passing argument 1 of 'f' from incompatible pointer type"
        ),
    ),
    "kernel-headers-not-found": (compiled,),
    "unsupported-runtime-os": (
        lambda: unknown_system(
            "failed to get destination directory for custom repo config: distribution not supported"
        ),
        lambda: unknown_system(
            "ERROR: failed to get OpenShift version: the server could not find the requested "
            "resource (get clusterversions.config.openshift.io version)"
        ),
    ),
    "driver-in-use-cannot-unload": (lambda: in_use(32), clients_stay),
    "cuda-init-error": (plugin_validation,),
    "dcgm-duplicate-profiling": (own_profiler,),
    "dcgm-profiling-failed": (lambda: own_profiler(exporter=False),),
    "mig-enabled-no-devices": (half_split,),
    "mig-monitor-env-missing": (no_monitor,),
    "entitlement-missing": (unsubscribed, lambda: unsubscribed("/etc/pki/entitlement")),
    "toolkit-wrong-runtime": (docker,),
    "proxy-missing-driver": (
        proxy_elsewhere,
        lambda: proxy_elsewhere("Updating the package cache...", "+ yum -q makecache"),
        _by_subscription,
    ),
    "registry-auth-forbidden": (without_account,),
    "vgpu-wrong-package": (
        lambda: host_package(_NO_CUDA),
        lambda: host_package().file("installed-debs", "ii  nvidia-vgpu-ubuntu-580  580.105.06"),
    ),
    "driver-disabled-no-host-driver": (host_package,),
    "runtime-not-injecting-driver": (validation_fails,),
}
"""Makers of ill clusters by cause, beside those of `ailments`."""
