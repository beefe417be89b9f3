"""Which program a pod or DaemonSet is: by labels, containers and images, not by its full name."""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from oc_gpu.snapshot.kept import kept
from oc_gpu.snapshot.kinds import DaemonSet, Deployment, Meta, Pod, PodSpec

DRIVER = "driver"
TOOLKIT = "toolkit"
PLUGIN = "device-plugin"
GFD = "gfd"
DCGM = "dcgm"
EXPORTER = "dcgm-exporter"
MIG = "mig-manager"
VALIDATOR = "validator"
STATUS = "node-status-exporter"
SANDBOX = "sandbox"
VGPU_MANAGER = "vgpu-manager"
VGPU_CONFIG = "vgpu-device-manager"
VFIO = "vfio-manager"
OPERATOR = "gpu-operator"
NFD_OPERATOR = "nfd-operator"
NFD_MASTER = "nfd-master"
NFD_WORKER = "nfd-worker"
NFD_OTHER = "nfd-other"
DRA = "dra-driver"
"""NVIDIA's driver for dynamic resource allocation, and what it starts for claims."""
MCO = "machine-config"
OLM = "olm"
PACKAGE_PROOF = "package-proof"
"""A pod that looks for kernel packages, as Red Hat's walk-through of the entitlement has it."""
WORKLOAD = "workload"
OTHER = "other"

ON_NODE = frozenset(
    {
        DRIVER,
        TOOLKIT,
        PLUGIN,
        GFD,
        DCGM,
        EXPORTER,
        MIG,
        VALIDATOR,
        STATUS,
        SANDBOX,
        VGPU_MANAGER,
        VGPU_CONFIG,
        VFIO,
    }
)
"""Programs that make the GPUs of one node usable."""
NFD = frozenset({NFD_OPERATOR, NFD_MASTER, NFD_WORKER, NFD_OTHER})
GPU_STACK = ON_NODE | {OPERATOR}

_NAMES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (component, re.compile(pattern))
    for component, pattern in (
        (NFD_WORKER, r"nfd-worker|node-feature-discovery.*-worker"),
        (NFD_MASTER, r"nfd-master|node-feature-discovery.*-master"),
        (NFD_OTHER, r"nfd-(gc|topology|prune)|node-feature-discovery.*-(gc|topology|prune)"),
        (NFD_OPERATOR, r"nfd-(operator|controller-manager)|cluster-nfd-operator"),
        (VGPU_MANAGER, r"vgpu-manager"),
        (VGPU_CONFIG, r"vgpu-device-manager"),
        (VFIO, r"vfio-manager"),
        (SANDBOX, r"nvidia-(sandbox|kata|cc)-|kubevirt-gpu-device-plugin"),
        (VALIDATOR, r"operator-validator|cuda-validator|device-plugin-validat|driver-validation"),
        (EXPORTER, r"dcgm-exporter"),
        (DCGM, r"nvidia-dcgm|dcgm"),
        (MIG, r"mig-manager"),
        (STATUS, r"node-status-exporter"),
        (TOOLKIT, r"(nvidia|gpu|container)-(container-)?toolkit|gpu-runtime-enablement"),
        (PLUGIN, r"(nvidia|gpu).*device-plugin|device-plugin.*(nvidia|gpu)"),
        (GFD, r"gpu-feature-discovery"),
        (DRA, r"nvidia-dra-driver|dra-driver-nvidia|mps-control-daemon|compute-domain-daemon"),
        (DRIVER, r"nvidia-(gpu-|vgpu-)?driver|gpu-driver-container|coreos-nvidia"),
        (OPERATOR, r"gpu-operator|special-resource-operator"),
        (MCO, r"machine-config-(daemon|controller|operator|server)"),
        (PACKAGE_PROOF, r"entitled-build"),
        (OLM, r"olm-operator|catalog-operator|packageserver|marketplace-operator"),
    )
)
_IMAGES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (component, re.compile(pattern))
    for component, pattern in (
        (EXPORTER, r"/dcgm-exporter[:@]"),
        (PLUGIN, r"/(k8s-)?device-plugin[:@]"),
        (GFD, r"/gpu-feature-discovery[:@]"),
        (DRA, r"/(k8s-dra-driver-gpu|dra-driver-nvidia-gpu)[:@]"),
        (NFD_WORKER, r"$^"),
        (DRIVER, r"nvidia/(gpu-)?driver[:@]"),
        (TOOLKIT, r"/container-toolkit[:@]"),
        (OPERATOR, r"/gpu-operator[:@]"),
    )
)
_Fits = Callable[[str], tuple[int, str]]
_NONE = (sys.maxsize, "")


