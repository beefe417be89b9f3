"""The DaemonSet controller."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from msgspec import Struct, field

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import CONTROLLER_REVISIONS, DAEMONSETS, NODES, PODS
from oc_gpu.sim.actors.framework import ActorContext, Controller, EventSource, Key, Watch
from oc_gpu.sim.actors.objects import (
    by_controller,
    controller_of,
    is_terminating,
    name_of,
    namespace_of,
    owned_by,
    owner_reference,
    stable_hash,
    uid_of,
)
from oc_gpu.sim.actors.placement import selects, untolerated
from oc_gpu.sim.actors.podsets import ENDED, REFUSED, Refusals, hash_of, is_ready, phase, pod_from

_HASH = "controller-revision-hash"
_GENERATION = "pod-template-generation"
_BUILT_IN = [
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": effect}
    for what, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
]


class _Plan(Struct):
    """Which nodes should and may run a pod of the DaemonSet.

    Attributes:
        wanted: Names of nodes that should.
        kept: Names of nodes that may.
        changed: Names of nodes that changed since they were judged.
    """

    wanted: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)


class _Pod(NamedTuple):
    """A pod in the state in which it was seen, and what follows from that."""

    raw: RawObject
    node: str
    is_bound: bool
    is_ready: bool
    is_leaving: bool
    has_ended: bool
    revision: str


class DaemonSets(Controller):
    """Runs one pod per matching node, replaces outdated ones, and counts them."""

    name = "daemonset-controller"

    def __init__(self, context: ActorContext) -> None:
        super().__init__(context)
        self._refusals = Refusals(self)
        self._plans: dict[tuple[str, int], _Plan] = {}
        """What came of the nodes for a generation of a DaemonSet: most nodes do not change."""
        self._seen: dict[str, dict[str, _Pod]] = {}
        """The pods of each DaemonSet by uid: most of them do not change either."""

    def watches(self) -> Sequence[Watch]:
        """Return DaemonSets, their pods, and nodes."""
        return (
            Watch(DAEMONSETS),
            Watch(PODS, self._owner_keys),
            Watch(NODES, self._node_keys),
        )

    def _node_keys(self, node: RawObject) -> Iterable[Hashable]:
        for plan in self._plans.values():
            plan.changed.add(name_of(node))
        return [Key.of(one) for one in self.cache(DAEMONSETS).list()]

    @staticmethod
    def _owner_keys(pod: RawObject) -> Iterable[Hashable]:
        owner = controller_of(pod)
        if owner and owner["kind"] == "DaemonSet":
            yield Key(namespace_of(pod), owner["name"])

    async def reconcile(self, key: Any) -> None:
        """Create and delete pods as nodes ask for it, then update the status."""
        owner = self.cache(DAEMONSETS).get(key.name, key.namespace)
        if owner is None or is_terminating(owner):
            return
        revision = await self._revision(owner)
        plan = self._plan(owner)
        seen = self._pods(owner)
        changed = await self._manage(owner, plan, revision, seen)
        await self._update(owner, plan, revision, self._pods(owner) if changed else seen)
        await self._report(owner, plan, revision, seen)

    def _pods(self, owner: RawObject) -> list[_Pod]:
        before, now = self._seen.get(uid_of(owner), {}), {}
        for raw in self.cache(PODS).lookup(by_controller, uid_of(owner)):
            uid = uid_of(raw)
            held = before.get(uid)
            now[uid] = held if held is not None and held.raw is raw else _look(raw)
        self._seen[uid_of(owner)] = now
        return list(now.values())

    def _plan(self, owner: RawObject) -> _Plan:
        """Return the plan for a DaemonSet; only nodes that changed are judged again."""
        uid, generation = uid_of(owner), owner["metadata"].get("generation", 1)
        plan = self._plans.get((uid, generation))
        if plan is None:
            self._plans = {key: v for key, v in self._plans.items() if key[0] != uid}
            plan = self._plans[uid, generation] = _Plan()
            plan.changed |= {name_of(node) for node in self.cache(NODES).list()}
        probe = pod_from(owner, _template(owner), {})
        for name in plan.changed:
            node = self.cache(NODES).get(name)
            kept = node is not None and _may_stay(probe, node)
            _put(plan.kept, name, holds=kept)
            _put(plan.wanted, name, holds=kept and untolerated(probe, node or {}) is None)
        plan.changed.clear()
        return _Plan(set(plan.wanted), set(plan.kept))

    async def _manage(
        self, owner: RawObject, plan: _Plan, revision: str, seen: Sequence[_Pod]
    ) -> bool:
        """Make pods that are missing and delete those that are too many; tell if there were any."""
        have: set[str] = set()
        deleted = False
        for pod in seen:
            surplus = pod.node not in plan.kept or pod.node in have
            if not pod.is_leaving and (surplus or pod.has_ended):
                await self._delete(owner, pod.raw)
                deleted = True
            have.add(pod.node)
        missing = sorted(plan.wanted - have)
        for node in missing:
            try:
                await self._create(owner, node, revision)
            except REFUSED as error:
                await self._refusals.note(owner, error, Key.of(owner))
                return True
        self._refusals.forget(Key.of(owner))
        return deleted or bool(missing)

    async def _create(self, owner: RawObject, node: str, revision: str) -> None:
        generation = str(owner["metadata"].get("generation", 1))
        pod = pod_from(owner, _template(owner), {_HASH: revision, _GENERATION: generation})
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        given = pod["spec"].get("affinity") or {}
        affinity = {
            **(given.get("nodeAffinity") or {}),
            "requiredDuringSchedulingIgnoredDuringExecution": required,
        }
        pod["spec"] = {**pod["spec"], "affinity": {**given, "nodeAffinity": affinity}}
        created = await self.context.create(PODS, pod, namespace_of(owner))
        text = f"Created pod: {name_of(created)}"
        await self.context.event(owner, "SuccessfulCreate", text, source=EventSource(self.name))

    async def _delete(self, owner: RawObject, pod: RawObject) -> None:
        await self.context.delete(PODS, pod)
        text = f"Deleted pod: {name_of(pod)}"
        await self.context.event(owner, "SuccessfulDelete", text, source=EventSource(self.name))

    async def _update(
        self, owner: RawObject, plan: _Plan, revision: str, seen: Sequence[_Pod]
    ) -> None:
        """Replace pods of an older template, as many at a time as may be unavailable."""
        strategy = owner["spec"].get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return
        limit = _limit(strategy, len(plan.wanted))
        pods = [p for p in seen if p.node in plan.wanted]
        room = limit - (len(plan.wanted) - sum(p.is_ready for p in pods))
        old = [p for p in pods if p.revision != revision and not p.is_leaving]
        for pod in sorted(old, key=lambda p: (p.is_ready, name_of(p.raw))):
            if pod.is_ready:
                if room <= 0:
                    return
                room -= 1
            await self._delete(owner, pod.raw)

    async def _report(
        self, owner: RawObject, plan: _Plan, revision: str, seen: Sequence[_Pod]
    ) -> None:
        """Count the pods as they were before this turn: what it did shows in the next one's."""
        pods = {p.node: p for p in seen if not p.is_leaving}
        scheduled = [p for n, p in pods.items() if n in plan.wanted and p.is_bound]
        ready = sum(p.is_ready for p in scheduled)
        desired = len(plan.wanted)
        current = self.cache(DAEMONSETS).get(name_of(owner), namespace_of(owner)) or owner
        updated = sum(p.revision == revision for p in scheduled)
        status = {
            "currentNumberScheduled": len(scheduled),
            "desiredNumberScheduled": desired,
            "numberMisscheduled": sum(n not in plan.wanted for n in pods),
            "numberReady": ready,
            "observedGeneration": owner["metadata"].get("generation", 1),
            "numberAvailable": ready or None,
            "numberUnavailable": (desired - ready) or None,
            "updatedNumberScheduled": updated or None,
        }
        await self.context.patch_status(DAEMONSETS, current, status)

    async def _revision(self, owner: RawObject) -> str:
        """Return the hash of the template; its ControllerRevision is made when missing."""
        template = _template(owner)
        value = template_hash(owner)
        name = f"{name_of(owner)}-{value}"
        space = namespace_of(owner)
        revisions = self.cache(CONTROLLER_REVISIONS)
        if revisions.get(name, space) is None:
            older = owned_by(revisions.list(space), owner)
            number = 1 + max((int(r.get("revision", 0)) for r in older), default=0)
            labels = {**((template.get("metadata") or {}).get("labels") or {}), _HASH: value}
            revision = {
                "apiVersion": "apps/v1",
                "kind": "ControllerRevision",
                "metadata": {
                    "name": name,
                    "namespace": space,
                    "labels": labels,
                    "ownerReferences": [owner_reference(owner)],
                },
                "data": {"spec": {"template": {**template, "$patch": "replace"}}},
                "revision": number,
            }
            await self.context.create(CONTROLLER_REVISIONS, revision, space)
        return value


