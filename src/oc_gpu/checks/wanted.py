"""Which logs and kernel messages of a live cluster are worth reading, by what its objects say."""

from oc_gpu.checks.case import Case, key
from oc_gpu.checks.components import (
    GPU_STACK,
    MCO,
    NFD,
    OLM,
    OPERATOR,
    OTHER,
    PACKAGE_PROOF,
    WORKLOAD,
)
from oc_gpu.snapshot.kinds import ContainerStatus, Pod
from oc_gpu.snapshot.texts import TextRef

MOST = 80
"""Logs that are read at most: in a cluster where all is broken, the first tell enough."""
MOST_OF_ALL = 400
"""The same where the logs of healthy pods are read, too."""
KERNEL_PATTERN = (
    "NVRM|nvidia|nouveau|[Ss]ecure ?[Bb]oot|[Ll]ockdown|module verification|BAR [0-9]|vfio|iommu|"
    "avc: *denied|Hypervisor|10de:"
)
"""Kernel messages that checks look for, as journalctl takes it."""


def wanted_logs(case: Case, *, healthy: bool = False) -> tuple[TextRef, ...]:
    """Return the logs to read, those of pods that fail first.

    Args:
        case: The cluster.
        healthy: Whether those of the GPU stack and of NFD count that tell of no trouble.
    """
    found: list[TextRef] = []
    for pod in sorted(case.snapshot.pods, key=lambda pod: _order(case, pod)):
        if _is_worth(case, pod) or (healthy and case.component[key(pod)] in (*GPU_STACK, *NFD)):
            found += _refs(pod, troubled=key(pod) in case.trouble)
    return tuple(found[: MOST_OF_ALL if healthy else MOST])


def wanted_objects(case: Case, source: str) -> frozenset[tuple[str, str]] | None:
    """Return which objects of a source tell of GPUs, by namespace and name; None for all.

    Of the workloads of a cluster only those count that the checks look at: the others are their
    owners' business.
    """
    if source == "pods":
        pods = case.snapshot.pods
        return frozenset(
            key(p) for p in pods if case.component[key(p)] != OTHER or key(p) in case.trouble
        )
    if source in ("daemonsets", "deployments"):
        return frozenset(
            (item.metadata.namespace, item.metadata.name) for _, item in case.workloads
        )
    return None


def wanted_nodes(case: Case) -> tuple[str, ...]:
    """Return the nodes whose kernel messages are to be read."""
    return tuple(sorted(name for name in case.unwell_nodes if case.node(name) is not None))


def _order(case: Case, pod: Pod) -> tuple[bool, bool]:
    trouble = case.trouble.get(key(pod))
    return trouble is None, trouble is not None and not trouble.fails


def _is_worth(case: Case, pod: Pod) -> bool:
    component = case.component[key(pod)]
    if component == OTHER:
        return False
    if key(pod) in case.trouble or component in (WORKLOAD, PACKAGE_PROOF):
        return True
    if component in (OPERATOR, *NFD) and case.unwell:
        return True
    if component in GPU_STACK:
        return pod.spec.node_name in case.unwell_nodes
    return component in (MCO, OLM) and pod.metadata.name.startswith(
        ("machine-config-controller", "catalog-operator", "olm-operator")
    )


def _refs(pod: Pod, *, troubled: bool) -> list[TextRef]:
    found = []
    for one in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if _has_run(one):
            found.append(_ref(pod, one.name, previous=False))
            if troubled and one.restart_count:
                found.append(_ref(pod, one.name, previous=True))
    return found


def _has_run(one: ContainerStatus) -> bool:
    state = one.state
    return state.running is not None or state.terminated is not None or one.restart_count > 0


def _ref(pod: Pod, container: str, *, previous: bool) -> TextRef:
    meta = pod.metadata
    before = " --previous" if previous else ""
    return TextRef(
        kind="log",
        where=f"oc logs -n {meta.namespace} {meta.name} -c {container}{before}",
        namespace=meta.namespace,
        pod=meta.name,
        container=container,
        previous=previous,
    )
