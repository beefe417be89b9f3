"""Checks of the machines: which nodes have an NVIDIA card, and whether Secure Boot is on."""

import re

from oc_gpu import facts
from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.machines import Machine
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.snapshot.kinds import Node
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.naming import named

FEATURE = "feature.node.kubernetes.io/"

_CARD = re.compile(
    r"^.*\bpci ([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]): "
    r"\[(10de:[0-9a-f]{4})\].* class 0x(?:0300|0302|12)[0-9a-f]+.*$",
    re.MULTILINE,
)
JOURNAL_PATTERN = r"pci [0-9a-f:.]+: \[|[Ss]ecure ?[Bb]oot"
"""Which kernel messages these checks look at, as a pattern for the node's journal. All PCI devices
are in it: every machine has some, so a journal without any was cut and tells nothing."""

_DEVICE = re.compile(r"\bpci [0-9a-f:.]+: \[[0-9a-f]{4}:[0-9a-f]{4}\]")
_UNSECURED = re.compile(r"Secure boot disabled")
_SECURE = re.compile(r"^.*(?:Secure boot enabled|from EFI Secure Boot).*$", re.MULTILINE)
_UNDECIDED = re.compile(r"^.*Secure boot could not be determined.*$", re.MULTILINE)
_SHOWN = 6


def card_label(node: Node) -> str:
    """Return the label that says that a node has an NVIDIA card, empty when it has none."""
    cards = facts.gpu_labels().cards
    return next((key for key in cards if node.metadata.labels.get(key) == "true"), "")


def cards_at_boot(snapshot: Snapshot, node: str) -> tuple[str, ...]:
    """Return the PCI ids of the NVIDIA cards that a node's kernel found when it booted."""
    return tuple(match[2] for match in _CARD.finditer(snapshot.journals.get(node, "")))


def booted(snapshot: Snapshot, node: str) -> bool:
    """Tell whether a node's kernel messages are known from the start of the boot on."""
    return _DEVICE.search(snapshot.journals.get(node, "")) is not None


def has_features(node: Node) -> bool:
    """Tell whether Node Feature Discovery labelled a node at all."""
    return any(key.startswith(FEATURE) for key in node.metadata.labels)


def gpu_nodes(inputs: Inputs) -> tuple[str, ...]:
    """Return the nodes with a card, by label or by what their kernel found."""
    named = {*inputs.gpu_nodes, *(n.metadata.name for n in inputs.snapshot.nodes if card_label(n))}
    found = (node.metadata.name for node in inputs.snapshot.nodes)
    return tuple(sorted(named | {name for name in found if cards_at_boot(inputs.snapshot, name)}))


def _has_gpu_node(inputs: Inputs) -> Results:
    found = gpu_nodes(inputs)
    if found:
        nodes = {node.metadata.name: node for node in inputs.snapshot.nodes}
        return tuple(_found(inputs.snapshot, nodes.get(name), name) for name in found)
    return (_none_found(inputs),)


def _found(snapshot: Snapshot, node: Node | None, name: str) -> Result:
    cards = cards_at_boot(snapshot, name)
    label = card_label(node) if node is not None else ""
    if cards:
        lines = (match[0].strip() for match in _CARD.finditer(snapshot.journals[name]))
        evidence = tuple(Evidence(f"kernel messages of {name}", line) for line in lines)
        count = "an NVIDIA card" if len(cards) == 1 else f"{len(cards)} NVIDIA cards"
        title = f"{name} has {count} ({', '.join(sorted(set(cards)))})"
    else:
        evidence = (Evidence(f"labels of Node/{name}", f"{label}: 'true'"),)
        title = f"{name} has an NVIDIA card, as Node Feature Discovery says"
    return Result(Severity.OK, title, objects=(f"Node/{name}",), evidence=evidence)


