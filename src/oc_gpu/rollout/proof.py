"""Collecting on each GPU node what proves that pods compute there, and that others stay off.

nvidia-smi runs in the driver's pod. A CUDA sample and, on nodes with a taint, a pod that asks for
no GPU are made, watched and removed. What a killed run left of them is removed first, as soon as
its time is over: until then it may be a run that goes on elsewhere.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from msgspec import Struct

from oc_gpu import facts
from oc_gpu.checks.evidence import Miss, NodeEvidence, Part, Sample, StayOff
from oc_gpu.checks.smi import SmiError, parse_xml
from oc_gpu.config import chosen
from oc_gpu.kube import (
    AlreadyExistsError,
    ApiError,
    Client,
    ConflictError,
    NotFoundError,
    OcGpuError,
    RawObject,
    Retry,
    TimeoutExceededError,
)
from oc_gpu.kube.resources import PODS
from oc_gpu.manifests import verify as manifests
from oc_gpu.manifests.labels import PROOF, STAGE
from oc_gpu.manifests.verify import Place
from oc_gpu.rollout.holders import holders, lacks_gpu
from oc_gpu.rollout.patience import Patience
from oc_gpu.rollout.survey import Survey
from oc_gpu.snapshot.kinds import GPU, Meta, Node, Pod
from oc_gpu.snapshot.live import LiveView
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.sources import Source
from oc_gpu.stages import record as records
from oc_gpu.stages import tolerations, workloads

PATIENCE = 600.0
"""Seconds for the test pods of all nodes: most of it is pulling the CUDA image, 0.2 to 3 GB."""
_LITTLE = Retry(outage=5.0)
"""How patient it is where no answer is an answer too, and is told as such."""
_MARGIN = 60.0
"""Seconds for what comes after the waiting: reading the last log, removing the pods."""
_LABEL = f"{STAGE}={manifests.STAGE}"
_AT_ONCE = 8
"""Nodes that are asked at a time: each question is a connection of its own."""
_OLDEST_DRIVER = "0.0"
"""Stands for a driver that could not be asked: the oldest sample runs on every driver."""


class _Node(Struct, frozen=True):
    """A node under test: what nvidia-smi told, and the pods that are to be made.

    There is a sample for each kind of device that the node offers, by what it asks for.
    """

    node: Node
    evidence: NodeEvidence
    samples: Mapping[str, RawObject] = {}
    stay_off: RawObject | None = None

    @property
    def pods(self) -> tuple[RawObject, ...]:
        last = () if self.stay_off is None else (self.stay_off,)
        return (*self.samples.values(), *last)


async def collect(
    client: Client,
    found: Survey,
    *,
    namespace: str | None = None,
    nodes: Sequence[str] | None = None,
    patience: float = PATIENCE,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[NodeEvidence, ...]:
    """Return the evidence of each GPU node; what could not be collected is named in it.

    Args:
        client: The cluster.
        found: The cluster as read for the road.
        namespace: Where the test pods go; None for the one of the record, else `default`.
        nodes: Names of the nodes; None for those that Node Feature Discovery labelled.
        patience: Seconds to wait for the test pods.
        tell: Is told at once what the test pods wait for.

    Raises:
        ApiError: The test pods may not be made or removed.
        ConnectionFailedError: The server cannot be reached.
        TimeoutExceededError: What a killed run left does not go.
    """
    where = namespace or _namespace(found)
    present = found.context.platform.gpu_nodes
    if nodes is not None:
        wanted = frozenset(nodes)
        present = tuple(n for n in found.snapshot.nodes if n.metadata.name in wanted)
    name, until = secrets.token_hex(3), found.snapshot.now + patience + _MARGIN
    gate = asyncio.Semaphore(_AT_ONCE)

    async def prepared(node: Node) -> _Node:
        async with gate:
            return await _prepare(client, found, node, Place("", where, "", name, until))

    tested = await asyncio.gather(*map(prepared, present))
    pods = [pod for one in tested for pod in one.pods]
    async with _view(client, where) as view:
        ends = asyncio.get_running_loop().time() + patience
        await _sweep(client, view, patience)
        made: list[Meta] = []
        making = asyncio.create_task(_create(client, pods, made))
        waiting = _Waiting(client, tested, tell, patience)
        try:
            refused = await asyncio.shield(making)
            awaited = {_name(pod) for pod in pods} - refused.keys() - _hopeless(tested)
            await _settle(view, awaited, ends, waiting)
            snapshot = view.snapshot()
            return tuple(_evidence(one, snapshot, refused, waiting.held) for one in tested)
        finally:
            await asyncio.shield(_clean(client, making, made))


def _namespace(found: Survey) -> str:
    ours = found.snapshot.raw("namespaces", records.NAMESPACE)
    leaving = ours is not None and "deletionTimestamp" in ours["metadata"]
    return records.NAMESPACE if ours is not None and not leaving else "default"


@asynccontextmanager
async def _view(client: Client, namespace: str) -> AsyncGenerator[LiveView]:
    """Watch the test pods of a namespace."""
    source = Source("pods", PODS, Pod, (namespace,), label_selector=_LABEL)
    async with LiveView(client, (source,)) as view:
        yield view


async def _prepare(client: Client, found: Survey, node: Node, place: Place) -> _Node:
    """Ask nvidia-smi on a node, and say which pods are to test it."""
    evidence = await _smi(client, found, node)
    sample = facts.cuda_sample(_driver(evidence))
    image = chosen(found.context.config.spec.images.cuda_sample, sample.image)
    tolerated = tuple(tolerations.for_taint(taint) for taint in node.keeping_off)
    name = node.metadata.name
    place = msgspec.structs.replace(place, node=name, image=image)
    stay_off = manifests.stay_off_pod(place) if node.keeping_off else None
    if not node.devices:
        miss = Miss("sample", f"{name} offers no GPU, so no pod that asks for one can run there")
        without = msgspec.structs.replace(evidence, misses=(*evidence.misses, miss))
        return _Node(node, without, {}, stay_off)
    pods = {
        resource: manifests.sample_pod(place, sample.program, tolerated, resource)
        for resource in node.devices
    }
    return _Node(node, evidence, pods, stay_off)


def _driver(evidence: NodeEvidence) -> str:
    try:
        return parse_xml(evidence.smi_xml).driver or _OLDEST_DRIVER
    except SmiError:
        return _OLDEST_DRIVER


async def _smi(client: Client, found: Survey, node: Node) -> NodeEvidence:
    name = node.metadata.name
    container = found.context.platform.operator.era.smi_container
    pod = _driver_pod(found, name, container)
    if pod is None:
        why = f"no running pod with a container {container} on {name}"
        return NodeEvidence(node=name, misses=(Miss("nvidia-smi", why),))
    driver_pod = f"{pod.metadata.namespace}/{pod.metadata.name}"
    try:
        xml, table, listed = [
            await _run(client, pod, container, ("nvidia-smi", *options))
            for options in (("-q", "-x"), (), ("-L",))
        ]
    except OcGpuError as error:
        misses = (Miss("nvidia-smi", str(error)),)
        return NodeEvidence(node=name, driver_pod=driver_pod, container=container, misses=misses)
    return NodeEvidence(
        node=name,
        driver_pod=driver_pod,
        container=container,
        smi_xml=xml,
        smi_table=table,
        smi_list=listed,
    )


def _driver_pod(found: Survey, node: str, container: str) -> Pod | None:
    namespace = found.context.platform.operand_namespace
    pods = [
        pod
        for pod in workloads.pods_on(found.snapshot, namespace, node)
        if any(c.name == container for c in pod.spec.containers) and pod.status.phase == "Running"
    ]
    return next((pod for pod in pods if workloads.is_ready(pod)), pods[0] if pods else None)


async def _run(client: Client, pod: Pod, container: str, command: Sequence[str]) -> str:
    """Return what a command printed; where it failed, that tells why and is judged as well."""
    meta = pod.metadata
    result = await Patience(_LITTLE)(
        lambda: client.exec(meta.namespace, meta.name, command, container=container)
    )
    return result.stdout or result.stderr


async def _create(client: Client, pods: Sequence[RawObject], made: list[Meta]) -> dict[str, str]:
    """Make the test pods and note which were made; return why some were refused, by name."""
    patiently = Patience(_LITTLE)

    async def one(pod: RawObject) -> None:
        space = pod["metadata"]["namespace"]
        try:
            answer = await patiently(lambda: client.create(PODS, pod, space))
        except AlreadyExistsError:  # the first try arrived after all: the name is of this run only
            answer = await client.get(PODS, _name(pod), space)
            if not _is_marked_like(answer, pod):
                raise
        made.append(msgspec.convert(answer["metadata"], Meta))

    answers = await asyncio.gather(*(one(pod) for pod in pods), return_exceptions=True)
    refused: dict[str, str] = {}
    for pod, answer in zip(pods, answers, strict=True):
        if isinstance(answer, ApiError) and answer.exit_code == 1:
            refused[_name(pod)] = str(answer)
        elif isinstance(answer, BaseException):
            raise answer
    return refused


def _is_marked_like(live: RawObject, pod: RawObject) -> bool:
    """Tell whether a live pod carries the labels of one of ours, its run's among them."""
    wanted, there = pod["metadata"]["labels"], live["metadata"].get("labels") or {}
    return bool(wanted.items() <= there.items())


