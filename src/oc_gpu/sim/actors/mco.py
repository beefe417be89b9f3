"""The machine-config-controller: renders pools, moves nodes one by one, drains where it must.

The daemons on the machines are the node actor's. A pool says Updated until its new configuration
is rendered, and rendered MachineConfigs stay when nobody uses them any more: both as in life.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import MACHINE_CONFIG_POOLS, MACHINE_CONFIGS, NODES, PODS
from oc_gpu.sim.actors.eviction import BUDGETS, evict, evictable
from oc_gpu.sim.actors.framework import ActorContext, Controller, EventSource, Watch
from oc_gpu.sim.actors.mco_render import RenderError, render, selected, sources_of
from oc_gpu.sim.actors.mco_status import (
    DESIRED,
    DRAIN,
    DRAINED,
    Machine,
    candidates,
    condition,
    in_order,
    pool_of,
    status_of,
)
from oc_gpu.sim.actors.objects import (
    annotations_of,
    is_true,
    labels_of,
    matches,
    name_of,
    with_condition,
)

_SOURCE = EventSource("machineconfigcontroller-nodecontroller")
_IN_PROGRESS = {"key": "UpdateInProgress", "effect": "PreferNoSchedule"}


class RenderController(Controller):
    """Makes one rendered MachineConfig per pool out of those that the pool selects."""

    name = "machineconfigcontroller-render"

    def watches(self) -> Sequence[Watch]:
        """Return pools, and MachineConfigs for the pools that select them."""
        return (
            Watch(MACHINE_CONFIG_POOLS, lambda pool: (name_of(pool),)),
            Watch(MACHINE_CONFIGS, self._pools_of),
        )

    def _pools_of(self, config: RawObject) -> Iterable[Hashable]:
        for pool in self.cache(MACHINE_CONFIG_POOLS).list():
            if matches(pool["spec"].get("machineConfigSelector"), labels_of(config)):
                yield name_of(pool)

    async def reconcile(self, key: Any) -> None:
        """Render a pool anew, a while after the first of several changes."""
        if self._is_settled(key):
            return
        await self.clock.sleep(self.scenario.latencies.render)
        pool = self.cache(MACHINE_CONFIG_POOLS).get(key)
        if pool is None:
            return
        try:
            await self._render(pool)
        except RenderError as error:
            text = f"Failed to render configuration for pool {key}: {error}"
            await self._report(pool, text)

    def _is_settled(self, key: str) -> bool:
        pool = self.cache(MACHINE_CONFIG_POOLS).get(key)
        if pool is None:
            return True
        chosen = selected(pool, self.cache(MACHINE_CONFIGS).list())
        try:
            wanted = render(pool, chosen, self.scenario.openshift)
        except RenderError:
            return is_true(pool, "RenderDegraded")
        return _configuration(wanted, chosen) == pool["spec"].get("configuration") and not is_true(
            pool, "RenderDegraded"
        )

    async def _render(self, pool: RawObject) -> None:
        chosen = selected(pool, self.cache(MACHINE_CONFIGS).list())
        wanted = render(pool, chosen, self.scenario.openshift)
        if self.cache(MACHINE_CONFIGS).get(name_of(wanted)) is None:
            await self.context.create(MACHINE_CONFIGS, wanted)
        configuration = _configuration(wanted, chosen)
        if pool["spec"].get("configuration") != configuration:
            change = {"spec": {"configuration": configuration}}
            pool = await self.context.patch(MACHINE_CONFIG_POOLS, pool, change)
        if is_true(pool, "RenderDegraded"):
            await self._report(pool, "")

    async def _report(self, pool: RawObject, text: str) -> None:
        entry = condition("RenderDegraded", text, holds=bool(text))
        before = (pool.get("status") or {}).get("conditions")
        conditions = with_condition(before, entry, self.clock.now())
        await self.context.patch_status(MACHINE_CONFIG_POOLS, pool, {"conditions": conditions})


def _configuration(rendered: RawObject, parts: Sequence[RawObject]) -> RawObject:
    return {"name": name_of(rendered), "source": sources_of(parts)}


class NodeController(Controller):
    """Gives nodes their desiredConfig, as many at a time as a pool allows, and counts them."""

    name = "machineconfigcontroller-node"

    def __init__(self, context: ActorContext) -> None:
        super().__init__(context)
        self._selectors: list[Any] = []
        self._pools: dict[str, tuple[Machine, str | None]] = {}
        """Each machine as it was seen last, and its pool, for these selectors."""

    def watches(self) -> Sequence[Watch]:
        """Return pools and nodes."""
        return (
            Watch(MACHINE_CONFIG_POOLS, lambda pool: (name_of(pool),)),
            Watch(NODES, self._pools_of),
        )

    def _pools_of(self, node: RawObject) -> Iterable[Hashable]:
        """Return the pool that a node is in, and the one in which it was seen last."""
        held = self._pools.get(name_of(node))
        now = pool_of(node, self.cache(MACHINE_CONFIG_POOLS).list())
        return {now, held[1] if held is not None else None} - {None}

    async def reconcile(self, key: Any) -> None:
        """Let the next nodes of a pool begin, then report."""
        pool = self.cache(MACHINE_CONFIG_POOLS).get(key)
        if pool is None or not (pool["spec"].get("configuration") or {}).get("name"):
            return
        machines = self._machines(pool)
        if await self._mark(pool, machines):
            machines = self._machines(pool)
        beginning = candidates(pool, machines)
        for machine in beginning:
            await self._begin(pool, machine)
        if beginning:
            machines = self._machines(pool)
        status = status_of(pool, machines, self.clock.now())
        await self.context.patch_status(MACHINE_CONFIG_POOLS, pool, status)

    def _machines(self, pool: RawObject) -> list[Machine]:
        return in_order(self._members(pool))

    def _members(self, pool: RawObject) -> Iterator[Machine]:
        """Yield the machines of a pool; only those that changed are looked at again."""
        target = pool["spec"]["configuration"]["name"]
        pools = self.cache(MACHINE_CONFIG_POOLS).list()
        selectors = [(name_of(p), p["spec"].get("nodeSelector")) for p in pools]
        if selectors != self._selectors:
            self._selectors, self._pools = selectors, {}
        for node in self.cache(NODES).list():
            name = name_of(node)
            held = self._pools.get(name)
            if held is None or held[0].node is not node:
                held = self._pools[name] = (Machine(node, target), pool_of(node, pools))
            if held[1] != name_of(pool):
                continue
            if held[0].target != target:
                held = self._pools[name] = (Machine(node, target), held[1])
            yield held[0]

    async def _mark(self, pool: RawObject, machines: Iterable[Machine]) -> bool:
        """Tell the scheduler which nodes will go away soon; releases whose controller drains.

        Returns:
            Whether a node was changed.
        """
        changed = False
        if self.scenario.openshift.drained_by != "controller" or pool["spec"].get("paused"):
            return changed
        for machine in machines:
            waiting = not machine.is_asked
            marked = any(t["key"] == _IN_PROGRESS["key"] for t in _taints(machine.node))
            if waiting and not marked:
                taints = [*_taints(machine.node), _IN_PROGRESS]
                await self.context.patch(NODES, machine.node, _with_taints(machine.node, taints))
                changed = True
            elif marked and machine.is_updated:
                await self.context.patch(
                    NODES, machine.node, _with_taints(machine.node, _unmarked(machine.node))
                )
                changed = True
        return changed

    async def _begin(self, pool: RawObject, machine: Machine) -> None:
        notes = {DESIRED: machine.target}
        node = await self.context.patch(NODES, machine.node, {"metadata": {"annotations": notes}})
        text = f"Targeted node {machine.name} to MachineConfig {machine.target}"
        await self.context.event(pool, "SetDesiredConfig", text, source=_SOURCE)
        del node


class DrainController(Controller):
    """Cordons, drains and uncordons nodes whose daemon asks for it by annotation."""

    name = "machineconfigcontroller-drain"
    concurrency = 16

    def watches(self) -> Sequence[Watch]:
        """Return nodes, and the pods on nodes that are being drained."""
        return (
            Watch(NODES, lambda node: (name_of(node),)),
            Watch(PODS, self._draining),
            Watch(BUDGETS, lambda _budget: map(name_of, self.cache(NODES).list())),
        )

    def _draining(self, pod: RawObject) -> Iterable[Hashable]:
        node = self.cache(NODES).get(pod["spec"].get("nodeName") or "")
        if node is not None and _request(node).startswith("drain-"):
            yield name_of(node)

    async def reconcile(self, key: Any) -> None:
        """Do what the daemon of a node asks for."""
        node = self.cache(NODES).get(key)
        if node is None or not _request(node):
            return
        if _request(node).startswith("uncordon-"):
            await self.clock.sleep(self.scenario.latencies.uncordon)
            await self._finish(key, {"unschedulable": None})
            return
        if not (node.get("spec") or {}).get("unschedulable"):
            change = _with_taints(node, _unmarked(node))
            change["spec"]["unschedulable"] = True
            await self.context.patch(NODES, node, change)
            await self.clock.sleep(self.scenario.latencies.drain)
        for pod in evictable(self.context, key):
            await evict(self.context, pod)
        if not evictable(self.context, key):
            await self._finish(key, {})

    async def _finish(self, key: str, spec: RawObject) -> None:
        node = self.cache(NODES).get(key)
        if node is None:
            return
        notes = {DRAINED: annotations_of(node)[DRAIN]}
        change: RawObject = {"metadata": {"annotations": notes}}
        await self.context.patch(NODES, node, change | ({"spec": spec} if spec else {}))


def _request(node: RawObject) -> str:
    """Return what a node's daemon asks for and has not got yet."""
    notes = annotations_of(node)
    wanted = notes.get(DRAIN, "")
    return "" if notes.get(DRAINED) == wanted else wanted


def _taints(node: RawObject) -> list[RawObject]:
    return (node.get("spec") or {}).get("taints") or []


def _unmarked(node: RawObject) -> list[RawObject]:
    return [t for t in _taints(node) if t["key"] != _IN_PROGRESS["key"]]


def _with_taints(node: RawObject, taints: Sequence[RawObject]) -> RawObject:
    """Return a patch of the taints that fails when somebody else has changed the node."""
    version = node["metadata"]["resourceVersion"]
    return {
        "metadata": {"resourceVersion": version},
        "spec": {"taints": list(taints) or None},
    }


def mco_actors(context: ActorContext) -> tuple[Controller, ...]:
    """Return the controllers of the machine-config-operator for this release."""
    actors: tuple[Controller, ...] = (RenderController(context), NodeController(context))
    if context.scenario.openshift.drained_by == "controller":
        actors = (*actors, DrainController(context))
    return actors
