"""Layer hardware: cards that are passed to virtual machines."""

import re

from oc_gpu.checks.cards import older
from oc_gpu.checks.case import Case, key
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.driver import generations, is_virtual
from oc_gpu.checks.causes.hardware import EVERYWHERE, PASSED
from oc_gpu.checks.causes.pools import NOTE
from oc_gpu.checks.components import DRIVER, SANDBOX, VFIO, VGPU_MANAGER, WORKLOAD, wants_gpu
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import about, any_of, cause, find, of_node, of_pod, result, said
from oc_gpu.checks.troubles import PULLING
from oc_gpu.snapshot.kinds import Node, Pod

_ON_HOST = (SANDBOX, VFIO, VGPU_MANAGER)


def _machines(case: Case) -> list[Pod]:
    """Return the pods of KubeVirt in which virtual machines run."""
    return [
        pod
        for pod in case.snapshot.pods
        if pod.metadata.labels.get("kubevirt.io") == "virt-launcher"
        or pod.metadata.name.startswith("virt-launcher-")
    ]


_CRASHES = (
    "pcipassthru*error",
    "panic: pcipassthru",
    "hypervisor*crash",
    "qemu*terminated",
    "qemu-kvm*killed",
    "qemu*: assertion `*failed",
    "qemu unexpectedly closed the monitor",
    "shutting down, reason=crashed",
    "vfio_map_dma failed",
    "kvm: internal error",
    "vfio_err_notifier_handler",
    "unrecoverable error*pci",
    "vcpu-*unrecoverable",
    "vmx*unrecoverable error",
    "msi-x*passthru",
    "vm was reset",
    "guest*triple fault",
    "domain*crashed",
    "domain_crash called",
    "purple screen",
    "#pf exception 14",
    "kvm_set_msi_irq",
)
"""How hypervisors tell that a machine of theirs, or they themselves, came to a sudden end."""
_TELL = (*_ON_HOST, "kernel", "other", WORKLOAD)


def took_down(case: Case, node: Node) -> bool:
    """Tell whether a silent node may have been taken down by the GPU that it was to start.

    Its hypervisor says so, or its driver had not come up yet when the machine was last heard of.
    """
    told = find(case, _CRASHES, _TELL, ("kernel", "client"))
    return any(q.node in ("", node.metadata.name) for q in told) or _was_starting(case, node)


def _was_starting(case: Case, node: Node) -> bool:
    name = node.metadata.name
    drivers = [t for t in case.troubles_of(DRIVER) if t.pod.spec.node_name == name]
    runs = any(one.container and one.state in ("not ready", "Init") for one in drivers)
    bought = node.spec.provider_id.startswith(_CLOUDS)
    return runs and is_virtual(case, name) and not bought and not _changes(node)


_CLOUDS = ("aws://", "azure://", "gce://", "ibm://", "oci://", "alicloud://")
"""How the ids of machines begin whose hypervisors are made for the cards that they pass."""


def _changes(node: Node) -> bool:
    """Tell whether somebody is at work on a node, who may have it rebooted."""
    notes = node.metadata.annotations
    asked, has = (notes.get(f"{NOTE}{field}Config") for field in ("desired", "current"))
    return node.spec.unschedulable or asked != has


def _gone_with_driver(case: Case, says: str) -> Results:
    """Find machines that went silent while a GPU of theirs was taken into service.

    That is a virtual machine of the cluster, or a host that gives its GPUs to virtual machines.
    """
    for node in case.silent_nodes:
        name, told = node.metadata.name, node.ready
        guests = [pod for pod in _machines(case) if pod.spec.node_name == name]
        passes = bool(guests) and bool(case.pods_on(name, *_ON_HOST))
        if told is None or told.status != "Unknown" or not (passes or is_virtual(case, name)):
            continue
        evidence = (
            Evidence(f"condition Ready of Node/{name}", f"{told.reason} {told.message}"),
            *(Evidence(f"Pod/{p.metadata.name}", "a virtual machine there") for p in guests[:1]),
        )
        holds = passes and any(map(wants_gpu, guests))
        at = 0.7 if _was_starting(case, node) else 0.6 if holds else 0.45
        return (of_node(node, says, evidence, at),)
    return ()


_VM_GONE = (
    "failed to ping hypervisor",
    "sandbox stopped unexpectedly",
    "hypervisor*died",
    "cannot start vm",
    "vfio*error bind device",
)
"""What the shim of a runtime with a virtual machine for each pod says when that is gone."""


