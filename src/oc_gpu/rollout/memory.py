"""What a run remembers of its own writes, so that none is sent twice for the same sight.

A run decides from what it sees, and what it sees lags behind what it did. So each write is
remembered with the state of the object that it was decided from; the same write is only sent again
once the object is seen in another state.
"""

from collections.abc import Hashable

import msgspec
from msgspec import Struct

from oc_gpu.kube.resources import NAMESPACES
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.tables import identity
from oc_gpu.stages.engine import find
from oc_gpu.stages.model import Action, Apply, Delete, ObjectRef, Patch, Progress, State

REPEATS = 5
"""How often one write is sent in a run: who undoes it that often will do so again."""


class Seen(Struct, frozen=True):
    """The state in which an object was seen; both empty when it was not there."""

    uid: str = ""
    version: str = ""


def seen(ref: ObjectRef, snapshot: Snapshot) -> Seen:
    """Return the state of an object in a snapshot."""
    item = find(ref, snapshot)
    if item is None:
        return Seen()
    found = identity(item)
    return Seen(found.uid, found.version)


def _place(ref: ObjectRef, snapshot: Snapshot) -> Seen:
    """Return the state of the namespace that an object is in."""
    return seen(ObjectRef(NAMESPACES, ref.namespace), snapshot) if ref.namespace else Seen()


class Write(Struct, frozen=True):
    """What a write did.

    Attributes:
        verb: The verb to report; empty when there was nothing left to do.
        after: The state of the object that the server answered.
        visible: Whether the view shows it already.
    """

    verb: str
    after: Seen = Seen()
    visible: bool = False


class _Attempt(Struct, frozen=True):
    """One write as it was sent last.

    Attributes:
        seen: What it was decided from.
        place: The namespace at that time: a refusal may be due to its state.
        write: What it did, None when the server refused it.
        trouble: Why it was refused, where that stands in the way of the stage.
        count: How often the server took it.
        failures: How often it was refused for a reason that stands in the way.
    """

    seen: Seen
    place: Seen
    write: Write | None
    trouble: Progress | None
    count: int
    failures: int


class Verdict(Struct, frozen=True):
    """Whether a due action is to be sent now, and what stands in its way."""

    send: bool
    trouble: Progress | None = None


class Memory:
    """The writes of one run."""

    def __init__(self) -> None:
        self._attempts: dict[Hashable, _Attempt] = {}

    def judge(self, action: Action, snapshot: Snapshot) -> Verdict:
        """Say whether a due action is to be sent, given what was sent before."""
        last = self._attempts.get(_key(action))
        if last is None:
            return Verdict(send=True)
        now = seen(action.ref, snapshot)
        if last.write is None:
            same = now == last.seen and _place(action.ref, snapshot) == last.place
        elif isinstance(action, Delete):
            same = now.uid == last.seen.uid
        elif now == last.write.after:
            return Verdict(send=False, trouble=_not_kept(action))
        else:
            same = now == last.seen and not last.write.visible
        if same:
            return Verdict(send=False, trouble=last.trouble)
        if last.trouble is not None and last.failures >= REPEATS:
            return Verdict(send=False, trouble=last.trouble)
        if last.count >= REPEATS:
            return Verdict(send=False, trouble=_undone(action))
        return Verdict(send=True)

    def accepted(self, action: Action, decided_from: Snapshot, write: Write) -> None:
        """Remember a write that the server took."""
        self._note(action, decided_from, write, None)

    def refused(
        self, action: Action, decided_from: Snapshot, trouble: Progress | None = None
    ) -> None:
        """Remember a write that the server refused; it is sent again when something changed."""
        self._note(action, decided_from, None, trouble)

    def _note(
        self, action: Action, decided_from: Snapshot, write: Write | None, trouble: Progress | None
    ) -> None:
        key = _key(action)
        last = self._attempts.get(key)
        self._attempts[key] = _Attempt(
            seen=seen(action.ref, decided_from),
            place=_place(action.ref, decided_from),
            write=write,
            trouble=trouble,
            count=(last.count if last is not None else 0) + (write is not None),
            failures=(last.failures if last is not None else 0) + (trouble is not None),
        )


def _key(action: Action) -> Hashable:
    match action:
        case Apply():
            content = msgspec.json.encode(action.manifest, order="sorted")
        case Patch():
            content = msgspec.json.encode(_unguarded(action.patch), order="sorted")
        case Delete():
            content = b""
    ref = action.ref
    return (type(action), ref.resource.group, ref.resource.plural, ref.namespace, ref.name, content)


def _unguarded(patch: dict[str, object]) -> dict[str, object]:
    """Return a patch without the resourceVersion that guards it: it differs each time."""
    meta = patch.get("metadata")
    if not isinstance(meta, dict):
        return patch
    return {**patch, "metadata": {k: v for k, v in meta.items() if k != "resourceVersion"}}


def _not_kept(action: Action) -> Progress:
    return Progress(
        State.FAILED,
        f"the server took {action.ref} and keeps something else than was asked for",
        hints=(f"compare it with the plan: {_command(action.ref)}",),
        objects=(str(action.ref),),
    )


def _undone(action: Action) -> Progress:
    return Progress(
        State.FAILED,
        f"{action.ref} was written {REPEATS} times and something changes it back each time",
        hints=(f"find who does: {_command(action.ref)} --show-managed-fields",),
        objects=(str(action.ref),),
    )


def _command(ref: ObjectRef) -> str:
    where = f" -n {ref.namespace}" if ref.namespace else ""
    group = f".{ref.resource.group}" if ref.resource.group else ""
    return f"oc get {ref.resource.plural}{group} {ref.name}{where} -o yaml"
