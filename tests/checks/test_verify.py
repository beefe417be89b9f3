"""Proof: a GPU works when a container computed on it, on each GPU node, and others stay off."""

from typing import Any

import pytest
from msgspec.structs import replace

from oc_gpu.checks.evidence import Miss, NodeEvidence, StayOff
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.checks.verify import judge
from oc_gpu.snapshot.kinds import Taint
from tests.checks import smi_text, world
from tests.checks.smi_text import Board
from tests.checks.world import evidence, gpu_node, inputs, node, only, said, sample, snapshot

PLAIN = (node("worker01"), node("worker02"))


def _judge(*given: NodeEvidence, **tables: Any) -> tuple[Finding, ...]:
    return judge(inputs(snapshot(**tables)), given or (evidence(),))


def _on(item: Any, *given: NodeEvidence) -> tuple[Finding, ...]:
    return _judge(*given, nodes=(*PLAIN, item))


class TestWhichNodes:
    def test_a_cluster_without_gpu_node_is_not_proven_whatever_the_policy_says(self) -> None:
        labels = {"feature.node.kubernetes.io/cpu-cpuid.AVX": "true"}
        plain = tuple(node(name, labels=labels) for name in ("worker01", "worker02"))
        findings = judge(inputs(snapshot(nodes=plain)), ())
        assert only(findings, "OCG1501").severity is Severity.ERROR
        policy = only(findings, "OCG1102")
        assert (policy.severity, policy.title) == (
            Severity.ERROR,
            "ClusterPolicy/gpu-cluster-policy says ready, but no node has a GPU",
        )

    @pytest.mark.parametrize(
        "sign",
        [
            node("worker09", gpus=1),
            node("worker09", labels={"nvidia.com/gpu.present": "true"}),
        ],
    )
    def test_any_sign_of_a_gpu_makes_a_node_one_that_has_to_be_proven(self, sign: Any) -> None:
        findings = _judge(nodes=(*PLAIN, gpu_node(), sign))
        found = [f for f in findings if f.code == "OCG1401" and f.objects == ("Node/worker09",)]
        assert [f.severity for f in found] == [Severity.UNKNOWN]

    def test_each_of_two_gpu_nodes_is_judged_by_its_own_evidence(self) -> None:
        nodes = (*PLAIN, gpu_node(), gpu_node("worker04"))
        findings = _judge(nodes=nodes)
        by_node = {f.objects[0]: f.severity for f in findings if f.code == "OCG0802"}
        assert by_node == {"Node/worker03": Severity.OK, "Node/worker04": Severity.UNKNOWN}


class TestLabels:
    def test_the_labels_of_a_working_node_are_good(self) -> None:
        findings = _judge()
        assert only(findings, "OCG0601").severity is Severity.OK
        found = only(findings, "OCG0602")
        assert (found.severity, found.title) == (
            Severity.OK,
            "worker03 is labelled with 1 x Tesla-T4",
        )

    def test_a_node_with_gpus_but_without_pci_label_is_an_error(self) -> None:
        bare = gpu_node(labels={"feature.node.kubernetes.io/pci-10de.present": None})
        found = only(_on(bare), "OCG0601")
        assert (found.severity, found.cause) == (Severity.ERROR, "nfd-labels-missing")

    @pytest.mark.parametrize(
        ("labels", "words"),
        [
            ({"nvidia.com/gpu.product": None}, "nvidia.com/gpu.product"),
            ({"nvidia.com/gpu.count": None}, "nvidia.com/gpu.count"),
            ({"nvidia.com/gpu.present": "false"}, "nvidia.com/gpu.present=true"),
            ({"nvidia.com/gpu.count": "2"}, "count is 2, nvidia-smi sees 1"),
            ({"nvidia.com/gpu.product": "Tesla-V100"}, "nvidia-smi sees Tesla-T4"),
        ],
    )
    def test_labels_that_are_missing_or_of_another_card_are_errors(
        self, labels: dict[str, str | None], words: str
    ) -> None:
        found = only(_on(gpu_node(labels=labels)), "OCG0602")
        assert (found.severity, words in found.title) == (Severity.ERROR, True)

    def test_the_product_may_be_that_of_any_card_where_they_differ(self) -> None:
        boards = [Board(), Board(bus="00000000:14:00.0", name="Tesla V100")]
        two = gpu_node(gpus=2, labels={"nvidia.com/gpu.count": "2"})
        assert only(_on(two, evidence(boards=boards)), "OCG0602").severity is Severity.OK

    def test_a_shared_card_may_say_so_in_its_product(self) -> None:
        shared = gpu_node(labels={"nvidia.com/gpu.product": "Tesla-T4-SHARED"})
        assert only(_on(shared), "OCG0602").severity is Severity.OK


