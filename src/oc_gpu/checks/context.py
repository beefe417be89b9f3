"""From what the stages know of a cluster to what the checks look at."""

from typing import Literal

from oc_gpu import facts
from oc_gpu.checks.inputs import (
    Certificate,
    Entitlement,
    Inputs,
    Operator,
    Problem,
    Release,
    Rights,
    Software,
)
from oc_gpu.kube import RawObject
from oc_gpu.manifests.clusterpolicy import BUILT_IN
from oc_gpu.manifests.entitlement import CONFIG_NAMES
from oc_gpu.manifests.merging import at
from oc_gpu.snapshot.naming import names_of
from oc_gpu.stages import licence
from oc_gpu.stages.context import Context
from oc_gpu.stages.gpu_operator import node_operands
from oc_gpu.stages.model import Progress
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
        gpu_nodes=names_of(platform.gpu_nodes),
        operators=(_operator(NFD, platform.nfd), _operator(GPU_OPERATOR, platform.gpu)),
        entitlement=_entitlement(context),
        operand_namespace=platform.operand_namespace,
        operands=node_operands(context),
        taint=context.taint,
        rights=rights,
        software=_software(context),
        virtual=_problem(licence.problem(context)),
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
        problem=_problem(trouble),
    )


def _software(context: Context) -> Software:
    platform = context.platform
    policies = context.snapshot.table("clusterpolicies")
    spec: RawObject = (policies[0].get("spec") or {}) if policies else {}
    version = str((spec.get("driver") or {}).get("version") or "")
    wanted = facts.driver_for(platform.version, platform.operator).version
    return Software(
        operator=platform.operator.version if platform.gpu.csv else "",
        avoid=platform.operator.avoid,
        driver=version if version[:1].isdigit() else wanted,
        modules=_modules(spec.get("driver") or {}, platform.operator.version),
        tolerations=_tolerations(context, spec),
        nfd_tolerates=platform.release.nfd.worker_tolerates,
    )


def _modules(driver: RawObject, operator: str) -> Literal["auto", "open", "proprietary"]:
    """Return which kernel modules are built: of themselves, older operators take no heed."""
    kind = str(driver.get("kernelModuleType") or "")
    if kind == "open" or driver.get("useOpenKernelModules") is True:
        return "open"
    return "proprietary" if kind == "proprietary" or not facts.chooses_modules(operator) else "auto"


def _tolerations(context: Context, spec: RawObject) -> tuple[RawObject, ...]:
    """Return what all operands tolerate: the list of the policy, or what is built in."""
    paths = context.platform.operator.toleration_paths
    given = next((found for path in paths if (found := at(spec, path))), None)
    return tuple(given or (BUILT_IN,))


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


def _problem(trouble: Progress | None) -> Problem | None:
    return Problem(trouble.detail, trouble.hints, trouble.cause) if trouble else None
