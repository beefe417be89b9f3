"""Stage entitlement: subscription certificates on the nodes, where the driver build needs them.

Order: the Secret and a pod that mounts it prove the certificate before any node reboots; then all
MachineConfigs together, so that each node reboots once; then a pod without any mount proves that
the nodes give the entitlement to every container.
"""

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import MACHINE_CONFIGS, PODS, SECRETS
from oc_gpu.manifests import entitlement as manifests
from oc_gpu.stages import leftovers, olm, pools, workloads
from oc_gpu.stages.context import Context
from oc_gpu.stages.engine import is_ours
from oc_gpu.stages.model import (
    Action,
    Apply,
    Delete,
    Milestone,
    ObjectRef,
    Progress,
    StagePlan,
    State,
)

NAME = "entitlement"
TITLE = "Subscription entitlement"
ROLE = "worker"
NAMESPACE = "default"
SIGN = "kernel-devel"
PROOF_PODS = (manifests.MOUNTING_POD, manifests.CLUSTER_POD)


def plan(context: Context) -> StagePlan:
    """Return the road of the entitlement in one snapshot."""
    decision = context.platform.entitlement
    mode = context.config.spec.entitlement.mode
    if mode == "skip" or (not decision.needed and mode != "require"):
        reason = "skipped by the configuration" if mode == "skip" else decision.reason
        return StagePlan(NAME, TITLE, not_needed=reason, decision=decision.reason)
    given = context.entitlement
    milestones = _missing(context) if given is None else _road(context, given.pem)
    return StagePlan(NAME, TITLE, milestones, decision=decision.reason)


def _missing(context: Context) -> tuple[Milestone, ...]:
    names = [name for name in manifests.CONFIG_NAMES if _live_config(context, name)]
    if len(names) == len(manifests.CONFIG_NAMES):
        return (_rollout(context, ()), _cluster_proof(context))
    return (
        Milestone(
            "a subscription certificate is given",
            progress=Progress(
                State.BLOCKED,
                "this cluster builds the driver with packages that need an entitlement, "
                "and no certificate was given",
                hints=(
                    "download the certificate of a system at access.redhat.com/management/systems",
                    "name the download with --entitlement FILE",
                ),
                cause="entitlement-missing",
            ),
        ),
    )


def _live_config(context: Context, name: str) -> RawObject | None:
    return context.snapshot.raw("machineconfigs", name)


def _road(context: Context, pem: bytes) -> tuple[Milestone, ...]:
    secret = manifests.secret(pem, NAMESPACE)
    configs = manifests.machine_configs(pem, ROLE, context.platform.release.ignition)
    return (
        Milestone(
            "the certificate reaches the package repositories",
            (olm.apply(SECRETS, secret), olm.apply(PODS, _mounting_pod(context))),
            workloads.proof(context.snapshot, NAMESPACE, manifests.MOUNTING_POD, SIGN),
        ),
        _rollout(context, tuple(olm.apply(MACHINE_CONFIGS, c, reboots=ROLE) for c in configs)),
        _cluster_proof(context),
    )


def _rollout(context: Context, actions: tuple[Apply, ...]) -> Milestone:
    return Milestone(
        "every worker has the certificate",
        actions,
        pools.rolled_out(context.snapshot, ROLE, manifests.CONFIG_NAMES),
    )


def _cluster_proof(context: Context) -> Milestone:
    pod = manifests.cluster_pod(NAMESPACE, context.ubi, context.platform.proxy)
    return Milestone(
        "any pod is entitled",
        (olm.apply(PODS, pod),),
        workloads.proof(context.snapshot, NAMESPACE, manifests.CLUSTER_POD, SIGN),
    )


def _mounting_pod(context: Context) -> RawObject:
    return manifests.mounting_pod(NAMESPACE, context.ubi, context.platform.proxy)


def undo(context: Context) -> StagePlan:
    """Return the way back: nodes lose the certificate in one rollout, then the rest goes."""
    snapshot = context.snapshot
    names = tuple(n for n in manifests.CONFIG_NAMES if not _foreign(_live_config(context, n)))
    configs = tuple(
        Delete(ObjectRef(MACHINE_CONFIGS, name), reboots=ROLE)
        for name in names
        if _live_config(context, name) is not None
    )
    rest = (*_proof_pods(context), *_secret(context), *_rendered(context))
    if not (configs or rest or pools.mention(snapshot, ROLE, names)):
        return StagePlan(NAME, TITLE, not_needed="nothing of it was made here")
    back = pools.rolled_back(snapshot, ROLE, names)
    milestones = (
        Milestone("the nodes have given the certificate back", configs, back, ("gpu-operator",)),
        Milestone("certificate, proof pods and rendered copies are gone", rest),
    )
    return StagePlan(NAME, TITLE, milestones)


def _foreign(live: RawObject | None) -> bool:
    return live is not None and not is_ours(live)


def _proof_pods(context: Context) -> tuple[Action, ...]:
    pods = (workloads.pod(context.snapshot, NAMESPACE, name) for name in PROOF_PODS)
    return tuple(
        Delete(ObjectRef(PODS, pod.metadata.name, NAMESPACE))
        for pod in pods
        if pod is not None and is_ours(pod)
    )


def _secret(context: Context) -> tuple[Action, ...]:
    live = context.snapshot.raw("secrets", manifests.SECRET, NAMESPACE)
    if live is None or _foreign(live):
        return ()
    return (Delete(ObjectRef(SECRETS, manifests.SECRET, NAMESPACE)),)


def _rendered(context: Context) -> tuple[Action, ...]:
    return leftovers.rendered(context.snapshot, context.before, manifests.CERTIFICATE_PATHS)
