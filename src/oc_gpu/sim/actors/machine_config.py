"""The machine-config-daemons: bring each machine to the MachineConfig that its Node asks for."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import MACHINE_CONFIGS, NODES, PODS
from oc_gpu.sim.actors.eviction import BUDGETS, evict, evictable
from oc_gpu.sim.actors.framework import ActorContext, Controller, EventSource, Watch
from oc_gpu.sim.actors.kubelet import Kubelets
from oc_gpu.sim.actors.node.files import files_of
from oc_gpu.sim.actors.objects import (
    annotations_of,
    name_of,
)
from oc_gpu.sim.actors.signals import Signal

_PREFIX = "machineconfiguration.openshift.io"
_CURRENT, _DESIRED = f"{_PREFIX}/currentConfig", f"{_PREFIX}/desiredConfig"
_STATE, _REASON = f"{_PREFIX}/state", f"{_PREFIX}/reason"
_DRIFT = "content mismatch for file"
_DRAIN, _DRAINED = f"{_PREFIX}/desiredDrain", f"{_PREFIX}/lastAppliedDrain"


class MachineConfigDaemons(Controller):
    """Drains, writes files, reboots and uncordons, as annotations of the Node ask for it.

    Args:
        context: What every actor is given.
        kubelets: The machines; rebooting one and its files are theirs.
    """

    name = "machine-config-daemon"
    concurrency = 32

    def __init__(self, context: ActorContext, kubelets: Kubelets) -> None:
        super().__init__(context)
        self._kubelets = kubelets
        self._loaded: dict[str, str] = {}
        self._nodes_changed = Signal()
        self._room_changed = Signal()

    def watches(self) -> Sequence[Watch]:
        """Return nodes, and the rendered MachineConfigs."""
        return (
            Watch(NODES, self._node_keys),
            Watch(MACHINE_CONFIGS, lambda _config: list(self._kubelets.machines)),
            Watch(PODS, self._make_room),
            Watch(BUDGETS, self._make_room),
        )

    def _make_room(self, _obj: RawObject) -> Iterable[Hashable]:
        """Let drains that wait look again: a pod is gone, or a budget allows more."""
        self._room_changed.fire()
        return ()

    def _node_keys(self, node: RawObject) -> Iterable[Hashable]:
        self._nodes_changed.fire()
        return (name_of(node),)

    async def reconcile(self, key: Any) -> None:
        """Update the machine when another configuration than its current one is desired."""
        node, machine = self.cache(NODES).get(key), self._kubelets.machines.get(key)
        if node is None or machine is None:
            return
        notes = annotations_of(node)
        current, desired = notes.get(_CURRENT), notes.get(_DESIRED)
        if await self._drifted(key, current):
            return
        if current and self._loaded.get(key) != current:
            self._load(key, current)
        if not desired or desired == current:
            return
        if self.cache(MACHINE_CONFIGS).get(desired) is None:
            text = f'machineconfig.{_PREFIX} "{desired}" not found'
            await self._annotate(key, {_STATE: "Degraded", _REASON: text})
            return
        await self._update(key, current, desired)

    async def _drifted(self, node: str, current: str | None) -> bool:
        """Tell whether a file on the machine is not as its configuration has it, and report it.

        One that was reported and is right again is called done.
        """
        path = self._kubelets.machines[node].facts.drifted_file
        notes = self._annotations(node)
        if path is not None:
            text = f"unexpected on-disk state validating against {current}: {_DRIFT} {path!r}"
            await self._annotate(node, {_STATE: "Degraded", _REASON: text})
        elif _DRIFT in notes.get(_REASON, ""):
            await self._annotate(node, {_STATE: "Done", _REASON: ""})
        return path is not None

    def _load(self, node: str, config: str) -> None:
        found = self.cache(MACHINE_CONFIGS).get(config)
        if found is not None:
            self._loaded[node] = config
            self._kubelets.machines[node].write_files(files_of(found))

    async def _update(self, node: str, current: str | None, desired: str) -> None:
        latencies = self.scenario.latencies
        await self.clock.sleep(latencies.config_pick_up)
        await self._annotate(node, {_STATE: "Working", _REASON: ""})
        if self._differ(current, desired):
            await self._drain(node, desired)
            await self._tell(node, "OSUpdateStarted", "Writing files of the new configuration")
            await self.clock.sleep(latencies.write_files)
            self._load(node, desired)
            text = f"Node will reboot into config {desired}"
            await self._tell(node, "Reboot", text)
            await self._kubelets.reboot(node)
        self._load(node, desired)
        await self._uncordon(node, desired)
        await self._annotate(node, {_CURRENT: desired, _STATE: "Done", _REASON: ""})
        text = f"Setting node {node}, currentConfig {desired} to Done"
        await self._tell(node, "NodeDone", text)

    def _differ(self, current: str | None, desired: str) -> bool:
        """Tell whether the two configurations ask for anything different on the machine."""
        old = self.cache(MACHINE_CONFIGS).get(current) if current else None
        new = self.cache(MACHINE_CONFIGS).get(desired)
        return (old or {}).get("spec") != (new or {}).get("spec")

    async def _drain(self, node: str, desired: str) -> None:
        if self.scenario.openshift.drained_by == "controller":
            await self._ask_controller(node, f"drain-{desired}")
            return
        await self._tell(node, "Cordon", f"Cordoned node to apply update {desired}")
        await self._set_unschedulable(node, value=True)
        await self._tell(node, "Drain", f"Draining node to update config {desired}")
        await self._evict(node)
        await self.clock.sleep(self.scenario.latencies.drain)

    async def _uncordon(self, node: str, desired: str) -> None:
        if self.scenario.openshift.drained_by == "controller":
            await self._ask_controller(node, f"uncordon-{desired}")
            return
        await self.clock.sleep(self.scenario.latencies.uncordon)
        await self._set_unschedulable(node, value=None)

    async def _ask_controller(self, node: str, request: str) -> None:
        """Ask the machine-config-controller to drain or uncordon, and wait for it."""
        before = self._annotations(node)
        if before.get(_DRAINED) == before.get(_DRAIN) == request:
            return
        await self._annotate(node, {_DRAIN: request})
        await self._nodes_changed.until(lambda: self._annotations(node).get(_DRAINED) == request)

    def _annotations(self, node: str) -> dict[str, str]:
        found = self.cache(NODES).get(node)
        return annotations_of(found) if found else {}

    async def _evict(self, node: str) -> None:
        """Evict every pod that no DaemonSet runs and wait until they are gone."""
        while pods := evictable(self.context, node):
            seen = self._room_changed.count
            for pod in pods:
                await evict(self.context, pod)
            if evictable(self.context, node):
                await self._room_changed.past(seen)

    async def _set_unschedulable(self, node: str, *, value: bool | None) -> None:
        found = self.cache(NODES).get(node)
        if found is not None:
            await self.context.patch(NODES, found, {"spec": {"unschedulable": value}})

    async def _annotate(self, node: str, notes: dict[str, str]) -> None:
        found = self.cache(NODES).get(node)
        if found is not None and any(annotations_of(found).get(k) != v for k, v in notes.items()):
            await self.context.patch(NODES, found, {"metadata": {"annotations": notes}})

    async def _tell(self, node: str, reason: str, message: str) -> None:
        found = self.cache(NODES).get(node)
        if found is not None:
            source = EventSource("machineconfigdaemon", node)
            await self.context.event(found, reason, message, source=source)
