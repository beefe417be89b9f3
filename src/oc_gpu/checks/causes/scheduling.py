"""Layer scheduling: pods that no node takes."""

from oc_gpu.checks.case import Case, key, pci_label, spec
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.nfd import untolerated
from oc_gpu.checks.components import GPU_STACK, NFD, ON_NODE, OTHER, WORKLOAD
from oc_gpu.checks.fitting import asked, barred, repelling, selects, waiting
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import about, any_of, cause, find, note, result

_FAMILY = "scheduling"
_ROLES = ("node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane")


def _validation(case: Case, says: str) -> Results:
    """Find pods of the stack that belong to no DaemonSet, and that the taints keep off."""
    for one in case.troubles_of(*GPU_STACK):
        kept_off = barred(case, one.pod) if one.state == "Unschedulable" else None
        if kept_off is None:
            continue
        node, taint = kept_off
        pod = one.pod.metadata.name
        evidence = (
            Evidence(f"taints of Node/{node.metadata.name}", str(taint)),
            Evidence(f"Pod/{pod}", f"does not tolerate {taint}"),
            Evidence(f"status of Pod/{pod}", one.message or one.state),
        )
        objects = (f"Pod/{pod}", f"Node/{node.metadata.name}")
        told = about(one.pod, "", node.metadata.name)
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.93, about=told),)
    return ()


def _operands(case: Case, says: str) -> Results:
    for node in case.gpu_nodes:
        for component, item in case.sets:
            if component not in ON_NODE:
                continue
            wanted = item.spec.template.spec.node_selector
            if any(node.metadata.labels.get(k) != v for k, v in wanted.items()):
                continue
            lacking = untolerated(item, node)
            if not lacking or any(
                owner.name == item.metadata.name
                for pod in case.pods_on(node.metadata.name, component)
                for owner in pod.metadata.owner_references
            ):
                continue
            name, taint = node.metadata.name, str(lacking[0])
            evidence = (
                Evidence(f"taints of Node/{name}", taint),
                Evidence(f"DaemonSet/{item.metadata.name}", f"does not tolerate {taint}"),
                Evidence(
                    f"status of DaemonSet/{item.metadata.name}",
                    f"desiredNumberScheduled: {item.status.desired_number_scheduled}",
                ),
            )
            objects = (f"DaemonSet/{item.metadata.name}", f"Node/{name}")
            told = {"node": name, "namespace": item.metadata.namespace}
            at = 0.93 if pci_label(node) else 0.7
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told),
            )
    return ()


_TAINTED = (
    "that the pod didn't tolerate",
    "had untolerated taint",
    "had taints that the pod didn't tolerate",
)


def _workload(case: Case, says: str) -> Results:
    waiting = {
        t.pod.metadata.name for t in case.troubles_of(WORKLOAD) if t.state == "Unschedulable"
    }
    quotes = [
        q
        for q in find(case, _TAINTED, (WORKLOAD,), ("state", "event"))
        if q.live and q.pod is not None and q.pod.metadata.name in waiting
    ]
    for quote in quotes:
        pod = quote.pod
        if pod is None:
            continue
        for node in case.gpu_nodes:
            lacking = [taint for taint in repelling(pod, node) if taint.key not in _ROLES]
            if lacking:
                shown = str(lacking[0])
                more = (Evidence(f"taints of Node/{node.metadata.name}", shown),)
                return (result(says, [quote], at=0.94, more=more),)
    return _barred(case, says) or _chosen(case, says)


def _chosen(case: Case, says: str) -> Results:
    """Find waiting pods that choose nodes with GPUs alone by labels, and ask for no GPU.

    Where the label is none of GPUs, the pod may only have come to those nodes by chance.
    """
    for quote in find(case, _TAINTED, (OTHER,), ("state", "event")):
        pod = quote.pod
        if pod is None or key(pod) not in case.trouble or pod.spec.node_name:
            continue
        if not pod.spec.node_selector:
            continue
        names = {node.metadata.name for node in case.snapshot.nodes if selects(pod, node)}
        found = barred(case, pod) if names <= {n.metadata.name for n in case.gpu_nodes} else None
        if found is None or found[1].key in _ROLES or found[1].key not in quote.evidence.quote:
            continue
        node, taint = found
        more = (Evidence(f"taints of Node/{node.metadata.name}", str(taint)),)
        meant = any("nvidia" in label for label in pod.spec.node_selector)
        told = result(says, [quote], at=0.82 if meant else 0.45, more=more)
        return (told if meant else note(told),)
    return ()


