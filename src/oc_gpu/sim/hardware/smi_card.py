"""One card as nvidia-smi sees it: facts plus what follows from slot, driver and container."""

from msgspec import Struct

from oc_gpu.sim.hardware.mig import Part, parts_of
from oc_gpu.sim.hardware.model import LICENCE, LICENSED, View
from oc_gpu.sim.hardware.releases import Release
from oc_gpu.sim.machine_facts import Gpu, PciDevice


class Card(Struct, frozen=True):
    """A card with its number in this container and its identifiers."""

    index: int
    minor: int
    name: str
    uuid: str
    bus_id: str
    device: PciDevice
    gpu: Gpu
    divided: bool = False
    parts: tuple[Part, ...] = ()
    licensed: bool = False

    @property
    def free_mib(self) -> int:
        """Return memory that is neither used nor reserved, in MiB."""
        return self.gpu.memory_mib - self.gpu.reserved_mib

    @property
    def pci_device_id(self) -> str:
        """Return device and vendor id as one number, for instance 0x1EB810DE."""
        return f"0x{self.device.device}{self.device.vendor}".upper().replace("X", "x")

    @property
    def pci_subsystem_id(self) -> str:
        """Return subsystem and vendor id as one number."""
        return f"0x{self.device.subsystem}{self.device.vendor}".upper().replace("X", "x")

    @property
    def serial(self) -> str:
        """Return the board's serial number, N/A when the facts have none."""
        return self.gpu.serial or "N/A"


def mig_mode(card: Card, release: Release) -> str:
    """Return the MIG mode: N/A on cards or drivers without it."""
    if not (card.gpu.mig_capable and release.number >= 450):  # noqa: PLR2004
        return "N/A"
    return "Enabled" if card.divided else "Disabled"


def _parts(view: View, device: PciDevice) -> tuple[Part, ...]:
    """Return the parts of a card that a container sees: all, or those that it was given."""
    every = parts_of(view.scenario, view.node, device, view.layouts)
    return tuple(part for part in every if not view.parts or part.uuid in view.parts)


def cards_of(view: View, release: Release) -> tuple[Card, ...]:
    """Return the cards that a container sees and the driver drives, numbered from zero."""
    all_devices = view.node.gpu_devices
    seen = [
        (d, d.gpu)
        for d in view.visible_devices
        if d.gpu is not None and release.drives(d.gpu.architecture)
    ]
    return tuple(
        Card(
            index=index,
            minor=all_devices.index(device),
            name=gpu.product,
            uuid=view.uuid(device),
            bus_id=f"0000{device.address}".upper(),
            device=device,
            gpu=gpu,
            divided=device.address in view.layouts,
            parts=_parts(view, device),
            licensed=view.host.get(LICENCE) == LICENSED,
        )
        for index, (device, gpu) in enumerate(seen)
    )
