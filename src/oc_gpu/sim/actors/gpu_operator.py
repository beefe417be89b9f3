"""The NVIDIA GPU Operator: nodes labelled, operands made, a status that is not proof.

`ready` says that no operand lacks pods that it wants. With no GPU, or with a taint that operands do
not tolerate, they want none, and the operator is content: as in life. Releases that go step by
step want to see one pod of each operand.
"""

import json
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import (
    CLUSTER_POLICIES,
    CLUSTER_VERSIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    IMAGE_STREAMS,
    NAMESPACES,
    NODES,
    PODS,
    PROXIES,
)
from oc_gpu.sim import bundles
from oc_gpu.sim.actors import gpu_operator_nodes as labelling
from oc_gpu.sim.actors.framework import Controller, EventSource, Watch
from oc_gpu.sim.actors.gpu_operator_operands import (
    Surroundings,
    accounts,
    objects,
    trusted_bundle,
)
from oc_gpu.sim.actors.objects import (
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    owned_by,
    with_condition,
)
from oc_gpu.sim.actors.operands import (
    READ,
    RunningOperator,
    account,
    config_map,
    ensure,
    namespace_object,
    running_operator,
    runtime_class,
    service,
)
from oc_gpu.sim.actors.reading import reads
from oc_gpu.sim.bundles import OperandTable
from oc_gpu.sim.hardware.mig import standard_config
from oc_gpu.sim.scenario import Scenario

_PACKAGE = "gpu-operator-certified"
_SOURCE = EventSource("nvidia-gpu-operator")
_READY_WORDS = "ClusterPolicy is ready as all resources have been successfully reconciled"
_NO_FEATURES = "No NFD labels found in the cluster for GPU nodes"
_NO_GPU = "No GPU node found, watching for new nodes to join the cluster."
_INJECT = {"config.openshift.io/inject-trusted-cabundle": "true"}
_OS = "feature.node.kubernetes.io/system-os_release"


