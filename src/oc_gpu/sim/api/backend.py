"""What all verbs work on: time, store, served kinds, rights, counters."""

import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct, field

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.access import Access
from oc_gpu.sim.api.kinds import ServedKind
from oc_gpu.sim.api.messages import ApiRequest
from oc_gpu.sim.api.registry import Registry
from oc_gpu.sim.api.store import Entry, Store
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.sim.scenario import WebhookFacts

_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_WRITES_KEPT = 200


Listener = Callable[[ServedKind, Entry], None]
"""Called with objects that were stored, marked for deletion, or that are gone."""


class LogOptions(Struct, frozen=True):
    """What a client asked of a container's log."""

    follow: bool = False
    previous: bool = False
    tail_lines: int | None = None
    since_seconds: int | None = None
    timestamps: bool = False


class KubeletApi(Protocol):
    """What the node actor does for the API server: it holds logs and runs commands."""

    async def logs(
        self, pod: RawObject, container: str, options: LogOptions
    ) -> AsyncIterator[bytes]:
        """Return the container's output in pieces; with `follow` it ends with the container.

        Raises:
            StatusError: There is no such output.
        """

    async def exec(
        self, pod: RawObject, container: str, command: Sequence[str], stdin: bytes
    ) -> tuple[bytes, bytes, int]:
        """Run a command in a container; return standard output, standard error, exit code."""

    async def journal(self, node: str, pattern: str) -> str | None:
        """Return the journal's lines of the current boot that match; None when the node is off."""


class WriteLog(Struct):
    """Counts writes, and those from outside by method and path."""

    total: int = 0
    external: int = 0
    log: deque[str] = field(default_factory=lambda: deque(maxlen=_WRITES_KEPT))

    def count(self, request: ApiRequest) -> None:
        """Count a write that was asked for."""
        if request.dry_run:
            return
        self.total += 1
        if request.external:
            self.external += 1
            self.log.append(f"{request.method} {request.path}")


class Identity(Struct, frozen=True):
    """What the server says of itself."""

    name: str = "sim"
    scenario: str = ""
    kubernetes: str = "1.32.9"


class Backend:
    """The state behind the API."""

    def __init__(self, clock: VirtualClock, identity: Identity, access: Access) -> None:
        self.clock = clock
        self.identity = identity
        self.access = access
        self.store = Store()
        self.registry = Registry()
        self.writes = WriteLog()
        self.kubelet: KubeletApi | None = None
        self.webhooks: tuple[WebhookFacts, ...] = ()
        self.changed: list[Listener] = []
        self.marked: list[Listener] = []
        self.removed: list[Listener] = []
        self._random = random.Random(identity.name)  # noqa: S311  # repeatable names, no secrets

    def timestamp(self, later: float = 0) -> str:
        """Return the simulated time as objects carry it."""
        moment = datetime.fromtimestamp(self.clock.now() + later, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def uid(self) -> str:
        """Return a new unique id."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        """Return the random end of a generated name."""
        return "".join(self._random.choices(_SAFE, k=length))

    def find(self, kind: ServedKind, namespace: str, name: str) -> Entry | None:
        """Return an object's stored state."""
        return self.store.of(kind.key).entries.get((namespace, name))

    def put(self, kind: ServedKind, obj: RawObject) -> Entry:
        """Store an object's new state."""
        obj = {**kind.head, **obj, **kind.head}
        entry = self.store.put(kind.key, obj, selectable(kind, obj))
        for listener in self.changed:
            listener(kind, entry)
        return self.store.of(kind.key).entries.get(entry.key, entry)

    def remove(self, kind: ServedKind, last: RawObject) -> Entry:
        """Remove an object and tell those who care."""
        entry = self.store.remove(kind.key, last)
        for listener in self.removed:
            listener(kind, entry)
        return entry


def selectable(kind: ServedKind, obj: RawObject) -> dict[str, str]:
    """Return the values that field selectors of this kind look at."""
    meta = obj["metadata"]
    fields = {"metadata.name": meta["name"], "metadata.namespace": meta.get("namespace", "")}
    for path in kind.selectable:
        fields[path] = _text(_dig(obj, path))
    return fields


def _dig(obj: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(obj, dict):
            return None
        obj = obj.get(part)
    return obj.get("component") if isinstance(obj, dict) else obj


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
