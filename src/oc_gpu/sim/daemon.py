"""The process of one simulated cluster: serves until it is told to end.

Started by `oc_gpu.sim.instances`; it says through a pipe that it is ready, or why it is not.
"""

import argparse
import asyncio
import gc
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from oc_gpu.kube.errors import OcGpuError
from oc_gpu.sim.cluster import Simulation
from oc_gpu.sim.instances import Instance, Report, claim, describe
from oc_gpu.sim.scenario import load

GARBAGE_THRESHOLD = 100_000
"""Allocations between collections: nearly everything here dies by reference count."""

Opened = Callable[[argparse.Namespace], AbstractAsyncContextManager[Instance]]
"""Runs the cluster that a command line describes."""


def main(arguments: list[str] | None = None, opened: "Opened | None" = None) -> int:
    """Run one cluster; return the exit code.

    Args:
        arguments: The command line, this process's by default.
        opened: Runs the cluster that the options describe, a simulation by default.
    """
    options = _parser().parse_args(arguments)
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        asyncio.run(_run(options, opened or _simulation))
    except (OcGpuError, OSError) as error:
        hints = tuple(getattr(error, "hints", ()))
        code = getattr(error, "exit_code", 1)
        _tell(options.tell, Report(error=str(error), hints=hints, exit_code=code))
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m oc_gpu.sim.daemon", description=__doc__)
    parser.add_argument("folder", type=Path, help="private folder of the simulation")
    parser.add_argument("scenario", help="name or path of the scenario")
    parser.add_argument("tell", type=int, help="file descriptor for the report")
    parser.add_argument("--speed", type=float, help="simulated seconds per second")
    parser.add_argument("--run-pods", action="store_true", help="run annotated pods as processes")
    parser.add_argument("--lifeline", type=int, help="file descriptor whose end ends this process")
    return parser


async def _run(options: argparse.Namespace, opened: Opened) -> None:
    folder: Path = options.folder
    with claim(folder), _swept(folder, options.lifeline):
        end = _end_signals(options.lifeline)
        async with opened(options) as instance:
            describe(folder, instance)
            _tell(options.tell, Report(instance))
            await end.wait()


@asynccontextmanager
async def _simulation(options: argparse.Namespace) -> AsyncIterator[Instance]:
    folder: Path = options.folder
    simulation = Simulation(
        load(options.scenario),
        name=folder.name,
        speed=options.speed,
        pods=folder / "pods" if options.run_pods else None,
    )
    async with simulation.serving(folder) as served:
        yield Instance(
            folder.name, options.scenario, str(served.kubeconfig_path), os.getpid(), served.url
        )


@contextmanager
def _swept(folder: Path, lifeline: int | None) -> Iterator[None]:
    """Remove the folder after a simulation whose starter, when killed, cannot do it.

    That of one that crashed stays: the starter takes the reason from its log.
    """
    yield
    if lifeline is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _end_signals(lifeline: int | None) -> asyncio.Event:
    """Return the event that is set when this process is to end."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    if lifeline is not None:

        def cut() -> None:
            loop.remove_reader(lifeline)
            end.set()

        loop.add_reader(lifeline, cut)
    return end


def _tell(descriptor: int, report: Report) -> None:
    os.write(descriptor, msgspec.json.encode(report) + b"\n")
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
