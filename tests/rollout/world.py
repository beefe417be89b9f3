"""A cluster in a dictionary, whose view may lag behind: for tests of the runner alone."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from oc_gpu.kube.resources import CONFIGMAPS
from oc_gpu.rollout.events import Event, Notice, StageChanged, Written
from oc_gpu.rollout.memory import Seen, Write
from oc_gpu.snapshot.model import Snapshot, Unread
from oc_gpu.stages.model import (
    Action,
    Apply,
    Delete,
    Milestone,
    ObjectRef,
    Patch,
    Progress,
    StagePlan,
)


def ref(name: str, resource: Any = CONFIGMAPS, namespace: str | None = "ns") -> ObjectRef:
    """Return the name of an object."""
    return ObjectRef(resource, name, namespace if resource.namespaced else None)


def apply(name: str, resource: Any = CONFIGMAPS, **content: Any) -> Apply:
    """Return the action that applies an object of ours."""
    target = ref(name, resource)
    meta: dict[str, Any] = {"name": name, "labels": {"app.kubernetes.io/managed-by": "oc-gpu"}}
    if target.namespace:
        meta["namespace"] = target.namespace
    return Apply(target, {"metadata": meta, **content})


def stage(name: str, *milestones: Milestone, **more: Any) -> StagePlan:
    """Return a stage."""
    return StagePlan(name, name.capitalize(), milestones, **more)


def step(*actions: Action, progress: Progress | None = None, after: str = "") -> Milestone:
    """Return a milestone."""
    gates = tuple(after.split())
    if progress is None:
        return Milestone("step", tuple(actions), after=gates)
    return Milestone("step", tuple(actions), progress, gates)


class World:
    """Objects, a view of them, and a performer of writes on them.

    Attributes:
        lag: While true, what was written is not seen.
        answers: Errors to raise, by object name, one a write.
        dropped: Fields that the server does not keep.
        sent: Every write that reached the server.
    """

    def __init__(self) -> None:
        self.objects: dict[ObjectRef, dict[str, Any]] = {}
        self.unread: dict[str, Unread] = {}
        self.lag = False
        self.dropped: frozenset[str] = frozenset()
        self.answers: dict[str, list[Exception]] = {}
        self.sent: list[str] = []
        self.on_write: Callable[[Action], None] = lambda _: None
        self.now = 1000.0
        self.looks = 0
        self._shown: dict[ObjectRef, dict[str, Any]] = {}
        self._version = 0
        self._wake = asyncio.Event()

    # what the runner looks at

    def snapshot(self) -> Snapshot:
        self._wake.clear()
        self.looks += 1
        if not self.lag:
            self._shown = dict(self.objects)
        tables: dict[str, Any] = {}
        for target, item in self._shown.items():
            tables.setdefault(target.resource.plural, []).append(item)
        return Snapshot(
            "https://test",
            now=self.now,
            tables={name: tuple(items) for name, items in tables.items()},
            unread=dict(self.unread),
        )

    async def changed(self) -> None:
        await self._wake.wait()

    async def time(self) -> float:
        return self.now

    def again(self) -> None:
        """Be ready for another run, in another event loop."""
        self._wake = asyncio.Event()

    # what the runner does

    async def claim(self) -> bool:
        return True

    async def __call__(self, action: Action, snapshot: Snapshot) -> Write:  # noqa: ARG002
        await asyncio.sleep(0)
        self.sent.append(action.ref.name)
        self.on_write(action)
        if self.answers.get(action.ref.name):
            raise self.answers[action.ref.name].pop(0)
        match action:
            case Delete():
                self.remove(action.ref)
                return Write("deleted")
            case Apply():
                kept = {k: v for k, v in action.manifest.items() if k not in self.dropped}
                return Write("created", self.put(action.ref, kept), visible=not self.lag)
            case Patch():
                return Write("patched", self.put(action.ref, action.patch))

    # what others do

    def put(self, target: ObjectRef, content: dict[str, Any]) -> Seen:
        """Store an object and let it be seen."""
        self._version += 1
        meta = {"name": target.name, **content.get("metadata", {})}
        meta |= {"uid": f"uid-{target.name}", "resourceVersion": str(self._version)}
        if target.namespace:
            meta["namespace"] = target.namespace
        self.objects[target] = {**content, "metadata": meta}
        self.wake()
        return Seen(meta["uid"], meta["resourceVersion"])

    def remove(self, target: ObjectRef) -> None:
        """Remove an object and let it be seen."""
        self.objects.pop(target, None)
        self.wake()

    def wake(self) -> None:
        """Wake the runner."""
        self._wake.set()


def told(events: Iterable[Event]) -> list[str]:
    """Return events as short lines."""
    lines = []
    for event in events:
        match event:
            case StageChanged(_, assessment):
                lines.append(f"{assessment.stage} {assessment.state}")
            case Written(_, of, verb, target):
                lines.append(f"{of} {verb} {target}")
            case Notice(_, of, message):
                lines.append(f"{of}: {message}")
    return lines
