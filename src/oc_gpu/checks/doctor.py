"""The doctor: all checks of causes on one case, the root cause first.

A finding is a cause only as far as it is sure. What follows from a cause found in a layer before it
is folded under that cause. Where nothing is sure enough, the doctor says which layer is in
trouble, what is missing, and the command that would get it.
"""

from collections.abc import Iterable
from itertools import chain

from msgspec import structs

from oc_gpu.checks import components
from oc_gpu.checks.ages import stack_is_starting
from oc_gpu.checks.beside import said_beside
from oc_gpu.checks.case import Case, key
from oc_gpu.checks.catalogue import LAYERS, SURE, Check, run_all
from oc_gpu.checks.causes import (
    access,
    building,
    catalogs,
    control_plane,
    device_plugin,
    driver,
    driver_image,
    driver_ready,
    driver_toolkit,
    entitlement,
    evicting,
    fabric,
    hardware,
    host_driver,
    hostless,
    machine_config,
    mig,
    mig_devices,
    native,
    network,
    nfd,
    nfd_labels,
    nfd_operands,
    nodes,
    old_cards,
    olm,
    operators,
    passthrough,
    platforms,
    proxies,
    pulling,
    rdma,
    restarting,
    runtime,
    scheduling,
    stale_images,
    stale_labels,
    toolkit,
    unplaced,
    validator,
    vgpu,
)
from oc_gpu.checks.clients import for_kubectl
from oc_gpu.checks.habits import by_habit
from oc_gpu.checks.model import Evidence, Finding, Severity
from oc_gpu.checks.troubles import Trouble
from oc_gpu.checks.words import guesses
from oc_gpu.snapshot.kinds import Node

CHECKS: tuple[Check[Case], ...] = tuple(
    chain(
        access.CAUSES,
        operators.CAUSES,
        control_plane.CAUSES,
        platforms.CAUSES,
        nodes.CAUSES,
        proxies.CAUSES,
        network.CAUSES,
        pulling.CAUSES,
        entitlement.CAUSES,
        evicting.CAUSES,
        machine_config.CAUSES,
        olm.CAUSES,
        catalogs.CAUSES,
        nfd.CAUSES,
        nfd_operands.CAUSES,
        stale_labels.CAUSES,
        nfd_labels.CAUSES,
        driver_toolkit.CAUSES,
        driver.CAUSES,
        old_cards.CAUSES,
        native.CAUSES,
        driver_image.CAUSES,
        stale_images.CAUSES,
        building.CAUSES,
        host_driver.CAUSES,
        driver_ready.CAUSES,
        hostless.CAUSES,
        vgpu.CAUSES,
        fabric.CAUSES,
        rdma.CAUSES,
        runtime.CAUSES,
        restarting.CAUSES,
        toolkit.CAUSES,
        device_plugin.CAUSES,
        mig_devices.CAUSES,
        mig.CAUSES,
        validator.CAUSES,
        scheduling.CAUSES,
        unplaced.CAUSES,
        hardware.CAUSES,
        passthrough.CAUSES,
    )
)
"""All causes that the doctor knows, in causal order."""

_TIERS = (0.85, 0.7, SURE)
_FOLDS = 0.7
"""Confidence from which a finding explains others."""
_RANK = {layer: float(number) for number, layer in enumerate(LAYERS)}
_RANK["hardware"] = _RANK["driver"] - 0.5
"""A card that does not answer stops the driver, so it is looked at before it."""

_LAYER = {
    components.DRIVER: "driver",
    components.TOOLKIT: "container-toolkit",
    components.PLUGIN: "device-plugin",
    components.MIG: "device-plugin",
    components.GFD: "device-plugin",
    components.VALIDATOR: "validator",
    components.DCGM: "validator",
    components.EXPORTER: "validator",
    components.STATUS: "validator",
    components.DRA: "device-plugin",
    components.SANDBOX: "hardware",
    components.VFIO: "hardware",
    components.VGPU_MANAGER: "driver",
    components.VGPU_CONFIG: "driver",
    components.OPERATOR: "access",
    components.NFD_OPERATOR: "nfd",
    components.NFD_MASTER: "nfd",
    components.NFD_WORKER: "nfd",
    components.NFD_OTHER: "nfd",
    components.WORKLOAD: "workload",
}


