"""What a plan's writes would do, by asking the server without writing (dry run)."""

import asyncio
from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct

from oc_gpu.kube import ApiError, Client, ConflictError, ForbiddenError, NotFoundError, RawObject
from oc_gpu.rollout.differences import Difference, differences
from oc_gpu.stages.engine import holds
from oc_gpu.stages.model import Action, Apply, Delete, Patch
from oc_gpu.stages.ownership import is_ours, owner_of

Effect = Literal["created", "changed", "unchanged", "deleted", "refused"]

_AT_ONCE = 8


class Change(Struct, frozen=True):
    """What one action would do.

    Attributes:
        action: The action.
        effect: What becomes of its object; `refused` when the server would not take it.
        diff: The fields that change, or that the new object has.
        note: Why it is refused, or whose object or fields it takes.
    """

    action: Action
    effect: Effect
    diff: tuple[Difference, ...] = ()
    note: str = ""


async def preview(client: Client, actions: Iterable[Action]) -> tuple[Change, ...]:
    """Return what each action would do now; nothing is written."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(action: Action) -> Change:
        async with gate:
            return await _change(client, action)

    return tuple(await asyncio.gather(*(one(action) for action in actions)))


async def _change(client: Client, action: Action) -> Change:
    ref = action.ref
    live = await client.find(ref.resource, ref.name, ref.namespace)
    match action:
        case Delete():
            return Change(action, "deleted" if live is not None else "unchanged")
        case Apply(adopt=True) if live is not None:
            return Change(action, "unchanged")
        case Apply() if live is not None and not is_ours(live) and not holds(action.manifest, live):
            owner = owner_of(live)
            if not action.takes_over:
                note = f"its name is taken: it exists and belongs to {owner}"
                return Change(action, "refused", note=note)
            return await _written(client, action, live, f"taken over from {owner}")
        case Apply() | Patch():
            return await _written(client, action, live)


async def _written(
    client: Client, action: Apply | Patch, live: RawObject | None, note: str = ""
) -> Change:
    """Ask the server; where it cannot tell yet or not to this user, compare here."""
    try:
        after, taken = await _dry_run(client, action)
    except (NotFoundError, ForbiddenError):  # its API or its namespace comes on the way
        after, taken = _guess(action, live), ""
    except ConflictError as error:
        return Change(action, "refused", note=_others(error))
    except ApiError as error:
        return Change(action, "refused", note=str(error))
    diff = tuple(differences(action.ref.resource, live, after))
    note = "; ".join(part for part in (note, taken) if part)
    if live is None:
        return Change(action, "created", diff, note)
    return Change(action, "changed" if diff else "unchanged", diff, note)


async def _dry_run(client: Client, action: Apply | Patch) -> tuple[RawObject, str]:
    """Return what the object would be, and whose fields it would take."""
    ref = action.ref
    if isinstance(action, Patch):
        made = client.patch(ref.resource, ref.name, action.patch, ref.namespace, dry_run=True)
        return await made, ""
    if action.adopt:
        made = client.create(ref.resource, action.manifest, ref.namespace, dry_run=True)
        return await made, ""
    try:
        return await client.apply(ref.resource, action.manifest, dry_run=True), ""
    except ConflictError as error:
        if not (action.forces and error.causes):
            raise
        forced = await client.apply(ref.resource, action.manifest, force=True, dry_run=True)
        return forced, f"takes {_others(error)}"


def _others(error: ConflictError) -> str:
    return f"fields of another owner: {'; '.join(error.causes) or error.server_message}"


def _guess(action: Apply | Patch, live: RawObject | None) -> RawObject:
    wanted = action.manifest if isinstance(action, Apply) else action.patch
    if live is None:
        return wanted
    return live if holds(wanted, live) else _merged(live, wanted)


def _merged(live: Any, wanted: Any) -> Any:
    if not (isinstance(live, dict) and isinstance(wanted, dict)):
        return wanted
    return {**live, **{key: _merged(live.get(key), value) for key, value in wanted.items()}}
