"""State and log of one container, and the pod status that follows from all of them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from msgspec import Struct, field

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.objects import timestamp, with_condition

_GONE_EXIT_CODE = 137


class Log:
    """Lines of one run of a container, each with the time it was written."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, str]] = []
        self.closed = False
        self._more = asyncio.Event()

    def write(self, now: float, *lines: str) -> None:
        """Append lines."""
        self.lines += [(now, line) for line in lines]
        self._wake()

    def close(self) -> None:
        """End the log: followers stop."""
        self.closed = True
        self._wake()

    async def follow(self, start: int) -> AsyncIterator[tuple[float, str]]:
        """Yield lines from a position on until the log is closed."""
        position = start
        while True:
            while position < len(self.lines):
                yield self.lines[position]
                position += 1
            if self.closed:
                return
            await self._more.wait()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()


class ContainerRun(Struct):
    """What is known of one container of a pod; changed by its pod's worker only."""

    spec: RawObject
    image_id: str = ""
    container_id: str = ""
    state: dict[str, Any] = field(
        default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}}
    )
    last_state: dict[str, Any] = {}
    ready: bool = False
    restarts: int = 0
    log: Log = field(default_factory=Log)
    previous: Log | None = None

    @property
    def name(self) -> str:
        """Return the container's name."""
        return str(self.spec["name"])

    @property
    def exit_code(self) -> int | None:
        """Return the exit code when it has ended and is not waiting for a restart."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    def wait(self, reason: str, message: str | None = None) -> None:
        """Show why the container does not run."""
        self.ready = False
        self.state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}

    def start(self, now: float, pod_uid: str) -> None:
        """Show it running, with a fresh log and a new id."""
        seed = f"{pod_uid}/{self.name}/{self.restarts}".encode()
        self.container_id = f"cri-o://{hashlib.sha256(seed).hexdigest()}"
        if self.log.lines or self.log.closed:
            self.previous, self.log = self.log, Log()
        self.state = {"running": {"startedAt": timestamp(now)}}

    def end(self, now: float, code: int, *, reason: str | None = None) -> None:
        """Show it ended."""
        started = (self.state.get("running") or {}).get("startedAt") or timestamp(now)
        self.ready = False
        self.log.close()
        self.state = {
            "terminated": {
                "exitCode": code,
                "reason": reason or ("Completed" if code == 0 else "Error"),
                "startedAt": started,
                "finishedAt": timestamp(now),
                "containerID": self.container_id,
            }
        }

    def kill(self, now: float) -> None:
        """Show it ended by a signal, if it runs."""
        if "running" in self.state:
            self.end(now, _GONE_EXIT_CODE)

    def restart(self) -> None:
        """Count a restart and remember how the run before ended."""
        self.restarts += 1
        if "terminated" in self.state:
            self.last_state = self.state

    def status(self, *, init: bool) -> RawObject:
        """Return the entry for containerStatuses."""
        code = self.exit_code
        return {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": self.image_id,
            "state": self.state,
            "lastState": self.last_state,
            "ready": code == 0 if init else self.ready,
            "restartCount": self.restarts,
            **({"containerID": self.container_id} if self.container_id else {}),
        } | ({} if init else {"started": "running" in self.state})


class PodState(Struct):
    """All containers of a pod."""

    inits: list[ContainerRun]
    mains: list[ContainerRun]
    started_at: float
    address: str
    host_address: str
    failed: tuple[str, str] | None = None

    @property
    def initialized(self) -> bool:
        """Tell whether all init containers are done."""
        return all(c.exit_code == 0 for c in self.inits)

    def find(self, name: str) -> ContainerRun | None:
        """Return a container by name."""
        return next((c for c in (*self.inits, *self.mains) if c.name == name), None)

    def phase(self, policy: str) -> str:
        """Return the pod's phase."""
        if self.failed:
            return "Failed"
        if any(c.exit_code for c in self.inits) and policy == "Never":
            return "Failed"
        codes = [c.exit_code for c in self.mains]
        done = policy == "Never" or (policy == "OnFailure" and not any(codes))
        if self.initialized and done and all(code is not None for code in codes):
            return "Failed" if any(codes) else "Succeeded"
        began = any("waiting" not in c.state or c.restarts for c in self.mains)
        return "Running" if self.initialized and began else "Pending"

    def status(self, pod: RawObject, now: float) -> RawObject:
        """Return the fields of status.* that the kubelet owns."""
        phase = self.phase(pod["spec"].get("restartPolicy") or "Always")
        old = pod.get("status") or {}
        conditions = old.get("conditions") or []
        for entry in self._conditions(phase):
            conditions = with_condition(conditions, entry, now)
        status: RawObject = {
            "phase": phase,
            "conditions": conditions,
            "hostIP": self.host_address,
            "startTime": timestamp(self.started_at),
            "containerStatuses": [c.status(init=False) for c in self.mains],
        }
        if self.inits:
            status["initContainerStatuses"] = [c.status(init=True) for c in self.inits]
        if phase != "Pending" or any("running" in c.state for c in self.inits):
            status |= {"podIP": self.address, "podIPs": [{"ip": self.address}]}
        if self.failed:
            status |= {"reason": self.failed[0], "message": self.failed[1]}
        return status

    def _conditions(self, phase: str) -> list[RawObject]:
        ready = phase == "Running" and all(c.ready for c in self.mains)
        unready = [c.name for c in self.mains if not c.ready]
        waiting = [c.name for c in self.inits if c.exit_code != 0]
        not_ready: RawObject = {"status": str(ready)}
        if phase in {"Succeeded", "Failed"}:
            not_ready |= {"reason": "PodCompleted" if phase == "Succeeded" else "PodFailed"}
        elif not ready:
            text = f"containers with unready status: [{' '.join(unready)}]"
            not_ready |= {"reason": "ContainersNotReady", "message": text}
        initialized: RawObject = {"type": "Initialized", "status": str(not waiting)}
        if waiting:
            text = f"containers with incomplete status: [{' '.join(waiting)}]"
            initialized |= {"reason": "ContainersNotInitialized", "message": text}
        elif phase == "Succeeded":
            initialized["reason"] = "PodCompleted"
        return [
            initialized,
            {"type": "Ready", **not_ready},
            {"type": "ContainersReady", **not_ready},
            {"type": "PodScheduled", "status": "True"},
        ]
