"""What a container runtime is that runs real programs instead of playing them.

The simulator plays containers from the facts of their machine. Where a container can be a real
program (an operator in the lab, a user's job on this machine), a runtime is given to the kubelets;
they ask it first and play only what it leaves.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, runtime_checkable

from oc_gpu.kube import RawObject
from oc_gpu.sim.hardware.model import View


class Process(Protocol):
    """A container's program while it runs."""

    async def wait(self) -> int:
        """Return its exit code once it has ended."""

    async def probe(self, probe: Mapping[str, Any]) -> bool:
        """Tell whether a readiness or startup probe of the container's spec succeeds now."""


@runtime_checkable
class Enterable(Protocol):
    """A process beside which commands can be run; in others they are played."""

    async def exec(self, command: Sequence[str], stdin: bytes) -> tuple[bytes, bytes, int]:
        """Run a command to its end; return what it wrote to both streams, and its exit code."""


class Program(Protocol):
    """A container that is about to start."""

    def running(self, log: Callable[[str], None]) -> AbstractAsyncContextManager[Process]:
        """Run it inside the block, and give each line that it prints to `log`; leaving ends it."""


class Runtime(Protocol):
    """Knows which containers are real programs."""

    def program(self, pod: RawObject, container: RawObject, view: View) -> Program | None:
        """Return the program of a container, None when the simulator has to play it.

        Args:
            pod: The pod, as the kubelet sees it.
            container: The container's entry in the pod's spec.
            view: What the container can know: environment, files, the machine's facts.
        """

    def forget(self, uid: str) -> None:
        """Let go of what was kept for a pod, which is gone."""
