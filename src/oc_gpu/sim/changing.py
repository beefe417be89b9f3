"""Facts of a running cluster that change: what follows from them is brought in line.

Objects that the installation derives from the facts, and those that somebody brought along, are
created, changed or taken away as the two sets of facts differ. Everything else is the actors' work:
all of them look again at all that they watch.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from oc_gpu.kube import Client, NotFoundError, RawObject, Resource
from oc_gpu.sim.actors.framework import ActorContext, Controller
from oc_gpu.sim.actors.kubelet import Kubelets
from oc_gpu.sim.actors.objects import name_of, namespace_of
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.bootstrap import initial_objects
from oc_gpu.sim.scenario import Scenario

_Key = tuple[str, str, str | None, str]
_LEFT = frozenset({"Lease", "Namespace"})
"""Kinds that are never taken away: others may have put things into a namespace meanwhile."""


class Changing:
    """Takes a running cluster from one set of facts to another.

    Args:
        server: Holds its objects.
        context: Tells the actors the facts.
        kubelets: The machines.
        actors: All of them.
    """

    def __init__(
        self,
        server: ApiServer,
        context: ActorContext,
        kubelets: Kubelets,
        actors: Sequence[Controller],
    ) -> None:
        self._server = server
        self._context = context
        self._kubelets = kubelets
        self._actors = actors
        self._client = Client(InProcessTransport(server), field_manager="cluster-bootstrap")

    async def to(self, wanted: Scenario) -> None:
        """Change the facts."""
        before, self._context.scenario = self._context.scenario, wanted
        self._server.set_facts(wanted)
        moment = self._context.clock.now()
        await self._bring_in_line(_keyed(before, moment), _keyed(wanted, moment))
        await self._kubelets.renew()
        for actor in self._actors:
            actor.resync()

    async def _bring_in_line(
        self, before: Mapping[_Key, RawObject], after: Mapping[_Key, RawObject]
    ) -> None:
        for key, obj in after.items():
            if key not in before:
                self._install(obj)
            elif before[key] != obj:
                await self._patch(before[key], obj)
        for key in reversed([key for key in before if key not in after]):
            await self._remove(before[key])

    def _resource(self, obj: RawObject) -> Resource:
        kind = self._server.backend.registry.find_kind(obj["apiVersion"], obj["kind"])
        assert kind is not None  # noqa: S101  # it was installed before
        return kind.resource

    def _install(self, obj: RawObject) -> None:
        """Put an object in place, unless somebody made one of its name meanwhile."""
        kind = self._server.backend.registry.find_kind(obj["apiVersion"], obj["kind"])
        place = (namespace_of(obj) or "", name_of(obj))
        if kind is None or self._server.backend.find(kind, *place) is None:
            self._server.install(obj)

    async def _patch(self, before: RawObject, after: RawObject) -> None:
        resource, change = self._resource(after), _difference(before, after)
        name, namespace = name_of(after), namespace_of(after)
        status = change.pop("status", None)
        try:
            if taints := _taints(change, before):
                live = await self._client.get(resource, name, namespace)
                change["spec"]["taints"] = taints.apply((live.get("spec") or {}).get("taints"))
            if change:
                await self._client.patch(resource, name, change, namespace)
            if status is not None and resource.kind not in _OWN_STATUS:
                await self._client.patch(
                    resource, name, {"status": status}, namespace, subresource="status"
                )
        except NotFoundError:
            return

    async def _remove(self, obj: RawObject) -> None:
        if obj["kind"] in _LEFT:
            return
        try:
            await self._client.delete(self._resource(obj), name_of(obj), namespace_of(obj))
        except NotFoundError:
            return


_OWN_STATUS = frozenset({"MachineConfigPool", "Node", "OperatorGroup"})
"""Kinds whose status is an actor's work."""


class _Taints(msgspec.Struct, frozen=True):
    """Taints that come and go; what others set on the node meanwhile stays."""

    gone: tuple[Any, ...]
    new: tuple[Any, ...]

    def apply(self, live: Iterable[Any] | None) -> list[Any] | None:
        kept = [taint for taint in live or () if taint not in self.gone]
        return [*kept, *(taint for taint in self.new if taint not in kept)] or None


def _taints(change: RawObject, before: RawObject) -> _Taints | None:
    if before["kind"] != "Node" or "taints" not in change.get("spec", {}):
        return None
    old, new = before["spec"].get("taints") or [], change["spec"]["taints"] or []
    return _Taints(tuple(t for t in old if t not in new), tuple(t for t in new if t not in old))


def _keyed(scenario: Scenario, now: float) -> dict[_Key, RawObject]:
    return {
        (obj["apiVersion"], obj["kind"], namespace_of(obj), name_of(obj)): obj
        for obj in initial_objects(scenario, now)
    }


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> RawObject:
    """Return the JSON merge patch that makes one object of another."""
    change: RawObject = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            if inner := _difference(old, value):
                change[key] = inner
        elif old != value:
            change[key] = value
    return change
