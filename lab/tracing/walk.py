"""Walking a road step by step while a trace of it is recorded."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from lab.programs import LabError
from lab.tracing.looks import MACHINE_CONFIG, ROAD, Look
from lab.tracing.recorder import Recorder
from lab.tracing.trace import Said


class Road(Struct, frozen=True):
    """What is done to a cluster, and what is looked at meanwhile.

    Attributes:
        name: Name of its trace.
        steps: Command lines of the program, by the name of the step.
        looks: The kinds that the trace is made of.
        entitled: Whether the commands are given a subscription, which needs new machine
            configuration.
    """

    name: str
    steps: Mapping[str, tuple[str, ...]]
    looks: Sequence[Look]
    entitled: bool = False


ROADS: Final = (
    Road(
        "road",
        {
            "enable": ("enable", "--yes"),
            "isolate": ("isolate", "--yes", "--taint", "nodetype=gpu:NoSchedule"),
            "disable": ("disable", "--yes"),
        },
        ROAD,
    ),
    Road(
        "machine-config",
        {"enable": ("enable", "--yes"), "disable": ("disable", "--yes")},
        MACHINE_CONFIG,
        entitled=True,
    ),
)


async def walk(
    recorder: Recorder,
    steps: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    *,
    quiet: float,
) -> dict[str, tuple[Said, ...]]:
    """Run commands one after the other and return what followed from each.

    Args:
        recorder: Notes what happens; not recording yet.
        steps: Name of each step -> program and arguments.
        environment: Variables of the commands.
        quiet: Seconds without news after which a step is over.

    Raises:
        LabError: A command failed.
    """
    found: dict[str, tuple[Said, ...]] = {}
    async with recorder.recording():
        for step, command in steps.items():
            recorder.take()
            await _run(command, environment)
            await recorder.quiet(quiet)
            found[step] = recorder.take()
    return found


async def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    if process.returncode:
        last = out.decode(errors="replace").strip().splitlines()[-8:]
        shown = " ".join(command)
        raise LabError(f"{shown} ended with exit code {process.returncode}: {' | '.join(last)}")