class GpuOperator(Controller):
    """Reconciles the ClusterPolicy; its release decides how."""

    name = "gpu-operator"
    concurrency = 1

    def watches(self) -> Sequence[Watch]:
        """Return ClusterPolicies, and everything that they depend on."""
        return (
            Watch(CLUSTER_POLICIES, lambda _policy: self._policies()),
            Watch(NODES, lambda _node: self._policies()),
            Watch(DAEMONSETS, self._owned),
            Watch(PODS, self._owned),
            Watch(DEPLOYMENTS, self._operators),
            Watch(NAMESPACES, lambda _namespace: self._policies()),
            Watch(PROXIES, lambda _proxy: self._policies()),
            Watch(CLUSTER_VERSIONS, lambda _version: self._policies()),
            Watch(IMAGE_STREAMS, lambda _stream: self._policies()),
            *reads(*READ),
        )

    def _policies(self) -> Iterable[Hashable]:
        found = [p for p in self.cache(CLUSTER_POLICIES).list() if not is_terminating(p)]
        found.sort(key=lambda p: (p["metadata"]["creationTimestamp"], name_of(p)))
        return [name_of(p) for p in found[:1]]

    def _owned(self, obj: RawObject) -> Iterable[Hashable]:
        owners = obj["metadata"].get("ownerReferences") or []
        return [o["name"] for o in owners if o["kind"] == CLUSTER_POLICIES.kind]

    def _operators(self, deployment: RawObject) -> Iterable[Hashable]:
        return self._policies() if "olm.owner" in labels_of(deployment) else ()

    async def reconcile(self, key: Any) -> None:
        """Bring nodes, operands and status in line with the oldest ClusterPolicy."""
        if key not in self._policies():
            return
        policy = self.cache(CLUSTER_POLICIES).get(key)
        operator = running_operator(self.context, _PACKAGE)
        if policy is None or operator is None:
            return
        table = bundles.operands(operator.bundle.version)
        if not policy.get("status"):
            await self.clock.sleep(self.scenario.latencies.operator_reconcile)
        await self._label(policy, table)
        namespace = table.namespace or operator.namespace
        if table.conditions and not self._gpu_nodes():
            await self._report_no_gpu(policy, namespace, self.cache(NODES).list())
            return
        if self.cache(NAMESPACES).get(namespace) is None and not table.creates_namespace:
            return
        await self._surround(policy, table, namespace)
        waiting = await self._operate(policy, table, self._around(operator, namespace))
        await self._report(policy, table, namespace, waiting)

    async def _label(self, policy: RawObject, table: OperandTable) -> None:
        for node in self.cache(NODES).lookup(labelling.by_gpu, labelling.GPU):
            change = labelling.node_change(node, table, policy)
            if change is not None:
                await self.context.patch(NODES, node, change)

    def _gpu_nodes(self) -> list[RawObject]:
        known = self.cache(NODES).lookup(labelling.by_gpu, labelling.GPU)
        return [node for node in known if labelling.has_gpu(node)]

    def _around(self, operator: RunningOperator, namespace: str) -> Surroundings:
        nodes = self._gpu_nodes()
        labels = labels_of(nodes[0]) if nodes else {}
        version = self._cluster_version()
        return Surroundings(
            namespace=namespace,
            env=operator.env,
            openshift=".".join(version.split(".")[:2]),
            os_tag=labels.get(f"{_OS}.ID", "") + labels.get(f"{_OS}.VERSION_ID", ""),
            proxy=self.cache(PROXIES).get("cluster") or {},
            toolkits=self._toolkits(labelling.ostree_versions(nodes)),
        )

    def _cluster_version(self) -> str:
        version = self.cache(CLUSTER_VERSIONS).get("version") or {}
        return str(((version.get("status") or {}).get("desired") or {}).get("version", ""))

    def _toolkits(self, versions: Sequence[str]) -> dict[str, str | None]:
        stream = self.cache(IMAGE_STREAMS).get("driver-toolkit", "openshift")
        if stream is None:
            return {}
        images = {t["name"]: t["from"]["name"] for t in stream["spec"]["tags"] if "from" in t}
        return {version: images.get(version) for version in versions}

    async def _surround(self, policy: RawObject, table: OperandTable, namespace: str) -> None:
        """Create what pods of operands refer to."""
        if table.creates_namespace:
            await ensure(self.context, policy, namespace_object(namespace))
        if table.runtime_class:
            await ensure(self.context, policy, runtime_class(table.runtime_class))
        for name in accounts(table):
            await ensure(self.context, policy, account(name, namespace))
        for entry in table.services:
            selector = {"app": entry.name}
            await ensure(self.context, policy, service(entry.name, namespace, entry.port, selector))
        for operand in table.operands:
            for name in operand.config_maps:
                wanted = config_map(name, namespace, _config_of(name, self.scenario))
                await ensure(self.context, policy, wanted)
        bundle = trusted_bundle(self.cache(PROXIES).get("cluster") or {})
        if bundle and table.proxy:
            wanted = config_map(bundle, namespace, {})
            wanted["metadata"]["labels"] = _INJECT
            del wanted["data"]
            await ensure(self.context, policy, wanted)

    async def _operate(
        self, policy: RawObject, table: OperandTable, around: Surroundings
    ) -> list[str]:
        """Create the operands; return the steps that are not ready."""
        waiting: list[str] = []
        current: set[str] = set()
        for operand in table.operands:
            for wanted in objects(table, operand, policy, around):
                made = await ensure(self.context, policy, wanted)
                current.add(name_of(made))
                ready = _is_ready(made) and (not table.one_by_one or self._runs(made))
                if not ready and operand.state not in waiting:
                    waiting.append(operand.state)
            if waiting and table.one_by_one:
                return waiting
        await self._prune(policy, current)
        return waiting

    def _runs(self, made: RawObject) -> bool:
        """Tell whether an operand has a pod, which old releases ask for before they go on."""
        app = labels_of(made).get("app")
        return any(
            labels_of(p).get("app") == app
            and (p.get("status") or {}).get("phase") in {"Running", "Succeeded"}
            for p in self.cache(PODS).list(namespace_of(made))
        )

    async def _prune(self, policy: RawObject, current: set[str]) -> None:
        """Remove DaemonSets of disabled operands and of RHCOS versions that are gone."""
        for workload in owned_by(self.cache(DAEMONSETS).list(), policy):
            if name_of(workload) not in current:
                await self.context.delete(DAEMONSETS, workload)

    async def _report(
        self, policy: RawObject, table: OperandTable, namespace: str, waiting: Sequence[str]
    ) -> None:
        if not table.conditions:
            state = "notReady" if waiting else "ready"
            if table.tells_not_ready or not waiting:
                await self.context.patch_status(CLUSTER_POLICIES, policy, {"state": state})
            return
        if not waiting:
            await self._write(policy, namespace, ready=("Reconciled", _READY_WORDS))
            return
        text = f"ClusterPolicy is not ready, states not ready: [{' '.join(waiting)}]"
        await self._write(policy, namespace, error=("OperandNotReady", text))

    async def _report_no_gpu(
        self, policy: RawObject, namespace: str, nodes: Sequence[RawObject]
    ) -> None:
        if any(map(labelling.has_features, nodes)):
            await self._write(policy, namespace, ready=("NoGPUNodes", _NO_GPU))
        else:
            await self._write(policy, namespace, ready=("NFDLabelsMissing", _NO_FEATURES))

    async def _write(
        self,
        policy: RawObject,
        namespace: str,
        *,
        ready: tuple[str, str] | None = None,
        error: tuple[str, str] | None = None,
    ) -> None:
        now = self.clock.now()
        entries = (
            _condition("Ready", ready or ("Error", ""), holds=ready is not None),
            _condition("Error", error or ("Ready", ""), holds=error is not None),
        )
        conditions = (policy.get("status") or {}).get("conditions") or []
        for entry in entries:
            conditions = with_condition(conditions, entry, now)
        state = {"state": "ready" if ready else "notReady", "namespace": namespace}
        for change in (state, {"conditions": conditions}):  # two writes, as the operator's are
            current = self.cache(CLUSTER_POLICIES).get(name_of(policy)) or policy
            await self.context.patch_status(CLUSTER_POLICIES, current, change)


def _condition(kind: str, words: tuple[str, str], *, holds: bool) -> RawObject:
    return {"type": kind, "status": str(holds), "reason": words[0], "message": words[1]}


def _is_ready(made: RawObject) -> bool:
    """Tell what the operator takes for ready: a DaemonSet that was just made wants no pod yet."""
    status = made.get("status") or {}
    if made["kind"] == "Pod":
        return status.get("phase") == "Succeeded"
    return not status.get("numberUnavailable")


def _config_of(name: str, scenario: Scenario) -> dict[str, str]:
    """Return the content of a ConfigMap that operands mount."""
    if name == "default-mig-parted-config":
        return {"config.yaml": json.dumps(standard_config(scenario), indent=1)}
    if name == "default-gpu-clients":
        return {"clients.yaml": "version: v1\nsystemd-services: []\n"}
    return {"entrypoint.sh": "#!/bin/bash\n"}
