"""Layer driver: why the kernel does not take the module."""

import re

from oc_gpu.checks.cards import generation, older, oldest_of
from oc_gpu.checks.case import FEATURES, Case, key, offers_gpu
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.components import DRIVER, TOOLKIT, VALIDATOR
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import Quote, about, any_of, cause, find, result, said
from oc_gpu.snapshot.kinds import Node

FAMILY = "driver-module-load"
EVERYWHERE = ("log", "event", "state", "client", "kernel")
_BLACKWELL_DRIVER = (570,)

_NO_LOAD = (
    "could not insert 'nvidia",
    'could not insert "nvidia',
    "could not insert module nvidia",
    "unable to load the kernel module 'nvidia.ko'",
    "unable to load the 'nvidia*' kernel module",
    "unable to load the 'nvidia.ko'",
    "failed to load module nvidia",
    "modprobe: fatal: module nvidia",
    "kernel module load error",
    "failed to insert module",
)


def generations(case: Case, node: str) -> list[str]:
    """Return the generations of the cards that lspci shows on a node."""
    devices = case.cards(node)
    return [name for device in devices if (name := generation(device.device))]


def is_virtual(case: Case, name: str) -> bool:
    """Tell whether a node is known to be a virtual machine."""
    node = case.node(name)
    if node is not None and (
        node.metadata.labels.get(_CPUID) == "true" or node.spec.provider_id.startswith(_PLATFORMS)
    ):
        return True
    return any(
        pattern.search(text.content)
        for file, pattern in (("dmesg", _HYPERVISOR), ("lspci", _EMULATED))
        for ref, texts in case.texts_of_nodes(file)
        if ref.node == name
        for text in texts
    )


_CPUID = f"{FEATURES}cpu-cpuid.HYPERVISOR"
"""What NFD says of a node whose processor tells of a hypervisor."""
_PLATFORMS = ("vsphere://", "nutanix://", "ovirt://", "kubevirt://")
"""How the ids of machines begin on platforms that have virtual ones only."""
_HYPERVISOR = re.compile(
    r"(?i)hypervisor detected|booting paravirtualized|kvm-clock|vmware virtual|"
    r"detected virtualization (?!none)"
)


_EMULATED = re.compile(r"(?i)\b(?:15ad|1af4|1b36|1414|5853):[0-9a-f]{4}\b")
"""Devices of VMware, virtio, QEMU, Hyper-V and Xen, by their vendors (PCI ID database)."""


def failing(case: Case) -> list[Node]:
    """Return the nodes on which the driver does not work, for another reason than its image."""
    return list(case.driverless)


def on_node(case: Case, node: Node, says: str, evidence: tuple[Evidence, ...], at: float) -> Result:
    """Return a finding about the driver of a node; the arguments are those of `of_node`."""
    name = node.metadata.name
    pods = case.pods_on(name, DRIVER)
    objects = (*(f"Pod/{pod.metadata.name}" for pod in pods[:1]), f"Node/{name}")
    told = about(pods[0] if pods else None, "nvidia-driver-ctr", name)
    return Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told)


def _open_required(case: Case, says: str) -> Results:
    wanted = case.setting("driver", "kernelModuleType")
    proprietary = wanted == "proprietary" or case.setting("driver", "useOpenKernelModules") is False
    silent = wanted in (None, "") and case.driver_version[:1] < _BLACKWELL_DRIVER
    for node in failing(case):
        name = node.metadata.name
        new = (
            "blackwell" in generations(case, name)
            or node.metadata.labels.get("nvidia.com/gpu.family") == "blackwell"
        )
        if new and (proprietary or silent) and case.policies:
            evidence = (
                Evidence(f"lspci of Node/{name}", "a GPU of the Blackwell generation"),
                Evidence("ClusterPolicy", f"spec.driver.kernelModuleType: {wanted or 'not set'}"),
            )
            return (on_node(case, node, says, evidence, 0.88),)
    return _proprietary_loaded(case, says)


_PROPRIETARY = re.compile(r"NVRM: loading NVIDIA UNIX (?!Open)\S+ Kernel Module\s+\S+")
"""What the proprietary module says when it is loaded; the open one says so of itself."""


def _proprietary_loaded(case: Case, says: str) -> Results:
    """Find the proprietary module on cards that only the open one drives: it passes them over."""
    for ref, texts in case.texts_of_nodes("dmesg", "nvidia-bug-report"):
        node = case.node(ref.node)
        if node is None or offers_gpu(node) or "blackwell" not in generations(case, ref.node):
            continue
        for text in texts:
            banners = list(_PROPRIETARY.finditer(text.content))
            if banners:
                evidence = (
                    Evidence(f"lspci of Node/{ref.node}", "a GPU of the Blackwell generation"),
                    Evidence(ref.where, banners[-1][0]),
                )
                return (on_node(case, node, says, evidence, 0.86),)
    return ()