def _sandbox_gone(case: Case, says: str) -> Results:
    """Find pods in virtual machines of their own that fail on a node which gives its cards away."""
    ill = (t.pod for t in case.troubles if t.state not in PULLING)
    boxed = [pod for pod in ill if _VM_CLASS.search(pod.spec.runtime_class_name)]
    sources = ("kernel", "journal", "event", "state")
    quotes = find(case, _VM_GONE, None, sources) if boxed else []
    for pod in boxed:
        name = pod.spec.node_name
        given = any(card.driver == "vfio-pci" for card in case.cards(name))
        told = [q for q in quotes if q.node == name or q.pod is pod]
        if given and told:
            seen = f"runtimeClassName: {pod.spec.runtime_class_name}"
            more = (Evidence(f"Pod/{pod.metadata.name}", seen),)
            return (result(says, told[:1], at=0.48, more=more),)
    return ()


_MONITOR_GONE = (
    "unable to read from monitor",
    "end of file from qemu monitor",
    "unable to write to monitor",
    "qemu monitor*connection reset by peer",
)
"""What libvirt says when the machine ends under its hands."""
_KILLED = 137


def _guest_gone(case: Case, says: str) -> Results:
    """Find pods of virtual machines that fail with a card of theirs, and how the machine ended."""
    guests = {key(pod) for pod in _machines(case) if wants_gpu(pod)}
    failing = [t for t in case.troubles if t.fails and key(t.pod) in guests]
    quotes = find(case, _MONITOR_GONE, None, ("log",)) if failing else []
    for one in failing:
        name, asks = one.pod.metadata.name, Evidence(f"Pod/{one.pod.metadata.name}", _HAS_CARD)
        told = [q for q in quotes if q.pod is one.pod]
        if told:
            return (result(says, told[:1], at=0.48, more=(asks,)),)
        if one.exit_code == _KILLED and one.container == "compute":
            state = f"{one.container} {one.ended or one.state}, exit code {one.exit_code}"
            evidence = (Evidence(f"status of Pod/{name}", state), asks)
            return (of_pod(one.pod, says, evidence, 0.45, one.container),)
    return ()


_HAS_CARD = "a virtual machine with a GPU"
_VM_CLASS = re.compile(r"(?i)kata|clh|qemu|firecracker")
"""Names by which runtimes with virtual machines are known."""


def _passing(case: Case) -> set[str]:
    """Return the nodes on which what gives cards to virtual machines is in trouble."""
    return {one.pod.spec.node_name for one in case.troubles_of(*_ON_HOST)}


def _iommu(case: Case, says: str) -> Results:
    quotes = [
        q
        for q in find(
            case,
            (
                "iommu is not enabled",
                "iommu not enabled",
                "no iommu",
                "iommu_groups*no such file",
                "iommu_group*no such file",
                "failed to get iommu group",
                "vfio-pci*probe of*error -22",
                "vfio-pci*error -22",
                "vfio: no iommu group",
                "no devices in iommu group",
                "please ensure all devices within the iommu_group",
                "enable iommu",
                "no interrupt remapping support",
            ),
            (*_ON_HOST, "kernel"),
            EVERYWHERE,
        )
        if q.live or (q.source == "kernel" and q.node in _passing(case))
    ]
    quotes += [q for q in find(case, _NO_PASSING, None, ("log", "event", "state")) if q.live]
    off = _no_argument(case)
    if quotes:
        return (result(says, quotes, at=0.93, more=off),)
    # The manager of vGPUs and their devices have other ailments more often, and others only wait.
    every = case.troubles_of(SANDBOX, VFIO)
    down = [one for one in every if not one.container.startswith("vgpu-") or one.fails]
    down = [one for one in down if not _is_bound(case, one.pod.spec.node_name)]
    if off and down:
        one = down[0]
        evidence = (
            *off,
            Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.container} {one.state}"),
        )
        objects, told = (f"Node/{one.pod.spec.node_name}",), about(one.pod, one.container)
        at = 0.82 if one.container.startswith(("vfio", "nvidia-vfio")) else 0.45
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told),)
    return ()


_NO_PASSING = (
    "host doesn't support vfio pci passthrough",
    "host doesn't support passthrough of host pci",
    "failed to set iommu for container",
)
"""How libvirt and QEMU refuse machines with devices of a host whose IOMMU is off."""


def _no_argument(case: Case) -> tuple[Evidence, ...]:
    for ref, texts in case.texts_of_nodes("proc_cmdline", "proc/cmdline"):
        content = " ".join(text.content for text in texts)
        on = re.search(r"(intel_iommu|amd_iommu|iommu)=(on|pt|force)", content)
        if content.strip() and not on and "amd_iommu" not in content:
            return (Evidence(ref.where, "no intel_iommu=on or amd_iommu=on"),)
    return ()


