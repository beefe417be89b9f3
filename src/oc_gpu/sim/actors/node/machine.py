"""One running machine: what is loaded, cached, written and handed out on it now."""

from oc_gpu.sim.actors.signals import Signal
from oc_gpu.sim.hardware.model import DEVICE_PLUGIN, DRIVER, Change
from oc_gpu.sim.scenario import NodeFacts, PciDevice


class Machine:
    """Mutable state of a node that is lost or kept over a reboot as on a real machine."""

    def __init__(self, facts: NodeFacts, number: int, booted_at: float) -> None:
        self.facts = facts
        self.host: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.images: set[str] = set()
        self.is_up = not facts.off
        self.boots = 1
        self.booted_at = booted_at
        self.changed = Signal()
        self._number = number
        self._addresses = 0
        self._devices: dict[str, tuple[PciDevice, ...]] = {}

    @property
    def schedulable_gpus(self) -> int:
        """Return how many cards the device plugin offers: none without plugin or driver."""
        return len(self.facts.working_gpus) if self._registered else 0

    @property
    def registered_gpus(self) -> int:
        """Return how many cards the device plugin knows of, healthy or not."""
        return len(self.facts.gpu_devices) if self._registered else 0

    @property
    def _registered(self) -> bool:
        return DEVICE_PLUGIN in self.host and DRIVER in self.host

    def renew(self, facts: NodeFacts) -> None:
        """Be the machine that changed facts describe."""
        if facts != self.facts:
            self.facts = facts
            self.changed.fire()

    def change(self, change: Change) -> None:
        """Apply a container's effect on the machine."""
        host = change.apply(self.host)
        if host != self.host:
            self.host = host
            self.changed.fire()

    def write_files(self, files: dict[str, bytes]) -> None:
        """Put the files of a MachineConfig in place of those of the one before."""
        self.files = files
        self.changed.fire()

    def shut_down(self) -> None:
        """Lose everything that lives in memory."""
        self.is_up = False
        self.host = {}
        self._devices = {}
        self.changed.fire()

    def boot(self, now: float) -> None:
        """Come up again."""
        self.is_up = True
        self.booted_at = now
        self.boots += 1
        self.changed.fire()

    def pod_address(self) -> str:
        """Return the next address of the node's pod network."""
        self._addresses += 1
        number = self._addresses + 1
        return f"10.{128 + self._number // 128}.{self._number % 128 * 2}.{number % 254 + 1}"

    def allocate(self, uid: str, count: int) -> tuple[PciDevice, ...] | None:
        """Hand out cards to a pod; None when not enough are free."""
        if count == 0:
            return ()
        if uid in self._devices:
            return self._devices[uid]
        taken = {d.address for given in self._devices.values() for d in given}
        free = [d for d in self.facts.working_gpus if d.address not in taken]
        if count > len(free) or self.schedulable_gpus == 0:
            return None
        self._devices[uid] = tuple(free[:count])
        return self._devices[uid]

    def free_gpus(self) -> int:
        """Return how many cards no pod holds."""
        return self.schedulable_gpus - sum(len(d) for d in self._devices.values())

    def release(self, uid: str) -> None:
        """Take a pod's cards back."""
        self._devices.pop(uid, None)
