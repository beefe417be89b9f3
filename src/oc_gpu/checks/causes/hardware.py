"""Layer hardware: cards that do not answer, and cards that are passed to virtual machines."""

import re

from oc_gpu.checks.cards import older
from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.driver import generations, is_virtual
from oc_gpu.checks.components import ON_NODE, SANDBOX, VFIO, VGPU_MANAGER, WORKLOAD
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import (
    Quote,
    about,
    any_of,
    cause,
    find,
    note,
    of_node,
    result,
    said,
    shown,
)
from oc_gpu.snapshot.kinds import Pod

_GPU = "gpu-hardware"
_PASSED = "passthrough"
_EVERYWHERE = ("kernel", "log", "event", "state", "client")
_ON_HOST = (SANDBOX, VFIO, VGPU_MANAGER)


def _bus(case: Case, says: str) -> Results:
    phrases = (
        "fallen off the bus",
        "xid*: 79,",
        "xid*79, gpu has fallen",
        "gpu is lost",
        "gpu_is_lost",
        "nvidia*unable to change power state*device inaccessible",
    )
    quotes = [q for q in find(case, phrases, None, _EVERYWHERE) if q.live or q.source == "kernel"]
    if quotes:
        return (result(says, quotes, at=0.96),)
    if silent := _without_header(case, says):
        return silent
    lost = find(case, ("unable to determine the device handle for gpu",), None, _EVERYWHERE)
    lost = [q for q in lost if q.live]
    return (result(says, lost, at=0.75),) if lost else ()


_SILENT = re.compile(r"(?im)^[0-9a-f:.]+ [^\n]*10de:[0-9a-f]{4}[^\n]*\(rev ff\)")
"""How lspci shows a card that answers no reads: all ones, its revision among them."""


def _without_header(case: Case, says: str) -> Results:
    for ref, texts in case.texts_of_nodes("lspci"):
        node = case.node(ref.node)
        match = next((m for text in texts if (m := _SILENT.search(text.content))), None)
        held = any(d.driver == "vfio-pci" for d in case.devices.get(ref.node, []))
        ill = ref.node in case.unwell_nodes or _lacks_gpus(case, ref.node)
        if match is not None and node is not None and ill and not held:
            return (of_node(node, says, (Evidence(ref.where, match[0]),), 0.93),)
    return ()


def _adapter(case: Case, says: str) -> Results:
    quotes = find(
        case,
        (
            "rminitadapter failed",
            "rm_init_adapter failed",
            "cannot initialize gsp firmware",
            "gsp rm heartbeat",
            "failed to copy vbios",
            "unexpected wpr2 already up",
        ),
        None,
        _EVERYWHERE,
    )
    quotes = [q for q in quotes if q.live or _lacks_gpus(case, q.node)]
    if quotes:
        return (result(says, quotes, at=0.84),)
    late = [q for q in find(case, _TOO_LATE, None, _EVERYWHERE) if q.live]
    return (result(says, late, at=0.6),) if late else _none(case, says) or _passed_over(case)


_TOO_LATE = ("driver error: timed out", "driver rpc error: timed out")
"""How the container CLI says that the driver did not come to an end with a card."""


_NONE = "no devices were found"


def _none(case: Case, says: str) -> Results:
    """Find nodes whose driver holds a card, and none that it could show."""
    for ref, texts in case.texts_of_nodes("nvidia-bug-report"):
        node, held = case.node(ref.node), [d for d in case.cards(ref.node) if d.driver == "nvidia"]
        line = next((line for text in texts for line in text.find((_NONE,))), None)
        if line is not None and node is not None and held:
            evidence = (
                Evidence(f"{ref.where}:{line.number}", shown(line.text)),
                Evidence(f"lspci of Node/{ref.node}", "Kernel driver in use: nvidia"),
            )
            return (of_node(node, says, evidence, 0.6),)
    said_so = find(case, (_NONE,), (*ON_NODE,), ("log",))
    quotes = [quote for quote in said_so if quote.live]
    return (result(says, quotes, at=0.6),) if quotes else ()


_FEWER = (
    "the node has more cards than its device plugin counts: the driver may not start all of them"
)


