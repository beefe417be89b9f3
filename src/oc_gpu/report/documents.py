"""What commands print as JSON and YAML: one document a command, with a published schema.

A document holds values only. The text that people read is made from the same values, so that
both always say the same. `docs/schemas` holds the schemas (`python -m oc_gpu.report.schemas`).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from msgspec import Struct

from oc_gpu.checks.model import Finding, Severity, Unheard
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages.model import Assessment, State

Version = Literal["1"]


class Value(Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of the parts of documents."""


class Cluster(Value, frozen=True, kw_only=True):
    """Which cluster a document is about.

    Attributes:
        server: URL of the API server.
        openshift: Release of OpenShift, empty when it is not known.
        kubernetes: Version of Kubernetes as the server tells it.
    """

    server: str
    openshift: str = ""
    kubernetes: str = ""


class Document(Value, frozen=True, kw_only=True):
    """Base of all documents.

    Attributes:
        schema_version: Changes when a field goes or changes its meaning.
        simulated: True when the cluster is a simulation: its times were not measured.
    """

    schema_version: Version = "1"
    simulated: bool = False


class Findings(Document, frozen=True, kw_only=True):
    """What `check` and `verify` found.

    Attributes:
        clean: True when the exit code is 0.
        count: Number of findings by severity.
    """

    kind: Literal["Check", "Verify"]
    cluster: Cluster
    clean: bool
    count: dict[Severity, int]
    findings: tuple[Finding, ...] = ()


Verdict = Literal["healthy", "absent", "under way", "noted", "cause", "unclear", "unknown"]


class Diagnosis(Document, frozen=True, kw_only=True):
    """What `doctor` found.

    Attributes:
        verdict: `cause` when a finding is sure enough to be one; `unclear` when something is wrong
            and its cause cannot be told from what was read; `unknown` when too little was read;
            `under way` when what is not ready is young enough to become so by itself; `noted` when
            nothing of the GPU stack is broken and something is worth a look; `absent` when there
            is no GPU stack; `healthy` otherwise.
        clean: True when the exit code is 0.
        source: Bundle or server that was looked at.
        findings: The root cause first; those with `explainedBy` follow from it.
        unread: Kinds of objects that could not be read, with the reason.
        unheard: Logs and kernel messages that would tell of what is wrong, and are not there.
        notes: What of a bundle was left out, and why.
    """

    kind: Literal["Diagnosis"] = "Diagnosis"
    cluster: Cluster
    verdict: Verdict
    clean: bool
    source: str
    findings: tuple[Finding, ...] = ()
    unread: dict[str, str] = {}
    unheard: tuple[Unheard, ...] = ()
    notes: tuple[str, ...] = ()


class GatheredSource(Value, frozen=True, kw_only=True):
    """A kind of objects that could not be read, or not all of it."""

    name: str
    reason: str
    detail: str = ""


class Gathered(Document, frozen=True, kw_only=True):
    """The bundle that `gather` wrote.

    Attributes:
        bundle: Folder or archive.
        server: URL of the API server.
        bytes: Size of its files, unpacked.
        logs: Number of logs.
        objects: Number of objects by kind.
        unread: What could not be read.
        unlogged: Why logs and kernel messages that were asked for are not there.
    """

    kind: Literal["Gathered"] = "Gathered"
    bundle: str
    server: str
    bytes: int
    logs: int
    objects: dict[str, int] = {}
    unread: tuple[GatheredSource, ...] = ()
    unlogged: dict[str, str] = {}


class Explanation(Document, frozen=True, kw_only=True):
    """What `explain` tells of one code."""

    kind: Literal["Explanation"] = "Explanation"
    code: str
    name: str
    layer: str
    family: str = ""
    title: str
    says: str = ""
    means: str = ""
    remedy: tuple[str, ...] = ()


class Stage(Value, frozen=True, kw_only=True):
    """Where one stage stands.

    Attributes:
        reached: Number of milestones that are reached, of `total`.
        milestone: The first one that is not.
    """

    stage: str
    title: str
    state: State
    milestone: str = ""
    detail: str = ""
    hints: tuple[str, ...] = ()
    cause: str | None = None
    objects: tuple[str, ...] = ()
    reached: int = 0
    total: int = 0


