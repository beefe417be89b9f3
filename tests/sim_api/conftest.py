"""A server without actors, and a way to ask it things."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, TypeVar

import msgspec
import pytest

from oc_gpu.kube import Client, RawObject
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.messages import ADMIN, ApiRequest, ApiResponse, ApiStream
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.clock import VirtualClock

T = TypeVar("T")

START = 1_600_000_000.0  # 2020-09-13T12:26:40Z
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Api:
    """Asks a server in this process and returns status and decoded body."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.server = ApiServer(self.clock)
        for name in ("default", "gpu"):
            self.server.install(namespace(name))

    def client(self) -> Client:
        """Return the product's own client over this server."""
        return Client(InProcessTransport(self.server))

    def ask(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        user: str = ADMIN,
    ) -> tuple[int, Any]:
        """Send one request; the answer must be a whole one."""
        sent = b"" if body is None else msgspec.json.encode(body)
        given = {"user-agent": "tester/1.0", **(headers or {})}
        request = ApiRequest.of(method, target, body=sent, headers=given, user=user)
        answer = asyncio.run(self.server.handle(request))
        assert isinstance(answer, ApiResponse), "the answer goes on for ever"
        is_json = answer.content_type.startswith("application/json")
        return answer.status, msgspec.json.decode(answer.body) if is_json else answer.body

    def get(self, target: str, **headers: str) -> Any:
        """Return what a GET finds."""
        status, found = self.ask("GET", target, headers=headers)
        assert status == 200, found
        return found

    def create(self, target: str, obj: RawObject) -> Any:
        """Create an object that must be accepted."""
        status, made = self.ask("POST", target, obj)
        assert status == 201, made
        return made

    def patch(self, target: str, patch: Any, kind: str = MERGE, **headers: str) -> tuple[int, Any]:
        """Send a patch."""
        return self.ask("PATCH", target, patch, headers={"content-type": kind, **headers})

    def apply(self, target: str, obj: RawObject, manager: str, *, force: bool = False) -> Any:
        """Send a server-side apply; return status and body."""
        mark = "&" if "?" in target else "?"
        query = f"{mark}fieldManager={manager}" + ("&force=true" if force else "")
        return self.patch(target + query, obj, APPLY)

    async def ask_now(self, method: str, target: str, body: Any = None) -> None:
        """Send a request from within a running loop, and forget the answer."""
        sent = b"" if body is None else msgspec.json.encode(body)
        headers = {"content-type": MERGE if method == "PATCH" else "application/json"}
        await self.server.handle(ApiRequest.of(method, target, body=sent, headers=headers))

    def watch(
        self, target: str, *requests: tuple[str, str, Any], count: int, **headers: str
    ) -> list[tuple[str, Any]]:
        """Open a watch, send requests, and return the first `count` events."""

        async def main() -> list[tuple[str, Any]]:
            answer = await self.server.handle(ApiRequest.of("GET", target, headers=headers))
            assert isinstance(answer, ApiStream)
            for request in requests:
                await self.ask_now(*request)
            return await _events(answer.chunks, count)

        return asyncio.run(main())


async def _events(chunks: AsyncIterator[bytes], count: int) -> list[tuple[str, Any]]:
    events: list[tuple[str, Any]] = []
    async with asyncio.timeout(5):
        async for chunk in chunks:
            for line in chunk.splitlines():
                event = msgspec.json.decode(line)
                events.append((event["type"], event["object"]))
            if len(events) >= count:
                return events
    return events


def namespace(name: str) -> RawObject:
    """Return a namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config_map(name: str, **data: str) -> RawObject:
    """Return a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def pod(name: str, **spec: Any) -> RawObject:
    """Return a pod with one container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "ubi8:8.2"}], **spec},
    }


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    return asyncio.run(work)


@pytest.fixture
def api() -> Api:
    """Return a fresh server with the namespaces default and gpu."""
    return Api()