def _passed_over(case: Case) -> Results:
    """Note nodes with more cards than the plugin counts, where none is divided or given away."""
    for node in case.gpu_nodes:
        name, amounts = node.metadata.name, node.status.capacity
        cards = case.cards(name)
        has = amounts.get("nvidia.com/gpu", "0")
        divided = any(one.startswith("nvidia.com/mig-") for one in amounts)
        layout = node.metadata.labels.get("nvidia.com/mig.config", "all-disabled")
        away = any(card.driver not in ("", "nvidia") for card in cards)
        if divided or layout != "all-disabled" or away or not has.isdigit():
            continue
        if 0 < int(has) < len(cards):
            evidence = (
                Evidence(f"lspci of Node/{name}", f"{len(cards)} cards"),
                Evidence(f"status of Node/{name}", f"capacity nvidia.com/gpu: {has}"),
            )
            found = of_node(node, _FEWER, evidence, 0.45)
            return (note(found),)
    return ()


def _machines(case: Case) -> list[Pod]:
    """Return the pods of KubeVirt in which virtual machines run."""
    return [
        pod
        for pod in case.snapshot.pods
        if pod.metadata.labels.get("kubevirt.io") == "virt-launcher"
        or pod.metadata.name.startswith("virt-launcher-")
    ]


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
        return (of_node(node, says, evidence, 0.86 if passes else 0.45),)
    return ()


_VM_GONE = ("failed to ping hypervisor", "sandbox stopped unexpectedly", "hypervisor*died")
"""What the shim of a runtime with a virtual machine for each pod says when that is gone."""


def _sandbox_gone(case: Case, says: str) -> Results:
    """Find pods in virtual machines of their own that fail on a node which gives its cards away."""
    quotes = find(case, _VM_GONE, None, ("kernel", "journal", "event", "state"))
    for one in case.troubles if quotes else ():
        pod, name = one.pod, one.pod.spec.node_name
        given = any(card.driver == "vfio-pci" for card in case.cards(name))
        told = [q for q in quotes if q.node == name or q.pod is pod]
        if given and told and _VM_CLASS.search(pod.spec.runtime_class_name):
            seen = f"runtimeClassName: {pod.spec.runtime_class_name}, {one.state}"
            more = (Evidence(f"Pod/{pod.metadata.name}", seen),)
            return (result(says, told[:1], at=0.72, more=more),)
    return ()


_VM_CLASS = re.compile(r"(?i)kata|clh|qemu|firecracker")
"""Names by which runtimes with virtual machines are known."""


def _no_window(case: Case, says: str) -> Results:
    """Find address windows that the kernel could not place, on a node whose GPUs do not work.

    Healthy machines say so of devices that nobody uses, too.
    """
    phrases = ("bar*: no space for", "bar*: failed to assign", "bar*: can't assign")
    quotes = [
        q
        for q in find(case, phrases, None, ("kernel",))
        if (q.live or _lacks_gpus(case, q.node)) and _of_card(case, q)
    ]
    return (result(says, quotes, at=0.94),) if quotes else ()


def _of_card(case: Case, quote: Quote) -> bool:
    """Tell whether a kernel's message is about an NVIDIA card, or may be."""
    slots = [device.slot for device in case.devices.get(quote.node, [])]
    return not slots or any(slot in quote.evidence.quote.lower() for slot in slots)


def _lacks_gpus(case: Case, name: str) -> bool:
    """Tell whether a node offers fewer GPUs than it has."""
    node = case.node(name)
    if node is None:
        return False
    has, offers = (
        amounts.get("nvidia.com/gpu", "0")
        for amounts in (node.status.capacity, node.status.allocatable)
    )
    cards = len(case.cards(name))
    return offers.isdigit() and has.isdigit() and int(offers) < max(int(has), cards)


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
                "probe of*failed with error -22",
                "vfio-pci*error -22",
                "vfio: no iommu group",
                "no devices in iommu group",
                "please ensure all devices within the iommu_group",
                "enable iommu",
                "no interrupt remapping support",
            ),
            (*_ON_HOST, "kernel"),
            _EVERYWHERE,
        )
        if q.live or q.source == "kernel"
    ]
    quotes += [q for q in find(case, _NO_PASSING, None, ("log", "event", "state")) if q.live]
    off = _no_argument(case)
    if quotes:
        return (result(says, quotes, at=0.93, more=off),)
    down = case.troubles_of(*_ON_HOST)
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


