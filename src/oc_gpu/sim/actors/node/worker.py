"""One pod on one machine: from its binding to its end."""

import asyncio
from contextlib import suppress
from typing import Protocol

from oc_gpu.kube import NotFoundError, RawObject
from oc_gpu.kube.resources import PODS
from oc_gpu.sim.actors.framework import ActorContext, EventSource
from oc_gpu.sim.actors.node.containers import ContainerRun, PodState
from oc_gpu.sim.actors.node.environment import (
    MissingReferenceError,
    environment_of,
    hostname_of,
    identity_of,
)
from oc_gpu.sim.actors.node.files import Sources, logins_of, missing_sources, seen_by
from oc_gpu.sim.actors.node.machine import Machine
from oc_gpu.sim.actors.node.mig_manager import MigManager
from oc_gpu.sim.actors.node.runtime import Process, Program, Runtime
from oc_gpu.sim.actors.objects import name_of, namespace_of, uid_of, with_condition
from oc_gpu.sim.actors.placement import quantity, requests_of
from oc_gpu.sim.actors.signals import Signal
from oc_gpu.sim.hardware.images import facts_of, image_id, pull_problem
from oc_gpu.sim.hardware.mig import GPU_RESOURCE, Device, resource_of
from oc_gpu.sim.hardware.model import Change, Outcome, View
from oc_gpu.sim.hardware.programs import behave

_DEVICES = (GPU_RESOURCE, "nvidia.com/mig-")
_FIRST_BACK_OFF = 10.0
_LONGEST_BACK_OFF = 300.0
_TIMED_RESTARTS = 6
_TIMED_PULLS = 5
_PROBE_PERIOD = 10


class Surroundings(Protocol):
    """What a pod's worker needs from the kubelet around it."""

    context: ActorContext
    sources_changed: Signal
    runtime: Runtime | None

    def sources(self, namespace: str) -> Sources:
        """Return the Secrets and ConfigMaps of a namespace."""

    def noted(self, node: str) -> Signal:
        """Return what tells of changes of a Node and of its pods."""

    async def run_helper(self, pod: RawObject, prefix: str) -> bool:
        """Run the pod that a validator starts; tell whether it succeeded."""


