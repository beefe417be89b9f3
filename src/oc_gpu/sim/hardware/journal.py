"""The kernel's messages of the current boot, as a node's journal has them.

The kernel prints each PCI function it finds; that is how the cards of a node can be seen before
anything runs on it (Linux, drivers/pci/probe.c).
"""

import datetime as dt
import re

from oc_gpu.sim.machine_facts import NodeFacts, PciDevice

_HEADER = "-- Logs begin at {begin} UTC, end at {end} UTC. --"


def boot_messages(node: NodeFacts, booted: float) -> list[str]:
    """Return the kernel's messages since a node booted.

    Args:
        node: Facts of the machine.
        booted: Epoch seconds of its boot.
    """
    texts = [f"Linux version {node.kernel}"]
    if node.secure_boot:
        texts.append("secureboot: Secure boot enabled")
    else:
        texts.append("secureboot: Secure boot disabled")
    texts += [
        f"pci {pci.address}: [{pci.vendor}:{pci.device}] type 00 class 0x{pci.class_code}00"
        for pci in node.pci
    ]
    texts += _loaded(node)
    texts += [_fallen_off(pci) for pci in node.gpu_devices if pci.lost]
    stamp = dt.datetime.fromtimestamp(booted, dt.UTC).strftime("%b %d %H:%M:%S")
    return [f"{stamp}.{number:06d} {node.name} kernel: {text}" for number, text in enumerate(texts)]


def _loaded(node: NodeFacts) -> list[str]:
    """Return what drivers say that the machine itself has loaded for its cards."""
    texts = []
    if node.host_driver:
        words = "NVRM: loading NVIDIA UNIX x86_64 Kernel Module"
        texts.append(f"{words}  {node.host_driver}")
    if node.nouveau:
        texts += [f"nouveau {pci.address}: NVIDIA ({pci.device}a1)" for pci in node.gpu_devices]
    return texts


def _fallen_off(pci: PciDevice) -> str:
    """Return what the driver says of a card that no longer answers (Xid 79 in NVIDIA's list)."""
    bus = pci.address.rpartition(".")[0]
    return f"NVRM: Xid (PCI:{bus}): 79, pid=0, GPU has fallen off the bus."


def journal(node: NodeFacts, booted: float, now: float, pattern: str) -> str:
    """Return what the kubelet's journal endpoint answers for a pattern."""
    wanted = re.compile(pattern) if pattern else None
    lines = [line for line in boot_messages(node, booted) if wanted is None or wanted.search(line)]
    begin, end = (
        dt.datetime.fromtimestamp(at, dt.UTC).strftime("%a %Y-%m-%d %H:%M:%S")
        for at in (booted, now)
    )
    return "\n".join([_HEADER.format(begin=begin, end=end), *lines]) + "\n"
