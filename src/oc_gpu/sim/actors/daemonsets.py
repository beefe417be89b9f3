"""The DaemonSet controller."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

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


class _Plan(Struct, frozen=True):
    """Which nodes should and may run a pod of the DaemonSet."""

    wanted: set[str]
    kept: set[str]


class _Verdict(NamedTuple):
    """What a node, in the state in which it was seen, is to a DaemonSet."""

    node: RawObject
    wanted: bool
    kept: bool


class DaemonSets(Controller):
    """Runs one pod per matching node, replaces outdated ones, and counts them."""

    name = "daemonset-controller"

    def __init__(self, context: ActorContext) -> None:
        super().__init__(context)
        self._refusals = Refusals(self)
        self._judged: dict[tuple[str, int], dict[str, _Verdict]] = {}
        """What came of each node for a generation of a DaemonSet: most nodes do not change."""

    def watches(self) -> Sequence[Watch]:
        """Return DaemonSets, their pods, and nodes."""
        return (
            Watch(DAEMONSETS),
            Watch(PODS, self._owner_keys),
            Watch(NODES, lambda _node: [Key.of(d) for d in self.cache(DAEMONSETS).list()]),
        )

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
        await self._manage(owner, plan, revision)
        await self._update(owner, plan, revision)
        await self._report(owner, plan, revision, seen)

    def _pods(self, owner: RawObject) -> list[RawObject]:
        return self.cache(PODS).lookup(by_controller, uid_of(owner))

    def _plan(self, owner: RawObject) -> _Plan:
        uid, generation = uid_of(owner), owner["metadata"].get("generation", 1)
        before = self._judged.pop((uid, generation), {})
        probe = pod_from(owner, _template(owner), {})
        now: dict[str, _Verdict] = {}
        for node in self.cache(NODES).list():
            name = name_of(node)
            held = before.get(name)
            now[name] = held if held is not None and held.node is node else _judge(probe, node)
        self._judged = {key: v for key, v in self._judged.items() if key[0] != uid}
        self._judged[uid, generation] = now
        return _Plan(
            wanted={name for name, one in now.items() if one.wanted},
            kept={name for name, one in now.items() if one.kept},
        )

    async def _manage(self, owner: RawObject, plan: _Plan, revision: str) -> None:
        have: dict[str, RawObject] = {}
        for pod in self._pods(owner):
            node = _target(pod)
            surplus = node not in plan.kept or node in have
            if is_terminating(pod):
                have[node] = pod
            elif surplus or phase(pod) in ENDED:
                await self._delete(owner, pod)
                have.setdefault(node, pod)
            else:
                have[node] = pod
        for node in sorted(plan.wanted - set(have)):
            try:
                await self._create(owner, node, revision)
            except REFUSED as error:
                await self._refusals.note(owner, error, Key.of(owner))
                return
        self._refusals.forget(Key.of(owner))

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

    async def _update(self, owner: RawObject, plan: _Plan, revision: str) -> None:
        """Replace pods of an older template, as many at a time as may be unavailable."""
        strategy = owner["spec"].get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return
        limit = _limit(strategy, len(plan.wanted))
        pods = [p for p in self._pods(owner) if _target(p) in plan.wanted]
        room = limit - (len(plan.wanted) - sum(is_ready(p) for p in pods))
        old = [p for p in pods if hash_of(p, _HASH) != revision and not is_terminating(p)]
        for pod in sorted(old, key=lambda p: (is_ready(p), name_of(p))):
            if is_ready(pod):
                if room <= 0:
                    return
                room -= 1
            await self._delete(owner, pod)

    async def _report(
        self, owner: RawObject, plan: _Plan, revision: str, seen: Sequence[RawObject]
    ) -> None:
        """Count the pods as they were before this turn: what it did shows in the next one's."""
        pods = {_target(p): p for p in seen if not is_terminating(p)}
        scheduled = [p for n, p in pods.items() if n in plan.wanted and p["spec"].get("nodeName")]
        ready = sum(is_ready(p) for p in scheduled)
        desired = len(plan.wanted)
        current = self.cache(DAEMONSETS).get(name_of(owner), namespace_of(owner)) or owner
        updated = sum(hash_of(p, _HASH) == revision for p in scheduled)
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


def _judge(probe: RawObject, node: RawObject) -> _Verdict:
    kept = selects(probe, node) and untolerated(probe, node, ("NoExecute",)) is None
    return _Verdict(node, wanted=kept and untolerated(probe, node) is None, kept=kept)


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
        for field in term.get("matchFields") or []:
            return str(field["values"][0])
    return ""


def _limit(strategy: RawObject, desired: int) -> int:
    value = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
    if isinstance(value, str) and value.endswith("%"):
        return max(1, -(-desired * int(value[:-1]) // 100))
    return max(1, int(value))
