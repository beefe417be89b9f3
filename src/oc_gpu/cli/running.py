"""From settings to a result: the client, the time limit, what the user wants, the exit code."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

from oc_gpu.cli import defaults
from oc_gpu.cli.settings import Settings
from oc_gpu.kube import Client, ConnectOptions, TimeoutExceededError

T = TypeVar("T")


def with_client(
    settings: Settings, work: Callable[[Client], Awaitable[T]], *, limit: float | None = None
) -> T:
    """Do some work with a client for the chosen cluster and return its result.

    Args:
        settings: What the command line says.
        work: What to do.
        limit: Seconds after which the work is given up; None for none, when the work itself
            watches the time.

    Raises:
        TimeoutExceededError: The time is over.
    """
    # Beside the task: at its end asyncio makes a text of a task with its result (it asks for the
    # handler of SIGINT), and the text of a large cluster is hundreds of megabytes.
    done: list[T] = []

    async def connected() -> None:
        async with Client.connect(options(settings)) as client:
            done.append(await work(client))

    async def limited() -> None:
        try:
            async with asyncio.timeout(limit):
                await connected()
        except TimeoutError as error:
            message = f"not finished after {limit:.0f} seconds"
            hint = "give it longer with --timeout, or look at the cluster with `oc get nodes`"
            raise TimeoutExceededError(message, hints=(hint,)) from error

    asyncio.run(limited())
    return done[0]


def interruptible(settings: Settings, work: Callable[[Client], Awaitable[T]]) -> T:
    """Do some work that is interrupted, and so cleans up, whoever tells this process to end.

    Args:
        settings: What the command line says.
        work: What to do; it watches the time itself.

    Raises:
        KeyboardInterrupt: This process was told to end.
    """

    async def watched(client: Client) -> T:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work(client))
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        return await task

    try:
        return with_client(settings, watched)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def options(settings: Settings) -> ConnectOptions:
    """Return how to find and reach the cluster."""
    patience = settings.timeout or defaults.ANSWER
    return ConnectOptions(
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        namespace=settings.namespace,
        impersonate=settings.impersonate,
        timeout=min(defaults.ANSWER, patience),
        unreachable=min(defaults.UNREACHABLE, patience / 2),
    )
