"""Pods that run as real processes of this machine, for trusted programs of its user.

A pod asks for it with an annotation, and the simulation has to allow it. Nothing keeps such a
process from anything that the user may do: it is no sandbox. What is real is the program, its
output, its exit code and its time; image, node, limits and network are simulated.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    suppress,
)
from pathlib import Path
from typing import Any, Protocol

from oc_gpu.kube import RawObject
from oc_gpu.sim import local_files, local_probes
from oc_gpu.sim.actors.node.runtime import Process, Program
from oc_gpu.sim.actors.objects import annotations_of, uid_of
from oc_gpu.sim.hardware.model import View
from oc_gpu.sim.local_files import Place, UnsupportedError

ANNOTATION = "oc-gpu.io/run-locally"
_CANNOT_START = 128
"""Exit code of a container that its runtime could not start."""
_GRACE = 2.0
"""Wall seconds between SIGTERM and SIGKILL: less than `sim down` gives the simulation itself."""
_DRAIN = 1.0
"""Wall seconds that output may take after the end: a stray child may keep the pipe open."""
_PIECE = 65536

Log = Callable[[str], None]


class RealTime(Protocol):
    """What is needed of the virtual clock."""

    def real(self) -> AbstractContextManager[None]:
        """Let time pass as on the wall inside the block."""


class LocalPods:
    """Runs annotated pods as processes; a `Runtime`.

    Args:
        folder: Where each pod gets its private folder.
        clock: Passes as on the wall while any of them runs.
    """

    def __init__(self, folder: Path, clock: RealTime) -> None:
        self._folder = folder
        self._clock = clock

    def program(self, pod: RawObject, container: RawObject, view: View) -> Program | None:
        """Return the program of a container of an annotated pod."""
        if not _asks(pod):
            return None
        try:
            place = local_files.lay_out(self._folder / uid_of(pod), pod, container, view)
        except UnsupportedError as error:
            return _NotStarted(str(error))
        return _Local(place, view.command, self._clock)

    def forget(self, uid: str) -> None:
        """Remove the folder of a pod that is gone."""
        shutil.rmtree(self._folder / uid, ignore_errors=True)


class NoLocalPods:
    """Refuses annotated pods: to play them would show a success of nothing; a `Runtime`."""

    def program(self, pod: RawObject, container: RawObject, view: View) -> Program | None:
        """Return a program that fails, for a container of an annotated pod."""
        del container, view
        if not _asks(pod):
            return None
        return _NotStarted(
            "this simulation was not started with --run-pods, so nothing was run; "
            "`oc-gpu sim up NAME --run-pods` starts one that runs programs"
        )

    def forget(self, uid: str) -> None:
        """There is nothing to forget."""


def _asks(pod: RawObject) -> bool:
    return annotations_of(pod).get(ANNOTATION) == "true"


class _NotStarted:
    """A container that does not start, and says why in its log."""

    def __init__(self, why: str) -> None:
        self._why = why

    @asynccontextmanager
    async def running(self, log: Log) -> AsyncIterator[Process]:
        log(f"oc-gpu sim: {self._why}")
        yield self

    async def wait(self) -> int:
        return _CANNOT_START

    async def probe(self, probe: Mapping[str, Any]) -> bool:
        del probe
        return False

    async def exec(self, command: Sequence[str], stdin: bytes) -> tuple[bytes, bytes, int]:
        del command, stdin
        return b"", self._why.encode(), _CANNOT_START


class _Local:
    """A program that is about to start."""

    def __init__(self, place: Place, command: Sequence[str], clock: RealTime) -> None:
        self._place = place
        self._command = command
        self._clock = clock

    def running(self, log: Log) -> AbstractAsyncContextManager[Process]:
        return self._running(log)

    @asynccontextmanager
    async def _running(self, log: Log) -> AsyncIterator[Process]:
        reading, writing = os.pipe()
        try:
            started = await _spawn(self._place, self._command, subprocess.DEVNULL, writing)
        except OSError as error:
            os.close(reading)
            async with _NotStarted(_unstarted(self._command, error)).running(log) as failed:
                yield failed
            return
        finally:
            os.close(writing)
        output = asyncio.create_task(_lines(reading, log))
        process = _Running(self._place, started, output)
        try:
            with self._clock.real():
                yield process
        finally:
            await process.end()


class _Running:
    """A program that runs, and the commands that were started beside it."""

    def __init__(
        self, place: Place, process: asyncio.subprocess.Process, output: asyncio.Task[None]
    ) -> None:
        self._place = place
        self._process = process
        self._output = output
        self._beside: set[asyncio.subprocess.Process] = set()
        self._over = False

    async def wait(self) -> int:
        code = await self._process.wait()
        self._kill_all()  # a container ends with its first process
        await self._drained()
        return _exit_code(code)

    async def probe(self, probe: Mapping[str, Any]) -> bool:
        if "exec" in probe:
            return (await self.exec(probe["exec"]["command"], b""))[2] == 0
        return await local_probes.answers(probe, self._place.ports)

    async def exec(self, command: Sequence[str], stdin: bytes) -> tuple[bytes, bytes, int]:
        try:
            process = await _spawn(self._place, command, subprocess.PIPE, subprocess.PIPE)
        except OSError as error:
            return b"", _unstarted(command, error).encode(), 127
        self._beside.add(process)
        try:
            out, err = await process.communicate(stdin)
        finally:
            _kill(process, signal.SIGKILL)
            self._beside.discard(process)
        return out, err, _exit_code(process.returncode or 0)

    async def end(self) -> None:
        """End everything that still runs, with the pod."""
        if self._over:
            return
        _kill(self._process, signal.SIGTERM)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await self._process.wait()
        finally:
            self._kill_all()
            await self._process.wait()
            await self._drained()

    def _kill_all(self) -> None:
        """Kill what the program left, and the commands beside it; once, for ids are used again."""
        for process in () if self._over else (self._process, *self._beside):
            _kill(process, signal.SIGKILL)
        self._over = True

    async def _drained(self) -> None:
        await asyncio.wait([self._output], timeout=_DRAIN)
        self._output.cancel()


async def _spawn(
    place: Place, command: Sequence[str], stdin: int, output: int
) -> asyncio.subprocess.Process:
    """Start a command in a process group of its own, with nothing of this process's environment.

    Raises:
        OSError: There is no such program, or it cannot be run.
    """
    words = place.command(command)
    return await asyncio.create_subprocess_exec(
        *words,
        cwd=place.folder(words),
        env=place.environment,
        stdin=stdin,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def _unstarted(command: Sequence[str], error: OSError) -> str:
    program = command[0] if command else ""
    return f"cannot run {program!r} on this machine: {(error.strerror or str(error)).lower()}"


def _kill(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal to all that a process has started and not let go of."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _exit_code(code: int) -> int:
    return code if code >= 0 else 128 - code


async def _lines(descriptor: int, log: Log) -> None:
    """Give what comes out of a pipe to a log, line by line, until nobody can write to it."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb", 0))
    rest = b""
    try:
        while piece := await reader.read(_PIECE):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                log(line.decode("utf-8", "replace"))
    finally:
        transport.close()
        if rest:
            log(rest.decode("utf-8", "replace"))