def _sandbox(case: Case) -> bool:
    return case.setting("sandboxWorkloads", "enabled") is True or bool(case.pods_of(*_ON_HOST))


def _sriov(case: Case, says: str) -> Results:
    for one in case.troubles_of(SANDBOX):
        waits = "vgpu" in one.container
        manager = [t for t in case.troubles_of(VGPU_MANAGER) if t.fails]
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
    return (result(says, quotes, at=0.84),) if quotes else ()


BUS = cause(
    "OCG1520",
    "gpu-fallen-off-bus",
    _GPU,
    "hardware",
    title="all GPUs answer on the PCIe bus",
    says="the GPU no longer answers on the PCIe bus",
    means="Xid 79: power, heat, the slot or the card itself. Nothing that runs on the cluster can "
    "bring it back.",
    remedy=(
        "oc adm drain {node} --ignore-daemonsets --delete-emptydir-data",
        (
            "power {node} off and on; look at its power supply, temperature, riser and slot; "
            "exchange "
            "the card"
        ),
    ),
    look=_bus,
)
ADAPTER = cause(
    "OCG1521",
    "rminitadapter-failed",
    _GPU,
    "hardware",
    title="the driver initialises the GPUs",
    says="the driver cannot initialise a GPU that it supports",
    means="The module is loaded and the card does not start: its firmware, a state left by an "
    "earlier driver, or "
    "resources that a virtual machine does not give.",
    remedy=(
        "oc debug node/{node} -- chroot /host dmesg | grep -i nvrm",
        "power {node} off and on, not only reboot; then try another driver release",
    ),
    look=_adapter,
)
BAR = cause(
    "OCG1530",
    "passthrough-bar-mmio",
    _PASSED,
    "hardware",
    title="the machine has room for the GPU's memory window",
    says="the virtual machine has too little 64-bit MMIO space for the GPU's memory BAR",
    means="Cards with much memory want a large address window, which the firmware of the machine "
    "has to give: EFI, "
    "and on vSphere 64-bit MMIO of sufficient size.",
    remedy=(
        (
            "vSphere: firmware EFI, pciPassthru.use64bitMMIO=TRUE, pciPassthru.64bitMMIOSizeGB=512 "
            "(power cycle {node})"
        ),
        "add the kernel argument pci=realloc on {node}",
    ),
    look=any_of(
        said(
            "pci i/o region assigned to your nvidia device is invalid",
            "bar*is 0m @ 0x0",
            "bar0 is 0m",
            "nvrm: request_mem_region failed for 0m",
            "this pci i/o region",
            sources=("kernel", "log", "client"),
            always=True,
            at=0.94,
        ),
        _no_window,
    ),
)
CRASH = cause(
    "OCG1531",
    "hypervisor-passthrough-crash",
    _PASSED,
    "hardware",
    title="the hypervisor bears the passed-through GPU",
    says="the hypervisor or the virtual machine crashes when the passed-through GPU is initialised",
    means="The machine ends at the moment in which the driver starts the card.",
    remedy=(
        "look at the hypervisor's own log of the machine at that moment",
        "update its firmware; check ACS, resizable BAR and the host's IOMMU settings",
    ),
    look=any_of(
        said(
            "pcipassthru*error",
            "hypervisor*crash",
            "qemu*terminated",
            "qemu-kvm*killed",
            "qemu unexpectedly closed the monitor",
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
            "purple screen",
            "#pf exception 14",
            "kvm_set_msi_irq",
            sources=_EVERYWHERE,
            at=0.85,
            by=(*_ON_HOST, "kernel", "other", WORKLOAD),
        ),
        _gone_with_driver,
        _sandbox_gone,
    ),
)
IOMMU = cause(
    "OCG1532",
    "iommu-disabled",
    _PASSED,
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
    _PASSED,
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
    _PASSED,
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

CAUSES = (BAR, ADAPTER, BUS, CRASH, IOMMU, SRIOV, HELD)