def _open_unsupported(case: Case, says: str) -> Results:
    wanted = case.setting("driver", "kernelModuleType") == "open" or bool(
        case.setting("driver", "useOpenKernelModules")
    )
    for node in failing(case) if wanted else []:
        for name in generations(case, node.metadata.name):
            if older(name, "turing"):
                evidence = (
                    Evidence(
                        f"lspci of Node/{node.metadata.name}", f"a GPU of the {name} generation"
                    ),
                    Evidence("ClusterPolicy", "spec.driver asks for the open kernel modules"),
                )
                return (on_node(case, node, says, evidence, 0.88),)
    return ()


def _vgpu(case: Case, says: str) -> Results:
    quotes = [
        q
        for q in find(
            case,
            ("installed in this system is not supported by the", "nvrm: vgpu"),
            None,
            ("kernel", "log"),
        )
        if q.live or q.source == "kernel"
    ]
    for quote in quotes:
        ages = generations(case, quote.node)
        oldest = oldest_of(case.driver_version)
        if ages and any(older(age, oldest) for age in ages):
            continue
        at = 0.9 if is_virtual(case, quote.node) or not ages else 0.62
        return (result(says, [quote], at=at),)
    return _instance(case, says)


INSTANCE = "node.kubernetes.io/instance-type"
"""Label by which cloud providers tell the kind of machine."""
FRACTION = re.compile(r"(?i)^Standard_NV\d+\w*_A10_v5$|^Standard_NC\w*_vgpu")
"""Instance types that give a part of a GPU as vGPU (Azure NVadsA10 v5)."""


def _instance(case: Case, says: str) -> Results:
    for node in failing(case):
        kind = node.metadata.labels.get(INSTANCE, "")
        if FRACTION.match(kind) and not _is_guest(case):
            name = node.metadata.name
            evidence = (Evidence(f"labels of Node/{name}", f"instance type {kind}"),)
            return (on_node(case, node, says, evidence, 0.72),)
    return ()


def _is_guest(case: Case) -> bool:
    """Tell whether the driver's image is named as one for virtual GPUs."""
    images = " ".join(c.image for pod in case.pods_of(DRIVER) for c in pod.spec.containers)
    return "grid" in images or "vgpu" in images


def _generic(case: Case, says: str) -> Results:
    quotes = [q for q in find(case, _NO_LOAD, (DRIVER,)) if q.live]
    if quotes:
        return (result(says, quotes, at=0.7),)
    by = (VALIDATOR, TOOLKIT)
    validated = [q for q in find(case, ("could not insert 'nvidia_modeset",), by) if q.live]
    others = [q for q in find(case, _FIRST, (DRIVER,)) if q.pod and key(q.pod) in case.trouble]
    told = validated or others
    return (result(says, told, at=0.7),) if told else _unloaded(case, says)


_FIRST = ("could not insert 'ipmi_", "could not insert 'i2c_core")
"""What the driver's container loads before its own modules: it ends where the kernel refuses."""

_NO_ANSWER = ("couldn't communicate with the nvidia driver",)


def _unloaded(case: Case, says: str) -> Results:
    """Find hosts whose own driver is installed, as nvidia-smi is there, and whose card has none."""
    for ref, texts in case.texts_of_nodes("nvidia-bug-report"):
        node = case.node(ref.node)
        cards = case.cards(ref.node)
        line = next((line for text in texts for line in text.find(_NO_ANSWER)), None)
        bare = cards and not any(card.driver for card in cards)
        if node is None or line is None or not bare or case.pods_on(ref.node, DRIVER):
            continue
        evidence = (
            Evidence(f"{ref.where}:{line.number}", line.text.strip()),
            Evidence(f"lspci of Node/{ref.node}", "no kernel driver in use"),
        )
        return (on_node(case, node, says, evidence, 0.6),)
    return ()


def _denied(case: Case, says: str) -> Results:
    """Find modules that the kernel denied (EACCES), where no SELinux is that would do so."""
    quotes = [q for q in denied(case) if not has_selinux(case, q.node)]
    return (result(says, quotes, at=0.9),) if quotes else ()


def denied(case: Case) -> list[Quote]:
    """Return what the driver says where the kernel's security module denied it its own."""
    phrase = "could not insert 'nvidia*': permission denied"
    return [q for q in find(case, (phrase,), (DRIVER,), EVERYWHERE) if q.live]


_SELINUX = re.compile(r"(?i)red ?hat|rhel|centos|rocky|alma|fedora|coreos|oracle linux")


def has_selinux(case: Case, name: str) -> bool:
    """Tell whether a node's system is one that enforces SELinux as it is delivered."""
    node = case.node(name)
    return node is not None and _SELINUX.search(node.status.node_info.os_image) is not None


def _unsigned(case: Case, says: str) -> Results:
    """Find Secure Boot where the module was refused, by what the firmware or tools say."""
    boots = find(
        case,
        (
            "secureboot enabled",
            "secure boot enabled",
            "secureboot: secure boot enabled",
            "kernel is locked down from efi secure boot",
            "has uefi secure boot enabled",
        ),
        None,
        ("kernel", "log", "client"),
    )
    boots += _files(case)
    refused = [q for q in find(case, (*_NO_LOAD, "operation not permitted"), (DRIVER,)) if q.live]
    boots = [q for q in boots if q.live or q.source == "kernel"]
    if boots and (refused or any("uefi" in b.evidence.quote.lower() for b in boots)):
        return (result(says, [*refused, *boots], at=0.92),)
    if boots and failing(case):
        return (result(says, boots, at=0.8),)
    return ()