class GpuNode(Value, frozen=True, kw_only=True):
    """A node with GPUs, as its labels and status say.

    Attributes:
        ready: True when the kubelet is ready and the node takes pods.
        product: What GPU feature discovery calls the card.
        driver: Version of the driver, where a label tells it.
        capacity: GPUs that the node has.
        allocatable: GPUs that pods can ask for.
        taints: As kubectl writes them.
    """

    name: str
    ready: bool
    product: str = ""
    driver: str = ""
    capacity: int = 0
    allocatable: int = 0
    taints: tuple[str, ...] = ()


class Operand(Value, frozen=True, kw_only=True):
    """A DaemonSet of NFD or the GPU Operator: how many pods it wants and has ready."""

    name: str
    namespace: str
    wanted: int
    ready: int


class Status(Document, frozen=True, kw_only=True):
    """What `status` shows."""

    kind: Literal["Status"] = "Status"
    cluster: Cluster
    done: bool
    stages: tuple[Stage, ...]
    nodes: tuple[GpuNode, ...] = ()
    operands: tuple[Operand, ...] = ()


class FieldChange(Value, frozen=True, kw_only=True):
    """One field that a write changes.

    Attributes:
        path: Such as `spec.driver.version`, `spec.taints[0].key`.
        before: Its value, None when it is not there; what may hold keys is never shown.
        after: Its value after the write, None when it goes.
    """

    path: str
    before: str | None = None
    after: str | None = None


class PlannedChange(Value, frozen=True, kw_only=True):
    """What one write would do.

    Attributes:
        change: create, change, delete, nothing, or refused when the server would not take it.
        target: The object, such as `MachineConfig/50-rhsm-conf`.
        fields: Paths of the fields that change.
        diff: The same with their values, and the fields of an object that is new.
        note: Why it is done, why it would be refused, or whose object or fields it takes.
        reboots: Role of the machines that reboot because of it.
        disturbs: What it does to workloads that run already, empty when nothing.
    """

    change: str
    target: str
    fields: tuple[str, ...] = ()
    diff: tuple[FieldChange, ...] = ()
    note: str = ""
    reboots: str | None = None
    disturbs: str = ""


class PlannedStep(Value, frozen=True, kw_only=True):
    """One step of a stage: what is written, then what is waited for."""

    until: str
    changes: tuple[PlannedChange, ...] = ()


class PlannedStage(Value, frozen=True, kw_only=True):
    """One stage of a plan, with the steps that are ahead."""

    stage: str
    title: str
    state: State
    decision: str = ""
    detail: str = ""
    hints: tuple[str, ...] = ()
    steps: tuple[PlannedStep, ...] = ()


class Reboot(Value, frozen=True, kw_only=True):
    """Nodes that reboot, pool by pool."""

    pool: str
    nodes: tuple[str, ...]
    at_once: str = "1"


class Estimate(Value, frozen=True, kw_only=True):
    """How long the road takes on real machines, in seconds, and where that is from."""

    low: float
    high: float
    source: str


class Plan(Document, frozen=True, kw_only=True):
    """What `plan` shows: nothing of it was written.

    Attributes:
        clean: True when nothing stands in the way.
        findings: Why the road would not be walked at all, as `check` finds it.
    """

    kind: Literal["Plan"] = "Plan"
    cluster: Cluster
    clean: bool
    findings: tuple[Finding, ...] = ()
    stages: tuple[PlannedStage, ...]
    reboots: tuple[Reboot, ...] = ()
    estimate: Estimate | None = None


class Walk(Document, frozen=True, kw_only=True):
    """How `enable`, `isolate` or `disable` ended.

    Attributes:
        done: True when every stage is done.
        writes: Number of writes that the server accepted.
        seconds: Duration by the cluster's clock.
        unknown: What could not be known before it, a sentence each.
        finding: The cause for which it ended before it was done, where one is sure.
    """

    kind: Literal["Enable", "Isolate", "Disable"]
    cluster: Cluster
    done: bool
    writes: int
    seconds: float
    stages: tuple[Stage, ...]
    unknown: tuple[str, ...] = ()
    finding: Finding | None = None


