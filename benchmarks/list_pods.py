"""Listing 10,000 pods: our client against a bare socket read and a decode of the same bytes.

The server is another process that holds pages encoded beforehand, as large as those of a GPU
cluster (11 kB a pod, managed fields included), so that only the reading side is measured.
"""

import asyncio
import gc
import json
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from oc_gpu.kube import Client
from oc_gpu.kube import resources as known
from oc_gpu.kube.codec import ListEnvelope
from oc_gpu.kube.credentials import Fixed, Proof
from oc_gpu.kube.dialing import Endpoint
from oc_gpu.kube.network import NetworkTransport, Settings
from oc_gpu.snapshot.kinds import Pod

PODS = 10_000
PAGE = 500
LIMIT = 1.3
"""What the ratio must not exceed."""


class Figures(Struct, frozen=True):
    """Seconds of our client and of the floor below it, each the best of all rounds.

    Whatever else the machine does can only add to a time, so the best is the truest.
    """

    client_s: float
    floor_s: float

    @property
    def ratio(self) -> float:
        """Return how many times the floor our client takes."""
        return self.client_s / self.floor_s


def _pod(number: int) -> dict[str, Any]:
    labels = {f"example.com/label-{i}": f"value-{i}" for i in range(12)}
    env = [{"name": f"VARIABLE_{i}", "value": f"some value {i}"} for i in range(30)]
    fields: dict[str, Any] = {f"f:field-{i}": {"f:inner": {}, "f:other": {}} for i in range(70)}
    container = {"name": "main", "image": "nvcr.io/nvidia/driver@sha256:" + "a" * 64, "env": env}
    state = {"running": {"startedAt": "2026-11-24T02:13:00Z"}}
    names = ("init", "main", "sidecar")
    return {
        "metadata": {
            "name": f"nvidia-driver-daemonset-{number:05}",
            "namespace": "nvidia-gpu-operator",
            "uid": f"00000000-0000-4000-8000-{number:012}",
            "resourceVersion": str(number),
            "labels": labels,
            "managedFields": [{"manager": "kubelet", "fieldsV1": fields} for _ in range(2)],
        },
        "spec": {
            "nodeName": f"worker{number % 100:02}",
            "containers": [{**container, "name": name} for name in names],
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}] * 4,
        },
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}] * 4,
            "containerStatuses": [{"name": name, "ready": True, "state": state} for name in names],
        },
    }


def _pages(pods: int) -> list[bytes]:
    pages = []
    for start in range(0, pods, PAGE):
        end = min(start + PAGE, pods)
        metadata = {"resourceVersion": "1", "continue": str(end) if end < pods else ""}
        items = [_pod(number) for number in range(start, end)]
        page = {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}
        body = json.dumps(page, separators=(",", ":")).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        pages.append(f"{head}\r\n\r\n".encode() + body)
    return pages


def _serve(pods: int, told: Connection) -> None:
    pages = _pages(pods)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told.send(listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            with connection:
                _answer(connection, pages)


def _answer(connection: socket.socket, pages: list[bytes]) -> None:
    head = b""
    while data := connection.recv(65536):
        head += data
        if not head.endswith(b"\r\n\r\n"):
            continue
        target = head.split(b" ", 2)[1].decode()
        token = parse_qs(urlsplit(target).query).get("continue", ["0"])[0]
        connection.sendall(pages[int(token) // PAGE])
        head = b""


@contextmanager
def server(pods: int) -> Iterator[int]:
    """Give the port of a server in another process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(pods, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()
        process.close()


def _with_client(port: int) -> int:
    async def fetch() -> int:
        endpoint = Endpoint("127.0.0.1", port, tls=False, server_name=None, proxy=None, url="bench")
        transport = NetworkTransport(Settings(endpoint), Fixed(Proof()))
        async with Client(transport) as client:
            return len((await client.list(known.PODS, limit=PAGE, type=Pod)).items)

    return asyncio.run(fetch())


def _floor(port: int) -> int:
    decoder = msgspec.json.Decoder(ListEnvelope[Pod])
    items: list[Pod] = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for start in range(0, PODS, PAGE):
            connection.sendall(f"GET /?continue={start} HTTP/1.1\r\n\r\n".encode())
            page = decoder.decode(_read(connection))
            items += page.items or []
            if not page.metadata.continue_:
                break
    return len(items)


def _read(connection: socket.socket) -> bytearray:
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(65536)
    head, _, rest = head.partition(b"\r\n\r\n")
    body = bytearray(int(head.rpartition(b" ")[2]))
    body[: len(rest)] = rest
    view, filled = memoryview(body), len(rest)
    while filled < len(body):
        filled += connection.recv_into(view[filled:])
    return body


def _seconds(fetch: Callable[[int], int], port: int, pods: int) -> float:
    gc.collect()
    started = time.perf_counter()
    found = fetch(port)
    taken = time.perf_counter() - started
    assert found == pods
    return taken


def measure(pods: int = PODS, rounds: int = 7) -> Figures:
    """Measure both in turn, so that a busy moment of the machine hits both."""
    with server(pods) as port:
        pairs = [
            (_seconds(_with_client, port, pods), _seconds(_floor, port, pods))
            for _ in range(rounds + 1)
        ][1:]
    return Figures(
        min(client for client, _ in pairs),
        min(floor for _, floor in pairs),
    )


def ratio() -> float:
    """Return how many times the floor our client takes for 10,000 pods."""
    return measure().ratio


def main() -> None:
    """Print the figures."""
    figures = measure()
    print(
        f"list of {PODS} pods: {figures.client_s:.3f} s, floor {figures.floor_s:.3f} s, "
        f"ratio {figures.ratio:.2f} (limit {LIMIT})"
    )


if __name__ == "__main__":
    main()
