"""Node Feature Discovery: its operator, the workers on the machines, the master.

Labels come from the workers' findings only. Deleting the custom resource takes the workloads away
and leaves labels and NodeFeature objects, as in life.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube.resources import CONFIGMAPS, DAEMONSETS, DEPLOYMENTS, NODES, PODS
from oc_gpu.sim.actors.framework import ActorContext, Controller, Key, Watch
from oc_gpu.sim.actors.nfd_features import (
    node_change,
    raw_features,
    worker_config,
    worker_labels,
)
from oc_gpu.sim.actors.nfd_operands import CONDITIONS_SINCE, CONFIG_KEY, V1_SINCE, operands
from oc_gpu.sim.actors.objects import (
    by_app,
    by_node,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    owned_by,
    with_condition,
)
from oc_gpu.sim.actors.operands import READ, ensure, is_settled, ready_pods, running_operator
from oc_gpu.sim.actors.reading import reads
from oc_gpu.sim.hardware.features import local_features

_PACKAGE = "nfd"
_GROUP = "nfd.openshift.io"
_NODE_NAME = "nfd.node.kubernetes.io/node-name"
_FINALIZER = "nfd-finalizer"
_IMAGE = "NODE_FEATURE_DISCOVERY_IMAGE"
_OBJECTS_SINCE = (4, 15)
_UPSTREAM_GROUP_SINCE = (4, 19)
_SOURCES = frozenset({"gpu-feature-discovery", "nvidia-driver-ctr", "nfd-worker"})
_IDLE = "ConditionNotBeingMetCurrently"
_COMPONENTS = {
    "nfd-worker": "NFDWorkerDaemonSet",
    "nfd-master": "NFDMasterDeployment",
    "nfd-gc": "NFDGC",
}


def discovery_resource(minor: tuple[int, int]) -> Resource:
    """Return NodeFeatureDiscovery in the version of a release."""
    version = "v1" if minor >= V1_SINCE else "v1alpha1"
    return Resource(_GROUP, version, "nodefeaturediscoveries", "NodeFeatureDiscovery")


def feature_resource(minor: tuple[int, int]) -> Resource | None:
    """Return NodeFeature of a release; None when workers speak to the master directly."""
    if minor < _OBJECTS_SINCE:
        return None
    group = "nfd.k8s-sigs.io" if minor >= _UPSTREAM_GROUP_SINCE else _GROUP
    return Resource(group, "v1alpha1", "nodefeatures", "NodeFeature")


class NfdOperator(Controller):
    """Makes the workloads of each NodeFeatureDiscovery and reports on them."""

    name = "nfd-operator"

    @property
    def resource(self) -> Resource:
        """Return the custom resource of this release."""
        return discovery_resource(self.scenario.openshift.minor)

    def watches(self) -> Sequence[Watch]:
        """Return the custom resource, its workloads, and operators."""
        return (
            Watch(self.resource),
            Watch(DEPLOYMENTS, self._instances),
            Watch(DAEMONSETS, self._instances),
            *reads(*READ),
        )

    def _instances(self, workload: RawObject) -> Iterable[Hashable]:
        operator = "olm.owner" in labels_of(workload)
        for cr in self.cache(self.resource).list():
            if operator or namespace_of(cr) == namespace_of(workload):
                yield Key.of(cr)

    async def reconcile(self, key: Any) -> None:
        """Create what is missing, report, or take it all away."""
        cr = self.cache(self.resource).get(key.name, key.namespace)
        operator = running_operator(self.context, _PACKAGE)
        if cr is None or operator is None or not operator.watches(key.namespace):
            return
        if is_terminating(cr):
            await self._finalize(cr)
            return
        if not self._workloads(cr):
            await self.clock.sleep(self.scenario.latencies.operator_reconcile)
        minor = self.scenario.openshift.minor
        if minor >= CONDITIONS_SINCE and not cr["metadata"].get("finalizers"):
            change = {"metadata": {"finalizers": [_FINALIZER]}}
            cr = await self.context.patch(self.resource, cr, change)
        for wanted in operands(cr, minor, operator.env.get(_IMAGE, "")):
            await ensure(self.context, cr, wanted)
        if minor >= CONDITIONS_SINCE:
            await self._report(cr)

    def _workloads(self, cr: RawObject) -> list[RawObject]:
        found = [*self.cache(DAEMONSETS).list(), *self.cache(DEPLOYMENTS).list()]
        return owned_by(found, cr)

    async def _report(self, cr: RawObject) -> None:
        bad = next((w for w in self._workloads(cr) if not is_settled(w)), None)
        moving = bad is not None and bool((bad.get("status") or {}).get("currentNumberScheduled"))
        state = "Progressing" if moving else "Degraded"
        reason = f"{_COMPONENTS.get(name_of(bad), '')}{state}" if bad else ""
        states = {
            "Available": (not bad, "AllInstanceComponentsAreDeployedSuccessfuly"),
            "Upgradeable": (not bad, "CanBeUpgraded"),
            "Progressing": (moving, reason),
            "Degraded": (bool(bad) and not moving, reason),
        }
        conditions = (cr.get("status") or {}).get("conditions") or []
        for kind, (holds, why) in states.items():
            entry = {
                "type": kind,
                "status": str(holds),
                "reason": why if holds else _IDLE,
                "message": "",
            }
            conditions = with_condition(conditions, entry, self.clock.now())
        current = self.cache(self.resource).get(name_of(cr), namespace_of(cr)) or cr
        await self.context.patch_status(self.resource, current, {"conditions": conditions})

    async def _finalize(self, cr: RawObject) -> None:
        for resource in (DAEMONSETS, DEPLOYMENTS, CONFIGMAPS):
            for obj in owned_by(self.cache(resource).list(namespace_of(cr)), cr):
                await self.context.delete(resource, obj)
        await self.context.patch(self.resource, cr, {"metadata": {"finalizers": None}})
        await self.context.refresh(self.resource, cr)


class NfdWorkers(Controller):
    """The nfd-worker pods: look at their machines some time after something changed there."""

    name = "nfd-worker"
    concurrency = 16

    def watches(self) -> Sequence[Watch]:
        """Return pods that find or feed features, and the workers' configuration."""
        return (
            Watch(PODS, self._nodes_of),
            Watch(CONFIGMAPS, self._configured),
            *reads(NODES, *filter(None, [feature_resource(self.scenario.openshift.minor)])),
        )

    def _nodes_of(self, pod: RawObject) -> Iterable[Hashable]:
        names = {c["name"] for c in pod["spec"]["containers"]}
        if "nfd-master" in names:
            yield from (n.name for n in self.scenario.nodes)
        elif pod["spec"].get("nodeName") and names & _SOURCES:
            yield pod["spec"]["nodeName"]

    def _configured(self, config_map: RawObject) -> Iterable[Hashable]:
        if name_of(config_map) == "nfd-worker":
            yield from (n.name for n in self.scenario.nodes)

    async def reconcile(self, key: Any) -> None:
        """Publish what a machine's worker finds, if that is news."""
        if self._news(key) is None:
            return
        await self.clock.sleep(self.scenario.latencies.nfd_scan)
        news = self._news(key)
        if news is not None:
            await self._publish(key, *news)

    def _worker(self, node: str) -> RawObject | None:
        here = self.cache(PODS).lookup(by_node, node)
        return next(iter(ready_pods(here, {"app": "nfd-worker"})), None)

    def _news(self, node: str) -> tuple[RawObject, dict[str, str]] | None:
        """Return worker and labels when they differ from what was published."""
        worker, facts = self._worker(node), self.scenario.node(node)
        if worker is None or facts is None:
            return None
        namespace, minor = namespace_of(worker), self.scenario.openshift.minor
        config_map = self.cache(CONFIGMAPS).get("nfd-worker", namespace) or {}
        config = worker_config((config_map.get("data") or {}).get(CONFIG_KEY, ""), minor)
        labels = worker_labels(facts, config, minor)
        labels |= local_features(
            self.scenario,
            facts,
            self.cache(PODS).lookup(by_node, node),
            self.context.layouts.get(node),
        )
        return (worker, labels) if self._differs(node, namespace, labels) else None

    def _differs(self, node: str, namespace: str | None, labels: dict[str, str]) -> bool:
        resource = feature_resource(self.scenario.openshift.minor)
        if resource is None:
            found = self.cache(NODES).get(node)
            masters = self.cache(PODS).lookup(by_app, "nfd-master")
            answers = any(namespace_of(p) == namespace for p in ready_pods(masters, {}))
            return bool(answers and found and node_change(found, labels))
        published = self.cache(resource).get(node, namespace)
        return published is None or published["spec"].get("labels") != labels

    async def _publish(self, node: str, worker: RawObject, labels: dict[str, str]) -> None:
        resource = feature_resource(self.scenario.openshift.minor)
        facts = self.scenario.node(node)
        assert facts is not None  # noqa: S101  # it was there when the worker looked
        if resource is None:
            await _label(self.context, node, labels)
            return
        namespace = namespace_of(worker)
        published = self.cache(resource).get(node, namespace)
        spec = {"features": raw_features(facts), "labels": labels}
        if published is not None:
            gone = {k: None for k in published["spec"].get("labels") or {} if k not in labels}
            change = {"spec": {**spec, "labels": {**labels, **gone}}}
            await self.context.patch(resource, published, change)
            return
        meta = {"name": node, "namespace": namespace, "labels": {_NODE_NAME: node}}
        meta |= {"annotations": {"nfd.node.kubernetes.io/worker.version": "undefined"}}
        feature = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}
        await self.context.create(resource, {**feature, "spec": spec}, namespace)


