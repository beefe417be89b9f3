"""A proxy in a thread, so that tests can run programs on it and act on it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tests.acceptance.conftest import Cluster
from tests.chaos.faults import Chaos
from tests.chaos.proxy import Proxy, served


@dataclass
class Behind:
    """A cluster as it is seen through a proxy.

    Attributes:
        cluster: Runs programs through the proxy.
        proxy: The proxy.
    """

    cluster: Cluster
    proxy: Proxy
    loop: asyncio.AbstractEventLoop

    def act(self, what: Callable[[], Any]) -> None:
        """Do something in the proxy's own thread."""
        self.loop.call_soon_threadsafe(what)


@contextmanager
def behind(on: Cluster, chaos: Chaos) -> Iterator[Behind]:
    """Put a proxy in front of a cluster."""
    path = on.home / f"chaos-{chaos.seed}.kubeconfig"
    started: list[Behind] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    end = asyncio.Event()

    async def main() -> None:
        async with served(on.kubeconfig, chaos, path) as proxy:
            environment = {**on.environment, "KUBECONFIG": str(path)}
            through = replace(on, kubeconfig=str(path), environment=environment)
            started.append(Behind(through, proxy, loop))
            ready.set()
            await end.wait()

    def run() -> None:
        try:
            loop.run_until_complete(main())
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        ready.wait()
        yield started[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()
