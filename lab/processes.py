"""The lab's programs as processes: started with a log, watched, ended together."""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from lab.programs import LabError

_GRACE_SECONDS = 1.0
_READY_SECONDS = 120.0
_LOOK_AGAIN = 0.05
_TAIL_LINES = 5


class Processes:
    """Programs that live as long as the block, and end with this process however it ends.

    Args:
        folder: Where each program's output goes, as `<name>.log`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: dict[str, asyncio.subprocess.Process] = {}

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await asyncio.gather(*(self.stop(name) for name in reversed(list(self._running))))

    @property
    def ids(self) -> dict[str, int]:
        """Return the process id of each program that runs, by name."""
        return {n: p.pid for n, p in self._running.items() if p.returncode is None}

    async def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start a program.

        Args:
            name: What it is called here.
            command: Program and arguments.
            env: Variables besides this process's own.
            cwd: Its working folder.
        """
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = await asyncio.create_subprocess_exec(
                *mortal(command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )

    async def until(self, name: str, ready: Callable[[], Awaitable[bool]]) -> None:
        """Wait until a program answers.

        Args:
            name: The program.
            ready: Tells whether it does; asked again and again.

        Raises:
            LabError: It ended, or does not answer in time.
        """
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while not await ready():
                    self._must_run(name)
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise LabError(
                f"{name} does not answer after {_READY_SECONDS:.0f} s",
                hints=(f"its log is {self.folder / name}.log",),
            ) from None

    async def stop(self, name: str) -> None:
        """End a program and what it started; nothing when it does not run."""
        process = self._running.pop(name, None)
        if process is not None:
            await end(process)

    def _must_run(self, name: str) -> None:
        process = self._running[name]
        if process.returncode is None:
            return
        path = self.folder / f"{name}.log"
        lines = path.read_text(errors="replace").strip().splitlines()[-_TAIL_LINES:]
        raise LabError(
            f"{name} ended with exit code {process.returncode}: {' | '.join(lines)}",
            hints=(f"its log is {path}",),
        )


def mortal(command: Sequence[str | Path]) -> tuple[str, ...]:
    """Return a command that is killed when the process that starts it is gone.

    Raises:
        LabError: There is no `setpriv` (util-linux), which sees to it.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise LabError("the lab needs setpriv, a part of util-linux")
    return (setpriv, "--pdeathsig", "KILL", "--", *map(str, command))


async def end(process: asyncio.subprocess.Process) -> None:
    """Ask a process group to end, and kill it when it does not in time."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(_GRACE_SECONDS):
            await process.wait()
    except TimeoutError:
        pass
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def free_port() -> int:
    """Return a TCP port of the loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
