"""The facts of the machines of a simulated cluster: nodes, their PCI devices, their cards."""

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_PCI_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_PCI_ID = re.compile(r"[0-9a-f]{4}")
DRIVER = re.compile(r"\d{3}\.\d+(\.\d+)?")
_ARCHITECTURES = {"aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x"}

Count = Annotated[int, Meta(ge=1)]
Amount = Annotated[int, Meta(ge=0)]
Watts = Annotated[float, Meta(ge=0, le=100_000)]
NodeMemory = Annotated[int, Meta(ge=2048)]
"""MiB; what the system keeps for itself leaves nothing of less."""


def fits(what: str, value: str | None, form: re.Pattern[str], example: str) -> None:
    """Insist on the form of a text that numbers are read from later."""
    if value is not None and not form.fullmatch(value):
        msg = f"{what} {value!r} is not like {example}"
        raise ValueError(msg)


class Facts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Base of all parts of a scenario: immutable, camelCase in YAML, unknown fields refused."""


class MigProfile(Facts, frozen=True, kw_only=True):
    """A size of part that a card can be divided into (a GPU instance profile).

    Attributes:
        name: Such as 1g.5gb.
        memory_mib: Memory of a part.
        multiprocessors: Its multiprocessors.
        compute_slices: Slices of compute that it takes, of seven.
        memory_slices: Slices of memory that it takes, of eight.
        most: How many of it a card can have.
        first_instance: Number of the first of its GPU instances.
        copy_engines: Its copy engines.
        decoders: Its decoders.
    """

    name: str
    memory_mib: Count = field(name="memoryMiB")
    multiprocessors: Count
    compute_slices: Count
    memory_slices: Count
    most: Count
    first_instance: Amount
    copy_engines: Amount = 1
    decoders: Amount = 0


class Vgpu(Facts, frozen=True, kw_only=True):
    """What a virtual GPU tells its machine of the hypervisor.

    Attributes:
        licensed_product: Product that its type wants a licence of.
        host_driver: Version of the hypervisor's driver.
        host_branch: Its branch.
    """

    licensed_product: str = "NVIDIA RTX Virtual Workstation"
    host_driver: str
    host_branch: str


class Gpu(Facts, frozen=True, kw_only=True):
    """One card as its driver reports it when idle."""

    product: str
    memory_mib: Count = field(name="memoryMiB")
    architecture: str
    compute_capability: str
    uuid: str | None = None
    serial: str | None = None
    reserved_mib: Amount = field(name="reservedMiB", default=0)
    bar1_mib: Amount = field(name="bar1MiB", default=256)
    temperature_c: int = field(name="temperatureC", default=30)
    fan_percent: Annotated[int, Meta(ge=0, le=100)] | None = None
    power_w: Watts = field(name="powerW", default=20.0)
    power_limit_w: Watts = field(name="powerLimitW", default=70.0)
    pstate: str = "P8"
    persistence: bool = True
    mig_capable: bool = False
    vgpu: Vgpu | None = None
    """What is known of the hypervisor, where it is a virtual card."""
    mig: tuple[MigProfile, ...] = ()
    """Parts that it can be divided into."""
    mig_balanced: tuple[str, ...] = ()
    """Names of the parts of the layout all-balanced."""
    ecc: bool = True
    vbios: str = "90.04.38.00.03"
    max_sm_clock_mhz: Count = field(name="maxSmClockMHz", default=1590)
    max_memory_clock_mhz: Count = field(name="maxMemoryClockMHz", default=5001)
    pcie_generation: Count = 3


class PciDevice(Facts, frozen=True, kw_only=True):
    """One PCI function; `gpu` is present on NVIDIA cards."""

    address: str
    vendor: str
    device: str
    class_code: str = field(name="class")
    subsystem: str = "0000"
    unassigned: bool = False
    gpu: Gpu | None = None
    lost: bool = False
    """Whether the card no longer answers on the bus, as after Xid 79."""

    def __post_init__(self) -> None:
        fits("PCI address", self.address, _PCI_ADDRESS, "0000:13:00.0")
        for what in ("vendor", "device", "subsystem", "class_code"):
            fits(f"PCI {what.removesuffix('_code')}", getattr(self, what), _PCI_ID, "10de")


class NodeFacts(Facts, frozen=True, kw_only=True):
    """One machine: what its kernel, firmware and os-release say."""

    name: str
    roles: tuple[Literal["master", "worker"], ...] = ("worker",)
    address: str
    cpu: Count = 8
    memory_mib: NodeMemory = field(name="memoryMiB", default=32768)
    pods: Count = 250
    kernel: str
    cpu_flags: tuple[str, ...] = ()
    cpu_vendor: str = "Intel"
    cpu_family: int = 6
    cpu_model: int = 79
    machine: str = "Bare Metal"
    selinux: bool = True
    os_release: dict[str, str]
    os_image: str
    secure_boot: bool = False
    host_driver: str | None = None
    nouveau: bool = False
    iommu: bool = False
    efi: bool = True
    off: bool = False
    """Whether the machine has no power: its kubelet tells nothing any more."""
    drifted_file: str | None = None
    """Path of a file of a MachineConfig that somebody changed on the machine."""
    stale_os_release: dict[str, str] = {}
    """Fields of os-release as nfd-worker read them, where it has not looked since an update."""
    pci: tuple[PciDevice, ...] = ()
    labels: dict[str, str] = {}
    taints: tuple[dict[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not _DNS_NAME.fullmatch(self.name):
            msg = f"node name {self.name!r} is not a DNS name"
            raise ValueError(msg)
        if not self.roles:
            msg = f"node {self.name} has no role"
            raise ValueError(msg)
        fits("host driver", self.host_driver, DRIVER, "580.105.08")

    @property
    def architecture(self) -> str:
        """Return the machine's architecture as Kubernetes calls it; its kernel is built for it."""
        return _ARCHITECTURES.get(self.kernel.rpartition(".")[2].partition("+")[0], "amd64")

    @property
    def gpu_devices(self) -> tuple[PciDevice, ...]:
        """Return the PCI functions that carry a GPU, by address."""
        return tuple(sorted((d for d in self.pci if d.gpu), key=lambda d: d.address))

    @property
    def working_gpus(self) -> tuple[PciDevice, ...]:
        """Return the GPUs that answer on the bus, by address."""
        return tuple(d for d in self.gpu_devices if not d.lost)

    @property
    def pool(self) -> str:
        """Return the MachineConfigPool that this node belongs to."""
        return "master" if "master" in self.roles else "worker"
