"""Layer hardware: cards that do not answer, or have no room in the machine's addresses."""

import re

from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import Results
from oc_gpu.checks.components import ON_NODE
from oc_gpu.checks.model import Evidence
from oc_gpu.checks.quotes import (
    Quote,
    any_of,
    cause,
    find,
    note,
    of_node,
    result,
    said,
    shown,
)

_GPU = "gpu-hardware"
PASSED = "passthrough"
EVERYWHERE = ("kernel", "log", "event", "state", "client")


def _bus(case: Case, says: str) -> Results:
    phrases = (
        "fallen off the bus",
        "xid*: 79,",
        "xid*79, gpu has fallen",
        "gpu is lost",
        "gpu_is_lost",
        "nvidia*unable to change power state*device inaccessible",
    )
    quotes = [q for q in find(case, phrases, None, EVERYWHERE) if q.live or q.source == "kernel"]
    if quotes:
        return (result(says, quotes, at=0.96),)
    if silent := _without_header(case, says):
        return silent
    lost = find(case, ("unable to determine the device handle for gpu",), None, EVERYWHERE)
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
            "nvrm:*likely in a bad state and may need to be reset",
            "nvrm:*cannot pre-initialize the device",
            "nvrm:*failed to wait for gfw",
            "nvrm:*failed to boot gsp",
            "nvrm:*failed to initialize the gpu",
            "nvrm:*rpc response from gpu* gsp!",
        ),
        None,
        EVERYWHERE,
    )
    quotes = [q for q in quotes if q.live or _lacks_gpus(case, q.node)]
    if quotes:
        return (result(says, quotes, at=0.84),)
    late = [q for q in find(case, _TOO_LATE, None, EVERYWHERE) if q.live]
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
    PASSED,
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
CAUSES = (BAR, ADAPTER, BUS)
