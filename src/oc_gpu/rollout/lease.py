"""The Lease that keeps two runs from writing to one cluster at once.

It is taken before the first write and deleted at the end, so that a run with nothing to write
leaves no trace. As in client-go's leader election, clocks are never compared: a holder lives as
long as its Lease is seen to change. A Lease that was lost, as by a laptop that slept, is waited for
before the next write; what the other run did meanwhile is then looked at.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any, Self

from oc_gpu.kube import (
    AlreadyExistsError,
    Client,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OcGpuError,
    RawObject,
    Replaced,
    Retry,
    Updated,
    WatchEvent,
)
from oc_gpu.kube.errors import clean
from oc_gpu.kube.resources import LEASES
from oc_gpu.manifests.labels import labels
from oc_gpu.rollout import identity
from oc_gpu.rollout.patience import Patience
from oc_gpu.stages.record import NAMESPACE

NAME = "oc-gpu"
DURATION = 15
"""Seconds without a renewal after which a holder counts as gone, as in client-go."""
_RENEWAL = 5.0
"""Seconds between renewals: two may get lost."""
_PARTING = 2.0
"""Seconds that giving it back may take: who was interrupted wants to go."""


class Lease:
    """Holds the Lease from the first claim to the end of the block.

    Args:
        client: The cluster.
        notice: Is told who is waited for.
        retry: How patient it is with a server that is away.
        duration: Seconds without a renewal after which a holder counts as gone.
    """

    def __init__(
        self,
        client: Client,
        notice: Callable[[str], None] = lambda _: None,
        retry: Retry | None = None,
        duration: float = DURATION,
    ) -> None:
        self._client = client
        self._notice = notice
        self._patiently = Patience(retry or Retry(), notice)
        self._duration = duration
        self._own = identity.own()
        self._live: RawObject | None = None
        """The Lease while it is ours, as the server last told it."""
        self._renewed = 0.0
        self._expired = ""
        """Version at which another's Lease has not changed for too long."""
        self._keeper: asyncio.Task[None] | None = None
        self.waits_for = ""
        """Whom a claim waits for, in words."""

    async def __aenter__(self) -> Self:
        self._own.begin()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        try:
            if self._keeper is not None:
                self._keeper.cancel()
                await asyncio.gather(self._keeper, return_exceptions=True)
            with suppress(OcGpuError, TimeoutError):
                async with asyncio.timeout(_PARTING):
                    await self._give_back()
        finally:
            self._own.end()

    async def claim(self) -> bool:
        """Take the Lease, waiting for the run that holds it.

        Where there is no namespace for it yet, or no more, nothing but that namespace is due.

        Returns:
            Whether writes may be sent now; False after a wait, when what was decided before it is
            to be decided anew.

        Raises:
            ApiError: The server refuses.
            ConnectionFailedError: The server was away for too long.
        """
        if self._live is not None and time.monotonic() - self._renewed < self._duration:
            return True
        waited = False
        while not (there := await self._take()):
            if there is None:
                return True
            waited = True
        self.waits_for = ""
        return not waited

    async def clear(self) -> None:
        """Take a Lease that a dead run left, so that it goes with the end of the block."""
        live = await self._find()
        if live is not None and self._is_free(live):
            await self.claim()

    async def _take(self) -> bool | None:
        """Take the Lease, or wait for a change of it; None where there is no place for one."""
        live = await self._find()
        try:
            if live is None:
                self._keep(await self._send(self._client.create, self._wanted({})))
            elif self._is_free(live):
                self._keep(await self._send(self._client.replace, self._wanted(live)))
            else:
                await self._wait(live)
                return False
        except AlreadyExistsError:
            return False
        except ConflictError:
            return False
        except NotFoundError:
            return None if live is None else False
        except ForbiddenError as error:
            if "being terminated" not in error.server_message:
                raise
            return None
        return True

    async def _find(self) -> RawObject | None:
        return await self._patiently(lambda: self._client.find(LEASES, NAME, NAMESPACE))

    async def _send(self, verb: Callable[..., Any], lease: RawObject) -> RawObject:
        sent: RawObject = await self._patiently(lambda: verb(LEASES, lease))
        return sent

    def _is_free(self, live: RawObject) -> bool:
        """Tell whether nobody, or nobody who lives, holds a Lease; or we do."""
        holder = _holder(live)
        known = identity.parse(holder)
        return (
            holder in ("", str(self._own))
            or _version(live) == self._expired
            or (known is not None and known.is_dead())
        )

    def _wanted(self, live: RawObject) -> RawObject:
        """Return the Lease as ours; one that is there is changed in the state that was seen."""
        spec = live.get("spec") or {}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ours = _holder(live) == str(self._own) if live else False
        meta = {"name": NAME, "namespace": NAMESPACE, "labels": labels("lease")}
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {**meta, **live.get("metadata", {})},
            "spec": {
                "holderIdentity": str(self._own),
                "leaseDurationSeconds": DURATION,
                "acquireTime": spec.get("acquireTime", now) if ours else now,
                "renewTime": now,
                "leaseTransitions": (spec.get("leaseTransitions") or 0) + (bool(live) and not ours),
            },
        }

    def _keep(self, live: RawObject) -> None:
        self._live, self._renewed = live, time.monotonic()
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._renew_for_ever(), name="renew the lease")

    async def _renew_for_ever(self) -> None:
        while self._live is not None:
            await asyncio.sleep(_RENEWAL)
            with suppress(OcGpuError):  # a server that is away: the next renewal tells
                await self._renew(self._live)

    async def _renew(self, live: RawObject) -> None:
        try:
            self._live = await self._client.replace(LEASES, self._wanted(live))
            self._renewed = time.monotonic()
        except NotFoundError:
            self._live = None
        except ConflictError:
            seen = await self._client.find(LEASES, NAME, NAMESPACE)
            ours = seen is not None and _holder(seen) == str(self._own)
            self._live = seen if ours else None
            if seen is not None and not ours:
                self._notice(f"{_words(seen)} has taken over: this run looked dead to it")

    async def _wait(self, live: RawObject) -> None:
        """Wait until another's Lease is free, or was not renewed for too long."""
        if not self.waits_for:
            self.waits_for = f"{_words(live)} is at work here (Lease/{NAME} in {NAMESPACE})"
            self._notice(f"{self.waits_for}; this run goes on when that one is done")
        loop, version = asyncio.get_running_loop(), _version(live)
        selector = f"metadata.name={NAME}"
        watch = self._client.watch(LEASES, NAMESPACE, field_selector=selector, patient=True)
        try:
            async with asyncio.timeout(self._duration) as limit, aclosing(watch) as events:
                async for event in events:
                    seen = _told(event)
                    if seen is None or _holder(seen) != _holder(live):
                        return
                    if _version(seen) != version:
                        version = _version(seen)
                        limit.reschedule(loop.time() + self._duration)
        except TimeoutError:
            self._expired = version

    async def _give_back(self) -> None:
        while self._live is not None:
            meta = self._live["metadata"]
            try:
                await self._client.delete(
                    LEASES,
                    NAME,
                    NAMESPACE,
                    uid=meta["uid"],
                    resource_version=meta["resourceVersion"],
                )
            except NotFoundError:
                pass
            except ConflictError:  # a renewal was on its way, or somebody else has it now
                seen = await self._client.find(LEASES, NAME, NAMESPACE)
                self._live = seen if seen and _holder(seen) == str(self._own) else None
                continue
            self._live = None


def _holder(lease: RawObject) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def _version(lease: RawObject) -> str:
    return str(lease["metadata"]["resourceVersion"])


def _words(lease: RawObject) -> str:
    holder = _holder(lease)
    known = identity.parse(holder)
    return known.words if known is not None else f"the oc-gpu of {clean(holder)}"


def _told(event: WatchEvent[RawObject]) -> RawObject | None:
    """Return the Lease that an event shows, None when it is gone."""
    if isinstance(event, Replaced):
        return event.items[0] if event.items else None
    return event.object if isinstance(event, Updated) else None
