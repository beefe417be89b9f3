"""What a kubelet serves about its containers: logs and commands."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.node.containers import Log
from oc_gpu.sim.actors.node.worker import PodWorker
from oc_gpu.sim.actors.objects import name_of, timestamp
from oc_gpu.sim.api.messages import StatusError
from oc_gpu.sim.hardware import shell
from oc_gpu.sim.hardware.programs import CANNOT_RUN, not_played
from oc_gpu.sim.hardware.script import Unknown


class LogOptions(Protocol):
    """What a client asked of a log."""

    @property
    def follow(self) -> bool:
        """Go on until the container ends."""

    @property
    def previous(self) -> bool:
        """Take the run before this one."""

    @property
    def tail_lines(self) -> int | None:
        """Take only so many lines from the end."""

    @property
    def since_seconds(self) -> int | None:
        """Take only lines not older than this."""

    @property
    def timestamps(self) -> bool:
        """Put the time before each line."""


def log_lines(
    worker: PodWorker | None, pod: RawObject, container: str, options: LogOptions, now: float
) -> AsyncIterator[bytes]:
    """Return a container's log, following it when asked to.

    Args:
        worker: Who runs the pod, None when nobody does.
        pod: The pod.
        container: Name of the container.
        options: Which part of the log.
        now: Simulated time.

    Raises:
        StatusError: There is none.
    """
    run = worker.state.find(container) if worker else None
    log = None if run is None else run.previous if options.previous else run.log
    name = name_of(pod)
    if run is None or log is None:
        text = f'previous terminated container "{container}" in pod "{name}" not found'
        raise StatusError(400, "BadRequest", text)
    waiting = run.state.get("waiting")
    if waiting and not log.lines and not run.restarts:
        reason = waiting["reason"]
        text = f'container "{container}" in pod "{name}" is waiting to start: {reason}'
        raise StatusError(400, "BadRequest", text)
    return _pieces(log, _first(log, options, now), options)


def _first(log: Log, options: LogOptions, now: float) -> int:
    start = 0 if options.tail_lines is None else max(0, len(log.lines) - options.tail_lines)
    if options.since_seconds is None:
        return start
    oldest = now - options.since_seconds
    return max(start, sum(when < oldest for when, _ in log.lines))


async def _pieces(log: Log, start: int, options: LogOptions) -> AsyncIterator[bytes]:
    if options.follow:
        async for when, line in log.follow(start):
            yield _line(when, line, stamped=options.timestamps)
        return
    for when, line in log.lines[start:]:
        yield _line(when, line, stamped=options.timestamps)


def _line(when: float, line: str, *, stamped: bool) -> bytes:
    prefix = f"{timestamp(when)} " if stamped else ""
    return f"{prefix}{line}\n".encode()


def execute(worker: PodWorker, container: str, command: Sequence[str]) -> tuple[bytes, bytes, int]:
    """Run a command in a running container."""
    run = worker.state.find(container)
    if run is None or "running" not in run.state:
        return b"", f"container {container} is not running\n".encode(), 1
    try:
        answer, _ = shell.run(worker.view(run), command)
    except Unknown as error:
        return b"", f"{not_played(error)}\n".encode(), CANNOT_RUN
    out = f"{answer.out}\n" if answer.out else ""
    err = f"{answer.err}\n" if answer.err else ""
    return out.encode(), err.encode(), answer.code