def diagnose(case: Case) -> tuple[Finding, ...]:
    """Return what is wrong with a cluster, the root cause first; nothing where all is well."""
    found = _diagnosed(case)
    if case.on_openshift:
        return found
    return tuple(structs.replace(one, remedy=tuple(map(for_kubectl, one.remedy))) for one in found)


def _diagnosed(case: Case) -> tuple[Finding, ...]:
    found = ranked(one for check in CHECKS for one in _judged(check, case))
    errors = [one for one in found if one.severity is Severity.ERROR]
    if any(one.confidence >= SURE for one in errors):
        return found
    unexplained = _unexplained(case)
    stuck = any(one.severity is Severity.ERROR for one in unexplained)
    guess = guesses(case, CHECKS) if stuck and not any(map(_is_specific, errors)) else ()
    if not any(one.cause for one in found) and not guess and not stuck:
        found = (*said_beside(case, CHECKS), *found)
    if not errors:
        guess = guess or (_by_habit(case) if stuck else ())
        more = _not_said_yet(found, unexplained, of=None)
        return (*guess, *more, *found) if stuck else (*found, *more)
    return (*guess, *found, *_not_said_yet(found, unexplained))


def _by_habit(case: Case) -> tuple[Finding, ...]:
    first = None if case.silent_nodes else next(iter(_ours(case)), None)
    return by_habit(case, CHECKS, first) if first is not None else ()


def _is_specific(finding: Finding) -> bool:
    """Tell whether a hint names more than what does not work."""
    return finding.cause != "driver-not-ready-generic"


def _not_said_yet(
    found: tuple[Finding, ...],
    more: tuple[Finding, ...],
    of: Severity | None = Severity.ERROR,
) -> tuple[Finding, ...]:
    """Return what is about other objects than those that a hint, or a notice, is about already."""
    told = (one for one in found if of in (None, one.severity))
    named = {name for one in told for name in one.objects}
    return tuple(one for one in more if not named.intersection(one.objects))


def _judged(check: Check[Case], case: Case) -> tuple[Finding, ...]:
    """Run one check; an object of a shape that no API server would store spoils only this one."""
    try:
        return run_all((check,), case)
    except (AttributeError, TypeError, KeyError, ValueError, IndexError) as error:
        title = f"it is not known whether {check.title}: an object is not of the known shape"
        note = Evidence("reading", f"{type(error).__name__} in check {check.name}")
        return (
            Finding(
                code=check.code,
                check=check.name,
                severity=Severity.UNKNOWN,
                layer=check.layer,
                title=title,
                evidence=(note,),
                confidence=_UNSURE,
            ),
        )


def ranked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in the order in which they explain each other, with what explains them."""
    ordered = sorted(findings, key=_order)
    return tuple(
        one if (root := _root(one, ordered[:number])) is None else _folded(one, root)
        for number, one in enumerate(ordered)
    )


def _order(finding: Finding) -> tuple[bool, int, float, float]:
    """Return a finding's place: errors by layer, the lowest first, what is noted by how likely."""
    tier = next((n for n, least in enumerate(_TIERS) if finding.confidence >= least), len(_TIERS))
    layer, likely = _RANK[finding.layer], -finding.confidence
    if finding.severity is Severity.ERROR:
        return False, tier, layer, likely
    return True, tier, likely, layer


def _root(finding: Finding, before: list[Finding]) -> Finding | None:
    """Return the first finding that explains this one: as sure, and in its layer or one before."""
    for one in before:
        lower = _RANK[one.layer] <= _RANK[finding.layer]
        if one.severity is Severity.ERROR and one.confidence >= _FOLDS and lower:
            return one
    return None


def _folded(finding: Finding, root: Finding) -> Finding:
    return structs.replace(finding, explained_by=root.code)


