"""Machines whose containers are programs of this computer, for the tests of the kubelets' API."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from lab.kubelet.backend import JournalQuery, LogOptions, RefusedError, Streams, Write

from oc_gpu.kube import RawObject


class Log:
    """What a container has printed so far."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.closed = False
        self.readers = 0
        self.changed = asyncio.Condition()

    async def write(self, *lines: str, close: bool = False) -> None:
        async with self.changed:
            self.lines += lines
            self.closed = close
            self.changed.notify_all()

    async def read(self, options: LogOptions) -> AsyncIterator[bytes]:
        at = 0 if options.tail_lines is None else max(0, len(self.lines) - options.tail_lines)
        stamp = "2023-11-14T22:13:20Z " if options.timestamps else ""
        await self._count(1)
        try:
            while True:
                while at < len(self.lines):
                    yield f"{stamp}{self.lines[at]}\n".encode()
                    at += 1
                if self.closed or not options.follow:
                    return
                async with self.changed:
                    await self.changed.wait()
        finally:
            await self._count(-1)

    async def until_read_by(self, readers: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: self.readers == readers)

    async def _count(self, by: int) -> None:
        async with self.changed:
            self.readers += by
            self.changed.notify_all()


class Machines:
    """A backend that runs commands for real, and keeps the logs that a test writes."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.bound: list[RawObject] = []
        self.log: defaultdict[str, Log] = defaultdict(Log)
        self.asked: list[LogOptions] = []
        self.journals: list[tuple[str, JournalQuery]] = []
        self.ended: dict[str, int] = {}
        self.changed = asyncio.Condition()

    def answers(self, node: str) -> bool:
        return node not in self.down

    def pods(self, node: str) -> Sequence[RawObject]:
        return [pod for pod in self.bound if pod["spec"]["nodeName"] == node]

    def pod(self, node: str, namespace: str, name: str) -> RawObject | None:
        for pod in self.pods(node):
            meta = pod["metadata"]
            if (meta["namespace"], meta["name"]) == (namespace, name):
                return pod
        return None

    def runs(self, pod: RawObject, container: str) -> bool:
        return bool(pod["metadata"]["name"] and container != "ended")

    async def logs(
        self, pod: RawObject, container: str, options: LogOptions
    ) -> AsyncIterator[bytes]:
        name = pod["metadata"]["name"]
        self.asked.append(options)
        if options.previous:
            text = f'previous terminated container "{container}" in pod "{name}" not found'
            raise RefusedError(400, text)
        return self.log[name].read(options)

    async def exec(
        self, pod: RawObject, container: str, command: Sequence[str], streams: Streams
    ) -> int:
        del pod, container
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=os.environ
            )
        except FileNotFoundError as error:
            text = f'exec: "{command[0]}": executable file not found in $PATH'
            raise RefusedError(500, text) from error
        try:
            return await _run(process, streams)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            async with self.changed:
                self.ended[command[-1]] = await process.wait()
                self.changed.notify_all()

    async def until_ended(self, command: str) -> int:
        """Wait for the end of a command by its last word, and return how it ended."""
        async with self.changed:
            await self.changed.wait_for(lambda: command in self.ended)
        return self.ended[command]

    async def journal(self, node: str, query: JournalQuery) -> str:
        self.journals.append((node, query))
        return f"-- journal of {node} --\n"


async def _run(process: asyncio.subprocess.Process, streams: Streams) -> int:
    assert process.stdout is not None
    assert process.stderr is not None
    feeding = asyncio.create_task(_feed(process, streams.stdin))
    try:
        await asyncio.gather(
            _drain(process.stdout, streams.write_out), _drain(process.stderr, streams.write_err)
        )
        return await process.wait() % 256
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def _feed(process: asyncio.subprocess.Process, stdin: AsyncIterator[bytes]) -> None:
    assert process.stdin is not None
    with suppress(ConnectionError):
        async for piece in stdin:
            process.stdin.write(piece)
            await process.stdin.drain()
    process.stdin.close()


async def _drain(source: asyncio.StreamReader, write: Write) -> None:
    while data := await source.read(1 << 16):
        await write(data)


def python(code: str) -> tuple[str, ...]:
    """Return a command that runs Python code."""
    return (sys.executable, "-c", code)
