"""Whether a road under way stands still for a cause that does not heal by itself.

A rollout is full of trouble that passes: images that are pulled, containers that fail until what
they need is there, nodes that reboot. So a run is stopped only for a finding of the doctor that is
sure, concerns a stage that is not done, and is a fact that nobody but a person changes; what may
pass has to stand for a while. `signs` tells from the live view alone whether a look is worth it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from oc_gpu.checks import troubles
from oc_gpu.checks.case import Case, conditions, namespace_of, status
from oc_gpu.checks.catalogue import LAYERS
from oc_gpu.checks.components import DRIVER
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.kube import RawObject
from oc_gpu.snapshot.kept import kept
from oc_gpu.snapshot.kinds import Node
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages import entitlement, gpu_operator, isolation, nfd, pools
from oc_gpu.stages.model import Assessment, State

LASTS = 60.0
"""Seconds for which a cause that may pass by itself has to stand."""
STOPS = 0.84
"""Confidence from which a finding stops a run that still waits."""
_LIKELY = 0.7
"""Confidence from which a finding tells why a stage has failed."""

_PASSED = frozenset({State.DONE, State.NOT_NEEDED})
_STANDING = frozenset({State.BLOCKED, State.FAILED})

_BASE = frozenset({"access", "network"})
_CONCERNS: Mapping[str, frozenset[str]] = {
    entitlement.NAME: _BASE | {"entitlement", "machine-config"},
    nfd.NAME: _BASE | {"olm", "nfd"},
    gpu_operator.NAME: frozenset(LAYERS) - {"workload"},
    isolation.NAME: _BASE | {"scheduling", "machine-config"},
}
"""Layers whose trouble keeps a stage from going on, in the order of the road."""

AT_ONCE = frozenset(
    {
        "driver-image-tag-missing",
        "driver-kernel-incompatible",
        "drain-blocked-by-pdb",
        "dtk-image-missing",
        "entitlement-missing",
        "entitlement-stale",
        "gcc-mismatch",
        "gpu-fallen-off-bus",
        "gpu-too-old-for-driver",
        "host-driver-installed",
        "kernel-headers-not-found",
        "mcp-bad-machineconfig",
        "mcp-config-drift",
        "mcp-paused",
        "nfd-worker-not-tolerating-taint",
        "node-not-ready",
        "nouveau-loaded",
        "olm-bundle-unpack-failed",
        "olm-installplan-awaiting-approval",
        "olm-multiple-operatorgroups",
        "olm-package-not-in-catalog",
        "open-kernel-module-required",
        "open-kernel-module-unsupported",
        "operand-missing-toleration",
        "passthrough-bar-mmio",
        "pod-security-rejected",
        "precompiled-kernel-mismatch",
        "proxy-missing-driver",
        "quota-priorityclass",
        "registry-auth-forbidden",
        "registry-ca-untrusted",
        "scc-rejected",
        "secure-boot-enabled",
        "trusted-ca-missing",
        "vgpu-needs-guest-driver",
        "webhook-denied",
    }
)
"""Causes that are facts: nobody but a person changes them. Any other has to stand for a while."""

SYMPTOMS = frozenset(
    {
        "cuda-driver-insufficient",
        "cuda-init-error",
        "driver-not-ready-generic",
        "mcp-stuck-updating",
        "module-load-failed-generic",
        "no-gpu-node",
        "nfd-labels-missing",
        "nfd-master-failing",
        "nfd-missing",
        "operator-oomkilled",
        "runtime-not-injecting-driver",
        "validator-no-free-gpu",
    }
)
"""What is also seen while a healthy road is still on its way, and so stops nothing that waits."""

BY_PERSON = frozenset(
    {
        "drain-blocked-by-pdb",
        "entitlement-missing",
        "mcp-paused",
        "olm-installplan-awaiting-approval",
        "quota-priorityclass",
        "webhook-denied",
    }
)
"""Causes that somebody decided on: the stage is blocked, not broken."""


def signs(assessments: Iterable[Assessment], snapshot: Snapshot) -> frozenset[str]:
    """Return what in a live view may be trouble of the stages that are not done; empty when none.

    Args:
        assessments: Where the stages stand.
        snapshot: The live view.
    """
    stages = [one for one in assessments if one.state not in _PASSED]
    if not stages:
        return frozenset()
    standing = (f"{one.stage} {one.state} {one.detail}" for one in stages if _stands(one))
    return frozenset(
        chain(
            standing,
            _pods(snapshot),
            _sets(snapshot),
            _events(snapshot),
            _nodes(snapshot),
            _olm(snapshot),
        )
    )


def _stands(assessment: Assessment) -> bool:
    return assessment.state in _STANDING


def _pods(snapshot: Snapshot) -> Iterator[str]:
    for one in filter(None, map(troubles.of, snapshot.pods)):
        if one.fails or one.state == "Unschedulable":
            meta = one.pod.metadata
            where = f"{meta.namespace}/{meta.name}/{one.container}"
            yield f"{where} {one.state} {one.restarts}"


def _sets(snapshot: Snapshot) -> Iterator[str]:
    for item in snapshot.daemon_sets:
        now = item.status
        if now.current_number_scheduled < now.desired_number_scheduled:
            yield f"DaemonSet/{item.metadata.name} lacks pods"


def _events(snapshot: Snapshot) -> Iterator[str]:
    """Yield what keeps objects from being made: pods tell of themselves by their status."""
    for event in snapshot.events:
        about = event.involved_object
        if about.kind != "Pod":
            yield f"{event.reason} {about.kind}/{about.name} {event.message}"


def _nodes(snapshot: Snapshot) -> Iterator[str]:
    """Yield nodes that tell nothing, and those that are being drained."""
    silent = any(node.is_silent for node in snapshot.nodes)
    yield from chain.from_iterable(map(_of_node, snapshot.nodes))
    for pool in snapshot.table("machineconfigpools"):
        if pools.is_paused(pool) or pools.degraded(pool) is not None:
            yield f"MachineConfigPool/{pool['metadata']['name']}"
        if silent and pools.is_behind(pool):
            yield f"MachineConfigPool/{pool['metadata']['name']} may wait for a silent node"


@kept
def _of_node(node: Node) -> tuple[str, ...]:
    told = [
        *(["is cordoned"] if node.spec.unschedulable else ()),
        *(["is silent"] if node.is_silent else ()),
        *(f"keeps off what does not tolerate {taint}" for taint in node.keeping_off),
    ]
    return tuple(f"Node/{node.metadata.name} {sign}" for sign in told)


_BAD = {
    "CatalogSourcesUnhealthy": "True",
    "ResolutionFailed": "True",
    "BundleUnpackFailed": "True",
    "InstallPlanFailed": "True",
    "Installed": "False",
}
"""Conditions of Subscriptions and InstallPlans that tell of trouble, with the status that does."""


def _olm(snapshot: Snapshot) -> Iterator[str]:
    for raw in (*snapshot.table("subscriptions"), *snapshot.table("installplans")):
        for kind, one in conditions(raw).items():
            if _BAD.get(kind) == one.get("status"):
                yield f"{raw['kind']}/{raw['metadata']['name']} {kind} {one.get('reason')}"
    for raw in snapshot.table("csvs"):
        if status(raw).get("phase") == "Failed":
            yield f"{raw['kind']}/{raw['metadata']['name']} {status(raw).get('reason')}"
    groups = Counter(namespace_of(raw) for raw in snapshot.table("operatorgroups"))
    for raw in snapshot.table("subscriptions"):
        if groups[namespace_of(raw)] > 1:
            yield f"{raw['kind']}/{raw['metadata']['name']} has several OperatorGroups"


def stalled(
    assessments: Iterable[Assessment],
    case: Case,
    findings: Iterable[Finding],
    since: Mapping[str, float],
) -> Finding | None:
    """Return the cause for which a road stands still for good, None when it may go on.

    Args:
        assessments: Where its stages stand.
        case: The cluster, with what the doctor needs of it.
        findings: What the doctor finds in it, the root cause first.
        since: Since when causes were found again and again, in epoch seconds of the cluster.
    """
    stages = [one for one in assessments if one.state not in _PASSED]
    return next(
        (
            found
            for found in findings
            if concerned(stages, found) is not None and _is_final(case, found, since)
        ),
        None,
    )


def reason(assessments: Iterable[Assessment], findings: Iterable[Finding]) -> Finding | None:
    """Return the best cause for a stage that has failed or is blocked, None without one.

    Args:
        assessments: Where the stages stand.
        findings: What the doctor finds in the cluster, the root cause first.
    """
    stages = [one for one in assessments if _stands(one)]
    return next(
        (
            found
            for found in findings
            if found.severity is Severity.ERROR
            and found.confidence >= _LIKELY
            and concerned(stages, found) is not None
        ),
        None,
    )


def concerned(assessments: Iterable[Assessment], finding: Finding) -> Assessment | None:
    """Return the stage, of some that are not done, that a finding keeps from going on.

    Of several it is one that stands already, or else the one that the evidence speaks of.
    """
    every = [one for one in assessments if finding.layer in _CONCERNS.get(one.stage, ())]
    told = " ".join((*finding.objects, *(f"{e.where} {e.quote}" for e in finding.evidence)))
    best = sorted(every, key=lambda one: (not _stands(one), one.stage not in told))
    return best[0] if best else None


def _is_final(case: Case, finding: Finding, since: Mapping[str, float]) -> bool:
    if finding.severity is not Severity.ERROR or finding.confidence < STOPS:
        return False
    cause = finding.cause or ""
    if not cause or cause in SYMPTOMS or not _PROOFS.get(cause, _always)(case):
        return False
    if finding.layer in _TRIED and not case.troubles_of(DRIVER, fails=True):
        return False
    now = case.snapshot.now
    return cause in AT_ONCE or now - since.get(cause, now) >= LASTS


_TRIED = frozenset({"driver-toolkit", "driver"})
"""Layers of which nothing counts before the driver has tried and failed."""


def _always(_: Case) -> bool:
    return True


def _never_yields(case: Case) -> bool:
    """Tell whether a budget keeps a pod on a node that is drained although all its pods are well.

    While one of them is not, its replacement may still make room.
    """
    drained = {n.metadata.name for n in case.snapshot.nodes if n.spec.unschedulable}
    return any(
        status(budget).get("disruptionsAllowed") == 0
        and int(status(budget).get("expectedPods") or 0)
        <= int(status(budget).get("currentHealthy") or 0)
        and _has_pod_on(case, budget, drained)
        for budget in case.snapshot.table("poddisruptionbudgets")
    )


def _has_pod_on(case: Case, budget: RawObject, nodes: set[str]) -> bool:
    meta = budget["metadata"]
    wanted = ((budget.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    here = [p for p in case.snapshot.pods if p.metadata.namespace == meta.get("namespace")]
    return any(
        pod.spec.node_name in nodes and wanted.items() <= pod.metadata.labels.items()
        for pod in here
    )


_PROOFS: Mapping[str, Callable[[Case], bool]] = {"drain-blocked-by-pdb": _never_yields}
"""What has to hold besides for a cause to be final while the road still waits."""