MIG = ("MIG-8f0c8f2e-0d6b-4a3e-9f62-0c7f7a1b2c3e", "MIG-8f0c8f2e-0d6b-4a3e-9f62-0c7f7a1b2c3f")


class TestAllocatable:
    def test_as_many_as_nvidia_smi_sees_is_good(self) -> None:
        found = only(_judge(), "OCG1201")
        assert (found.severity, found.title) == (Severity.OK, "worker03 has 1 GPU allocatable")

    def test_none_is_an_error(self) -> None:
        found = only(_on(gpu_node(gpus=0)), "OCG1201")
        assert (found.severity, found.title) == (Severity.ERROR, "worker03 offers no GPU to pods")

    def test_fewer_than_there_are_cards_is_an_error(self) -> None:
        boards = [Board(), Board(bus="00000000:14:00.0")]
        found = only(_on(gpu_node(), evidence(boards=boards)), "OCG1201")
        assert (found.severity, found.title) == (
            Severity.ERROR,
            "worker03 has 1 GPU allocatable, and its cards make 2",
        )

    def test_a_card_that_the_device_plugin_took_out_of_service_is_named_so(self) -> None:
        boards = [Board(), Board(bus="00000000:14:00.0")]
        sick = gpu_node()
        sick.status.capacity["nvidia.com/gpu"] = "2"
        found = only(_on(sick, evidence(boards=boards)), "OCG1201")
        assert found.cause == "gpu-marked-unhealthy"
        assert "capacity.nvidia.com/gpu: 2" in [e.quote for e in found.evidence]

    def test_without_nvidia_smi_the_number_is_unknown(self) -> None:
        assert only(_on(gpu_node(), evidence(smi_xml="")), "OCG1201").severity is Severity.UNKNOWN

    def test_time_slices_are_counted_as_replicas(self) -> None:
        sliced = gpu_node(gpus=4, labels={"nvidia.com/gpu.replicas": "4"})
        assert only(_on(sliced), "OCG1201").severity is Severity.OK
        assert only(_on(gpu_node(gpus=4)), "OCG1201").severity is Severity.ERROR

    def test_mig_devices_are_counted_in_place_of_their_card(self) -> None:
        given = evidence(boards=[Board(mig="Enabled", mig_devices=MIG)])
        assert only(_on(gpu_node(gpus=2), given), "OCG1201").severity is Severity.OK
        assert only(_on(gpu_node(gpus=1), given), "OCG1201").severity is Severity.ERROR


