"""Both legs on this machine: each in a process of its own, one after the other."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import IO

from oc_gpu.bench import catalogue
from oc_gpu.bench.collect import Collector, Progress, plan_text
from oc_gpu.bench.model import Device, Leg, Plan, Run
from oc_gpu.kube.errors import UsageError, clean

Observer = Callable[[Progress], object]
COMMAND = (sys.executable, "-P", "-m", "oc_gpu.bench.workloads")
_GPU_SHARE = 0.5
"""Part of the time that the GPU may take; it takes less, and the CPU gets what is left."""


def require_torch() -> None:
    """Make sure that the workloads can run here.

    Raises:
        UsageError: PyTorch is not installed in this environment.
    """
    if find_spec("torch") is None:
        raise UsageError(
            "bench computes with PyTorch, which is not installed beside oc-gpu",
            hints=("`pip install 'oc-gpu[bench]'` brings it (5 GB)",),
        )


def run(plan: Plan, observe: Observer, command: Sequence[str] = ()) -> Run:
    """Measure a plan on this machine's GPU and on its CPU.

    Args:
        plan: All points, and the seconds for both legs.
        observe: Told of each point that is done.
        command: Runs the workloads; empty for `COMMAND`.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    begun = time.monotonic()
    share = plan.budget * _GPU_SHARE
    gpu = leg(catalogue.for_device(plan, "cuda", share), "cuda", observe, command)
    left = plan.budget - (time.monotonic() - begun)
    cpu = leg(catalogue.for_device(plan, "cpu", left), "cpu", observe, command)
    return Run(date=started, plan=plan, cpu=cpu, gpu=gpu)


def leg(plan: Plan, device: Device, observe: Observer, command: Sequence[str] = ()) -> Leg:
    """Measure a plan on one device of this machine.

    A process that dies, as by the kernel when memory runs out, costs the point it was at: another
    one goes on with the next.
    """
    collector = Collector(plan, device)
    until = time.monotonic() + plan.budget

    def take(done: Progress | None) -> None:
        if done:
            observe(done)

    while not collector.ended:
        given = plan_text(collector.rest(until - time.monotonic()))
        with tempfile.TemporaryFile() as complaints:
            with _process(
                [*(command or COMMAND), "--device", device, "--plan", "-"], complaints
            ) as process:
                _send(process, given)
                for line in process.stdout or ():
                    take(collector.line(line.decode("utf-8", "replace")))
            if not collector.ended:
                killed = process.returncode == -signal.SIGKILL
                take(collector.died(_how(process.returncode, complaints), killed=killed))
    return collector.leg()


@contextmanager
def _process(command: Sequence[str], complaints: IO[bytes]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process that does not outlive us."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=complaints) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _send(process: "subprocess.Popen[bytes]", text: bytes) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin as stream:
            stream.write(text)


def _how(code: int, complaints: IO[bytes]) -> str:
    """Return how a process ended: its exit code or signal, and the last line it complained."""
    complaints.seek(0)
    lines = complaints.read().decode("utf-8", "replace").strip().splitlines()
    ended = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"{ended}: {clean(lines[-1])}" if lines else ended