class NfdMaster(Controller):
    """The nfd-master pod of releases with NodeFeature objects: turns them into labels."""

    name = "nfd-master"

    def __init__(self, context: ActorContext, resource: Resource) -> None:
        super().__init__(context)
        self._resource = resource

    def watches(self) -> Sequence[Watch]:
        """Return NodeFeatures, and the master's own pods."""
        return (Watch(self._resource, _node_of), Watch(PODS, self._masters), *reads(NODES))

    def _masters(self, pod: RawObject) -> Iterable[Hashable]:
        if labels_of(pod).get("app") == "nfd-master":
            yield from {_described(f) for f in self.cache(self._resource).list()}

    async def reconcile(self, key: Any) -> None:
        """Bring the labels of a node in line with its NodeFeatures, while a master runs."""
        if not ready_pods(self.cache(PODS).lookup(by_app, "nfd-master"), {}):
            return
        labels: dict[str, str] = {}
        for feature in self.cache(self._resource).lookup(_described, key):
            labels |= feature["spec"].get("labels") or {}
        await _label(self.context, key, labels)


def _described(feature: RawObject) -> str:
    """Return the node that a NodeFeature is about: an index of caches."""
    return labels_of(feature).get(_NODE_NAME, name_of(feature))


def _node_of(feature: RawObject) -> Iterable[Hashable]:
    return (_described(feature),)


async def _label(context: ActorContext, node: str, labels: dict[str, str]) -> None:
    found = context.informers.of(NODES).get(node)
    change = node_change(found, labels) if found else None
    if found is not None and change is not None:
        await context.patch(NODES, found, change)


def nfd_actors(context: ActorContext) -> tuple[Controller, ...]:
    """Return the actors of Node Feature Discovery for this release."""
    actors: tuple[Controller, ...] = (NfdOperator(context), NfdWorkers(context))
    resource = feature_resource(context.scenario.openshift.minor)
    return (*actors, NfdMaster(context, resource)) if resource else actors
