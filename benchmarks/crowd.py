"""A cluster of thousands of nodes on which the road was walked, made by repetition.

The road is walked on a small simulated cluster. One node without and one with a GPU, and all that
concerns them (pods, features, leases), are then repeated as often as wanted, and pods of users are
added. Nothing acts in it: an API server answers what is read, in a process of its own, and every
machine tells its kernel's messages.
"""

import asyncio
import multiprocessing
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from oc_gpu.config import GpuPlatform
from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import PODS
from oc_gpu.rollout import commands
from oc_gpu.rollout.survey import Wish
from oc_gpu.sim.api.backend import Identity, LogOptions
from oc_gpu.sim.api.errors import not_found
from oc_gpu.sim.api.http import serve
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.sim.cluster import Simulation
from oc_gpu.sim.hardware.journal import journal
from oc_gpu.sim.machine_facts import NodeFacts
from oc_gpu.sim.scenario import load

_SMALL = 23
_MASTERS = 3
_WORKER, _GPU = "worker-0", "gpu-0"
_CRDS = ("apiextensions.k8s.io", "customresourcedefinitions")
_TIME = re.compile(rb"T\d\d:\d\d:\d\dZ")
_USERS = 50
"""Namespaces of users."""


@contextmanager
def served(nodes: int, pods: int) -> Iterator[str]:
    """Give the path of a kubeconfig of such a cluster.

    Args:
        nodes: How many nodes it has; one in ten has a GPU.
        pods: How many pods it has at least: those of the road, and users' for the rest.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with TemporaryDirectory(prefix="oc-gpu-crowd-") as folder:
        path = str(Path(folder) / "kubeconfig")
        process = context.Process(target=_serve, args=(nodes, pods, path, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            ours.recv()
            yield path
        finally:
            process.terminate()
            process.join()


def _serve(nodes: int, pods: int, path: str, told: Connection) -> None:
    asyncio.run(_serving(nodes, pods, path, told))


async def _serving(nodes: int, pods: int, path: str, told: Connection) -> None:
    server = await crowded(nodes, pods)
    async with serve(server) as endpoint:
        endpoint.write_kubeconfig(Path(path), "crowd")
        told.send("ready")
        await asyncio.Event().wait()


async def crowded(nodes: int, pods: int) -> ApiServer:
    """Return the API server of such a cluster."""
    async with Simulation(load(f"big:{_SMALL}")) as small:
        await commands.enable(small.client(), Wish(GpuPlatform()), lambda _: None)
        store = small.server.backend.store
        objects = {kind: [e.decode() for e in store.of(kind).select()] for kind in store.kinds()}
        clock = VirtualClock(small.clock.now())
        machines = {facts.name: facts for facts in small.scenario.nodes}
        identity = Identity("crowd", "big", small.server.backend.identity.kubernetes)
    server = ApiServer(clock, identity)
    server.kubelet = _Kubelets(machines, clock)
    gpus = nodes // 10
    count = {_GPU: gpus, _WORKER: nodes - gpus - _MASTERS}
    made = 0
    for kind in sorted(objects, key=lambda kind: kind != _CRDS):
        for obj in objects[kind]:
            for one in _copies(kind[1], obj, count):
                _put(server, one)
                made += kind[1] == "pods"
    _add_users(server, objects, count, pods - made)
    return server


class _Kubelets:
    """What the machines tell: the messages of their kernels, and nothing of pods."""

    def __init__(self, machines: Mapping[str, NodeFacts], clock: VirtualClock) -> None:
        self._machines = machines
        self._clock = clock

    async def journal(self, node: str, pattern: str) -> str | None:
        facts = self._machines.get(node) or self._machines[_first(node)]
        now = self._clock.now()
        return journal(msgspec.structs.replace(facts, name=node), now, now, pattern)

    async def logs(
        self, pod: RawObject, _container: str, _options: LogOptions
    ) -> AsyncIterator[bytes]:
        raise not_found(PODS, pod["metadata"]["name"])

    async def exec(
        self, pod: RawObject, _container: str, _command: Sequence[str], _stdin: bytes
    ) -> tuple[bytes, bytes, int]:
        raise not_found(PODS, pod["metadata"]["name"])


def _first(node: str) -> str:
    """Return the first node of a node's group."""
    return f"{node.rpartition('-')[0]}-0"


def _put(server: ApiServer, obj: RawObject) -> None:
    kind = server.backend.registry.find_kind(obj["apiVersion"], obj["kind"])
    assert kind is not None
    server.backend.put(kind, obj)


def _copies(plural: str, obj: RawObject, count: dict[str, int]) -> Iterator[RawObject]:
    """Yield what an object of the small cluster becomes: itself, many, or one with other counts."""
    node = _node_of(plural, obj)
    group = _first(node)
    if group not in count:
        yield _counted(plural, obj, count)
    elif node == group:
        for number in range(count[node]):
            yield _renamed(obj, node, f"{node[:-2]}-{number}", number)


def _node_of(plural: str, obj: RawObject) -> str:
    if plural == "pods":
        return str(obj["spec"].get("nodeName") or "")
    return str(obj["metadata"]["name"]) if plural in _PER_NODE else ""


_PER_NODE = frozenset({"nodes", "nodefeatures", "leases"})


def _renamed(obj: RawObject, node: str, name: str, number: int) -> RawObject:
    text = msgspec.json.encode(obj).replace(f'"{node}"'.encode(), f'"{name}"'.encode())
    made: RawObject = msgspec.json.decode(_TIME.sub(_moment(number), text))
    meta = made["metadata"]
    meta["uid"] = f"{number:08x}{meta['uid'][8:]}"
    if meta["name"] != name:
        meta["name"] = f"{meta['name']}-{number}"
    return made


def _moment(number: int) -> bytes:
    """Return a time of day: objects of a real cluster were made one after another."""
    return f"T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z".encode()


def _counted(plural: str, obj: RawObject, count: dict[str, int]) -> RawObject:
    """Return an object with the numbers in its status that the large cluster would have."""
    if plural not in {"daemonsets", "machineconfigpools"}:
        return obj
    sizes = {_SMALL - _MASTERS: sum(count.values()), _SMALL // 10: count[_GPU]}
    status = {k: _larger(v, sizes) for k, v in obj["status"].items()}
    return {**obj, "status": status}


def _larger(value: Any, sizes: dict[int, int]) -> Any:
    return sizes.get(value, value) if type(value) is int else value


def _add_users(
    server: ApiServer, objects: dict[Any, list[RawObject]], count: dict[str, int], pods: int
) -> None:
    """Add pods of users, with the spec and status of a small real one."""
    spaces = objects["", "namespaces"]
    example = next(p for p in objects["", "pods"] if p["spec"].get("nodeName") == _WORKER)
    for number in range(_USERS):
        space = _renamed(spaces[0], spaces[0]["metadata"]["name"], f"user-{number}", number)
        _put(server, space)
    for number in range(max(0, pods)):
        pod = _renamed(example, _WORKER, f"worker-{number % count[_WORKER]}", number)
        meta = pod["metadata"]
        meta["uid"] = f"{number:08x}-eeee-4000-8000-000000000000"
        meta |= {"namespace": f"user-{number % _USERS}", "labels": {"app": "job"}}
        meta.pop("ownerReferences", None)
        _put(server, pod)
