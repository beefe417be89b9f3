# ruff: noqa: E501  (lines without a terminal are as long as they are)
"""What people read, in an 80-column terminal and without one."""

import io

from inline_snapshot import snapshot
from msgspec import structs

from oc_gpu.checks.model import Finding, Severity
from oc_gpu.report import documents, findings, plan, stages, status, walk
from oc_gpu.report.live import LiveProgress
from oc_gpu.report.look import Look
from oc_gpu.report.progress import PlainProgress
from oc_gpu.rollout.events import Event, Notice, StageChanged, Written
from oc_gpu.stages.model import Assessment, State
from tests.report import samples

TERMINAL = Look(width=80)
PIPE = Look()
CHECK = documents.findings("Check", samples.CLUSTER, samples.FINDINGS, clean=False, simulated=True)
STATUS = documents.Status(
    cluster=samples.CLUSTER,
    done=False,
    stages=tuple(documents.stage(assessment) for assessment in samples.ASSESSMENTS),
    nodes=(
        documents.GpuNode(
            name="worker03",
            ready=True,
            product="Tesla-T4",
            driver="450.80.02",
            capacity=1,
            allocatable=1,
            taints=("nodetype=gpu:NoSchedule",),
        ),
    ),
    operands=(
        documents.Operand(
            name="nvidia-driver-daemonset", namespace="gpu-operator-resources", wanted=1, ready=1
        ),
    ),
    simulated=True,
)
PLAN = documents.Plan(
    cluster=samples.CLUSTER,
    clean=True,
    stages=(
        documents.PlannedStage(
            stage="entitlement",
            title="Entitlement",
            state=State.DUE,
            decision="OpenShift 4.4 builds drivers from RPMs that need a subscription",
            steps=(
                documents.PlannedStep(
                    until="the certificate reaches the package repositories",
                    changes=(
                        documents.PlannedChange(change="create", target="Secret/entitlement"),
                        documents.PlannedChange(change="nothing", target="Namespace/oc-gpu"),
                    ),
                ),
                documents.PlannedStep(
                    until="every worker has the certificate",
                    changes=(
                        documents.PlannedChange(
                            change="create", target="MachineConfig/50-rhsm-conf", reboots="worker"
                        ),
                        documents.PlannedChange(
                            change="change",
                            target="MachineConfig/50-entitlement-pem",
                            fields=("spec.a", "spec.b", "spec.c", "spec.d", "spec.e"),
                            diff=(
                                documents.FieldChange(path="spec.a", before="1", after="2"),
                                documents.FieldChange(path="spec.b", after="new"),
                                documents.FieldChange(path="spec.c", before="old"),
                                documents.FieldChange(path="spec.d", before="x", after=""),
                                documents.FieldChange(path="spec.e", before="x", after="y"),
                            ),
                            reboots="worker",
                        ),
                        documents.PlannedChange(
                            change="refused",
                            target="Subscription/nfd",
                            note="fields of another owner: .spec.channel of argocd",
                        ),
                    ),
                ),
            ),
        ),
        documents.PlannedStage(
            stage="isolation",
            title="Isolation",
            state=State.NOT_NEEDED,
            detail="no taint was asked for",
        ),
    ),
    reboots=(documents.Reboot(pool="worker", nodes=("worker01", "worker02", "worker03")),),
    estimate=documents.Estimate(low=1500, high=3900, source="a reboot takes 5 to 13 minutes"),
    simulated=True,
)


def _text(lines: object) -> str:
    return "\n".join(lines) + "\n"  # type: ignore[arg-type]


def test_findings_fit_into_80_columns_with_what_was_seen_and_what_to_do() -> None:
    assert _text(findings.text(CHECK, TERMINAL)) == snapshot("""\
OpenShift 4.4.33 at https://api.gpu44.example.com:6443 (simulated)

ok       OpenShift 4.4.33 is known
info     the cluster reaches the internet through the proxy
         http://proxy.example.com:8080
error    this cluster needs an entitlement, and none was given: its drivers are
         built from RPMs [OCG0301]
         do    download the subscription certificate
         do    oc-gpu check --entitlement FILE
warning  pool worker is paused [OCG0401]
         seen  MachineConfigPool/worker: spec.paused: true
               since yesterday
         do    oc patch mcp/worker --type=merge -p '{"spec":{"paused":false}}'
unknown  secrets could not be read [OCG0101]

1 error, 1 warning, 1 unknown, 1 info, 1 ok
""")