def _may_stay(probe: RawObject, node: RawObject) -> bool:
    return selects(probe, node) and untolerated(probe, node, ("NoExecute",)) is None


def _put(names: set[str], name: str, *, holds: bool) -> None:
    if holds:
        names.add(name)
    else:
        names.discard(name)


def _look(pod: RawObject) -> _Pod:
    return _Pod(
        raw=pod,
        node=_target(pod),
        is_bound=bool(pod["spec"].get("nodeName")),
        is_ready=is_ready(pod),
        is_leaving=is_terminating(pod),
        has_ended=phase(pod) in ENDED,
        revision=hash_of(pod, _HASH),
    )


def template_hash(owner: RawObject) -> str:
    """Return the hash that pods of a DaemonSet's present template carry."""
    return stable_hash(_template(owner))


def _template(owner: RawObject) -> RawObject:
    """Return the pod template with the tolerations that every DaemonSet pod gets."""
    template: RawObject = owner["spec"]["template"]
    given = template["spec"].get("tolerations") or []
    tolerations = [*given, *(t for t in _BUILT_IN if t not in given)]
    return {**template, "spec": {**template["spec"], "tolerations": tolerations}}


def _target(pod: RawObject) -> str:
    """Return the node that a pod runs on or is meant for."""
    if pod["spec"].get("nodeName"):
        return str(pod["spec"]["nodeName"])
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or []:
        for one in term.get("matchFields") or []:
            return str(one["values"][0])
    return ""


def _limit(strategy: RawObject, desired: int) -> int:
    value = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
    if isinstance(value, str) and value.endswith("%"):
        return max(1, -(-desired * int(value[:-1]) // 100))
    return max(1, int(value))
