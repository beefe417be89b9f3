"""Values that the hardware half works on: what a container sees, and what comes of it."""

import fnmatch
from collections.abc import Mapping

from msgspec import Struct, field

from oc_gpu.sim.machine_facts import NodeFacts, PciDevice
from oc_gpu.sim.scenario import Scenario, gpu_uuid

VALIDATIONS = "/run/nvidia/validations"
DRIVER = "driver"
TOOLKIT = "toolkit"
DEVICE_PLUGIN = "device-plugin"
LICENCE = "vgpu-licence"
"""What the client of the licence system got, or since when it is without, on a virtual GPU."""
LICENSED = "Licensed"

Host = Mapping[str, str]
"""What runs on a node now: key -> value, for instance driver -> 450.80.02, or a barrier file."""


class Change(Struct, frozen=True):
    """A change of a node's running state; `clears` are patterns of keys."""

    sets: dict[str, str] = {}
    clears: tuple[str, ...] = ()

    def apply(self, host: Host) -> dict[str, str]:
        """Return the state after this change."""
        kept = {
            k: v for k, v in host.items() if not any(fnmatch.fnmatch(k, p) for p in self.clears)
        }
        return kept | self.sets


class View(Struct, frozen=True, kw_only=True):
    """Everything a container can know: facts, node state, its own spec, files and devices."""

    scenario: Scenario
    node: NodeFacts
    host: Host
    now: float
    container: str
    image: str
    command: tuple[str, ...] = ()
    env: dict[str, str] = {}
    files: dict[str, bytes] = {}
    devices: tuple[PciDevice, ...] = ()
    parts: tuple[str, ...] = ()
    """UUIDs of the parts of those cards that were assigned, where it was no whole ones."""
    layouts: Mapping[str, tuple[str, ...]] = {}
    """How cards are divided: names of parts by PCI address."""
    restart_policy: str = "Always"
    siblings: dict[str, str] = {}
    """Images of the pod's containers, by their names."""
    init: bool = False
    hostname: str = ""
    user: int = 0
    """Who it runs as; root where its pod does not say, as images do that name no user."""
    group: int = 0
    groups: tuple[int, ...] = ()

    @property
    def command_line(self) -> str:
        """Return command and arguments as one text."""
        return " ".join(self.command)

    @property
    def driver(self) -> str | None:
        """Return the version of the loaded driver."""
        return self.host.get(DRIVER)

    @property
    def visible_devices(self) -> tuple[PciDevice, ...]:
        """Return the cards that the container runtime shows: assigned ones, or all if told so."""
        if self.devices:
            return self.devices
        wanted = self.env.get("NVIDIA_VISIBLE_DEVICES", "")
        if wanted == "all" or self.container == "nvidia-driver-ctr":
            return self.node.gpu_devices
        return ()

    def uuid(self, device: PciDevice) -> str:
        """Return the UUID of a card of this node."""
        return gpu_uuid(self.scenario, self.node, device)


class Outcome(Struct, frozen=True, kw_only=True):
    """What a container does once started.

    It first waits until all keys of `waits` are in the node's state, works for `seconds`, prints
    its last line and the `ending`, changes the node, and then ends with `exit_code` or, when that
    is None, runs until stopped. A program that runs says `alerts` as soon as its node's state gives
    reason to, each once.
    """

    log: tuple[str, ...] = ()
    waiting_log: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    seconds: float = 0.0
    exit_code: int | None = 0
    starts: Change = field(default_factory=Change)
    stops: Change = field(default_factory=Change)
    spawns: str | None = None
    divides: bool = False
    """Whether it divides the cards of its machine as the node's label says."""
    alerts: tuple[str, ...] = ()
    ending: tuple[str, ...] = ()


def running(*log: str, seconds: float = 0.0) -> Outcome:
    """Return the outcome of a service that just runs."""
    return Outcome(log=log, seconds=seconds, exit_code=None)


def failing(*log: str, seconds: float = 0.0, exit_code: int = 1) -> Outcome:
    """Return the outcome of a program that gives up."""
    return Outcome(log=log, seconds=seconds, exit_code=exit_code)
