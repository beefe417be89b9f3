"""The same server behind a socket: TLS with its own authority, tokens, streams, WebSockets."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from oc_gpu.kube import Client, ConnectOptions, Replaced, UnauthorizedError, Updated
from oc_gpu.kube.errors import ConnectionFailedError
from oc_gpu.kube.resources import CONFIGMAPS, NAMESPACES
from oc_gpu.sim.api.http import Endpoint, serve

from .conftest import Api, config_map, pod, run
from .test_pods_and_rights import POD_LIST, Kubelet


@asynccontextmanager
async def connected(api: Api, folder: Path, **change: Any) -> AsyncIterator[Client]:
    """Serve the API and connect the product's own client to it by a kubeconfig."""
    async with serve(api.server) as endpoint:
        path = folder / "kubeconfig"
        endpoint.write_kubeconfig(path)
        if change:
            config = json.loads(path.read_text())
            config["users"][0]["user"] |= change.get("user", {})
            config["clusters"][0]["cluster"] |= change.get("cluster", {})
            path.write_text(json.dumps(config))
        async with Client.connect(ConnectOptions(kubeconfig=str(path))) as client:
            yield client


def over_socket(
    api: Api, folder: Path, work: Callable[[Client], Coroutine[Any, Any, Any]], **change: Any
) -> Any:
    async def main() -> Any:
        async with asyncio.timeout(10), connected(api, folder, **change) as client:
            return await work(client)

    return run(main())


def test_the_kubeconfig_is_for_its_owner_only_and_leads_to_the_server(
    api: Api, tmp_path: Path
) -> None:
    async def work(client: Client) -> Any:
        return [n["metadata"]["name"] for n in (await client.list(NAMESPACES)).items]

    assert over_socket(api, tmp_path, work) == ["default", "gpu"]
    assert (tmp_path / "kubeconfig").stat().st_mode & 0o777 == 0o600


def test_a_wrong_token_is_unauthorized(api: Api, tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        await client.list(NAMESPACES)

    with pytest.raises(UnauthorizedError):
        over_socket(api, tmp_path, work, user={"token": "wrong"})


def test_a_client_that_trusts_another_authority_is_not_served(api: Api, tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        await client.list(NAMESPACES)

    async def other() -> Endpoint:
        async with serve(api.server) as endpoint:
            return endpoint

    authority = run(other()).kubeconfig()["clusters"][0]["cluster"]["certificate-authority-data"]
    with pytest.raises(ConnectionFailedError):
        over_socket(api, tmp_path, work, cluster={"certificate-authority-data": authority})


def test_the_date_of_answers_is_simulated(api: Api, tmp_path: Path) -> None:
    async def work(client: Client) -> Any:
        await api.clock.sleep(100)
        await client.list(NAMESPACES)
        return client.server_time

    assert over_socket(api, tmp_path, work) == 1_600_000_100


def test_watches_logs_and_commands_work_over_the_socket(api: Api, tmp_path: Path) -> None:
    api.server.kubelet = Kubelet(api)
    api.create(POD_LIST, pod("p", nodeName="n"))

    async def work(client: Client) -> Any:
        seen: list[Any] = []
        async for event in client.watch(CONFIGMAPS, "default"):
            seen.append(event)
            if isinstance(event, Replaced):
                await client.create(CONFIGMAPS, config_map("a"), "default")
            elif isinstance(event, Updated):
                break
        lines = [line async for line in client.follow_logs("default", "p")]
        done = await client.exec("default", "p", ["false", "now"], stdin=b"input")
        return seen, lines, done

    seen, lines, done = over_socket(api, tmp_path, work)
    assert seen[1].object["metadata"]["name"] == "a"
    assert lines == ["p/main 0", "p/main 1", "p/main 2", "an hour later"]
    assert (done.stdout, done.exit_code) == ("p/main false now input", 3)


def test_requests_from_the_socket_count_as_writes_from_outside(api: Api, tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        await client.create(CONFIGMAPS, config_map("a"), "default")

    over_socket(api, tmp_path, work)
    assert api.server.backend.writes.external == 1


def test_simulated_time_waits_for_the_client_that_saw_an_event(api: Api, tmp_path: Path) -> None:
    """What a client does in answer to an event happens before the next simulated event."""

    async def ticks() -> None:
        for number in range(5):
            await api.clock.sleep(60)
            obj = config_map(f"tick{number}")
            obj["metadata"]["namespace"] = "default"
            api.server.install(obj)

    async def work(client: Client) -> Any:
        answered: list[str] = []
        simulation: asyncio.Task[None] | None = None
        async for event in client.watch(CONFIGMAPS, "default"):
            if isinstance(event, Replaced):
                simulation = asyncio.create_task(ticks())
            elif isinstance(event, Updated):
                note = await client.create(CONFIGMAPS, config_map(f"n{len(answered)}"), "gpu")
                answered.append(note["metadata"]["creationTimestamp"])
            if len(answered) == 5:
                break
        assert simulation is not None
        await simulation
        return answered

    times = over_socket(api, tmp_path, work)
    assert [time[11:16] for time in times] == ["12:27", "12:28", "12:29", "12:30", "12:31"]


def test_many_small_requests_are_not_held_back_by_the_socket(api: Api, tmp_path: Path) -> None:
    """Without TCP_NODELAY each of them would take 40 ms."""

    async def work(client: Client) -> float:
        await client.get(NAMESPACES, "gpu")
        began = asyncio.get_running_loop().time()
        for _ in range(50):
            await client.get(NAMESPACES, "gpu")
        return asyncio.get_running_loop().time() - began

    assert over_socket(api, tmp_path, work) < 50 * 0.02


def test_plain_http_requests_get_no_answer(api: Api) -> None:
    async def main() -> bytes:
        async with serve(api.server) as endpoint:
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await writer.drain()
            answer = await reader.read()
            writer.close()
            return answer

    assert not run(main()).startswith(b"HTTP")


def test_health_needs_no_token_and_everything_else_does(api: Api) -> None:
    async def ask(endpoint: Endpoint, path: str) -> int:
        trusted = ssl.create_default_context(cadata=endpoint.authority)
        reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port, ssl=trusted)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return int(answer.split()[1])

    async def main() -> list[int]:
        async with serve(api.server) as endpoint:
            return [await ask(endpoint, path) for path in ("/readyz", "/version", "/simulation")]

    assert run(main()) == [200, 401, 401]
