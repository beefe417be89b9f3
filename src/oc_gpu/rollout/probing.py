"""Asking machines themselves: a short-lived privileged pod on each node, and what it printed."""

import asyncio
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from oc_gpu.kube import ApiError, Client, ConflictError, NotFoundError, OcGpuError, RawObject
from oc_gpu.kube.resources import PODS
from oc_gpu.manifests import probe as manifests
from oc_gpu.manifests.labels import STAGE
from oc_gpu.manifests.verify import RUN, UNTIL, Place
from oc_gpu.snapshot.kinds import Pod
from oc_gpu.snapshot.live import LiveView
from oc_gpu.snapshot.sources import Source
from oc_gpu.stages import workloads

PATIENCE = 180.0
"""Seconds for the pods of all nodes: most of it is pulling a small image."""
_MARGIN = 60.0


class Probed(Struct, frozen=True):
    """What the machines told.

    Attributes:
        told: What a node's pod printed, by node.
        missed: Why a node told nothing, by node.
    """

    told: Mapping[str, str]
    missed: Mapping[str, str]


def planned(nodes: Iterable[str], image: str, namespace: str, now: float) -> tuple[RawObject, ...]:
    """Return the pods that are to be made.

    Args:
        nodes: Names of the nodes.
        image: Image with a shell and grep.
        namespace: Where they go.
        now: Epoch seconds by the cluster's clock.
    """
    run, until = secrets.token_hex(3), now + PATIENCE + _MARGIN
    return tuple(manifests.probe_pod(Place(n, namespace, image, run, until)) for n in nodes)


async def probe(client: Client, pods: Sequence[RawObject], now: float) -> Probed:
    """Make the pods, wait until each has ended, read what it printed, and remove them.

    They are removed in the end whatever happens, also where this is cancelled; those of an earlier
    run that was killed are removed first.

    Args:
        client: The cluster.
        pods: What `planned` returned.
        now: Epoch seconds by the cluster's clock.

    Raises:
        ConnectionFailedError: The server cannot be reached.
    """
    space = pods[0]["metadata"]["namespace"]
    await _sweep(client, space, now)
    refused: dict[str, str] = {}
    making = asyncio.ensure_future(_make(client, pods, refused))
    try:
        await asyncio.shield(making)
        made = [pod for pod in pods if _name(pod) not in refused]
        ended = await _ended(client, made, space) if made else {}
        return await _read(client, pods, refused, ended)
    finally:
        await asyncio.shield(_clean(client, making, pods))


def _name(pod: RawObject) -> str:
    return str(pod["metadata"]["name"])


def _node(pod: RawObject) -> str:
    affinity = pod["spec"]["affinity"]["nodeAffinity"]
    terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return str(terms[0]["matchFields"][0]["values"][0])


async def _make(client: Client, pods: Iterable[RawObject], refused: dict[str, str]) -> None:
    for pod in pods:
        try:
            await client.create(PODS, pod)
        except ApiError as error:
            refused[_name(pod)] = str(error)


async def _ended(client: Client, pods: Sequence[RawObject], space: str) -> dict[str, Pod]:
    """Wait until each pod has ended or cannot begin, or the time is over."""
    wanted = {_name(pod) for pod in pods}
    label = f"{RUN}={pods[0]['metadata']['labels'][RUN]}"
    source = Source("pods", PODS, Pod, (space,), label_selector=label)
    found: dict[str, Pod] = {}
    with suppress(TimeoutError):
        async with LiveView(client, (source,)) as view, asyncio.timeout(PATIENCE):
            while True:
                found = {p.metadata.name: p for p in view.snapshot().pods}
                if wanted <= {n for n, p in found.items() if p.has_ended or workloads.crash(p)}:
                    break
                await view.changed()
    return found


async def _read(
    client: Client,
    pods: Iterable[RawObject],
    refused: Mapping[str, str],
    ended: Mapping[str, Pod],
) -> Probed:
    told: dict[str, str] = {}
    missed: dict[str, str] = {}
    for pod in pods:
        node, name = _node(pod), _name(pod)
        state = ended.get(name)
        if name in refused:
            missed[node] = refused[name]
        elif state is None or state.status.phase != "Succeeded":
            missed[node] = _why(state)
        else:
            try:
                told[node] = await client.logs(pod["metadata"]["namespace"], name)
            except OcGpuError as error:
                missed[node] = str(error)
    return Probed(told, missed)


def _why(pod: Pod | None) -> str:
    if pod is None:
        return "its pod was taken away"
    trouble = workloads.crash(pod)
    said = trouble.detail if trouble else workloads.unscheduled(pod) or pod.status.message
    return said or f"its pod had not ended after {PATIENCE:g} seconds"


async def _sweep(client: Client, space: str, now: float) -> None:
    """Remove the pods of a run that was killed, as soon as its time is over."""
    label = f"{STAGE}={manifests.STAGE}"
    for pod in (await client.list(PODS, space, label_selector=label)).items:
        until = str((pod["metadata"].get("annotations") or {}).get(UNTIL, ""))
        if not until.isdigit() or float(until) <= now:
            await _remove(client, (pod,))


async def _clean(client: Client, making: "asyncio.Future[None]", pods: Iterable[RawObject]) -> None:
    await asyncio.gather(making, return_exceptions=True)
    await _remove(client, pods)


async def _remove(client: Client, pods: Iterable[RawObject]) -> None:
    for pod in pods:
        with suppress(NotFoundError, ConflictError):
            await client.delete(PODS, _name(pod), pod["metadata"]["namespace"])