def _sriov(case: Case, says: str) -> Results:
    for one in case.troubles_of(SANDBOX):
        waits = "vgpu" in one.container
        manager = case.troubles_of(VGPU_MANAGER)
        name = one.pod.spec.node_name
        old = [age for age in generations(case, name) if older(age, "ampere")]
        quotes = [
            q
            for q in find(
                case, ("sriov", "sr-iov", "no vfs", "virtual functions"), (SANDBOX,), ("log",)
            )
            if q.live
        ]
        if not waits or manager or not (old or quotes):
            continue
        evidence = (
            Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.container} {one.state}"),
            *(
                Evidence(f"lspci of Node/{name}", f"a GPU of the {age} generation")
                for age in old[:1]
            ),
            *(quote.evidence for quote in quotes[:1]),
        )
        objects, told = (
            (f"Pod/{one.pod.metadata.name}", f"Node/{name}"),
            about(one.pod, one.container),
        )
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.88, about=told),)
    return ()


def _held(case: Case, says: str) -> Results:
    down = case.troubles_of(SANDBOX, VFIO)
    machines = _machines(case)
    phrases = (
        "device or resource busy",
        "device is in use",
        "in use by",
        "already in use",
    )
    quotes = [q for q in find(case, phrases, (SANDBOX, VFIO), ("log",)) if q.live]
    for one in down:
        here = [pod for pod in machines if pod.spec.node_name == one.pod.spec.node_name]
        if here:
            evidence = (
                Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.container} {one.state}"),
                Evidence(f"Pod/{here[0].metadata.name}", "a virtual machine runs on this node"),
                *(quote.evidence for quote in quotes[:1]),
            )
            objects, told = (f"Pod/{one.pod.metadata.name}",), about(one.pod, one.container)
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=0.9, about=told),
            )
    if quotes:
        return (result(says, quotes, at=0.84),)
    return _bound_and_refused(case, says)


def _is_bound(case: Case, node: str) -> bool:
    """Tell whether all cards of a node are given to VFIO, which takes none without an IOMMU."""
    cards = case.cards(node)
    return bool(cards) and all(card.driver.startswith("vfio") for card in cards)


def _bound_and_refused(case: Case, says: str) -> Results:
    """Find validations that fail without a word, of cards that are bound as they should be.

    All that is left for them to miss is a device that is free.
    """
    for one in case.troubles_of(SANDBOX, fails=True):
        name = one.pod.spec.node_name
        spoke = any(pod is one.pod for _, pod, _ in case.logs)
        if _is_bound(case, name) and one.init and "vfio-pci" in one.container and not spoke:
            evidence = (
                Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.container} {one.state}"),
                Evidence(f"lspci of Node/{name}", "Kernel driver in use: vfio-pci"),
            )
            return (of_pod(one.pod, says, evidence, 0.55, one.container),)
    return ()


CRASH = cause(
    "OCG1531",
    "hypervisor-passthrough-crash",
    PASSED,
    "hardware",
    title="the hypervisor bears the passed-through GPU",
    says="the hypervisor or the virtual machine crashes when the passed-through GPU is initialised",
    means="The machine ends at the moment in which the driver starts the card.",
    remedy=(
        "look at the hypervisor's own log of the machine at that moment",
        "update its firmware; check ACS, resizable BAR and the host's IOMMU settings",
    ),
    look=any_of(
        said(*_CRASHES, sources=EVERYWHERE, at=0.85, by=_TELL),
        _gone_with_driver,
        _sandbox_gone,
        _guest_gone,
    ),
)
IOMMU = cause(
    "OCG1532",
    "iommu-disabled",
    PASSED,
    "hardware",
    title="the IOMMU is on where GPUs are passed through",
    says="the IOMMU is not enabled, so the GPU cannot be bound to VFIO",
    means="Passing a card to a virtual machine needs the IOMMU, in the firmware and as a kernel "
    "argument.",
    remedy=(
        (
            "add the kernel argument intel_iommu=on (or amd_iommu=on) by a MachineConfig; the node "
            "reboots"
        ),
        "turn VT-d or AMD-Vi on in the firmware of {node}",
    ),
    look=_iommu,
)
SRIOV = cause(
    "OCG1533",
    "sandbox-validator-sriov",
    PASSED,
    "hardware",
    title="the sandbox validation fits the card",
    says="the sandbox validator expects an SR-IOV capable vGPU, which this GPU does not have",
    means="vGPU by SR-IOV exists from Ampere on. Older cards use mediated devices, which this "
    "validator does not take.",
    remedy=(
        "oc logs -n {namespace} {pod} -c {container}",
        "use an earlier release of the operator, or a card of the Ampere generation or later",
    ),
    look=_sriov,
)
HELD = cause(
    "OCG1534",
    "sandbox-validation-device-in-use",
    PASSED,
    "hardware",
    title="sandbox validations find their devices free",
    says="a sandbox validation fails, because a virtual machine already holds the device",
    means="The validation counts devices that are free; after a restart of the operands all may "
    "be taken.",
    remedy=(
        "oc get vmi -A -o wide | grep {node}",
        "stop the virtual machine, or leave the validation for its next start",
    ),
    look=_held,
)

CAUSES = (CRASH, IOMMU, SRIOV, HELD)
