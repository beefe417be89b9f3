"""Both legs in a cluster: each a Job, one after the other, its results read from its log."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from msgspec import Struct, structs

from oc_gpu.bench import catalogue
from oc_gpu.bench.collect import Collector, Progress, plan_text
from oc_gpu.bench.model import Device, Leg, Place, Plan, Run
from oc_gpu.bench.packing import ARCHIVE, archive
from oc_gpu.kube import Client, OcGpuError
from oc_gpu.manifests.jobs import SCRIPTS, Limits
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.workload import placing, running
from oc_gpu.workload.model import Ended, Event, Line, Notice, Patience, Request

_GPU_SHARE = 0.5
"""Part of the time that the GPU may take; it takes less, and the CPU gets what is left."""
_PLAN = "plan.json"
_BESIDE = 600.0
"""Seconds that a leg may take beside its time budget: PyTorch from a cold disk, mostly."""
_UNMEASURED = (1, 4)
"""Exit codes of errors for which a leg is `not measured`; the others are mistakes or missing
rights, which end the run."""
_KILLED = 137
"""Exit code of a program that was killed, as it is when its memory limit is reached."""


class Wish(Struct, frozen=True, kw_only=True):
    """How the legs are to run.

    Attributes:
        namespace: Where their Jobs go.
        image: Image with PyTorch; empty for the one that fits the driver.
        gpus: Extended resources of the GPU's leg.
        cpu: Limit of cores for each pod, as a quantity; empty for none.
        memory: Limit of memory for each pod.
        beside: Whether the CPU's leg goes to the node of the GPU.
        start: Seconds until a leg's program runs.
    """

    namespace: str
    image: str = ""
    gpus: Mapping[str, int]
    cpu: str = ""
    memory: str = ""
    beside: bool = False
    start: float


class Told(Struct, frozen=True):
    """Whom to tell what.

    Attributes:
        progress: Takes each point that is done.
        talk: Takes sentences.
    """

    progress: Callable[[Progress], object]
    talk: Callable[[str], object]


async def run(client: Client, plan: Plan, wish: Wish, told: Told) -> tuple[Run, Snapshot]:
    """Measure a plan in a cluster, and return what was seen of the cluster with it.

    A leg that cannot run is not measured, with the reason.

    Args:
        client: The cluster.
        plan: All points, and the seconds for both legs.
        wish: How the legs are to run.
        told: Is told what happens.

    Raises:
        OcGpuError: Neither leg can run; the reason is the CPU's.
        MissingRightsError: Rights are missing.
        UsageError: The wish does not fit the cluster.
    """
    date = datetime.now(UTC).isoformat(timespec="seconds")
    seen = await running.look(client, wish.namespace)
    wish = structs.replace(wish, image=wish.image or _image(wish, seen))
    share = plan.budget * _GPU_SHARE
    first = _Leg(client, catalogue.for_device(plan, "cuda", share), "cuda", wish, told)
    gpu = await _or_reason(first, told)
    node = _beside(gpu, wish, seen) if wish.beside else ""
    if wish.beside and not node:
        told.talk("no node offers a GPU, so the CPU's leg goes to any")
    rest = catalogue.for_device(plan, "cpu", plan.budget - share + first.left)
    second = _Leg(client, rest, "cpu", wish, told, node)
    cpu = await (second.whole() if gpu.reason else _or_reason(second, told))
    return Run(date=date, plan=plan, cpu=cpu, gpu=gpu), seen


def _image(wish: Wish, seen: Snapshot) -> str:
    """Return the image of both legs: that of the GPU's, so that they compute with one PyTorch."""
    return placing.pytorch_image(_asking(wish), seen)


def _asking(wish: Wish) -> Request:
    return Request(title="bench", limits=Limits(wish.gpus), namespace=wish.namespace)


def _beside(gpu: Leg, wish: Wish, seen: Snapshot) -> str:
    """Return the node of the GPU's leg, or one that it could have had."""
    if gpu.place is not None and gpu.place.node:
        return gpu.place.node
    return next((node.metadata.name for node in placing.suitable(_asking(wish), seen)), "")


async def _or_reason(leg: "_Leg", told: Told) -> Leg:
    """Return a leg, or why it could not run."""
    try:
        return await leg.whole()
    except OcGpuError as error:
        if error.exit_code not in _UNMEASURED:
            raise
        told.talk(f"the leg of the {leg.side} is not measured: {error}")
        return Leg(device=leg.device, reason=str(error))


class _Leg:
    """One leg; a Job that dies costs the point that it was at, and another one goes on.

    Attributes:
        left: Seconds of its time that it did not use.
    """

    def __init__(
        self,
        client: Client,
        plan: Plan,
        device: Device,
        wish: Wish,
        told: Told,
        node: str = "",
    ) -> None:
        self.device = device
        self.side = "GPU" if device == "cuda" else "CPU"
        self.left = plan.budget
        self._client = client
        self._wish = wish
        self._told = told
        self._node = node
        self._collector = Collector(plan, device)
        self._begun: float | None = None
        self._place = Place(namespace=wish.namespace)

    async def whole(self) -> Leg:
        """Return the leg.

        Raises:
            OcGpuError: Its first Job did not run.
        """
        collector = self._collector
        while not collector.ended:
            self._begun = None
            try:
                ended = await self._job()
            except OcGpuError as error:
                if self._begun is None and not self._place.pod:
                    raise
                self._died(str(error), killed=False)
                continue
            self._note(ended)
            if not collector.ended:
                last = ended.last_lines[-1] if ended.last_lines else ""
                how = f"exit code {ended.exit_code} ({ended.reason}){last and f': {last}'}"
                self._died(how, killed=ended.exit_code == _KILLED)
        return structs.replace(collector.leg(), place=self._place)

    def _died(self, how: str, *, killed: bool) -> None:
        if done := self._collector.died(how, killed=killed):
            self._told.progress(done)

    async def _job(self) -> Ended:
        """Run what is left of the plan in one Job."""
        found = await running.prepare(self._client, self._request())
        patience = Patience(self._wish.start, self._wish.start + self.left + _BESIDE)
        try:
            return await running.run(self._client, found, patience, self._take)
        finally:
            if self._begun is not None:
                self.left -= time.monotonic() - self._begun

    def _request(self) -> Request:
        wish, rest = self._wish, self._collector.rest(self.left)
        return Request(
            title=f"bench-{self.side.lower()}",
            image=wish.image,
            command=(
                *("python3", f"{SCRIPTS}/{ARCHIVE}", "--device", self.device),
                *("--plan", f"{SCRIPTS}/{_PLAN}"),
            ),
            scripts={ARCHIVE: archive(), _PLAN: plan_text(rest)},
            limits=Limits(wish.gpus if self.device == "cuda" else {}, wish.cpu, wish.memory),
            node=self._node,
            namespace=wish.namespace,
        )

    def _take(self, event: Event) -> None:
        if isinstance(event, Notice):
            self._told.talk(event.message)
        elif isinstance(event, Line):
            if self._begun is None:
                self._begun = time.monotonic()
            if done := self._collector.line(event.text):
                self._told.progress(done)

    def _note(self, ended: Ended) -> None:
        self._place = Place(
            namespace=ended.namespace,
            pod=ended.pod,
            node=ended.node,
            image=ended.image,
            image_id=ended.image_id,
            cpu_limit=ended.limits.cpu,
            memory_limit=ended.limits.memory,
            locally=ended.simulated,
        )