class TestOperands:
    def test_all_ready_on_the_node_is_good(self) -> None:
        found = only(_judge(), "OCG1101")
        assert (found.severity, found.title) == (
            Severity.OK,
            "all 2 operands are ready on worker03",
        )

    def test_a_pod_that_is_not_ready_is_an_error_of_its_layer(self) -> None:
        pods = (world.pod(world.OPERANDS[0], ready=False), world.pod(world.OPERANDS[1]))
        found = only(_judge(pods=pods), "OCG1101")
        assert (found.severity, found.layer) == (Severity.ERROR, "driver")
        assert found.title == "nvidia-driver-daemonset is not ready on worker03: CrashLoopBackOff"
        assert found.remedy[0].startswith("oc logs -n nvidia-gpu-operator nvidia-driver-daemonset-")

    def test_a_ready_pod_on_another_node_proves_nothing_here(self) -> None:
        pods = (world.pod(world.OPERANDS[0]), world.pod(world.OPERANDS[1], on="worker01"))
        found = only(_judge(pods=pods), "OCG1101")
        assert (found.severity, found.layer) == (Severity.ERROR, "device-plugin")
        assert found.title == "nvidia-device-plugin-daemonset has no pod on worker03"

    def test_a_driver_named_after_the_rhcos_release_is_the_driver(self) -> None:
        name = "nvidia-driver-daemonset-9.6.20251028-0"
        sets = (
            world.daemon_set("nvidia-driver-daemonset-9.6.20250101-0", 0),
            world.daemon_set(name),
            world.daemon_set(world.OPERANDS[1]),
        )
        pods = (world.pod(name), world.pod(world.OPERANDS[1]))
        assert only(_judge(pods=pods, daemonsets=sets), "OCG1101").severity is Severity.OK

    def test_an_operand_whose_name_starts_like_another_is_not_taken_for_it(self) -> None:
        names = ("nvidia-dcgm", "nvidia-dcgm-exporter")
        cluster = snapshot(daemonsets=(world.daemon_set(names[1]),), pods=(world.pod(names[1]),))
        findings = judge(inputs(cluster, operands=names), [evidence()])
        assert said(findings, "OCG1101") == [
            (Severity.ERROR, "there is no DaemonSet nvidia-dcgm in nvidia-gpu-operator"),
            (Severity.OK, "nvidia-dcgm-exporter is ready on worker03"),
        ]

    def test_a_daemonset_that_wants_no_pod_is_an_error_with_the_taint_it_misses(self) -> None:
        sets = (world.daemon_set(world.OPERANDS[0], 0), world.daemon_set(world.OPERANDS[1]))
        tainted = gpu_node(taints=(world.TAINT,))
        found = _judge(nodes=(*PLAIN, tainted), daemonsets=sets)
        first = next(f for f in found if f.code == "OCG1101")
        assert (first.severity, first.cause) == (Severity.ERROR, "operand-missing-toleration")
        assert any("nodetype=gpu:NoSchedule" in e.quote for e in first.evidence)

    @pytest.mark.parametrize(
        "toleration",
        [
            {"operator": "Exists"},
            {"key": "nodetype", "value": "gpu"},
            {"key": "nodetype", "operator": "Exists", "effect": "NoSchedule"},
        ],
    )
    def test_a_taint_that_the_operand_tolerates_is_not_blamed(self, toleration: Any) -> None:
        sets = (
            world.daemon_set(world.OPERANDS[0], 0, tolerations=[toleration]),
            world.daemon_set(world.OPERANDS[1]),
        )
        found = _judge(nodes=(*PLAIN, gpu_node(taints=(world.TAINT,))), daemonsets=sets)
        assert [f.cause for f in found if f.code == "OCG1101"] == [None, None]

    def test_a_daemonset_that_selects_a_label_nobody_has_is_an_error_with_the_label(self) -> None:
        selects = {"nodeSelector": {"nvidia.com/gpu.deploy.driver": "true"}}
        tolerates = {"tolerations": [{"key": "nodetype", "operator": "Exists"}]}
        sets = (
            world.daemon_set(world.OPERANDS[0], 0, **selects, **tolerates),
            world.daemon_set(world.OPERANDS[1]),
        )
        tainted = gpu_node(taints=(world.TAINT,))
        found = _judge(nodes=(*PLAIN, tainted), daemonsets=sets)
        first = next(f for f in found if f.code == "OCG1101")
        assert first.cause == "gpu-deploy-labels-wrong"