def _unexplained(case: Case) -> tuple[Finding, ...]:
    """Return which layer is in trouble where no cause is known, and how to learn more."""
    ours = _ours(case)
    if stack_is_starting(case):
        return (_starting(case, ours[0]),)
    if case.silent_nodes:
        return (_silent(case.silent_nodes[0]),)
    if ours:
        return (_thin(case, ours[0]),)
    bare = sorted(case.unwell_nodes)
    if case.unwell and bare:
        title = f"{bare[0]} has a GPU and offers none, and what was read does not say why"
        look = (
            f"oc describe node {bare[0]}",
            "oc get pods -A -o wide | grep -E 'nvidia|gpu'",
            "oc get clusterpolicy -o yaml",
        )
        return (_unknown("capacity", title, (), look, (f"Node/{bare[0]}",)),)
    if case.unwell:
        title = "the GPU stack is not ready, and what was read does not say why"
        more = ("oc get pods -n nvidia-gpu-operator -o wide", "oc get clusterpolicy -o yaml")
        return (_unknown("access", title, (), more, ()),)
    return ()


def _ours(case: Case) -> list[Trouble]:
    """Return the troubles of the programs on the road: those that fail, and the lowest, first."""
    ours = [t for t in case.troubles if case.component[key(t.pod)] in _LAYER]
    return sorted(ours, key=lambda t: (not t.fails, _RANK[_LAYER[case.component[key(t.pod)]]]))


def _starting(case: Case, one: Trouble) -> Finding:
    meta = one.pod.metadata
    layer = _LAYER[case.component[key(one.pod)]]
    title = f"the GPU stack is still starting: {one.container or 'pod'} of {meta.name} waits"
    evidence = (Evidence(f"metadata of Pod/{meta.name}", f"created {meta.creation_timestamp}"),)
    found = _unknown(layer, title, evidence, (), (f"Pod/{meta.name}",))
    return structs.replace(found, severity=Severity.WARNING)


def _silent(node: Node) -> Finding:
    """Return that a GPU node is not ready, so that nothing on it can be."""
    name, told = node.metadata.name, node.ready
    title = f"the GPU node {name} is not ready, and what was read does not say why"
    text = f"{told.status}: {told.reason} {told.message}".strip() if told is not None else "unknown"
    evidence = (Evidence(f"condition Ready of Node/{name}", text),)
    look = (
        f"oc describe node {name}",
        f"oc adm node-logs {name} -u kubelet | tail -50",
        "the console of the machine, where it does not answer",
    )
    return _unknown("capacity", title, evidence, look, (f"Node/{name}",))


def _thin(case: Case, one: Trouble) -> Finding:
    meta = one.pod.metadata
    layer = _LAYER[case.component[key(one.pod)]]
    what = one.container or "the pod"
    lacks = (
        "what its log says is of no cause that is known here"
        if any(
            ref.pod == meta.name and ref.container in ("", one.container)
            for ref in case.snapshot.texts
        )
        else "what was read does not say why: its log and its events are needed"
    )
    title = f"{what} of {meta.name} is in state {one.state}, and {lacks}"
    text = f"{one.state}, {one.restarts} restarts, exit code {one.exit_code}"
    evidence = (Evidence(f"status of Pod/{meta.name}, {what}", text),)
    place = f"-n {meta.namespace} {meta.name}"
    look = (
        f"oc logs {place} --all-containers --previous",
        f"oc describe pod {place}",
        (
            f"oc debug node/{one.pod.spec.node_name or 'NODE'} -- chroot /host dmesg | grep -iE "
            f"'nvrm|nvidia'"
        ),
    )
    found = _unknown(layer, title, evidence, look, (f"Pod/{meta.name}",))
    if case.component[key(one.pod)] == components.WORKLOAD and not case.unwell:
        # A program of a user may fail for reasons of its own while the GPUs are all right.
        return structs.replace(found, severity=Severity.WARNING)
    return found


_STARTING = frozenset({"unexplained", "driver-not-ready-generic", "mcp-stuck-updating"})


def passes(finding: Finding) -> bool:
    """Tell whether a warning is about what becomes ready by itself, which only takes its time."""
    return finding.check in _STARTING and finding.layer != "workload"


UNEXPLAINED = "OCG0100"
"""Code of what is seen to be wrong without a known cause."""
_UNSURE = 0.2


def _unknown(
    layer: str,
    title: str,
    evidence: tuple[Evidence, ...],
    remedy: tuple[str, ...],
    objects: tuple[str, ...],
) -> Finding:
    return Finding(
        code=UNEXPLAINED,
        check="unexplained",
        severity=Severity.ERROR,
        layer=layer,
        title=title,
        objects=objects,
        evidence=evidence,
        remedy=remedy,
        confidence=_UNSURE,
    )
