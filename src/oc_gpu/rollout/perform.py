"""Sending one action: the only place where this program changes a cluster."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from oc_gpu.kube import (
    AlreadyExistsError,
    Client,
    ConflictError,
    NotFoundError,
    RawObject,
    Resource,
    Retry,
)
from oc_gpu.rollout.lease import Lease
from oc_gpu.rollout.memory import Seen, Write, seen
from oc_gpu.rollout.patience import Patience
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.tables import identity
from oc_gpu.stages.model import Action, Apply, Delete, Patch

_LAGS = 4
"""Tries of an apply whose kind is not found, or that met another write: the servers of a highly
available control plane learn of a new kind one after another, and the view may be ahead of the
server that is asked. A conflict that names no field is one of a moment, as with a quota's count."""


class Observing(Protocol):
    """What takes the answer to a write."""

    def observe(self, resource: Resource, obj: RawObject) -> bool:
        """Take an object as the server answered it; tell whether the view shows its kind."""


class Performer:
    """Sends actions to a cluster.

    Every action may be sent twice without harm: an apply by its nature, a patch by its guard or
    because it sets what it sets, a delete by the uid. So an API server that goes away, as it does
    when its own node reboots, is waited for.

    Args:
        client: The cluster.
        view: Is shown each answer.
        notice: Is told what is being waited for.
        retry: How patient it is.
        lease: What keeps other runs from writing at the same time.
    """

    def __init__(
        self,
        client: Client,
        view: Observing,
        notice: Callable[[str], None] = lambda _: None,
        retry: Retry | None = None,
        lease: Lease | None = None,
    ) -> None:
        self._client = client
        self._view = view
        self._retry = retry or Retry()
        self._patiently = Patience(self._retry, notice)
        self._lease = lease

    async def claim(self) -> bool:
        """Wait until no other run writes; tell whether what was decided before still holds.

        Raises:
            ApiError: The server refuses.
            ConnectionFailedError: The server was away for too long.
        """
        return self._lease is None or await self._lease.claim()

    async def __call__(self, action: Action, snapshot: Snapshot) -> Write:
        """Send an action that was decided from a snapshot.

        Raises:
            ApiError: The server refuses it.
            ConnectionFailedError: The server was away for too long.
        """
        before = seen(action.ref, snapshot)
        match action:
            case Apply(adopt=True):
                return await self._create(action)
            case Apply():
                return await self._apply(action, before)
            case Patch():
                return await self._patch(action, before)
            case Delete():
                return await self._delete(action, before)

    async def _create(self, action: Apply) -> Write:
        """Create what is used as it is where it exists: nobody's namespace is taken over."""
        ref = action.ref
        try:
            made = await self._patiently(
                lambda: self._client.create(ref.resource, action.manifest, ref.namespace)
            )
        except AlreadyExistsError:
            made = await self._client.get(ref.resource, ref.name, ref.namespace)
            return self._wrote(action, "", made)
        return self._wrote(action, "created", made)

    async def _apply(self, action: Apply, before: Seen) -> Write:
        for attempt in range(1, _LAGS + 1):
            try:
                made = await self._patiently(
                    lambda: self._client.apply(
                        action.ref.resource, action.manifest, force=action.forces
                    )
                )
                break
            except (NotFoundError, ConflictError) as error:
                if attempt == _LAGS or (isinstance(error, ConflictError) and error.causes):
                    raise
                await asyncio.sleep(self._retry.delay(attempt))
        return self._wrote(action, _verb(before, made, "configured"), made)

    async def _patch(self, action: Patch, before: Seen) -> Write:
        ref = action.ref
        made = await self._patiently(
            lambda: self._client.patch(ref.resource, ref.name, action.patch, ref.namespace)
        )
        return self._wrote(action, _verb(before, made, "patched"), made)

    async def _delete(self, action: Delete, before: Seen) -> Write:
        ref, uid = action.ref, action.uid or before.uid or None
        try:
            if action.evicts:
                await self._patiently(lambda: self._client.evict(ref.name, ref.namespace, uid=uid))
            else:
                await self._patiently(
                    lambda: self._client.delete(ref.resource, ref.name, ref.namespace, uid=uid)
                )
        except NotFoundError:
            return Write("")
        return Write("evicted" if action.evicts else "deleted")

    def _wrote(self, action: Action, verb: str, made: RawObject) -> Write:
        visible = self._view.observe(action.ref.resource, made)
        return Write(verb, _state(made), visible)


def _state(obj: RawObject) -> Seen:
    found = identity(obj)
    return Seen(found.uid, found.version)


def _verb(before: Seen, made: RawObject, changed: str) -> str:
    if before == _state(made):
        return ""
    return changed if before.uid else "created"