class TestClusterPolicy:
    @pytest.mark.parametrize(
        ("status", "severity"),
        [
            ({"state": "ready"}, Severity.INFO),
            ({"state": "notReady"}, Severity.WARNING),
            ({}, Severity.WARNING),
        ],
    )
    def test_its_word_is_never_taken_for_good(
        self, status: dict[str, str], severity: Severity
    ) -> None:
        policies = (world.raw("gpu-cluster-policy", status=status),)
        assert only(_judge(clusterpolicies=policies), "OCG1102").severity is severity

    def test_a_condition_that_is_not_so_is_not_quoted(self) -> None:
        condition = {"type": "Error", "status": "False", "reason": "Ready", "message": ""}
        status = {"state": "notReady", "conditions": [condition]}
        policies = (world.raw("gpu-cluster-policy", status=status),)
        assert len(only(_judge(clusterpolicies=policies), "OCG1102").evidence) == 1

    def test_its_error_is_quoted(self) -> None:
        condition = {"type": "Error", "status": "True", "reason": "OperandNotReady", "message": "x"}
        status = {"state": "notReady", "conditions": [condition]}
        policies = (world.raw("gpu-cluster-policy", status=status),)
        found = only(_judge(clusterpolicies=policies), "OCG1102")
        assert found.evidence[-1].quote == "OperandNotReady: x"

    def test_none_is_an_error(self) -> None:
        assert only(_judge(clusterpolicies=()), "OCG1102").severity is Severity.ERROR


class TestNvidiaSmi:
    def test_what_it_sees_is_told(self) -> None:
        found = only(_judge(), "OCG0802")
        assert (found.severity, found.title) == (
            Severity.OK,
            (
                "nvidia-smi sees 1 x Tesla T4 on worker03 (driver 450.80.02, CUDA 11.0); "
                "XML and text table agree"
            ),
        )
        assert smi_text.UUID in found.evidence[0].quote
        assert found.remedy == ()

    @pytest.mark.parametrize("part", ["smi_xml", "smi_table"])
    def test_without_one_of_its_outputs_nothing_is_known(self, part: str) -> None:
        given = evidence(misses=(Miss("nvidia-smi", "exec is forbidden"),), **{part: ""})
        found = only(_judge(given), "OCG0802")
        assert (found.severity, "exec is forbidden" in found.title) == (Severity.UNKNOWN, True)

    def test_a_failure_in_place_of_a_report_is_an_error_that_quotes_it(self) -> None:
        text = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
        found = only(_judge(evidence(smi_xml=text)), "OCG0802")
        assert found.severity is Severity.ERROR
        assert "couldn't communicate" in found.evidence[0].quote
        assert found.remedy == (
            (
                "oc exec -n nvidia-gpu-operator nvidia-driver-daemonset-x7k2m "
                "-c smi-container-of-the-facts -- nvidia-smi"
            ),
        )

    def test_a_table_of_another_card_is_an_error(self) -> None:
        table = smi_text.table("450", [Board(name="Tesla V100")], "450.80.02", "11.0")
        found = only(_judge(evidence(smi_table=table)), "OCG0802")
        assert (found.severity, "disagree" in found.title) == (Severity.ERROR, True)

    @pytest.mark.parametrize(
        ("complaint", "severity", "cause"),
        [
            ("[GPU is lost]", Severity.ERROR, "gpu-fallen-off-bus"),
            ("ERR!", Severity.WARNING, None),
        ],
    )
    def test_complaints_about_a_card_are_told(
        self, complaint: str, severity: Severity, cause: str | None
    ) -> None:
        xml = smi_text.xml(11, [Board(power=None)], "450.80.02", "11.0", complaint)
        found = only(_judge(evidence(smi_xml=xml)), "OCG0802")
        assert (found.severity, found.cause) == (severity, cause)


