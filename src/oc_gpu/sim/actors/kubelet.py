"""The kubelets of all machines: pods run, end and restart; cards become schedulable."""

import asyncio
from collections.abc import AsyncIterator, Hashable, Iterable, Sequence
from typing import Any, Protocol

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import CONFIGMAPS, DAEMONSETS, NODES, PODS, SECRETS
from oc_gpu.sim.actors.framework import ActorContext, Controller, EventSource, Key, Watch
from oc_gpu.sim.actors.node import registration
from oc_gpu.sim.actors.node.files import Sources
from oc_gpu.sim.actors.node.helpers import helper_pod
from oc_gpu.sim.actors.node.machine import Machine
from oc_gpu.sim.actors.node.runtime import Enterable, Runtime
from oc_gpu.sim.actors.node.serving import LogOptions, execute, log_lines
from oc_gpu.sim.actors.node.worker import PodWorker
from oc_gpu.sim.actors.objects import (
    by_node,
    controller_of,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from oc_gpu.sim.actors.podsets import ENDED, phase
from oc_gpu.sim.actors.signals import Signal
from oc_gpu.sim.hardware.journal import journal
from oc_gpu.sim.machine_facts import NodeFacts

_SILENCE = 40.0
"""Seconds after which the node controller calls a node that it does not hear of unknown
(node-monitor-grace-period)."""
_PATIENCE = 300.0
"""Seconds after which the pods of a node that is unreachable are given up (tolerationSeconds)."""


def _takes_a_boot(before: NodeFacts, after: NodeFacts) -> bool:
    """Tell whether a machine has to be started anew to be what its facts say now."""
    revived = {d.address for d in before.pci if d.lost} & {d.address for d in after.working_gpus}
    firmware = before.secure_boot != after.secure_boot
    drivers = (before.nouveau, before.host_driver) != (after.nouveau, after.host_driver)
    cards = [[(d.address, d.device) for d in node.gpu_devices] for node in (before, after)]
    return bool(revived) or firmware or drivers or cards[0] != cards[1]


class Outage(Protocol):
    """What is told when the machine of the API server goes away, and when it is back."""

    def __call__(self, *, away: bool) -> None:
        """Take note."""


def _unnoticed(*, away: bool) -> None:
    """Take no note: the API server runs elsewhere."""
    del away


class Kubelets(Controller):
    """Runs the pods of every machine; also the API server's way to logs and commands.

    Args:
        context: What every actor is given.
        runtime: Runs containers that are real programs; without one, all are played.
    """

    name = "kubelet"
    concurrency = 64

    def __init__(self, context: ActorContext, runtime: Runtime | None = None) -> None:
        super().__init__(context)
        self.runtime = runtime
        self.machines = {
            facts.name: Machine(
                context.scenario,
                facts,
                number,
                context.clock.now(),
                context.layouts.setdefault(facts.name, {}),
            )
            for number, facts in enumerate(context.scenario.nodes)
        }
        self.sources_changed = Signal()
        self._workers: dict[str, PodWorker] = {}
        self._namesakes: dict[Key, dict[str, PodWorker]] = {}
        """The workers of the pods of one name, by uid: of one that goes and of its successor."""
        self._awaited: dict[Key, Signal] = {}
        """What tells of changes of the pods that somebody waits for."""
        self._offered: dict[str, registration.Offer] = {}
        self._noted: dict[str, Signal] = {}
        """What tells of changes of the Nodes, and of their pods, that a program on them follows."""
        self.on_outage: Outage = _unnoticed

    def watches(self) -> Sequence[Watch]:
        """Return pods, nodes, and what pods mount."""
        return (
            Watch(PODS, self._pod_keys),
            Watch(NODES, self._node_keys),
            Watch(SECRETS, self._source_keys),
            Watch(CONFIGMAPS, self._source_keys),
        )

    def register(self) -> None:
        """Subscribe, and have every machine register its Node."""
        super().register()
        for name, machine in self.machines.items():
            self.enqueue(("node", name))
            self.spawn(self._watch_machine(name, machine))
            if machine.facts.off:
                self.spawn(self._give_up(name))

    def _pod_keys(self, pod: RawObject) -> Iterable[Hashable]:
        key = Key.of(pod)
        if key in self._awaited:
            self._awaited[key].fire()
        self._note(pod["spec"].get("nodeName"))
        return (key,) if pod["spec"].get("nodeName") in self.machines else ()

    def _node_keys(self, node: RawObject) -> Iterable[Hashable]:
        self._note(name_of(node))
        return (("node", name_of(node)),)

    def _note(self, node: str | None) -> None:
        if node in self._noted:
            self._noted[node].fire()

    def _source_keys(self, _obj: RawObject) -> Iterable[Hashable]:
        self.sources_changed.fire()
        return ()

    async def _watch_machine(self, name: str, machine: Machine) -> None:
        while True:
            await machine.changed.past(machine.changed.count)
            self.sources_changed.fire()
            self.enqueue(("node", name))

    async def reconcile(self, key: Any) -> None:
        """Start or end the work on a pod, or report a machine."""
        if isinstance(key, Key):
            await self._reconcile_pod(key)
        else:
            await self._reconcile_node(key[1])

    async def _reconcile_pod(self, key: Key) -> None:
        pod = self.cache(PODS).get(key.name, key.namespace)
        uid = uid_of(pod) if pod else ""
        for other in list(self._namesakes.get(key, {}).values()):
            if other.uid != uid:
                await self._end(other)
        if pod is None:
            return
        worker = self._workers.get(uid)
        if is_terminating(pod):
            if worker is not None:
                await self._end(worker)
            await self.context.delete(PODS, pod, grace_seconds=0)
        elif worker is None and phase(pod) not in ENDED:
            self._begin(pod)

    def _begin(self, pod: RawObject) -> None:
        machine = self.machines[pod["spec"]["nodeName"]]
        if not machine.is_up:
            return
        worker = PodWorker(self, machine, pod)
        self._workers[worker.uid] = worker
        self._namesakes.setdefault(Key.of(pod), {})[worker.uid] = worker
        self._launch(worker)

    def _launch(self, worker: PodWorker) -> None:
        worker.task = self.spawn(worker.run())

    async def _end(self, worker: PodWorker) -> None:
        if not worker.stopping:
            await worker.stop()
        self._workers.pop(worker.uid, None)
        self._forget_namesake(Key(*worker.key), worker.uid)
        if self.runtime is not None:
            self.runtime.forget(worker.uid)

    def _forget_namesake(self, key: Key, uid: str) -> None:
        named = self._namesakes.get(key, {})
        named.pop(uid, None)
        if not named:
            self._namesakes.pop(key, None)

    async def _reconcile_node(self, name: str) -> None:
        machine = self.machines.get(name)
        if machine is None:
            return
        node = self.cache(NODES).get(name)
        if node is None:
            node = await registration.register(self.context, machine.facts)
        await registration.report_gpus(self.context, node, machine, offered=self._offered)
        await registration.mirror_cordon(self.context, name)

    # --- what pods' workers and the machine-config-daemon ask for -----------------------------

    def sources(self, namespace: str) -> Sources:
        """Return the Secrets and ConfigMaps of a namespace."""
        found: dict[tuple[str, str], RawObject] = {}
        for kind, resource in (("Secret", SECRETS), ("ConfigMap", CONFIGMAPS)):
            found |= {(kind, name_of(o)): o for o in self.cache(resource).list(namespace)}
        return found

    async def run_helper(self, pod: RawObject, prefix: str) -> bool:
        """Replace a validator's helper pod on this node by a fresh one, and wait for its end."""
        namespace, node = namespace_of(pod) or "", pod["spec"]["nodeName"]
        for old in self.cache(PODS).lookup(by_node, node):
            if labels_of(old).get("app") == prefix and namespace_of(old) == namespace:
                await self.context.delete(PODS, old)
        parent = controller_of(pod)
        daemon_set = parent and await self.context.client.find(
            DAEMONSETS, parent["name"], namespace
        )
        owners = (daemon_set or {"metadata": {}})["metadata"].get("ownerReferences") or []
        helper = await self.context.create(PODS, helper_pod(pod, prefix, owners), namespace)

        def current() -> RawObject | None:
            return self.cache(PODS).get(name_of(helper), namespace)

        def ended() -> bool:
            found = current()
            return found is None or phase(found) in ENDED

        key = Key.of(helper)
        try:
            await self._awaited.setdefault(key, Signal()).until(ended)
        finally:
            self._awaited.pop(key, None)
        found = current()
        return found is not None and phase(found) == "Succeeded"

    def noted(self, node: str) -> Signal:
        """Return what tells of changes of a Node and of its pods."""
        return self._noted.setdefault(node, Signal())

    def workers_on(self, node: str) -> list[PodWorker]:
        """Return the pods that run on a machine."""
        return [w for w in self._workers.values() if w.machine.facts.name == node]

    async def reboot(self, node: str) -> None:
        """Restart a machine: memory is lost, pods start again when it is back."""
        machine = self.machines[node]
        alone = self.scenario.single_node
        await registration.report_ready(self.context, node, ready=False)
        machine.shut_down()
        if alone:
            self.on_outage(away=True)
        lost = self._unfinished(node)
        await asyncio.gather(*(w.lose() for w in lost))
        await self.clock.sleep(self.scenario.latencies.reboot)
        if alone:
            self.on_outage(away=False)
        await self._boot(node, lost)

    async def _boot(self, node: str, lost: Sequence[PodWorker]) -> None:
        """Have a machine come up, and its pods start again."""
        machine = self.machines[node]
        machine.boot(self.clock.now())
        await registration.report_ready(self.context, node, ready=True)
        await registration.report_boot(self.context, node, machine.boots)
        text = f"Node {node} has been rebooted"
        current = self.cache(NODES).get(node)
        if current is not None:
            source = EventSource("kubelet", node, warning=True)
            await self.context.event(current, "Rebooted", text, source=source)
        self._resume(node, lost)

    async def renew(self) -> None:
        """Take over changed facts of the machines: their hardware, and whether they have power."""
        for facts in self.scenario.nodes:
            machine = self.machines[facts.name]
            before = machine.facts
            machine.renew(facts)
            if before.off != facts.off:
                switch = self._fall_silent if facts.off else self._come_up
                self.spawn(switch(facts.name))
            elif machine.is_up and _takes_a_boot(before, facts):
                self.spawn(self.reboot(facts.name))
        self.sources_changed.fire()

    async def _fall_silent(self, node: str) -> None:
        """Lose a machine; that is seen when its kubelet has not been heard for a while."""
        self.machines[node].shut_down()
        await self.clock.sleep(_SILENCE)
        if self.machines[node].facts.off:
            await registration.report_silence(self.context, node)
            await asyncio.gather(*(w.lose() for w in self._unfinished(node)))
            await self._give_up(node)

    async def _give_up(self, node: str) -> None:
        """Give up the pods of a machine that stays silent."""
        await self.clock.sleep(_PATIENCE)
        if self.machines[node].facts.off:
            await registration.report_given_up(self.context, node)

    async def _come_up(self, node: str) -> None:
        await self.clock.sleep(self.scenario.latencies.reboot)
        if not self.machines[node].facts.off:
            await self._boot(node, self._unfinished(node))

    def _unfinished(self, node: str) -> list[PodWorker]:
        return [w for w in self.workers_on(node) if phase(w.pod()) not in ENDED]

    def _resume(self, node: str, lost: Sequence[PodWorker]) -> None:
        for worker in lost:
            if worker.uid in self._workers and phase(worker.pod()) not in ENDED:
                self._launch(worker)
        for pod in self.cache(PODS).lookup(by_node, node):
            self.enqueue(Key.of(pod))

    # --- what the API server asks for ---------------------------------------------------------

    async def logs(
        self, pod: RawObject, container: str, options: LogOptions
    ) -> AsyncIterator[bytes]:
        """Return the log of a container in pieces.

        Raises:
            StatusError: It has written none yet, or there was no run before this one.
        """
        worker = self._workers.get(uid_of(pod))
        return log_lines(worker, pod, container, options, self.clock.now())

    async def journal(self, node: str, pattern: str) -> str | None:
        """Return the kernel's messages of a machine's current boot that match a pattern."""
        machine = self.machines[node]
        if not machine.is_up:
            return None
        return journal(machine.facts, machine.booted_at, self.clock.now(), pattern)

    async def exec(
        self, pod: RawObject, container: str, command: Sequence[str], stdin: bytes
    ) -> tuple[bytes, bytes, int]:
        """Run a command in a container; what it would read is for real programs only."""
        worker = self._workers.get(uid_of(pod))
        if worker is None:
            return b"", b"container not found", 1
        process = worker.processes.get(container)
        if isinstance(process, Enterable):
            return await process.exec(command, stdin)
        return execute(worker, container, command)