def _none_found(inputs: Inputs) -> Result:
    if not inputs.workers:
        return Result(Severity.ERROR, "the cluster has no worker node", cause="no-gpu-node")
    workers = [node.metadata.name for node in inputs.workers]
    read = [name for name in workers if booted(inputs.snapshot, name)]
    labelled = all(has_features(node) for node in inputs.workers)
    objects = tuple(f"Node/{name}" for name in workers[:_SHOWN])
    remedy = (
        "give a worker an NVIDIA GPU (PCI vendor 10de), or pass one through to its virtual machine",
        f"oc debug node/{workers[0]} -- chroot /host lspci -nn -d 10de:",
    )
    if labelled or len(read) == len(workers):
        seen = "Node Feature Discovery" if labelled else "the kernel"
        title = f"no worker has an NVIDIA GPU: {seen} found none on {_count(workers)}"
        return Result(Severity.ERROR, title, "no-gpu-node", objects, remedy=remedy)
    left = [name for name in workers if name not in read]
    if read:
        title = (
            f"the kernel of {_count(read)} found no NVIDIA GPU; "
            f"the messages of {_names(left)} could not be read"
        )
        return Result(Severity.WARNING, title, objects=objects, remedy=remedy[1:])
    title = (
        "it is not known whether a worker has an NVIDIA GPU: Node Feature Discovery has not "
        "labelled them and their kernel messages were not read"
    )
    return Result(Severity.UNKNOWN, title, objects=objects, remedy=remedy[1:])


def _count(names: list[str]) -> str:
    return f"{len(names)} workers" if len(names) > 1 else names[0]


def _names(names: list[str]) -> str:
    return named(names, _SHOWN)


def _boots_unsecured(inputs: Inputs) -> Results:
    names = gpu_nodes(inputs)
    if not names and _none_found(inputs).severity is Severity.ERROR:
        return ()
    if not names:
        title = "it is not known which nodes have a GPU, so their Secure Boot was not looked at"
        return (Result(Severity.UNKNOWN, title),)
    return tuple(
        _by_firmware(name, inputs.probes.get(name, "")) or _secure_boot(inputs.snapshot, name)
        for name in names
    )


def _by_firmware(name: str, probe: str) -> Result | None:
    """Return what the firmware of a node told a probe; None where the machine has no EFI."""
    secure = Machine(probe).secure_boot
    if secure is None:
        return None
    if not secure:
        title = f"{name} boots without Secure Boot"
        return Result(Severity.OK, title, objects=(f"Node/{name}",))
    return _refused(name, (Evidence(f"efivars of {name}", "SecureBoot: 1"),))


def _secure_boot(snapshot: Snapshot, name: str) -> Result:
    journal = snapshot.journals.get(name, "")
    objects = (f"Node/{name}",)
    look = f"oc debug node/{name} -- chroot /host journalctl -k -b -g 'secure ?boot'"
    line = _SECURE.search(journal) or _UNDECIDED.search(journal)
    evidence = (Evidence(f"kernel messages of {name}", line[0].strip()),) if line else ()
    known = line is not None or booted(snapshot, name) or _UNSECURED.search(journal)
    if not known or _UNDECIDED.search(journal):
        title = f"it is not known whether Secure Boot is off on {name}"
        return Result(Severity.UNKNOWN, title, None, objects, evidence, (look,))
    if line is None:
        title = f"{name} booted without Secure Boot"
        return Result(Severity.OK, title, objects=objects)
    return _refused(name, evidence, (look,))


def _refused(name: str, evidence: tuple[Evidence, ...], look: tuple[str, ...] = ()) -> Result:
    switch = (
        f"drain and power off {name}, switch Secure Boot off in its firmware "
        "(vSphere: VM Options, Boot Options), and power it on"
    )
    title = f"Secure Boot is on on {name}, so its kernel refuses the driver, which is not signed"
    objects = (f"Node/{name}",)
    return Result(Severity.ERROR, title, "secure-boot-enabled", objects, evidence, (switch, *look))


GPU_NODES = Check(
    "OCG1501", "gpu-nodes", "hardware", "a worker has an NVIDIA GPU", _has_gpu_node, ("nodes",)
)
SECURE_BOOT = Check(
    "OCG0801",
    "secure-boot",
    "driver",
    "the GPU nodes boot without Secure Boot",
    _boots_unsecured,
    ("nodes",),
)