class _Rejected(Exception):  # noqa: N818  # ends the pod, as the kubelet's admission does
    """The pod cannot run here at all."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class PodWorker:
    """Runs a pod's containers and keeps its status."""

    def __init__(self, around: Surroundings, machine: Machine, pod: RawObject) -> None:
        self.machine = machine
        self.key = (namespace_of(pod) or "", name_of(pod))
        self.uid = uid_of(pod)
        self.task: asyncio.Task[None] | None = None
        self.stopping = False
        self._around = around
        self._context = around.context
        self._pod = pod
        self._lock = asyncio.Lock()
        self._stops: dict[str, Change] = {}
        self.processes: dict[str, object] = {}
        """Real programs that run, by container; a kubelet looks which of them can be entered."""
        spec = pod["spec"]
        facts = machine.facts
        address = facts.address if spec.get("hostNetwork") else machine.pod_address()
        self.state = PodState(
            inits=[ContainerRun(c) for c in spec.get("initContainers") or []],
            mains=[ContainerRun(c) for c in spec["containers"]],
            started_at=self._now(),
            address=address,
            host_address=facts.address,
        )

    @property
    def policy(self) -> str:
        """Return the pod's restart policy."""
        return str(self._pod["spec"].get("restartPolicy") or "Always")

    def pod(self) -> RawObject:
        """Return the pod as last seen."""
        cached = self._context.informers.of(PODS).get(self.key[1], self.key[0])
        if cached is not None and uid_of(cached) == self.uid:
            self._pod = cached
        return self._pod

    async def run(self) -> None:
        """Run the pod until all its containers have ended for good."""
        try:
            self._admit()
            for run in self.state.inits:
                run.wait("PodInitializing")
            for run in self.state.mains:
                run.wait("PodInitializing" if self.state.inits else "ContainerCreating")
            await self.publish()
            await self._mount()
            for run in self.state.inits:
                await self._run(run, init=True)
                if run.exit_code:
                    return
            async with asyncio.TaskGroup() as tasks:
                for run in self.state.mains:
                    tasks.create_task(self._run(run, init=False))
        except _Rejected as error:
            self.state.failed = (error.reason, error.message)
            await self._event(error.reason, error.message, warning=True)
        finally:
            if not self.stopping and self.machine.is_up:
                await self.publish()
                self.machine.release(self.uid)

    async def stop(self) -> None:
        """End all containers, let go of devices, and show the last status."""
        self.stopping = True
        running = [r for r in (*self.state.inits, *self.state.mains) if "running" in r.state]
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        for run in running:
            await self._event("Killing", f"Stopping container {run.name}")
        if running:
            await self._context.clock.sleep(self._context.scenario.latencies.container_stop)
        for run in running:
            run.end(self._now(), 0)
            self._undo(run)
        self.machine.release(self.uid)
        await self.publish()

    async def lose(self) -> None:
        """Be cut off by a reboot: containers are gone, the pod is no longer ready."""
        self.stopping = True
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        now = self._now()
        for run in (*self.state.inits, *self.state.mains):
            run.kill(now)
            if "terminated" in run.state:
                run.restart()
        self._stops.clear()
        self.stopping = False
        pod = self.pod()
        conditions = (pod.get("status") or {}).get("conditions")
        for kind in ("Ready", "ContainersReady"):
            conditions = with_condition(conditions, {"type": kind, "status": "False"}, now)
        with suppress(NotFoundError):
            await self._context.patch_status(PODS, pod, {"conditions": conditions})

    async def publish(self) -> None:
        """Write the pod's status."""
        async with self._lock:
            pod = self.pod()
            status = self.state.status(pod, self._now())
            try:
                await self._context.patch_status(PODS, pod, status)
            except NotFoundError:
                self._context.informers.of(PODS).forget(pod)

    def view(self, run: ContainerRun) -> View:
        """Return what a container can know.

        Raises:
            MissingReferenceError: A variable refers to something that is not there.
        """
        pod, spec = self.pod(), run.spec
        sources = self._around.sources(self.key[0])
        devices = self._devices(spec)
        return View(
            scenario=self._context.scenario,
            node=self.machine.facts,
            host=self.machine.host,
            now=self._now(),
            container=run.name,
            image=spec["image"],
            command=(*(spec.get("command") or []), *(spec.get("args") or [])),
            env=environment_of(spec, _with_addresses(pod, self.state), sources),
            files=seen_by(spec, pod, sources, self.machine.files),
            devices=tuple(dict.fromkeys(device.card for device in devices)),
            parts=tuple(device.part.uuid for device in devices if device.part is not None),
            layouts=dict(self.machine.layouts),
            restart_policy=self.policy,
            siblings={c.name: c.spec["image"] for c in self.state.mains},
            init=run in self.state.inits,
            hostname=hostname_of(pod),
            **identity_of(spec, pod),
        )

    def _now(self) -> float:
        return self._context.clock.now()

    def _devices(self, spec: RawObject) -> tuple[Device, ...]:
        """Return the devices of one container, out of those of its pod."""
        asked = (spec.get("resources") or {}).get("limits") or {}
        left = {name: int(quantity(n)) for name, n in asked.items() if name.startswith(_DEVICES)}
        given = []
        for device in self.machine.allocate(self.uid, self._gpus()) or ():
            name = next((n for n in (resource_of(device), GPU_RESOURCE) if left.get(n)), None)
            if name is not None:
                left[name] -= 1
                given.append(device)
        return tuple(given)

    def _gpus(self) -> dict[str, int]:
        asked = requests_of(self._pod).items()
        return {name: int(count) for name, count in asked if name.startswith(_DEVICES)}

    def _admit(self) -> None:
        wanted = self._gpus()
        if self.machine.allocate(self.uid, wanted) is None:
            lacking = next(n for n, c in wanted.items() if c > len(self.machine.free(n)))
            text = (
                f"Allocate failed due to requested number of devices unavailable for "
                f"{lacking}. Requested: {wanted[lacking]}, "
                f"Available: {len(self.machine.free(lacking))}, which is unexpected"
            )
            raise _Rejected("UnexpectedAdmissionError", text)

    async def _mount(self) -> None:
        """Wait until every Secret and ConfigMap that the pod mounts is there."""
        changed = self._around.sources_changed
        while missing := missing_sources(self._pod, self._around.sources(self.key[0])):
            seen = changed.count
            for volume, complaint in missing.items():
                text = f'MountVolume.SetUp failed for volume "{volume}" : {complaint}'
                await self._event("FailedMount", text, warning=True)
            await changed.past(seen)

    async def _run(self, run: ContainerRun, *, init: bool) -> None:
        """Run one container, again and again as the restart policy says."""
        while True:
            seen = self._around.sources_changed.count
            await self._pull(run)
            view = await self._create(run)
            runtime = self._around.runtime
            program = runtime and runtime.program(self.pod(), run.spec, view)
            if program:
                await self._execute(run, program)
            else:
                await self._perform(run, await self._start(run, view))
            code = run.exit_code or 0
            again = code != 0 and self.policy != "Never"
            if not init:
                again = self.policy == "Always" or again
            if not again:
                await self.publish()
                return
            await self._back_off(run, seen)

    async def _pull(self, run: ContainerRun) -> None:
        image = run.spec["image"]
        tries, seen = 0, self._around.sources_changed.count
        if image in self.machine.images:
            text = f'Container image "{image}" already present on machine'
            await self._event("Pulled", text)
        while image not in self.machine.images:
            scenario = self._context.scenario
            await self._event("Pulling", f'Pulling image "{image}"')
            facts = facts_of(scenario, image)
            given = facts.pull_seconds if facts else None
            await self._sleep(scenario.latencies.image_pull if given is None else given)
            logins = logins_of(self.pod(), self._around.sources(self.key[0]))
            problem = pull_problem(scenario, image, logins)
            if problem is None:
                self.machine.images.add(image)
                await self._event("Pulled", f'Successfully pulled image "{image}"')
                break
            tries += 1
            text = f'Failed to pull image "{image}": {problem}'
            await self._event("Failed", text, warning=True)
            run.wait("ErrImagePull", problem)
            await self.publish()
            run.wait("ImagePullBackOff", f'Back-off pulling image "{image}"')
            await self.publish()
            delay = min(_FIRST_BACK_OFF * 2 ** (tries - 1), _LONGEST_BACK_OFF)
            await self._wait_to_retry(delay, tries <= _TIMED_PULLS, seen)
        run.image_id = image_id(self._context.scenario, image)

    async def _create(self, run: ContainerRun) -> View:
        """Create the container; a missing reference holds it back."""
        while True:
            seen = self._around.sources_changed.count
            try:
                view = self.view(run)
                break
            except MissingReferenceError as error:
                run.wait("CreateContainerConfigError", str(error))
                await self.publish()
                await self._event("Failed", f"Error: {error}", warning=True)
                await self._around.sources_changed.past(seen)
        await self._event("Created", f"Created container {run.name}")
        await self._sleep(self._context.scenario.latencies.container_start)
        return view

    async def _start(self, run: ContainerRun, view: View) -> Outcome:
        """Start a container that is played, and tell what it does."""
        outcome = behave(view)
        await self._started(run)
        return outcome

    async def _started(self, run: ContainerRun) -> None:
        run.start(self._now(), self.uid)
        await self._event("Started", f"Started container {run.name}")
        await self.publish()

    async def _execute(self, run: ContainerRun, program: Program) -> None:
        """Run a real program until it ends; whether it is ready follows its probe."""
        await self._started(run)
        async with program.running(lambda line: run.log.write(self._now(), line)) as process:
            self.processes[run.name] = process
            probing = asyncio.create_task(self._become_ready(run, process))
            try:
                code = await process.wait()
            finally:
                probing.cancel()
                del self.processes[run.name]
        run.end(self._now(), code)
        await self.publish()

    async def _become_ready(self, run: ContainerRun, process: Process) -> None:
        for kind in ("startupProbe", "readinessProbe"):
            probe = run.spec.get(kind)
            while probe and not await process.probe(probe):
                await self._sleep(float(probe.get("periodSeconds") or _PROBE_PERIOD))
        run.ready = True
        await self.publish()

    async def _perform(self, run: ContainerRun, outcome: Outcome) -> None:
        """Do what the container does, until it ends."""
        if outcome.waits:
            outcome = await self._wait(run, outcome)
        if outcome.spawns and not await self._around.run_helper(self.pod(), outcome.spawns):
            outcome = Outcome(log=("workload pod failed",), exit_code=1)
        *first, last = outcome.log or ("",)
        run.log.write(self._now(), *first)
        await self._sleep(outcome.seconds)
        if outcome.log:
            run.log.write(self._now(), last, *outcome.ending)
        if outcome.exit_code is not None:
            run.end(self._now(), outcome.exit_code)
            self.machine.change(outcome.starts)
            await self.publish()
            return
        await self._serve(run, outcome)

    async def _wait(self, run: ContainerRun, outcome: Outcome) -> Outcome:
        """Wait for the machine, then see anew what the container does."""
        if not all(key in self.machine.host for key in outcome.waits):
            run.log.write(self._now(), *outcome.waiting_log)
            await self.machine.changed.until(
                lambda: all(key in self.machine.host for key in outcome.waits)
            )
        return behave(self.view(run))

    async def _serve(self, run: ContainerRun, outcome: Outcome) -> None:
        self._stops[run.name] = outcome.stops
        self.machine.change(outcome.starts)
        if run.spec.get("readinessProbe") or run.spec.get("startupProbe"):
            await self._sleep(self._context.scenario.latencies.probe)
        run.ready = True
        await self.publish()
        if outcome.divides:
            await self._manager(run).run()
        said: set[str] = set()
        while True:
            seen = self.machine.changed.count
            alerts = [line for line in behave(self.view(run)).alerts if line not in said]
            said.update(alerts)
            run.log.write(self._now(), *alerts)
            await self.machine.changed.past(seen)

    def _manager(self, run: ContainerRun) -> MigManager:
        def tell(*lines: str) -> None:
            run.log.write(self._now(), *lines)

        return MigManager(self._around, self.machine, tell, lambda: self.view(run))

    async def _back_off(self, run: ContainerRun, seen: int) -> None:
        """Wait before a restart, longer every time; the first follows at once."""
        run.restart()
        tries = run.restarts - 1
        if tries:
            delay = min(_FIRST_BACK_OFF * 2 ** (tries - 1), _LONGEST_BACK_OFF)
            pod = f"{self.key[1]}_{self.key[0]}({self.uid})"
            text = f"back-off {_span(delay)} restarting failed container={run.name} pod={pod}"
            run.wait("CrashLoopBackOff", text)
            await self.publish()
            await self._event("BackOff", "Back-off restarting failed container", warning=True)
            await self._wait_to_retry(delay, tries <= _TIMED_RESTARTS, seen)

    async def _wait_to_retry(self, delay: float, in_time: bool, seen: int) -> None:  # noqa: FBT001
        """Wait `delay`; unless `in_time`, first for something to change around the container.

        One that fails for ever would otherwise keep simulated time running for ever.
        """
        due = self._now() + delay
        if not in_time:
            await self._around.sources_changed.past(seen)
        await self._sleep(due - self._now())

    def _undo(self, run: ContainerRun) -> None:
        self.machine.change(self._stops.pop(run.name, Change()))

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            await self._context.clock.sleep(seconds)

    async def _event(self, reason: str, message: str, *, warning: bool = False) -> None:
        source = EventSource("kubelet", self.machine.facts.name, warning=warning)
        await self._context.event(self.pod(), reason, message, source=source)


def _with_addresses(pod: RawObject, state: PodState) -> RawObject:
    addresses = {"podIP": state.address, "hostIP": state.host_address}
    return {**pod, "status": {**(pod.get("status") or {}), **addresses}}


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
