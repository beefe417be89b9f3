"""The MIG manager of a machine: divides its cards as a label of the node asks for.

It follows NVIDIA's reconfigure script (mig-parted): checks the layout, stops the operands that use
the cards by their labels, divides, starts them again, and tells of it in a label.
"""

import json
from collections.abc import Callable
from typing import Protocol

from oc_gpu.kube import ConflictError, NotFoundError, RawObject
from oc_gpu.kube.resources import NODES, PODS
from oc_gpu.sim.actors.framework import ActorContext
from oc_gpu.sim.actors.node.machine import Machine
from oc_gpu.sim.actors.objects import by_node, labels_of
from oc_gpu.sim.actors.signals import Signal
from oc_gpu.sim.hardware.mig import LayoutError, Layouts, standard_config, wanted_layouts
from oc_gpu.sim.hardware.model import View

_LAYOUT, _STATE = "nvidia.com/mig.config", "nvidia.com/mig.config.state"
_DEPLOY = "nvidia.com/gpu.deploy."
_PAUSED = "paused-for-mig-change"
_CLIENTS = {
    "device-plugin": "nvidia-device-plugin-daemonset",
    "gpu-feature-discovery": "gpu-feature-discovery",
    "dcgm-exporter": "nvidia-dcgm-exporter",
    "dcgm": "nvidia-dcgm",
    "operator-validator": "nvidia-operator-validator",
}
"""Operands that use the cards, by the label that switches them on, and the app of their pods."""
_CONFIG_FILE = "/mig-parted-config/config.yaml"


class Surroundings(Protocol):
    """What the manager needs of the kubelet around it."""

    context: ActorContext

    def noted(self, node: str) -> Signal:
        """Return what tells of changes of a Node and of its pods."""


class MigManager:
    """Runs in the container of the MIG manager, as long as that does.

    Args:
        around: The kubelet.
        machine: The machine whose cards it divides.
        tell: Writes lines to the container's log.
        view: What the container can see.
    """

    def __init__(
        self,
        around: Surroundings,
        machine: Machine,
        tell: Callable[..., None],
        view: Callable[[], View],
    ) -> None:
        self._noted = around.noted(machine.facts.name)
        self._context = around.context
        self._machine = machine
        self._tell = tell
        self._view = view

    async def run(self) -> None:
        """Follow the label until the container is stopped."""
        done = None
        while True:
            seen = self._noted.count
            layout = self._label(_LAYOUT)
            if layout and layout != done:
                self._tell(f"Updating to MIG config: {layout}")
                await self._reconfigure(layout)
                done = layout
                continue
            if not layout and done is None:
                self._tell("Waiting for change to 'nvidia.com/mig.config' label")
                done = ""
            await self._noted.past(seen)

    def _node(self) -> RawObject | None:
        return self._context.informers.of(NODES).get(self._machine.facts.name)

    def _label(self, key: str) -> str:
        node = self._node()
        return labels_of(node).get(key, "") if node else ""

    async def _reconfigure(self, layout: str) -> None:
        self._tell("Asserting that the requested layout is in the configuration file")
        try:
            wanted = wanted_layouts(self._machine.facts, self._config(), layout)
        except LayoutError as error:
            self._tell(str(error), "Unable to validate the selected MIG configuration")
            await self._set_state("failed")
            return
        self._tell("Checking if the selected MIG config is currently applied or not")
        if wanted == self._machine.layouts:
            await self._set_state("success")
            return
        await self._set_state("pending")
        await self._divide(wanted)

    def _config(self) -> dict[str, object]:
        """Return the layouts that there are: of the mounted file, else of the cards themselves."""
        content = self._view().files.get(_CONFIG_FILE)
        if content is None:
            return standard_config(self._context.scenario)
        from oc_gpu.kube import yamlfile  # noqa: PLC0415  # slow to import, and rarely needed

        try:
            found: dict[str, object] = json.loads(content)
        except ValueError:
            found = yamlfile.parse(content)
        return found if isinstance(found, dict) else {}

    async def _divide(self, wanted: Layouts) -> None:
        self._tell("Shutting down all GPU clients in Kubernetes by disabling their labels")
        stopped = await self._stop_clients()
        await self._context.clock.sleep(self._context.scenario.latencies.mig_change)
        held = self._machine.held
        if held:
            self._tell(
                "error setting MIGConfig: error attempting multiple config orderings: In use by "
                "another client"
            )
        else:
            self._tell("Applying the selected MIG config to the node", "MIG configuration applied")
            self._machine.divide(wanted)
        self._tell("Restarting all GPU clients previously shutdown in Kubernetes")
        await self._label_node({f"{_DEPLOY}{name}": "true" for name in stopped})
        await self._set_state("failed" if held else "success")

    async def _stop_clients(self) -> list[str]:
        """Switch the operands off that are on, and wait until their pods are gone."""
        names = [name for name in _CLIENTS if self._label(f"{_DEPLOY}{name}") == "true"]
        await self._label_node({f"{_DEPLOY}{name}": _PAUSED for name in names})
        apps = {_CLIENTS[name] for name in names}
        node = self._machine.facts.name
        await self._noted.until(
            lambda: (
                not any(
                    labels_of(pod).get("app") in apps
                    for pod in self._context.informers.of(PODS).lookup(by_node, node)
                )
            )
        )
        return names

    async def _set_state(self, state: str) -> None:
        self._tell(f"Changing the 'nvidia.com/mig.config.state' node label to '{state}'")
        await self._label_node({_STATE: state})

    async def _label_node(self, labels: dict[str, str]) -> None:
        while (node := self._node()) is not None:
            if all(labels_of(node).get(key) == value for key, value in labels.items()):
                return
            try:
                await self._context.patch(NODES, node, {"metadata": {"labels": labels}})
            except ConflictError:
                await self._context.refresh(NODES, node)
            except NotFoundError:
                return
            else:
                return
