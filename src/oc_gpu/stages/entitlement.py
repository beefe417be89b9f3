"""Stage entitlement: subscription certificates on the nodes, where the driver build needs them.

Order: the Secret and a pod that mounts it prove the certificate before any node reboots; then all
MachineConfigs together, so that each node reboots once; then a pod without any mount proves that
the nodes give the entitlement to every container.
"""

from msgspec import structs

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import MACHINE_CONFIGS, PODS, SECRETS
from oc_gpu.manifests import entitlement as manifests
from oc_gpu.snapshot.model import spec_of
from oc_gpu.stages import leftovers, olm, pools, workloads
from oc_gpu.stages.context import Context
from oc_gpu.stages.engine import holds
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
from oc_gpu.stages.ownership import is_ours
from oc_gpu.stages.record import Record

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
    if context.entitlement is None and not _deployed(context):
        milestones: tuple[Milestone, ...] = (_MISSING,)
    elif _deployed(context):
        wanted = (*_secret_wanted(context), *_configs(context))
        milestones = (Milestone(_REACHED), _rollout(context, wanted))
    else:
        milestones = (_first_proof(context), _rollout(context, _configs(context)))
    if milestones != (_MISSING,):
        milestones = (*milestones, _proofs(context))
    return StagePlan(NAME, TITLE, milestones, decision=decision.reason)


_REACHED = "the certificate reaches the package repositories"
_MISSING = Milestone(
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
)


def _live_config(context: Context, name: str) -> RawObject | None:
    return context.snapshot.raw("machineconfigs", name)


def _deployed(context: Context) -> bool:
    """Tell whether the nodes have the MachineConfigs of the certificate, or are getting them."""
    live = [_live_config(context, name) for name in manifests.CONFIG_NAMES]
    wanted = _configs(context)
    if not wanted:
        return all(config is not None for config in live)
    return all(
        config is not None and holds(action.manifest["spec"], spec_of(config))
        for action, config in zip(wanted, live, strict=True)
    )


def _configs(context: Context) -> tuple[Apply, ...]:
    if context.entitlement is None:
        return ()
    ignition = context.platform.release.ignition
    configs = manifests.machine_configs(context.entitlement.pem, ROLE, ignition)
    for config in configs:
        config["metadata"]["annotations"] = {manifests.SERIAL: context.entitlement.serial}
    return tuple(olm.apply(MACHINE_CONFIGS, config, reboots=ROLE) for config in configs)


def _secret_wanted(context: Context) -> tuple[Apply, ...]:
    if context.entitlement is None:
        return ()
    return (olm.apply(SECRETS, manifests.secret(context.entitlement.pem, NAMESPACE)),)


def _pod(context: Context, name: str) -> Action:
    """Return what brings a proof pod about; one that proved another certificate goes first."""
    live = workloads.pod(context.snapshot, NAMESPACE, name)
    serial = context.entitlement.serial if context.entitlement is not None else None
    if live is not None and is_ours(live) and serial is not None:
        proved = live.metadata.annotations.get(manifests.SERIAL)
        if proved != serial:
            return Delete(ObjectRef(PODS, name, NAMESPACE), uid=live.metadata.uid)
    build = {
        manifests.MOUNTING_POD: manifests.mounting_pod,
        manifests.CLUSTER_POD: manifests.cluster_pod,
    }[name]
    pod = build(NAMESPACE, context.ubi, context.platform.proxy)
    if serial is not None:
        pod["metadata"]["annotations"] = {manifests.SERIAL: serial}
    return olm.apply(PODS, pod)


def _first_proof(context: Context) -> Milestone:
    """Prove the certificate before any node reboots for it."""
    return Milestone(
        _REACHED,
        (*_secret_wanted(context), _pod(context, manifests.MOUNTING_POD)),
        workloads.proof(context.snapshot, NAMESPACE, manifests.MOUNTING_POD, SIGN),
        after=("record",),
    )


def _rollout(context: Context, actions: tuple[Apply, ...]) -> Milestone:
    return Milestone(
        "every worker has the certificate",
        actions,
        pools.rolled_out(context.snapshot, ROLE, manifests.CONFIG_NAMES),
        after=("record",),
    )


def _proofs(context: Context) -> Milestone:
    """Prove it on the nodes; the first pod may have gone with the node that was drained.

    What is proven stays proven when a later drain takes the pods.
    """
    title = "any pod is entitled"
    if _serial(context) and _serial(context) == context.before.proven:
        return Milestone(title)
    return Milestone(title, tuple(_pod(context, n) for n in PROOF_PODS), _proven(context))


def _proven(context: Context) -> Progress:
    steps = [workloads.proof(context.snapshot, NAMESPACE, name, SIGN) for name in PROOF_PODS]
    return next((step for step in steps if step.state is not State.DONE), steps[0])


def _serial(context: Context) -> str:
    """Return the serial number of the certificate that the nodes have, as far as we marked it."""
    found = set()
    for name in manifests.CONFIG_NAMES:
        live = _live_config(context, name) or {}
        notes = (live.get("metadata") or {}).get("annotations") or {}
        found.add(notes.get(manifests.SERIAL, ""))
    return found.pop() if len(found) == 1 else ""


def recorded(context: Context, base: Record) -> Record:
    """Return the record with what the proof pods have proven by now."""
    serial = _serial(context)
    pods = [workloads.pod(context.snapshot, NAMESPACE, name) for name in PROOF_PODS]
    proved = {pod.metadata.annotations.get(manifests.SERIAL) for pod in pods if pod is not None}
    if not serial or proved != {serial} or _proven(context).state is not State.DONE:
        return base
    return structs.replace(base, proven=serial)


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
    return leftovers.rendered(context.snapshot, context.before, manifests.NODE_PATHS)
