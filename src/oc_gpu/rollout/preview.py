"""What a plan's writes would do, by asking the server without writing (dry run).

Only paths of fields are told, never their values: among them are keys and certificates.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from msgspec import Struct

from oc_gpu.kube import ApiError, Client, ConflictError, ForbiddenError, NotFoundError, RawObject
from oc_gpu.stages.engine import holds, is_ours, owner_of
from oc_gpu.stages.model import Action, Apply, Delete, Patch

Effect = Literal["created", "changed", "unchanged", "deleted", "refused"]

_AT_ONCE = 8
_SERVER_OWNED = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"}
)


class Change(Struct, frozen=True):
    """What one action would do.

    Attributes:
        action: The action.
        effect: What becomes of its object; `refused` when the server would not take it.
        fields: Paths of the fields that change.
        note: Why it is refused.
    """

    action: Action
    effect: Effect
    fields: tuple[str, ...] = ()
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
            note = f"its name is taken: it exists and belongs to {owner_of(live)}"
            return Change(action, "refused", note=note)
        case Apply() | Patch():
            return await _written(client, action, live)


async def _written(client: Client, action: Apply | Patch, live: RawObject | None) -> Change:
    """Ask the server; where it cannot tell yet or not to this user, compare here."""
    try:
        after = await _dry_run(client, action)
    except NotFoundError:  # its API or its namespace comes on the way
        return Change(action, "created")
    except ForbiddenError:
        after = _guess(action, live)
    except ConflictError as error:
        owners = "; ".join(error.causes) or error.server_message
        return Change(action, "refused", note=f"fields of another owner: {owners}")
    except ApiError as error:
        return Change(action, "refused", note=str(error))
    if live is None:
        return Change(action, "created")
    fields = tuple(differences(live, after))
    return Change(action, "changed" if fields else "unchanged", fields)


async def _dry_run(client: Client, action: Apply | Patch) -> RawObject:
    ref = action.ref
    if isinstance(action, Apply) and action.adopt:
        return await client.create(ref.resource, action.manifest, ref.namespace, dry_run=True)
    if isinstance(action, Apply):
        return await client.apply(ref.resource, action.manifest, dry_run=True)
    return await client.patch(ref.resource, ref.name, action.patch, ref.namespace, dry_run=True)


def _guess(action: Apply | Patch, live: RawObject | None) -> RawObject:
    wanted = action.manifest if isinstance(action, Apply) else action.patch
    if live is None:
        return wanted
    return live if holds(wanted, live) else _merged(live, wanted)


def _merged(live: Any, wanted: Any) -> Any:
    if not (isinstance(live, dict) and isinstance(wanted, dict)):
        return wanted
    return {**live, **{key: _merged(live.get(key), value) for key, value in wanted.items()}}


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which two objects differ, what the server owns left out."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            if path == "" and key == "status":
                continue
            if path == "metadata" and key in _SERVER_OWNED:
                continue
            below = f"{path}.{key}" if path else str(key)
            yield from differences(before.get(key), after.get(key), below)
    elif before != after:
        yield path