def test_findings_without_a_terminal_are_one_line_each() -> None:
    assert _text(findings.text(CHECK, PIPE)) == snapshot("""\
OpenShift 4.4.33 at https://api.gpu44.example.com:6443 (simulated)

ok       OpenShift 4.4.33 is known
info     the cluster reaches the internet through the proxy http://proxy.example.com:8080
error    this cluster needs an entitlement, and none was given: its drivers are built from RPMs [OCG0301]
         do    download the subscription certificate
         do    oc-gpu check --entitlement FILE
warning  pool worker is paused [OCG0401]
         seen  MachineConfigPool/worker: spec.paused: true
               since yesterday
         do    oc patch mcp/worker --type=merge -p '{"spec":{"paused":false}}'
unknown  secrets could not be read [OCG0101]

1 error, 1 warning, 1 unknown, 1 info, 1 ok
""")


def test_evidence_of_good_findings_is_shown_when_asked_for() -> None:
    lines = _text(findings.text(CHECK, PIPE, verbose=1))
    assert "seen  Proxy/cluster: spec.httpProxy: http://proxy.example.com:8080" in lines
    assert "OpenShift 4.4.33 is known [OCG0102]" in lines


def test_clean_findings_say_so() -> None:
    good = documents.findings(
        "Verify", samples.CLUSTER, samples.FINDINGS[:1], clean=True, simulated=False
    )
    assert findings.summary(good) == "1 ok: proven on every GPU node"


def test_status_fits_into_80_columns() -> None:
    assert _text(status.text(STATUS, TERMINAL)) == snapshot("""\
OpenShift 4.4.33 at https://api.gpu44.example.com:6443 (simulated)

STAGE         STATE       WHERE IT STANDS
entitlement   waiting     3/4 pool worker updated: 1 of 3 nodes updated,
                          worker02 reboots
nfd           done
gpu-operator  blocked     1/5 operator installed:
                          Subscription/gpu-operator-certified exists and belongs
                          to Argo CD gpu
isolation     not needed  no taint was asked for

To do:
  gpu-operator  change it through Argo CD gpu, or remove it and run the command
                again

GPU NODE  READY  GPUS  PRODUCT   TAINTS
worker03  yes    1/1   Tesla-T4  nodetype=gpu:NoSchedule

OPERAND                  READY  NAMESPACE
nvidia-driver-daemonset  1/1    gpu-operator-resources
""")


def test_status_of_many_gpu_nodes_tells_them_in_groups_the_exceptions_first() -> None:
    def gpu(number: int, *, ready: bool = True) -> documents.GpuNode:
        return documents.GpuNode(
            name=f"gpu-{number}", ready=ready, product="A100", capacity=1, allocatable=1
        )

    nodes = (*(gpu(n) for n in range(500)), gpu(500, ready=False))
    known = documents.Status(cluster=samples.CLUSTER, done=False, stages=(), nodes=nodes)
    lines = [line for line in status.text(known, PIPE) if "gpu-" in line]
    assert [" ".join(line.split()) for line in "\n".join(lines).splitlines()[-2:]] == [
        "gpu-500 no 1/1 A100 -",
        "500 nodes like gpu-0 yes 1/1 A100 -",
    ]
    every = _text(status.text(known, PIPE, verbose=1))
    assert all(f"gpu-{number} " in every for number in range(501))


def test_of_many_gpu_nodes_those_that_take_no_pods_come_first_however_many() -> None:
    def gpu(number: int) -> documents.GpuNode:
        lacks = number % 3 == 1
        return documents.GpuNode(
            name=f"gpu-{number}", ready=number % 3 > 0, capacity=2, allocatable=1 if lacks else 2
        )

    nodes = tuple(gpu(number) for number in range(50))
    known = documents.Status(cluster=samples.CLUSTER, done=False, stages=(), nodes=nodes)
    lines = _text(status.text(known, PIPE)).splitlines()
    assert [line.split("  ")[0] for line in lines if " like " in line] == [
        "17 nodes like gpu-0",
        "17 nodes like gpu-1",
        "16 nodes like gpu-2",
    ]


def _of_node(number: int, said: str, severity: Severity = Severity.OK) -> Finding:
    name = f"gpu-{number}"
    title = said.format(name=name)
    return Finding("OCG0103", "nodes", severity, "access", title, objects=(f"Node/{name}",))


def _check(*found: Finding) -> documents.Findings:
    return documents.findings("Check", samples.CLUSTER, found, clean=True, simulated=False)