class TestSample:
    def test_a_sample_that_passed_on_a_card_of_the_node_is_the_proof(self) -> None:
        found = only(_judge(), "OCG1401")
        assert (found.severity, found.title) == (
            Severity.OK,
            f"a CUDA sample ran on {smi_text.UUID} of worker03 and passed",
        )
        quotes = [e.quote for e in found.evidence]
        assert quotes[0] == "imageID: nvcr.io/nvidia/k8s/cuda-sample@sha256:0123"
        assert quotes[-1] == "Test PASSED"

    def test_a_sample_that_was_not_started_is_unknown_and_says_why(self) -> None:
        given = evidence(samples=(), misses=(Miss("sample", "image cannot be pulled"),))
        found = only(_judge(given), "OCG1401")
        assert (found.severity, "image cannot be pulled" in found.title) == (Severity.UNKNOWN, True)

    def test_a_sample_for_which_no_gpu_is_free_is_unknown_for_want_of_capacity(self) -> None:
        full = "0/4 nodes are available: 1 Insufficient nvidia.com/gpu, 3 didn't match."
        waiting = sample(node="", phase="Pending", image_id="", log="", message=full)
        found = only(_judge(evidence(samples=(waiting,))), "OCG1401")
        assert (found.severity, found.layer) == (Severity.UNKNOWN, "capacity")
        assert (
            found.title == "no CUDA sample ran on worker03: all its GPUs are in use by other pods"
        )
        assert full.rstrip(".") in [e.quote for e in found.evidence]

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"node": ""}, "never placed"),
            ({"node": "worker01"}, "ran on worker01"),
            ({"phase": "Failed"}, "its pod is Failed"),
            ({"log": f"{smi_text.UUID}\nTest FAILED"}, "without the line 'Test PASSED'"),
            ({"log": world.LOG.replace("8f0c8f2e", "00000000")}, "nvidia-smi does not list"),
        ],
    )
    def test_a_sample_that_proves_nothing_is_an_error(
        self, changes: dict[str, str], words: str
    ) -> None:
        found = only(_judge(evidence(samples=(sample(**changes),))), "OCG1401")
        assert (found.severity, words in found.title) == (Severity.ERROR, True)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [({"image_id": ""}, "image"), ({"log": "Test PASSED"}, "device")],
    )
    def test_a_pass_of_an_unknown_image_or_device_is_unknown(
        self, changes: dict[str, str], words: str
    ) -> None:
        found = only(_judge(evidence(samples=(sample(**changes),))), "OCG1401")
        assert (found.severity, found.title.endswith(words)) == (Severity.UNKNOWN, True)

    def test_a_driver_too_old_for_the_sample_is_named_as_the_cause(self) -> None:
        log = "error code CUDA driver version is insufficient for CUDA runtime version"
        given = evidence(samples=(sample(phase="Failed", log=log),))
        assert only(_judge(given), "OCG1401").cause == "cuda-driver-insufficient"

    def test_each_kind_of_part_is_proven_by_a_sample_of_its_own(self) -> None:
        boards = [Board(mig="Enabled", mig_devices=("", ""))]
        parts = {"nvidia.com/mig-1g.5gb": "1", "nvidia.com/mig-3g.20gb": "1"}
        ran = [
            sample(resource=name, log=f"GPU 0: X (UUID: {smi_text.UUID})\n  {uuid}\nTest PASSED")
            for name, uuid in zip(parts, MIG, strict=True)
        ]
        listed = "\n".join(MIG)
        given = evidence(boards=boards, samples=tuple(ran), smi_list=listed)
        divided = gpu_node(gpus=0)
        status = replace(divided.status, allocatable=parts)
        divided = replace(divided, status=status)
        assert said(_on(divided, given), "OCG1401") == [
            (Severity.OK, f"a CUDA sample ran on {uuid} ({name}) of worker03 and passed")
            for name, uuid in zip(parts, MIG, strict=True)
        ]
        unlisted = replace(given, smi_list=MIG[0])
        assert [s for s, _ in said(_on(divided, unlisted), "OCG1401")] == [
            Severity.OK,
            Severity.ERROR,
        ]
        one = replace(given, samples=tuple(ran[:1]))
        (_, (severity, title)) = said(_on(divided, one), "OCG1401")
        assert severity is Severity.UNKNOWN
        assert title.startswith("no CUDA sample ran on nvidia.com/mig-3g.20gb of worker03")

    def test_a_mig_device_of_the_card_counts_as_the_card(self) -> None:
        boards = [Board(mig="Enabled", mig_devices=MIG)]
        given = evidence(boards=boards, samples=(sample(log=f"{MIG[1]}\nTest PASSED"),))
        assert only(_on(gpu_node(gpus=2), given), "OCG1401").severity is Severity.OK


