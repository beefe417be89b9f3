"""The machines' file systems, as far as the operators' programs look at them."""

from pathlib import Path
from typing import Final

from oc_gpu.sim.machine_facts import NodeFacts, PciDevice

FEATURES: Final = "/etc/kubernetes/node-feature-discovery/features.d"
"""Where programs on a machine leave features for NFD's `local` source."""
_RHCOS: Final = ("OPENSHIFT_VERSION", "OSTREE_VERSION", "RHEL_VERSION")
_PCI: Final = "sys/bus/pci/devices"
_EMPTY: Final = ("boot", "lib", "usr/lib", "usr/src", "sys/class/net", "sys/fs", FEATURES[1:])


def build(root: Path, facts: NodeFacts) -> None:
    """Make a machine's file system from its facts.

    Args:
        root: An empty or missing folder.
        facts: The machine: its os-release and PCI devices are what programs read.
    """
    for name in (*_EMPTY, "proc/sys/kernel"):
        (root / name).mkdir(parents=True, exist_ok=True)
    lines = [f'{name}="{value}"' for name, value in facts.os_release.items()]
    (root / "etc/os-release").write_text("\n".join(lines) + "\n")
    (root / "proc/sys/kernel/osrelease").write_text(f"{facts.kernel}\n")
    (root / FEATURES[1:] / "rhcos").write_text(_release_features(facts))
    for device in facts.pci:
        _add_device(root / _PCI / device.address, device)


def _release_features(facts: NodeFacts) -> str:
    """Return the features that only OpenShift's build of NFD reads from os-release."""
    prefix = "feature.node.kubernetes.io/system-os_release"
    found = ((name, facts.os_release.get(name)) for name in _RHCOS)
    return "".join(f"{prefix}.{name}={value}\n" for name, value in found if value)


def _add_device(folder: Path, device: PciDevice) -> None:
    folder.mkdir(parents=True)
    values = {
        "class": f"{device.class_code}00",
        "vendor": device.vendor,
        "device": device.device,
        "subsystem_vendor": device.vendor,
        "subsystem_device": device.subsystem,
    }
    for name, value in values.items():
        (folder / name).write_text(f"0x{value}\n")