def _files(case: Case) -> list[Quote]:
    found = []
    for ref, texts in case.texts_of_nodes("mokutil_--sb-state", "mokutil", "sb-state"):
        for text in texts:
            for line in text.find(("secureboot enabled",)):
                evidence = Evidence(f"{ref.where}:{line.number}", line.text)
                found.append(
                    Quote(evidence, live=True, component="kernel", node=ref.node, source="kernel")
                )
    return found


_UNSIGNED = (
    "required key not available",
    "key was rejected by service",
    "loading of unsigned module is rejected",
    "unsigned module loading is restricted",
    "not signed by a key that is trusted",
    "module verification failed*rejected",
    "lockdown: modprobe",
    "module signature verification failed",
    "could not insert 'nvidia*operation not permitted",
    "kernel module load error: operation not permitted",
    "pkcs#7 signature not signed with a trusted key",
    "module is rejected",
)

SECURE_BOOT = cause(
    "OCG0820",
    "secure-boot-enabled",
    FAMILY,
    "driver",
    title="no GPU node refuses unsigned kernel modules",
    says="Secure Boot, or enforced module signatures, refuses the unsigned NVIDIA kernel module",
    means="Modules that are built in the cluster are not signed by a key that the firmware knows, "
    "and with "
    "Secure Boot the kernel takes no others.",
    remedy=(
        "oc debug node/{node} -- chroot /host mokutil --sb-state",
        "turn Secure Boot off in the firmware or in the virtual machine's settings of {node}",
    ),
    look=any_of(
        said(*_UNSIGNED, sources=EVERYWHERE, at=0.95, by=(DRIVER, "kernel")), _unsigned, _denied
    ),
)
OPEN_REQUIRED = cause(
    "OCG0821",
    "open-kernel-module-required",
    FAMILY,
    "driver",
    title="GPUs that need the open kernel modules get them",
    says="the GPU needs the open kernel modules, but the proprietary ones are configured",
    means="Blackwell and Grace Hopper are driven by the open modules only. From driver 570 on "
    "kernelModuleType "
    "auto chooses; before that they have to be asked for.",
    remedy=(
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"kernelModuleType":"open"}}}\''
        ),
    ),
    look=any_of(
        said(
            "requires use of the nvidia open kernel modules",
            "requires the use of the nvidia open",
            "requires use of the open",
            "open kernel modules*required",
            sources=EVERYWHERE,
            always=True,
            at=0.96,
        ),
        _open_required,
    ),
)
OPEN_UNSUPPORTED = cause(
    "OCG0822",
    "open-kernel-module-unsupported",
    FAMILY,
    "driver",
    title="the open kernel modules support these GPUs",
    says="the open kernel module of this driver release does not support this GPU",
    means="The open modules need a GPU System Processor, which cards before Turing lack; releases "
    "before 555 "
    "take consumer cards with an extra parameter only.",
    remedy=(
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"kernelModuleType":"proprietary"}}}\''
        ),
        "or set NVreg_OpenRmEnableUnsupportedGpus=1 in driver.kernelModuleConfig",
    ),
    look=any_of(
        said(
            "not supported by open nvidia.ko",
            "openrmenableunsupportedgpus",
            "gpu system processor (gsp)",
            "open gpu kernel modules*not supported",
            "required gpu system processor",
            sources=EVERYWHERE,
            always=True,
            at=0.96,
        ),
        _open_unsupported,
    ),
)
VGPU = cause(
    "OCG0824",
    "vgpu-needs-guest-driver",
    FAMILY,
    "driver",
    title="virtual GPUs get the guest driver",
    says="the node sees a vGPU, which needs the vGPU guest driver instead of the data-centre "
    "driver",
    means="The hypervisor gives a virtual GPU, not the card. Only the guest (GRID) driver of its "
    "vGPU release "
    "drives it; it is downloaded from NVIDIA's licensing portal and built into an own image.",
    remedy=(
        "oc debug node/{node} -- chroot /host lspci -nnk -d 10de:",
        (
            "build the driver image from the guest package and set driver.repository, image and "
            "version"
        ),
    ),
    look=_vgpu,
)
GENERIC = cause(
    "OCG0826",
    "module-load-failed-generic",
    FAMILY,
    "driver",
    title="the kernel takes the NVIDIA module",
    says="the kernel module could not be loaded, and the kernel messages that tell why are not "
    "here",
    means="The build worked and the kernel refused the module, or found no card that it drives. "
    "The kernel's "
    "own messages name the reason.",
    remedy=(
        "oc debug node/{node} -- chroot /host dmesg | grep -iE 'nvrm|nvidia|nouveau|lockdown'",
        "oc debug node/{node} -- chroot /host lspci -nnk -d 10de:",
    ),
    look=_generic,
)

CAUSES = (
    SECURE_BOOT,
    OPEN_REQUIRED,
    OPEN_UNSUPPORTED,
    VGPU,
    GENERIC,
)