def _tainted(given: NodeEvidence, *taints: Taint, wanted: Taint | None = world.TAINT) -> Finding:
    cluster = snapshot(nodes=(*PLAIN, gpu_node(taints=taints or (world.TAINT,))))
    asked: Inputs = replace(inputs(cluster), taint=wanted)
    return only(judge(asked, [given]), "OCG1301")


def _tried(message: str, placed_on: str = "") -> NodeEvidence:
    return evidence(stay_off=StayOff("oc-gpu/no-gpu", placed_on, message))


class TestStayOff:
    def test_without_a_taint_it_is_told_that_nothing_keeps_pods_off(self) -> None:
        found = only(_judge(), "OCG1301")
        assert (found.severity, found.title) == (
            Severity.INFO,
            "worker03 has no taint, so pods that ask for no GPU may run there",
        )

    @pytest.mark.parametrize(
        "clause",
        [
            "had taint {nodetype: gpu}, that the pod didn't tolerate",
            "had untolerated taint {nodetype: gpu}",
            "had taints that the pod didn't tolerate",
            "had untolerated taint(s)",
        ],
    )
    def test_a_pod_kept_off_is_good_in_the_words_of_every_scheduler_release(
        self, clause: str
    ) -> None:
        message = f"0/4 nodes are available: 1 node(s) {clause}, 3 node(s) didn't match selector."
        found = _tainted(_tried(message))
        assert (found.severity, found.title) == (
            Severity.OK,
            "a pod that asks for no GPU stayed off worker03 because of nodetype=gpu:NoSchedule",
        )

    @pytest.mark.parametrize(
        "message",
        [
            "0/4 nodes are available: 1 Insufficient cpu.",
            "0/4 nodes are available: 1 node(s) had taint {node.kubernetes.io/unschedulable: }.",
            "0/4 nodes are available: 1 node(s) had untolerated taint {nodetype: cpu}.",
            "",
        ],
    )
    def test_a_pod_kept_off_by_something_else_proves_nothing(self, message: str) -> None:
        assert _tainted(_tried(message)).severity is Severity.UNKNOWN

    def test_a_pod_that_was_placed_after_all_is_an_error(self) -> None:
        found = _tainted(_tried("", placed_on="worker03"))
        assert (found.severity, "was placed on worker03" in found.title) == (Severity.ERROR, True)

    def test_a_gpu_node_without_the_wanted_taint_is_an_error_with_the_command(self) -> None:
        other = Taint("other", "", "NoSchedule")
        found = _tainted(_tried(world.MESSAGE), other)
        assert (found.severity, found.title) == (
            Severity.ERROR,
            "worker03 lacks the taint nodetype=gpu:NoSchedule",
        )
        assert found.remedy == ("oc-gpu isolate --taint nodetype=gpu:NoSchedule",)

    def test_a_taint_of_somebody_else_is_tested_as_well(self) -> None:
        assert _tainted(_tried(world.MESSAGE), wanted=None).severity is Severity.OK

    @pytest.mark.parametrize(
        "taint",
        [
            Taint("node.kubernetes.io/unschedulable", "", "NoSchedule"),
            Taint("nodetype", "gpu", "PreferNoSchedule"),
        ],
    )
    def test_taints_of_the_platform_and_mere_preferences_keep_nobody_off(
        self, taint: Taint
    ) -> None:
        assert _tainted(_tried(world.MESSAGE), taint, wanted=None).severity is Severity.INFO

    def test_a_pod_that_was_not_tried_is_unknown(self) -> None:
        given = evidence(stay_off=None, misses=(Miss("stay-off", "pods may not be created"),))
        found = _tainted(given)
        assert (found.severity, "pods may not be created" in found.title) == (
            Severity.UNKNOWN,
            True,
        )
