"""One running machine: what is loaded, cached, written and handed out on it now."""

from collections.abc import Mapping

from oc_gpu.sim.actors.signals import Signal
from oc_gpu.sim.hardware.mig import Device, Layouts, MixedSizesError, offered
from oc_gpu.sim.hardware.model import DEVICE_PLUGIN, DRIVER, Change
from oc_gpu.sim.machine_facts import NodeFacts
from oc_gpu.sim.scenario import Scenario


class Machine:
    """Mutable state of a node that is lost or kept over a reboot as on a real machine.

    Args:
        scenario: Facts of the cluster, of which its devices' names are made.
        facts: Its own facts.
        number: Which of the machines it is.
        booted_at: When it was started.
        layouts: How its cards are divided; others look at it, too.
    """

    def __init__(
        self,
        scenario: Scenario,
        facts: NodeFacts,
        number: int,
        booted_at: float,
        layouts: dict[str, tuple[str, ...]],
    ) -> None:
        self.facts = facts
        self.layouts = layouts
        self._scenario = scenario
        self.host: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.images: set[str] = set()
        self.is_up = not facts.off
        self.boots = 1
        self.booted_at = booted_at
        self.changed = Signal()
        self._number = number
        self._addresses = 0
        self._devices: dict[str, tuple[Device, ...]] = {}

    @property
    def registered(self) -> dict[str, tuple[Device, ...]]:
        """Return the devices that the device plugin knows of by resource, healthy or not.

        There are none without plugin or driver.
        """
        strategy = self.host.get(DEVICE_PLUGIN)
        if strategy is None or DRIVER not in self.host:
            return {}
        try:
            return offered(self._scenario, self.facts, self.layouts, strategy)
        except MixedSizesError:
            return {}

    @property
    def schedulable(self) -> dict[str, tuple[Device, ...]]:
        """Return those of which pods can have one: their cards answer."""
        return {
            name: tuple(device for device in devices if not device.card.lost)
            for name, devices in self.registered.items()
        }

    @property
    def held(self) -> bool:
        """Tell whether a pod holds a card or a part of one."""
        return any(self._devices.values())

    def divide(self, layouts: Layouts) -> None:
        """Divide the cards anew."""
        self.layouts.clear()
        self.layouts.update(layouts)
        self.changed.fire()

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

    def allocate(self, uid: str, asked: Mapping[str, int]) -> tuple[Device, ...] | None:
        """Hand out devices to a pod; None when not enough are free.

        Args:
            uid: The pod.
            asked: How many of each resource.
        """
        if not any(asked.values()):
            return ()
        if uid in self._devices:
            return self._devices[uid]
        given: list[Device] = []
        for resource, count in asked.items():
            free = self.free(resource)
            if count > len(free):
                return None
            given += free[:count]
        self._devices[uid] = tuple(given)
        return self._devices[uid]

    def free(self, resource: str) -> tuple[Device, ...]:
        """Return the devices of a resource that no pod holds."""
        taken = {_key(device) for given in self._devices.values() for device in given}
        return tuple(d for d in self.schedulable.get(resource, ()) if _key(d) not in taken)

    def release(self, uid: str) -> None:
        """Take a pod's devices back."""
        self._devices.pop(uid, None)


def _key(device: Device) -> tuple[str, str]:
    return device.card.address, device.part.uuid if device.part else ""
