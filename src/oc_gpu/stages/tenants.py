"""Pods of others that use GPUs: what `disable` would take their cards from."""

from oc_gpu.kube.resources import PODS
from oc_gpu.manifests.labels import PROOF
from oc_gpu.snapshot.kinds import Tenant
from oc_gpu.stages.context import Context
from oc_gpu.stages.model import Delete, ObjectRef


def tenants(context: Context) -> tuple[Tenant, ...]:
    """Return the pods of others that hold a card on a node and are not leaving."""
    operands = context.platform.operand_namespace
    return tuple(
        pod
        for pod in context.snapshot.table("tenants")
        if pod.cards
        and pod.metadata.namespace != operands
        and pod.metadata.deletion_timestamp is None
        and PROOF not in pod.metadata.labels
    )


def evictions(context: Context) -> tuple[Delete, ...]:
    """Return the evictions of these pods, where the user allows them."""
    if not context.allowed.evict_workloads:
        return ()
    return tuple(
        Delete(
            ObjectRef(PODS, pod.metadata.name, pod.metadata.namespace),
            uid=pod.metadata.uid,
            evicts=True,
        )
        for pod in tenants(context)
    )
