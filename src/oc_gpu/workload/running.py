"""A run from the first look at the cluster to its exit code; nothing is left behind."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from msgspec import Struct, structs

from oc_gpu.kube import Client, OcGpuError, RawObject, TimeoutExceededError, UsageError
from oc_gpu.kube.errors import clean
from oc_gpu.kube.resources import JOBS, KUEUE_QUEUES, NAMESPACES, NODES
from oc_gpu.manifests.jobs import MAIN, Site, Task
from oc_gpu.rollout import jobs
from oc_gpu.snapshot.kinds import Node, Pod
from oc_gpu.snapshot.live import LiveView
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.reading import read
from oc_gpu.snapshot.sources import IDENTITY, Source
from oc_gpu.workload import explaining, files, placing
from oc_gpu.workload.archive import Packed, Unpacked, pack
from oc_gpu.workload.asking import job_name
from oc_gpu.workload.following import Follower
from oc_gpu.workload.model import Ended, Line, Notice, Observer, Patience, Request
from oc_gpu.workload.standing import Stage, Standing, container, sources, standing

KEPT = 24 * 3600
"""Seconds for which a run that was left running is kept after its end, for its log."""
_SHOWN = 5


class Prepared(Struct, frozen=True):
    """What is to be made, and what was seen of the cluster.

    Attributes:
        packed: The folder that goes along, None for none.
        nodes: The nodes that suit it; empty when nodes may not be read.
    """

    request: Request
    task: Task
    site: Site
    packed: Packed | None
    snapshot: Snapshot
    nodes: tuple[Node, ...]


async def look(client: Client, namespace: str) -> Snapshot:
    """Return what has to be known of a cluster before anything is made there."""
    where = f"metadata.name={namespace}"
    more = (Source("nodes", NODES, Node), Source("namespaces", NAMESPACES, field_selector=where))
    wanted = (*(s for s in IDENTITY if s.name in ("clusterversions", "proxies")), *more)
    return await read(client, wanted)


async def prepare(client: Client, request: Request) -> Prepared:
    """Look at the cluster and refuse what cannot run there; nothing is written.

    Raises:
        MissingRightsError: Rights are missing.
        NoGpuError: No node offers such a GPU; the doctor's cause is told with it.
        UsageError: The request does not fit this cluster.
    """
    packed = pack(request.mount) if request.mount is not None else None
    snapshot = await look(client, request.namespace)
    placing.refuse_namespace(request, snapshot)
    try:
        placing.refuse(request, snapshot)
    except placing.NoGpuError as error:
        raise await explaining.why_none(client, error) from error
    if request.queue:
        await _insist_on_queue(client, request)
    task = _task(request, request.image or placing.pytorch_image(request, snapshot))
    await jobs.demand(client, task)
    suits = placing.suitable(request, snapshot)
    return Prepared(request, task, placing.site(request, snapshot), packed, snapshot, suits)


def _task(request: Request, image: str) -> Task:
    return Task(
        name=job_name(request.title),
        namespace=request.namespace,
        image=image,
        command=request.command,
        scripts=request.scripts,
        env=request.env,
        limits=request.limits,
        files_in=request.mount is not None,
        files_out=request.output is not None,
        queue=request.queue,
        **({"keep": KEPT} if request.detach else {}),
    )


async def _insist_on_queue(client: Client, request: Request) -> None:
    """Insist that Kueue is there and has the queue.

    Raises:
        UsageError: It is not, or has not.
    """
    found = await client.discover()
    kind = found.find(KUEUE_QUEUES.group, KUEUE_QUEUES.kind)
    if kind is None:
        message = "this cluster has no Kueue, so it has no queues"
        raise UsageError(message, hints=("leave out --queue", "or let an administrator install it"))
    names = [q["metadata"]["name"] for q in (await client.list(kind, request.namespace)).items]
    if request.queue not in names:
        message = f"there is no queue {request.queue} in namespace {request.namespace}"
        raise UsageError(message, hints=(f"it has {', '.join(names)}" if names else "it has none",))


async def run(client: Client, found: Prepared, patience: Patience, observe: Observer) -> Ended:
    """Run what was prepared, and return how it ended; its Job is removed, whatever happens.

    Args:
        client: The cluster.
        found: What was prepared.
        patience: How long things may take.
        observe: Is told what happens, and each line that the program prints.

    Raises:
        OcGpuError: It cannot start, or was lost on the way.
        TimeoutExceededError: The time is over.
    """
    return await _Run(client, found, patience, observe).whole()


class _Run:
    """One run; its steps in their order."""

    def __init__(
        self, client: Client, found: Prepared, patience: Patience, observe: Observer
    ) -> None:
        self._client = client
        self._found = found
        self._request, self._task = found.request, found.task
        self._observe = observe
        now = asyncio.get_running_loop().time()
        self._ends = None if patience.all is None else now + patience.all
        self._patience = patience
        self._told = ""
        self._last = "nothing was seen of it"

    async def whole(self) -> Ended:
        task = self._task
        watched = sources(task.namespace, task.name)
        async with LiveView(self._client, watched) as view, self._made(view):
            async with self._limit(self._patience.start, "has not started"):
                pod = await self._started(view)
            if pod is None or self._request.detach:
                return self._left(pod)
            async with self._limit(None, "has not ended"):
                return await self._to_the_end(view, pod)

    @asynccontextmanager
    async def _made(self, view: LiveView) -> AsyncGenerator[None]:
        """Make the Job; remove it unless it is to be left running."""
        made = await self._make()
        view.observe(JOBS, made)
        name = f"{self._task.namespace}/{self._task.name}"
        self._say(f"Job {name} was made, image {self._task.image}")
        done = False
        try:
            yield
            done = True
        finally:
            if not (done and self._request.detach):
                await asyncio.shield(jobs.remove(self._client, made))
                if not done:
                    self._say(f"Job {name} was removed")

    async def _make(self) -> RawObject:
        """Make the Job; where this is interrupted on the way, it is made and removed again."""
        making = asyncio.ensure_future(jobs.make(self._client, self._task, self._found.site))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            with suppress(OcGpuError):
                await jobs.remove(self._client, await making)
            raise

    @asynccontextmanager
    async def _limit(self, seconds: float | None, what: str) -> AsyncGenerator[None]:
        """Give up when the time is over, and say what it was spent on.

        Raises:
            TimeoutExceededError: It is over.
        """
        loop = asyncio.get_running_loop()
        ends = [end for end in (self._ends, seconds and loop.time() + seconds) if end is not None]
        begun = loop.time()
        try:
            async with asyncio.timeout_at(min(ends, default=None)) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            spent = loop.time() - begun
            message = f"{self._request.title} {what} after {spent:.0f} s: {self._last}"
            raise TimeoutExceededError(message, hints=("give it longer with --timeout",)) from None

    async def _started(self, view: LiveView) -> Pod | None:
        """Wait until the program runs, its files being there; return its pod."""
        if self._request.detach and self._found.packed is None:
            return None
        sent = False
        while True:
            now = await self._next(view)
            if now.stage in (Stage.RUNNING, Stage.ENDED):
                return now.pod
            if now.stage is Stage.FILES and now.pod is not None and not sent:
                await self._send(now.pod)
                sent = True
                if self._request.detach:
                    return now.pod
            elif now.unscheduled:
                await self._explain(now.unscheduled)
            elif now.stage is Stage.WAITING and not sent:
                self._tell(now.detail)
            await view.changed()

    async def _next(self, view: LiveView) -> Standing:
        """Return how far the Job is.

        Raises:
            OcGpuError: It can never end as a program ends.
        """
        now = standing(view.snapshot(), self._task.name)
        if not now.unscheduled:
            self._last = now.detail or self._last
        if now.stage is Stage.LOST:
            raise OcGpuError(f"{self._request.title} did not run: {now.detail}", hints=now.hints)
        return now

    async def _explain(self, unscheduled: str) -> None:
        """Say once why the scheduler finds no place."""
        if unscheduled == self._told:
            return
        self._told = unscheduled
        resource, _ = placing.wanted(self._request)
        self._last = await explaining.why_waiting(
            self._client, unscheduled, resource, self._found.nodes
        )
        self._say(self._last)

    async def _send(self, pod: Pod) -> None:
        packed = self._found.packed
        if packed is None:
            return
        size = f"{packed.files} files, {packed.content} bytes"
        self._say(f"{self._request.mount} is sent ({size})")
        for name in packed.left_out[:_SHOWN]:
            self._say(f"{name} is a link or a device and is not sent")
        await files.send(self._client, pod, packed)

    async def _to_the_end(self, view: LiveView, pod: Pod) -> Ended:
        self._say(f"{self._request.title} runs on {pod.spec.node_name}")

        async def ended() -> Pod:
            while True:
                now = await self._next(view)
                if now.stage is Stage.ENDED and now.pod is not None:
                    return now.pod
                await view.changed()

        follower = Follower(self._client, pod, lambda line: self._observe(Line(line)))
        lost = await follower.to_the_end(ended)
        if lost is not None:
            self._say(f"the end of its log cannot be read: {lost}")
        return await self._result(await ended(), tuple(follower.last))

    async def _result(self, pod: Pod, last: tuple[str, ...]) -> Ended:
        main = container(pod, MAIN)
        end = main.state.terminated if main is not None else None
        if main is None or end is None:  # the view said that it has ended
            raise AssertionError
        brought = await self._fetched(pod, end.exit_code)
        message = (clean(end.message),) if end.message else ()
        return structs.replace(
            self._left(pod),
            state="ended",
            image_id=main.image_id,
            exit_code=end.exit_code,
            reason=end.reason,
            last_lines=last or message,
            files=brought.files,
            left_out=brought.left_out,
            started=end.started_at or "",
            finished=end.finished_at or "",
        )

    async def _fetched(self, pod: Pod, code: int) -> Unpacked:
        """Bring back what the program wrote.

        Raises:
            OcGpuError: It could not be; the program's exit code is told with it.
        """
        if self._request.output is None:
            return Unpacked((), ())
        try:
            found = await files.fetch(self._client, pod, self._request.output)
            await files.let_go(self._client, pod, "out")
        except OcGpuError as error:
            message = f"{self._request.title} ended with exit code {code}, but {error}"
            raise OcGpuError(message, hints=error.hints) from error
        return found

    def _left(self, pod: Pod | None) -> Ended:
        return Ended(
            job=self._task.name,
            namespace=self._task.namespace,
            state="detached",
            pod=pod.metadata.name if pod is not None else "",
            node=pod.spec.node_name if pod is not None else "",
            image=self._task.image,
            limits=self._task.limits,
            simulated=self._found.site.simulated,
        )

    def _tell(self, message: str) -> None:
        """Say something unless it was said last."""
        if message != self._told:
            self._told = message
            self._say(message)

    def _say(self, message: str) -> None:
        self._observe(Notice(message))
