"""Checks of what the machines themselves told a probe: files of the kernel, each with its path."""

import re
from collections.abc import Callable, Iterator
from functools import partial

from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.components import DRIVER, of_pod
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.model import Evidence, Severity

_UNSET = 0x20000000
"""Flag of a resource that got no address (Linux, include/linux/ioport.h)."""
_LINE = re.compile(r"^(/[^:]*(?::[0-9a-f]{2}:[0-9a-f]{2}\.\d[^:]*)?):(.*)$", re.MULTILINE)
_VENDOR = "0x10de"
_EFI = "SecureBoot-"


class Machine:
    """What one node's probe printed, by path."""

    def __init__(self, text: str) -> None:
        self._lines: dict[str, list[str]] = {}
        for path, line in _LINE.findall(text):
            self._lines.setdefault(path, []).append(line)

    def lines(self, path: str) -> list[str]:
        """Return the lines of a file, none where it is not there."""
        return self._lines.get(path, [])

    def below(self, part: str) -> dict[str, list[str]]:
        """Return the files whose path holds some text."""
        return {path: lines for path, lines in self._lines.items() if part in path}

    @property
    def modules(self) -> frozenset[str]:
        """Return the names of the kernel modules that are loaded."""
        return frozenset(line.split(" ", 1)[0] for line in self.lines("/proc/modules"))

    @property
    def secure_boot(self) -> bool | None:
        """Tell whether the firmware enforces Secure Boot; None where the machine boots by BIOS."""
        found = self.below(_EFI)
        return any("".join(lines).endswith("\x01") for lines in found.values()) if found else None

    @property
    def cards(self) -> list[str]:
        """Return the folders of NVIDIA's devices."""
        vendors = self.below("/vendor")
        return sorted(
            path.removesuffix("/vendor") for path, lines in vendors.items() if lines == [_VENDOR]
        )

    def unset(self, card: str) -> list[str]:
        """Return the resources of a device that got no address."""
        return [
            line
            for line in self.lines(f"{card}/resource")
            if len(parts := line.split()) == 3 and int(parts[2], 16) & _UNSET  # noqa: PLR2004
        ]


Judge = Callable[[Inputs, str, Machine], Iterator[Result]]


def _each(inputs: Inputs, judge: Judge, what: str) -> Results:
    results: list[Result] = []
    for node, text in inputs.probes.items():
        results += judge(inputs, node, Machine(text))
    for node, why in inputs.unprobed.items():
        title = f"it is not known {what} on {node}: the probe did not tell"
        seen = (Evidence(f"probe of {node}", why),)
        results.append(Result(Severity.UNKNOWN, title, None, (f"Node/{node}",), seen))
    return tuple(results)


def _nouveau(_: Inputs, node: str, machine: Machine) -> Iterator[Result]:
    objects = (f"Node/{node}",)
    if "nouveau" not in machine.modules:
        yield Result(Severity.OK, f"{node} has not loaded nouveau", objects=objects)
        return
    seen = (Evidence(f"/proc/modules of {node}", "nouveau"),)
    remedy = ("keep it out by a MachineConfig with kernelArguments: [modprobe.blacklist=nouveau]",)
    title = f"nouveau holds the cards of {node}, so NVIDIA's driver cannot have them"
    yield Result(Severity.ERROR, title, "nouveau-loaded", objects, seen, remedy)


def _host_driver(inputs: Inputs, node: str, machine: Machine) -> Iterator[Result]:
    objects = (f"Node/{node}",)
    version = machine.lines("/proc/driver/nvidia/version")
    loaded = "nvidia" in machine.modules or bool(version)
    if not loaded:
        yield Result(Severity.OK, f"{node} has no NVIDIA driver of its own", objects=objects)
        return
    if any(of_pod(p) == DRIVER and p.spec.node_name == node for p in inputs.snapshot.pods):
        title = f"the NVIDIA driver of {node} is that of the GPU Operator"
        yield Result(Severity.OK, title, objects=objects)
        return
    seen = (Evidence(f"/proc of {node}", version[0] if version else "module nvidia is loaded"),)
    remedy = ("use it: spec.driver.enabled false in the ClusterPolicy; or take it off the machine",)
    title = f"{node} has an NVIDIA driver that the GPU Operator did not load"
    yield Result(Severity.ERROR, title, "host-driver-installed", objects, seen, remedy)


def _bars(_: Inputs, node: str, machine: Machine) -> Iterator[Result]:
    objects = (f"Node/{node}",)
    bad = {card: lines for card in machine.cards if (lines := machine.unset(card))}
    for card, lines in bad.items():
        slot = card.rpartition("/")[2]
        seen = tuple(Evidence(f"{card}/resource of {node}", line) for line in lines[:2])
        remedy = (
            f"switch on Above 4G Decoding in the firmware of {node}",
            "virtual machines: EFI firmware, and 64-bit MMIO of at least twice the cards' memory",
        )
        title = f"the card {slot} of {node} got no address space for its memory"
        yield Result(Severity.ERROR, title, "passthrough-bar-mmio", objects, seen, remedy)
    if machine.cards and not bad:
        count = len(machine.cards)
        title = f"all address spaces of {count} NVIDIA device{'s' * (count > 1)} of {node} are set"
        yield Result(Severity.OK, title, objects=objects)
    if not machine.cards:
        yield Result(Severity.INFO, f"{node} has no NVIDIA device on its PCI bus", objects=objects)


def _iommu(_: Inputs, node: str, machine: Machine) -> Iterator[Result]:
    groups = machine.below("/iommu_groups/")
    state = f"on ({len(groups)} groups)" if groups else "off"
    title = f"the IOMMU of {node} is {state}; only cards handed to virtual machines need it"
    yield Result(Severity.INFO, title, objects=(f"Node/{node}",))


def _check(code: str, name: str, layer: str, title: str, judge: Judge) -> Check[Inputs]:
    return Check(code, name, layer, title, partial(_each, judge=judge, what=f"whether {title}"))


NOUVEAU = _check("OCG0804", "nouveau", "driver", "nouveau is not loaded", _nouveau)
HOST_DRIVER = _check(
    "OCG0805", "host-driver", "driver", "no driver but the operator's is loaded", _host_driver
)
BARS = _check(
    "OCG1502", "address-space", "hardware", "the cards have all their address space", _bars
)
IOMMU = _check("OCG1503", "iommu", "hardware", "the IOMMU's state is told", _iommu)