def _name(pod: RawObject) -> str:
    return str(pod["metadata"]["name"])


class _Waiting:
    """Says once for each node who holds its GPUs while its sample waits for one.

    Attributes:
        held: What was found, by name of the waiting pod.
    """

    def __init__(
        self,
        client: Client,
        tested: Iterable[_Node],
        tell: Callable[[str], None],
        patience: float,
    ) -> None:
        self.held: dict[str, tuple[str, ...]] = {}
        self._client = client
        self._tell = tell
        self._patience = patience
        self._asked = {
            _name(pod): (one.evidence.node, resource)
            for one in tested
            for resource, pod in one.samples.items()
        }

    async def look(self, pods: Iterable[Pod]) -> None:
        """Say for whom a pod waits that found no free GPU."""
        for pod in pods:
            name = pod.metadata.name
            if name in self.held or name not in self._asked:
                continue
            node, resource = self._asked[name]
            if lacks_gpu(workloads.unscheduled(pod), resource):
                self.held[name] = await holders(self._client, node, resource)
                who = ", ".join(self.held[name]) or "nobody who still runs"
                what = "GPUs" if resource == GPU else resource
                self._tell(
                    f"all {what} of {node} are in use: {who}; this waits for one, "
                    f"{self._patience:g} seconds at most"
                )