def test_of_many_nodes_those_that_differ_are_told_first_and_the_others_as_a_group() -> None:
    document = _check(
        *(_of_node(n, "{name} is fine") for n in range(500)),
        _of_node(500, "{name} is fine, but slow"),
        _of_node(501, "{name} is lost", Severity.ERROR),
        Finding("OCG0104", "pools", Severity.OK, "access", "pools are fine"),
    )
    assert _text(findings.text(document, PIPE)).splitlines()[2:-2] == [
        "error    gpu-501 is lost [OCG0103]",
        "ok       gpu-500 is fine, but slow",
        "ok       500 nodes like gpu-0: gpu-0 is fine",
        "ok       pools are fine",
    ]
    every = _text(findings.text(document, PIPE, verbose=1))
    assert every.count("OCG0103") == 502


def test_cards_of_many_nodes_are_alike_but_for_their_uuids() -> None:
    found = (
        _of_node(n, f"a sample ran on GPU-{n:08x}-0000-0000-0000-000000000000 of {{name}}")
        for n in range(30)
    )
    assert "ok       30 nodes like gpu-0: a sample ran on GPU-" in _text(
        findings.text(_check(*found), PIPE)
    )


def test_nodes_of_which_the_same_is_said_of_a_pod_each_are_alike() -> None:
    def unknown(number: int) -> Finding:
        pod = f"driver-{number:x}"
        said = _of_node(number, f"nothing is known of {{name}}: pods/{pod} is gone")
        return structs.replace(said, objects=(*said.objects, f"Pod/{pod}"))

    lines = _text(findings.text(_check(*map(unknown, range(30))), PIPE)).splitlines()[2:-2]
    assert lines == [
        "ok       30 nodes like gpu-0: nothing is known of gpu-0: pods/driver-0 is gone"
    ]


def test_few_findings_keep_their_lines_and_order() -> None:
    found = [_of_node(n, "{name} is fine") for n in range(20)]
    lines = _text(findings.text(_check(*found), PIPE)).splitlines()[2:-2]
    assert lines == [f"ok       gpu-{n} is fine" for n in range(20)]


def test_many_findings_that_all_differ_are_told_as_the_first_and_a_number() -> None:
    bad = tuple(
        Finding("OCG0103", "nodes", Severity.WARNING, "access", f"node-{n} is not ready")
        for n in range(1000)
    )
    lines = [
        line for line in _text(findings.text(_check(*bad), PIPE)).splitlines() if "0103" in line
    ]
    assert len(lines) == 21
    assert lines[-1] == "warning  980 more that differ; -v shows all [OCG0103]"
    assert _text(findings.text(_check(*bad), PIPE, verbose=1)).count("OCG0103") == 1000


def test_plan_tells_the_same_change_of_many_nodes_once() -> None:
    changes = tuple(
        documents.PlannedChange(change="change", target=f"Node/gpu-{n}", note="keeps pods off")
        for n in range(500)
    )
    refused = documents.PlannedChange(change="refused", target="Node/gpu-500", note="not allowed")
    step = documents.PlannedStep(until="the GPU nodes are tainted", changes=(*changes, refused))
    stage = documents.PlannedStage(
        stage="isolation", title="Isolation", state=State.DUE, steps=(step,)
    )
    made = documents.Plan(cluster=samples.CLUSTER, clean=True, stages=(stage,))
    assert _text(plan.text(made, PIPE)).splitlines()[3:8] == [
        "  refused Node/gpu-500",
        "          not allowed",
        "  change  500 nodes like gpu-0",
        "          keeps pods off",
        "  until   the GPU nodes are tainted",
    ]
    assert _text(plan.text(made, PIPE, verbose=1)).count("Node/gpu-") == 501


def test_status_of_a_cluster_without_gpu_nodes_says_so() -> None:
    bare = documents.Status(cluster=samples.CLUSTER, done=True, stages=())
    assert "No node is known to have an NVIDIA GPU." in _text(status.text(bare, PIPE))


def test_plan_names_changes_reboots_and_time() -> None:
    assert _text(plan.answer(PLAN, TERMINAL)) == snapshot("""\
OpenShift 4.4.33 at https://api.gpu44.example.com:6443 (simulated)

entitlement  to do
  OpenShift 4.4 builds drivers from RPMs that need a subscription
  create  Secret/entitlement
  until   the certificate reaches the package repositories
  create  MachineConfig/50-rhsm-conf  (reboots pool worker)
  change  MachineConfig/50-entitlement-pem  (reboots pool worker)
          spec.a: 1 -> 2
          spec.b: new
          spec.c: old -> gone
          spec.d: x -> (empty)
          and 1 more, shown with -v
  refused Subscription/nfd
          fields of another owner: .spec.channel of argocd
  until   every worker has the certificate
  1 object is as wanted already

isolation  not needed
  no taint was asked for

Nodes that reboot: 3 of pool worker, 1 at a time: worker01, worker02, worker03
Time: 25 to 65 minutes (a reboot takes 5 to 13 minutes)
Nothing was written.
""")


