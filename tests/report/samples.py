"""Values as the other rooms return them, to be rendered."""

from oc_gpu.checks.model import Evidence, Finding, Severity
from oc_gpu.kube.resources import MACHINE_CONFIGS
from oc_gpu.report.documents import Cluster
from oc_gpu.rollout.events import Outcome
from oc_gpu.snapshot.kinds import (
    Condition,
    DaemonSet,
    DaemonSetStatus,
    Meta,
    Node,
    NodeSpec,
    NodeStatus,
    Taint,
)
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages.model import Apply, Assessment, ObjectRef, State

SECRET = "LS0tLS1CRUdJTi-the-key-itself"
CLUSTER = Cluster(
    server="https://api.gpu44.example.com:6443", openshift="4.4.33", kubernetes="v1.17.1"
)
FINDINGS = (
    Finding("OCG0102", "release", Severity.OK, "access", "OpenShift 4.4.33 is known"),
    Finding(
        "OCG0201",
        "proxy",
        Severity.INFO,
        "network",
        "the cluster reaches the internet through the proxy http://proxy.example.com:8080",
        evidence=(Evidence("Proxy/cluster", "spec.httpProxy: http://proxy.example.com:8080"),),
    ),
    Finding(
        "OCG0301",
        "entitlement",
        Severity.ERROR,
        "entitlement",
        "this cluster needs an entitlement, and none was given: its drivers are built from RPMs",
        cause="entitlement-missing",
        remedy=("download the subscription certificate", "oc-gpu check --entitlement FILE"),
    ),
    Finding(
        "OCG0401",
        "pools",
        Severity.WARNING,
        "machine-config",
        "pool worker is paused",
        evidence=(Evidence("MachineConfigPool/worker", "spec.paused: true\nsince yesterday"),),
        remedy=('oc patch mcp/worker --type=merge -p \'{"spec":{"paused":false}}\'',),
    ),
    Finding("OCG0101", "sources", Severity.UNKNOWN, "access", "secrets could not be read"),
)
_DUE = Apply(
    ObjectRef(MACHINE_CONFIGS, "50-entitlement-key-pem"),
    {"apiVersion": "v1", "kind": "MachineConfig", "data": SECRET},
    reboots="worker",
)
ASSESSMENTS = (
    Assessment(
        "entitlement",
        "Entitlement",
        State.WAITING,
        "pool worker updated",
        "1 of 3 nodes updated, worker02 reboots",
        (_DUE,),
        reached=2,
        total=4,
    ),
    Assessment("nfd", "Node Feature Discovery", State.DONE, reached=4, total=4),
    Assessment(
        "gpu-operator",
        "GPU Operator",
        State.BLOCKED,
        "operator installed",
        "Subscription/gpu-operator-certified exists and belongs to Argo CD gpu",
        hints=("change it through Argo CD gpu, or remove it and run the command again",),
        reached=0,
        total=5,
    ),
    Assessment("isolation", "Isolation", State.NOT_NEEDED, detail="no taint was asked for"),
)
OUTCOME = Outcome(ASSESSMENTS, writes=12, seconds=1834.5, simulated=True)
DONE = Outcome(
    tuple(Assessment(a.stage, a.title, State.DONE) for a in ASSESSMENTS), 31, 2712.0, simulated=True
)
SNAPSHOT = Snapshot(
    server=CLUSTER.server,
    simulated=True,
    tables={
        "nodes": (
            Node(Meta("worker01")),
            Node(
                Meta(
                    "worker03",
                    labels={
                        "nvidia.com/gpu.product": "Tesla-T4",
                        "nvidia.com/cuda.driver.major": "450",
                        "nvidia.com/cuda.driver.minor": "80",
                        "nvidia.com/cuda.driver.rev": "02",
                    },
                ),
                NodeSpec([Taint("nodetype", "gpu", "NoSchedule")]),
                NodeStatus(
                    {"nvidia.com/gpu": "1"},
                    {"nvidia.com/gpu": "1"},
                    [Condition("Ready", "True")],
                ),
            ),
        ),
        "daemonsets": (
            DaemonSet(
                Meta("nvidia-driver-daemonset", "gpu-operator-resources"),
                status=DaemonSetStatus(desired_number_scheduled=1, number_ready=1),
            ),
            DaemonSet(Meta("sdn", "openshift-sdn"), status=DaemonSetStatus(6, 6)),
        ),
    },
)
