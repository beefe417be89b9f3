"""From what the stages know of a cluster to what the checks look at."""

from oc_gpu import facts
from oc_gpu.checks.inputs import (
    Certificate,
    Entitlement,
    Inputs,
    Operator,
    Problem,
    Release,
    Rights,
)
from oc_gpu.manifests.entitlement import CONFIG_NAMES
from oc_gpu.stages.context import Context
from oc_gpu.stages.gpu_operator import node_operands
from oc_gpu.stages.platform import Install

NFD = "Node Feature Discovery"
GPU_OPERATOR = "the GPU Operator"


def inputs(context: Context, rights: Rights | None = None) -> Inputs:
    """Return the input of the checks for one moment of a cluster.

    Args:
        context: What the stages know.
        rights: What the user may do, where the server was asked.
    """
    platform = context.platform
    return Inputs(
        snapshot=context.snapshot,
        release=Release(platform.version, tuple(r.version for r in facts.openshift_releases())),
        workers=platform.workers,
        gpu_nodes=platform.gpu_nodes,
        operators=(_operator(NFD, platform.nfd), _operator(GPU_OPERATOR, platform.gpu)),
        entitlement=_entitlement(context),
        operand_namespace=platform.operand_namespace,
        operands=node_operands(context),
        taint=context.taint,
        rights=rights,
    )


def _operator(title: str, install: Install) -> Operator:
    trouble = install.problem
    return Operator(
        title=title,
        package=install.package,
        csv=install.csv,
        channel=install.channel,
        catalog=install.catalog,
        namespace=install.namespace,
        own_group=install.own_group,
        reason=install.reason,
        problem=Problem(trouble.detail, trouble.hints, trouble.cause) if trouble else None,
    )


def _entitlement(context: Context) -> Entitlement:
    decision, given = context.platform.entitlement, context.entitlement
    return Entitlement(
        needed=decision.needed,
        reason=decision.reason,
        mode=context.config.spec.entitlement.mode,
        certificate=Certificate(given.not_before.timestamp(), given.not_after.timestamp())
        if given is not None
        else None,
        on_nodes=all(context.snapshot.raw("machineconfigs", name) for name in CONFIG_NAMES),
        warning=decision.warning,
    )