def test_walk_that_is_stuck_says_where_and_what_to_do() -> None:
    document = walk.document("Enable", samples.CLUSTER, samples.OUTCOME)
    assert _text(walk.text(document, TERMINAL)) == snapshot("""\
STAGE         STATE       WHERE IT STANDS
entitlement   waiting     3/4 pool worker updated: 1 of 3 nodes updated,
                          worker02 reboots
nfd           done
gpu-operator  blocked     1/5 operator installed:
                          Subscription/gpu-operator-certified exists and belongs
                          to Argo CD gpu
isolation     not needed  no taint was asked for

To do:
  gpu-operator  change it through Argo CD gpu, or remove it and run the command
                again

Not done: gpu-operator.
The cluster is simulated: times are simulated, none was measured.
""")


def test_walk_that_is_done_says_what_comes_next() -> None:
    document = walk.document("Enable", samples.CLUSTER, samples.DONE)
    assert _text(walk.text(document, TERMINAL, shown=True)) == snapshot("""\

Done: 31 writes, 45m 12s by the cluster's clock.
The cluster is simulated: times are simulated, none was measured.
next: oc-gpu verify
""")


EVENTS = (
    StageChanged(1614600000.0, samples.ASSESSMENTS[0]),
    Written(1614600001.2, "entitlement", "created", "MachineConfig/50-rhsm-conf"),
    Notice(1614600002.0, "nfd", "Node/worker03 changed meanwhile;\n tried again"),
    StageChanged(1614600300.0, samples.ASSESSMENTS[2]),
)


def test_progress_without_a_terminal_is_one_dated_line_an_event() -> None:
    stream = io.StringIO()
    with PlainProgress(stream) as progress:
        for event in EVENTS:
            progress(event)
    assert stream.getvalue() == snapshot("""\
2021-03-01T12:00:00Z  entitlement   waiting     3/4 pool worker updated: 1 of 3 nodes updated, worker02 reboots
2021-03-01T12:00:01Z  entitlement   created     MachineConfig/50-rhsm-conf
2021-03-01T12:00:02Z  nfd           notice      Node/worker03 changed meanwhile; tried again
2021-03-01T12:05:00Z  gpu-operator  blocked     1/5 operator installed: Subscription/gpu-operator-certified exists and belongs to Argo CD gpu
""")


def _progress(*events: Event) -> list[str]:
    stream = io.StringIO()
    with PlainProgress(stream) as progress:
        for event in events:
            progress(event)
    return [" ".join(line.split()[1:]) for line in stream.getvalue().splitlines()]


def test_progress_of_many_nodes_is_a_line_a_minute_and_the_last() -> None:
    def step(number: int, milestone: str = "labels") -> StageChanged:
        detail = f"{number} of 5000 labelled"
        return StageChanged(
            number * 10.0, Assessment("nfd", "NFD", State.WAITING, milestone, detail=detail)
        )

    told = _progress(*(step(n) for n in range(50)), step(50, "done"))
    numbers = [int(said.partition(": ")[2].partition(" ")[0]) for said in told]
    assert numbers == [*range(20), 25, 31, 37, 43, 49, 50]
    assert _progress(*(step(n) for n in range(24)))[-1].endswith("23 of 5000 labelled")


def test_progress_of_many_writes_tells_the_first_and_how_many_more() -> None:
    writes = [Written(n / 10, "isolation", "patched", f"Node/gpu-{n}") for n in range(500)]
    done = StageChanged(60.0, Assessment("isolation", "Isolation", State.DONE))
    told = _progress(*writes, done)
    assert len(told) == 22
    assert told[-2:] == ["isolation patched Node/gpu-499 and 479 before it", "isolation done"]


def test_live_progress_ends_with_a_table_that_fits() -> None:
    stream = io.StringIO()
    with LiveProgress(stream, color=False, width=80) as progress:
        for event in EVENTS:
            progress(event)
    last = stream.getvalue().rpartition("\x1b[2K")[2]
    assert "blocked" in last
    assert max(len(_bare(line)) for line in last.splitlines()) <= 80


def test_state_words_stand_without_colour_and_colour_adds_only_codes() -> None:
    plain = stages.table(samples.ASSESSMENTS, Look(width=80))
    painted = stages.table(samples.ASSESSMENTS, Look(color=True, width=80))
    assert [_bare(line).rstrip() for line in painted] == plain
    assert any("\x1b[" in line for line in painted)


def _bare(line: str) -> str:
    out = ""
    for number, part in enumerate(line.split("\x1b[")):
        out += part if number == 0 else part.partition("m")[2]
    return out
