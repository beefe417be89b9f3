"""What the kernel of a machine shows under /proc and /sys, from the machine's facts."""

from oc_gpu.sim.hardware.model import View
from oc_gpu.sim.machine_facts import PciDevice

_SECURE_BOOT = "firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_ATTRIBUTES = "\x06\0\0\0"
"""The attributes of an EFI variable, which stand before its value in efivarfs."""
_MEMORY = 0x0014220C
_UNSET = 0x20000000
_SIZE = 0x0FFFFFFF
"""What a memory resource of a device looks like (Linux, include/linux/ioport.h)."""


def kernel_files(view: View) -> dict[str, str]:
    """Return content by path, /sys as it is mounted under /host, too."""
    node = view.node
    files = {"/proc/modules": _modules(view), "/proc/cmdline": _command_line(view)}
    if view.driver or node.host_driver:
        version = view.driver or node.host_driver
        files["/proc/driver/nvidia/version"] = (
            f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}\n"
        )
    system: dict[str, str] = {}
    if node.efi:
        system[_SECURE_BOOT] = _ATTRIBUTES + ("\x01" if node.secure_boot else "\0")
    for number, device in enumerate(node.pci):
        folder = f"bus/pci/devices/{device.address}"
        system |= {f"{folder}/{name}": text for name, text in _device(device).items()}
        if node.iommu:
            system[f"kernel/iommu_groups/{number}/type"] = "DMA\n"
    return files | {f"{root}/{p}": t for root in ("/sys", "/host/sys") for p, t in system.items()}


def _modules(view: View) -> str:
    names = (
        ["nvidia_uvm", "nvidia_modeset", "nvidia"] if view.driver or view.node.host_driver else []
    )
    names += ["nouveau"] if view.node.nouveau else []
    return "".join(f"{name} 16384 0 - Live 0x0000000000000000\n" for name in ["overlay", *names])


def _command_line(view: View) -> str:
    more = " intel_iommu=on" if view.node.iommu else ""
    return f"BOOT_IMAGE=(hd0,gpt3)/ostree/vmlinuz-{view.node.kernel} rw{more}\n"


def _device(device: PciDevice) -> dict[str, str]:
    start = 0 if device.unassigned else 0xE0000000
    flags = _MEMORY | (_UNSET if device.unassigned else 0)
    return {
        "vendor": f"0x{device.vendor}\n",
        "device": f"0x{device.device}\n",
        "class": f"0x{device.class_code}00\n",
        "resource": f"0x{start:016x} 0x{start + _SIZE:016x} 0x{flags:016x}\n",
    }
