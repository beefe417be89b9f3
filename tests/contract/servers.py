"""The two servers: the simulator's own, and the lab's real one; both behind a real socket."""

import asyncio
import json
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

import yaml
from lab.control_plane import ADMIN, ControlPlane, control_plane, start_controller_manager
from lab.processes import Processes

from oc_gpu.kube import Client
from oc_gpu.sim.actors.framework import ActorContext, Informers, running
from oc_gpu.sim.actors.garbage import GarbageCollector
from oc_gpu.sim.api.backend import Identity
from oc_gpu.sim.api.http import serve
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.sim.scenario import DenyRule, load
from tests.contract.api import Target

FORBIDDEN = "forbidden"
"""A namespace in which `Server.restricted` may do nothing."""
_CONTROLLERS = ("garbage-collector-controller", "namespace-controller")
T = TypeVar("T")


class Server(NamedTuple):
    """A server that runs.

    Attributes:
        name: `simulator` or `lab`.
        admin: Where it is, for one who may do everything.
        restricted: The same for one who may do nothing in the namespace FORBIDDEN.
        user: What that one is called.
        forget: Lets the server forget all old versions.
    """

    name: str
    admin: Target
    restricted: Target
    user: str
    forget: Callable[[], None]


@contextmanager
def simulator() -> Iterator[Server]:
    """Run the simulator's API server with its garbage collector inside the block."""
    with _in_a_thread(_simulated) as server:
        yield server


@contextmanager
def lab() -> Iterator[Server]:
    """Run the real API server, garbage collector and namespace controller inside the block."""
    with (
        TemporaryDirectory(prefix="oc-gpu-") as folder,
        _in_a_thread(lambda: _real(Path(folder))) as server,
    ):
        yield server


@asynccontextmanager
async def _simulated() -> AsyncIterator[Server]:
    clock = VirtualClock(time.time())
    denied = [DenyRule(namespaces=(FORBIDDEN,))]
    api = ApiServer(clock, Identity(kubernetes="1.35.4"), denied=denied)
    for name in ("default", FORBIDDEN):
        api.install({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    client = Client(InProcessTransport(api))
    informers = Informers(client)
    collector = GarbageCollector(ActorContext(client, informers, clock, load("seed")))
    async with running([collector], informers), serve(api) as endpoint:
        target = Target(endpoint.port, endpoint.authority, endpoint.token)
        forget = _from_outside(api.compact)
        yield Server("simulator", target, target, "system:admin", forget)


@asynccontextmanager
async def _real(folder: Path) -> AsyncIterator[Server]:
    async with (
        Processes(folder / "logs") as processes,
        control_plane(folder / "plane", processes, controllers=False) as plane,
    ):
        await start_controller_manager(plane, processes, _CONTROLLERS)
        admin, restricted = _target(plane, "admin"), _target(plane, ADMIN)
        yield Server("lab", admin, restricted, ADMIN, lambda: _compact(plane.etcd))


def _target(plane: ControlPlane, user: str) -> Target:
    config = yaml.safe_load(plane.kubeconfig(user).read_text())
    authority = Path(config["clusters"][0]["cluster"]["certificate-authority"]).read_text()
    return Target(plane.port, authority, config["users"][0]["user"]["token"])


def _compact(etcd: str) -> None:
    """Let etcd forget, through the JSON door that it has beside gRPC."""
    now = _post(f"{etcd}/v3/kv/range", {"key": "Lw=="})["header"]["revision"]
    _post(f"{etcd}/v3/kv/compaction", {"revision": now, "physical": True})


def _post(url: str, body: dict[str, object]) -> dict[str, dict[str, str]]:
    request = urllib.request.Request(url, json.dumps(body).encode())  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # on the loopback
        found: dict[str, dict[str, str]] = json.load(answer)
        return found


def _from_outside(call: Callable[[], None]) -> Callable[[], None]:
    """Return a call into this loop that other threads may make, and that is done on return."""
    loop = asyncio.get_running_loop()

    async def make() -> None:
        call()

    return lambda: asyncio.run_coroutine_threadsafe(make(), loop).result()


@contextmanager
def _in_a_thread(life: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Enter an async context manager in a loop of its own, so that the tests may block."""
    ready: Future[tuple[T, Callable[[], None]]] = Future()

    async def live() -> None:
        stop = asyncio.Event()
        async with life() as value:
            ready.set_result((value, _from_outside(stop.set)))
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        value, stop = ready.result()
        try:
            yield value
        finally:
            stop()
    finally:
        thread.join()