def _fitting(table: Sequence[tuple[str, re.Pattern[str]]]) -> _Fits:
    """Return the function that gives the first row that fits a name, and its component."""

    @lru_cache(maxsize=1 << 14)  # pods of one workload have most names in common
    def fits(name: str) -> tuple[int, str]:
        rows = ((row, part) for row, (part, pattern) in enumerate(table) if pattern.search(name))
        return next(rows, _NONE)

    return fits


_BY_NAME, _BY_IMAGE = _fitting(_NAMES), _fitting(_IMAGES)
_COMPONENT = "app.kubernetes.io/component"
_APPS = ("app", "app.kubernetes.io/name", "k8s-app", "name", _COMPONENT)
_GPU = "nvidia.com/"


@kept
def of_pod(pod: Pod) -> str:
    """Return the component that a pod is."""
    found = _known(pod.metadata, pod.controller, pod.spec)
    if found != OTHER or not (wants_gpu(pod) or uses_nvidia(pod)):
        return found
    return WORKLOAD


def of_set(item: DaemonSet | Deployment) -> str:
    """Return the component that a DaemonSet or Deployment runs."""
    return _known(item.metadata, "", item.spec.template.spec)


def _known(meta: Meta, owner: str, spec: PodSpec) -> str:
    labels = [meta.labels[key] for key in _APPS if key in meta.labels]
    containers = [one.name for one in spec.containers]
    role = _nfd_role(meta)
    if role:
        return role
    found = _first(_BY_NAME, [owner, *labels]) or _first(_BY_NAME, [meta.name, *containers])
    return found or _first(_BY_IMAGE, [one.image for one in spec.containers]) or OTHER


def _nfd_role(meta: Meta) -> str:
    """Return the part of NFD where its chart says so in a label of its own."""
    if "node-feature-discovery" not in meta.labels.get("app.kubernetes.io/name", ""):
        return ""
    role = f"nfd-{meta.labels.get('role', '')}"
    return role if role in NFD else ""


def _first(fits: _Fits, names: Iterable[str]) -> str:
    """Return the component of the first row that fits any of the names."""
    return min((fits(name) for name in names if name), default=_NONE)[1]


_BESIDE = re.compile(r"peermem|gdrcopy|nvidia-fs|\bgds\b")


def is_beside_driver(container: str) -> bool:
    """Tell whether a container of the driver pod loads another module, after the driver's own."""
    return _BESIDE.search(container) is not None


_BUILDERS = re.compile(r"ofed|peer-?mem|kmod|gdrcopy|doca-driver")


def builds_modules(pod: Pod) -> bool:
    """Tell whether a pod of others builds or loads a module, by what such pods are named."""
    named = (pod.metadata.name, *(one.image for one in pod.spec.every))
    return of_pod(pod) == OTHER and any(map(_BUILDERS.search, named))


def wants_gpu(pod: Pod) -> bool:
    """Tell whether a pod asks for GPUs or parts of them."""
    return any(
        name.startswith(_GPU)
        for container in pod.spec.every
        for name in (*container.resources.limits, *container.resources.requests)
    )


def uses_nvidia(pod: Pod) -> bool:
    """Tell whether a pod asks for NVIDIA's runtime, without asking for a GPU."""
    return pod.spec.runtime_class_name.startswith("nvidia") or any(
        one.variable("NVIDIA_VISIBLE_DEVICES") not in ("", "void", "none") for one in pod.spec.every
    )