def _hopeless(tested: Iterable[_Node]) -> set[str]:
    """Return the samples of cordoned nodes, which take no pod until somebody lets them."""
    return {
        _name(pod) for one in tested if one.node.spec.unschedulable for pod in one.samples.values()
    }


async def _settle(view: LiveView, wanted: set[str], ends: float, waiting: _Waiting) -> None:
    """Wait until each test pod has told what it is for, or the time is over."""
    try:
        async with asyncio.timeout_at(ends) as limit:
            while True:
                snapshot = view.snapshot()
                logs = {*snapshot.logs, *snapshot.unlogged}
                if wanted <= {p.metadata.name for p in snapshot.pods if _has_told(p, logs)}:
                    return
                await waiting.look(snapshot.pods)
                await view.changed()
    except TimeoutError:
        if not limit.expired():
            raise


def _has_told(pod: Pod, logs: Collection[str]) -> bool:
    """Tell whether a pod's part of the proof is there: where it was put, or its log."""
    if pod.metadata.labels.get(PROOF) == manifests.STAY_OFF:
        return bool(pod.spec.node_name or workloads.unscheduled(pod))
    return _full_name(pod) in logs or workloads.crash(pod) is not None


def _full_name(pod: Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


def _evidence(
    one: _Node,
    snapshot: Snapshot,
    refused: Mapping[str, str],
    held: Mapping[str, tuple[str, ...]],
) -> NodeEvidence:
    """Join what was seen of a node's pods to what nvidia-smi told."""
    pods = {pod.metadata.name: pod for pod in snapshot.pods}
    misses = list(one.evidence.misses)

    def found(manifest: RawObject, part: Part) -> Pod | None:
        name = _name(manifest)
        if name not in pods:
            misses.append(Miss(part, refused.get(name, f"pod {name} was taken away")))
        return pods.get(name)

    samples = {resource: found(pod, "sample") for resource, pod in one.samples.items()}
    stay_off = found(one.stay_off, "stay-off") if one.stay_off is not None else None
    return msgspec.structs.replace(
        one.evidence,
        samples=tuple(
            _sample(resource, pod, snapshot, held)
            for resource, pod in samples.items()
            if pod is not None
        ),
        stay_off=_stay_off(stay_off) if stay_off is not None else None,
        misses=tuple(misses),
    )


def _sample(
    resource: str, pod: Pod, snapshot: Snapshot, held: Mapping[str, tuple[str, ...]]
) -> Sample:
    trouble = workloads.crash(pod)
    status = pod.status.container_statuses[0] if pod.status.container_statuses else None
    waits = status.state.waiting if status is not None else None
    message = trouble.detail if trouble else (waits.message or waits.reason) if waits else ""
    return Sample(
        pod=_full_name(pod),
        resource=resource,
        node=pod.spec.node_name,
        phase=pod.status.phase,
        image_id=status.image_id if status is not None else "",
        log=snapshot.logs.get(_full_name(pod), ""),
        message=message or workloads.unscheduled(pod) or pod.status.message,
        holders=held.get(pod.metadata.name, ()),
        unread=snapshot.unlogged.get(_full_name(pod), ""),
    )


def _stay_off(pod: Pod) -> StayOff:
    return StayOff(_full_name(pod), pod.spec.node_name, workloads.unscheduled(pod))


async def _sweep(client: Client, view: LiveView, patience: float) -> None:
    """Remove the test pods that a killed run left, and wait until they are gone."""
    pods: list[Pod] = []
    try:
        async with asyncio.timeout(patience) as limit:
            while pods := _left(view.snapshot()):
                going = (p.metadata for p in pods if p.metadata.deletion_timestamp is None)
                await _remove(client, going)
                await view.changed()
    except TimeoutError:
        if not limit.expired():
            raise
        raise _stuck(pods, patience) from None


def _left(snapshot: Snapshot) -> list[Pod]:
    """Return the test pods of runs whose time is over; a mark that is none counts as over."""

    def until(pod: Pod) -> float:
        text = pod.metadata.annotations.get(manifests.UNTIL, "")
        return float(text) if text.isdigit() else 0.0

    return [pod for pod in snapshot.pods if until(pod) <= snapshot.now]


def _stuck(pods: Sequence[Pod], patience: float) -> TimeoutExceededError:
    names = ", ".join(_full_name(pod) for pod in pods)
    meta = pods[0].metadata
    return TimeoutExceededError(
        f"test pods of an earlier run are not gone after {patience:g} s: {names}",
        hints=(f"oc describe pod -n {meta.namespace} {meta.name}",),
    )


async def _clean(client: Client, making: asyncio.Task[Any], made: Sequence[Meta]) -> None:
    """Remove what this run made, also what was on its way when the run was interrupted."""
    await asyncio.gather(making, return_exceptions=True)
    await _remove(client, made)


async def _remove(client: Client, pods: Iterable[Meta]) -> None:
    """Delete these very pods; a namesake made since is somebody else's."""

    async def one(meta: Meta) -> None:
        with suppress(NotFoundError, ConflictError):
            await client.delete(PODS, meta.name, meta.namespace, uid=meta.uid)

    await asyncio.gather(*(one(meta) for meta in pods))