class Certificate(Value, frozen=True, kw_only=True):
    """One certificate that was found; the key itself is never in it.

    Attributes:
        problem: Why it cannot be used, empty when it can.
    """

    name: str
    serial: str = ""
    subject: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    problem: str = ""


class Certificates(Document, frozen=True, kw_only=True):
    """What `entitlement inspect` found in a file.

    Attributes:
        form: PEM or ZIP.
        chosen: Name of the certificate that would be used, None when none can be.
    """

    kind: Literal["Entitlement"] = "Entitlement"
    path: str
    form: str
    chosen: str | None
    certificates: tuple[Certificate, ...]
    notes: tuple[str, ...] = ()


class Trial(Document, frozen=True, kw_only=True):
    """How `entitlement test` ended."""

    kind: Literal["EntitlementTest"] = "EntitlementTest"
    works: bool
    engine: str
    image: str
    packages: tuple[str, ...] = ()
    output: tuple[str, ...] = ()


class JobRun(Document, frozen=True, kw_only=True):
    """How `run` ended, or where it left the Job running.

    Attributes:
        state: `ended`, or `detached` when it was left running.
        image_id: Image that ran, with its digest.
        resources: What it could use, such as `nvidia.com/gpu` -> 1.
        exit_code: Of the program, None when it was left running.
        reason: What the kubelet calls the end, such as `OOMKilled`.
        started: When the program started, RFC 3339 by the cluster's clock.
        finished: When it ended.
        locally: Whether it ran as a process of the machine of a simulated cluster.
        last_lines: The end of what it printed.
        files: What was brought back, relative to the output folder.
        left_out: What was not brought back, and why.
    """

    kind: Literal["Run"] = "Run"
    cluster: Cluster
    job: str
    namespace: str
    state: Literal["ended", "detached"]
    pod: str = ""
    node: str = ""
    image: str
    image_id: str = ""
    resources: dict[str, str] = {}
    exit_code: int | None = None
    reason: str = ""
    started: str = ""
    finished: str = ""
    locally: bool = False
    last_lines: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


DOCUMENTS: tuple[type[Document], ...] = (
    Findings,
    Diagnosis,
    Gathered,
    Explanation,
    Status,
    Plan,
    Walk,
    Certificates,
    Trial,
    JobRun,
)
"""What has a schema here; `schemas` adds those of `bench` and `sim`."""

_PASSED = frozenset({State.DONE, State.NOT_NEEDED})


def cluster(snapshot: Snapshot, openshift: str = "") -> Cluster:
    """Return which cluster a snapshot is of."""
    return Cluster(server=snapshot.server, openshift=openshift, kubernetes=snapshot.git_version)


def stage(assessment: Assessment) -> Stage:
    """Return an assessment without the objects that are due: they may hold secrets."""
    return Stage(
        stage=assessment.stage,
        title=assessment.title,
        state=assessment.state,
        milestone=assessment.milestone,
        detail=assessment.detail,
        hints=assessment.hints,
        cause=assessment.cause,
        objects=assessment.objects,
        reached=assessment.reached,
        total=assessment.total,
    )


def all_passed(stages: Iterable[Assessment | Stage | PlannedStage]) -> bool:
    """Tell whether every stage is done or not needed."""
    return all(one.state in _PASSED for one in stages)


def findings(
    kind: Literal["Check", "Verify"],
    about: Cluster,
    found: tuple[Finding, ...],
    *,
    clean: bool,
    simulated: bool,
) -> Findings:
    """Return the document of a check's findings."""
    return Findings(
        kind=kind,
        cluster=about,
        clean=clean,
        count={severity: sum(f.severity is severity for f in found) for severity in Severity},
        findings=found,
        simulated=simulated,
    )