def _barred(case: Case, says: str) -> Results:
    """Find waiting pods that every GPU node's taints bar, though the scheduler's word is lost."""
    for pod in waiting(case):
        found = barred(case, pod)
        if found is not None and asked(pod):
            node, taint = found
            name = pod.metadata.name
            evidence = (
                Evidence(f"taints of Node/{node.metadata.name}", str(taint)),
                Evidence(f"Pod/{name}", f"does not tolerate {taint}"),
            )
            objects, told = (f"Pod/{name}", f"Node/{node.metadata.name}"), about(pod)
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=0.85, about=told),
            )
    return ()


_NOT_MATCHED = (
    "didn't match node selector",
    "didn't match pod's node affinity",
    "matchnodeselector",
    "nodeaffinity",
)


def _selector(case: Case, says: str) -> Results:
    defaults = [
        (f"Scheduler/{raw['metadata']['name']}", str(spec(raw).get("defaultNodeSelector") or ""))
        for raw in case.snapshot.table("schedulers")
    ]
    cluster = next((one for one in defaults if one[1]), None)
    ours = {pod.metadata.namespace for pod in case.pods_of(*GPU_STACK, *NFD)} | {
        item.metadata.namespace for _, item in case.workloads
    }
    told = find(case, _NOT_MATCHED, None, ("event", "state"))
    stuck = [
        t
        for t in case.troubles
        if t.state in ("Unschedulable", "NodeAffinity", "MatchNodeSelector")
    ]
    empty = [i for c, i in case.sets if c in GPU_STACK | NFD and not i.status.number_ready]
    for raw in case.snapshot.table("namespaces"):
        name = str(raw["metadata"]["name"])
        notes = raw["metadata"].get("annotations") or {}
        own = notes.get("openshift.io/node-selector")
        own = own if own is not None else notes.get("scheduler.alpha.kubernetes.io/node-selector")
        affected = name in ours or any(t.pod.metadata.namespace == name for t in stuck)
        if not affected or not (own or (own is None and cluster)):
            continue
        if not (stuck or empty or any(q.live for q in told) or case.unwell):
            continue
        where = (
            Evidence(f"annotations of Namespace/{name}", f"node selector: {own}")
            if own
            else Evidence(
                cluster[0] if cluster else "",
                f"spec.defaultNodeSelector: {cluster[1] if cluster else ''}",
            )
        )
        evidence = (where, *(quote.evidence for quote in told[:1]))
        objects, names = (f"Namespace/{name}",), {"namespace": name}
        sure = bool(stuck or told)
        at = 0.94 if sure else 0.8
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=names),)
    return ()


OPERANDS = cause(
    "OCG1320",
    "operand-missing-toleration",
    _FAMILY,
    "scheduling",
    title="GPU operands tolerate the taints of the GPU nodes",
    says="GPU operands do not tolerate a taint of the GPU node",
    means="A DaemonSet makes no pod for a node with a taint that it does not tolerate, and the "
    "ClusterPolicy counts that as "
    "ready. A list in daemonsets.tolerations replaces the built-in toleration of nvidia.com/gpu.",
    remedy=(
        "oc get clusterpolicy -o jsonpath='{.items[*].spec.daemonsets.tolerations}'",
        "oc-gpu isolate --taint KEY=VALUE:NoSchedule   # tolerations first, then the taint",
    ),
    look=any_of(_operands, _validation),
)
SELECTOR = cause(
    "OCG1321",
    "default-node-selector-conflict",
    _FAMILY,
    "scheduling",
    title="no default node selector keeps the operators' pods away",
    says="a default node selector of the cluster or project keeps the pods off every suitable node",
    means="It is added to each pod of the namespace, those of DaemonSets included. An empty "
    "annotation on the namespace "
    "turns it off there.",
    remedy=("oc annotate namespace {namespace} openshift.io/node-selector= --overwrite",),
    look=_selector,
)
WORKLOADS = cause(
    "OCG1322",
    "workload-missing-toleration",
    _FAMILY,
    "scheduling",
    title="workloads with GPUs tolerate the taint of the GPU nodes",
    says="the user's workload does not tolerate the taint of the GPU nodes",
    means="Asking for nvidia.com/gpu does not bring the toleration: OpenShift does not turn the "
    "admission plugin on that "
    "would add it.",
    remedy=(
        (
            "add to the workload of {pod}: tolerations: [{key: nvidia.com/gpu, operator: Exists, "
            "effect: NoSchedule}]"
        ),
    ),
    look=_workload,
)

CAUSES = (OPERANDS, SELECTOR, WORKLOADS)
