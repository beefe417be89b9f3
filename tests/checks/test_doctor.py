"""The doctor names each cause where it is, and none where all is well."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from msgspec import structs

from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import LAYERS, SURE
from oc_gpu.checks.doctor import CHECKS, UNEXPLAINED, diagnose, ranked
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.checks.stalled import STOPS
from oc_gpu.snapshot.kinds import (
    ContainerState,
    ContainerStatus,
    Meta,
    Pod,
    PodStatus,
    WaitingState,
)
from oc_gpu.snapshot.model import Snapshot
from tests.checks.ailments import AILMENTS, NOTICES, given_up, silent_in_pool
from tests.checks.patient import NODE, Patient

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "cases"
CASES = Path(os.environ.get("OC_GPU_CASES", _BESIDE))
EVERY = [(slug, number) for slug, makers in AILMENTS.items() for number in range(len(makers))]


@pytest.mark.parametrize(("slug", "number"), EVERY)
def test_an_ill_cluster_is_told_its_cause_first(slug: str, number: int) -> None:
    first = AILMENTS[slug][number]().diagnosis()[0]
    assert first.cause == slug
    assert first.severity is (Severity.WARNING if slug in NOTICES else Severity.ERROR)
    assert first.evidence
    assert first.remedy


@pytest.mark.parametrize(("slug", "number"), EVERY)
def test_what_was_said_in_an_ill_cluster_is_no_error_in_a_healthy_one(
    slug: str, number: int
) -> None:
    ill, well = AILMENTS[slug][number](), Patient()
    logs = {ref: text for ref, text in ill.texts.items() if ref.kind == "log"}
    known = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in well.tables["pods"]}
    well.texts |= {ref: t for ref, t in logs.items() if (ref.namespace, ref.pod) in known}
    well.tables["events"] = [
        event
        for event in ill.tables["events"]
        if event["involvedObject"]["kind"] in ("Pod", "DaemonSet")
    ]
    errors = [one for one in well.diagnosis() if one.severity is Severity.ERROR]
    assert errors == []


def test_a_plan_that_olm_gave_up_is_told_before_what_it_has_not_made() -> None:
    found = given_up().diagnosis()[0]
    assert found.objects == ("InstallPlan/install-a", "ClusterServiceVersion/a.v1")
    assert "Unable to find GVK in discovery" in found.evidence[0].quote
    assert "oc delete installplan install-a" in found.remedy[-1]


def test_a_silent_node_is_waited_for_while_its_pool_has_nodes_to_update() -> None:
    assert silent_in_pool(updated=1).diagnosis()[0].confidence > STOPS
    assert silent_in_pool(updated=2).diagnosis()[0].confidence < STOPS


def test_every_cause_has_an_ill_cluster() -> None:
    assert {check.cause for check in CHECKS} == set(AILMENTS)


@pytest.mark.parametrize("openshift", [True, False])
def test_a_healthy_cluster_has_no_finding(openshift: bool) -> None:  # noqa: FBT001
    assert Patient(openshift=openshift).diagnosis() == ()


def test_every_class_of_the_shared_taxonomy_has_its_check_with_its_family() -> None:
    path = CASES / "taxonomy.yaml"
    if not path.is_file():
        pytest.skip("needs the cases: set OC_GPU_CASES to the folder with their taxonomy.yaml")
    classes = yaml.safe_load(path.read_text())
    ours = {c.cause: c.family for c in CHECKS}
    assert {k: v for k, v in ours.items() if k in classes} == {
        k: v["family"] for k, v in classes.items()
    }
    assert ours.keys() - classes.keys() == {
        "gpus-all-taken",
        "node-not-ready",
        "webhook-denied",
        "workload-asks-too-much",
        "workload-selects-no-node",
    }


def test_every_check_says_what_it_means_and_what_to_do() -> None:
    for check in CHECKS:
        assert check.says
        assert check.means
        assert check.remedy
        assert not check.says.endswith(".")
        assert check.means.endswith(".")
        assert LAYERS[int(check.code[3:5]) - 1] == check.layer


def _finding(code: str, layer: str, confidence: float) -> Finding:
    return Finding(code, "x", Severity.ERROR, layer, "a title", confidence=confidence)


def test_a_sure_cause_of_a_layer_before_explains_the_rest() -> None:
    validator = _finding("OCG1199", "validator", 0.9)
    network = _finding("OCG0299", "network", 0.9)
    first, second = ranked([validator, network])
    assert (first.code, first.explained_by) == ("OCG0299", None)
    assert (second.code, second.explained_by) == ("OCG1199", "OCG0299")


def test_a_guess_explains_nothing_and_stands_behind_what_is_sure() -> None:
    sure, guess = _finding("OCG1199", "validator", 0.9), _finding("OCG0299", "network", 0.4)
    found = ranked([guess, sure])
    assert [one.code for one in found] == ["OCG1199", "OCG0299"]
    assert [one.explained_by for one in found] == [None, None]


def test_a_card_that_does_not_answer_goes_before_the_driver_that_fails() -> None:
    driver, card = _finding("OCG0899", "driver", 0.9), _finding("OCG1599", "hardware", 0.9)
    assert ranked([driver, card])[0] == card


def test_thin_evidence_names_the_layer_and_the_command_that_gets_more() -> None:
    found = Patient().fails("toolkit", "Error").diagnosis()
    assert not any(one.confidence >= SURE for one in found)
    unclear = next(one for one in found if one.code == UNEXPLAINED)
    assert unclear.layer == "container-toolkit"
    assert unclear.cause is None
    assert any(line.startswith("oc logs") for line in unclear.remedy)


def test_a_gpu_node_that_went_silent_is_not_called_healthy() -> None:
    ready = {"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting status."}
    (found,) = Patient().node(conditions=[ready]).diagnosis()
    assert found.code == UNEXPLAINED
    assert found.severity is Severity.ERROR
    assert "not ready" in found.title
    assert found.evidence[0].quote.startswith("Unknown")


def test_an_operator_that_lost_its_lease_time_and_again_is_warned_of() -> None:
    made = Patient().log("operator", "leader election lost")
    assert made.diagnosis() == ()
    made.pod_of("operator")["status"]["containerStatuses"][0]["restartCount"] = 9
    (found,) = made.diagnosis()
    assert found.cause == "leader-election-lost-apiserver"
    assert found.severity is Severity.WARNING


def test_words_of_a_workload_that_runs_on_are_past() -> None:
    made = AILMENTS["nvml-lost-after-daemon-reload"][0]().log(
        "train-0", "CUDA error: unknown error"
    )
    assert made.diagnosis() == ()


def test_an_object_of_no_known_shape_spoils_one_check_only() -> None:
    made = Patient().fails("driver").log("driver", "Required key not available")
    made.tables["machineconfigs"] = [
        {"kind": "MachineConfig", "metadata": {"name": "a"}, "spec": {"config": {"storage": "?"}}}
    ]
    found = made.diagnosis()
    assert found[0].cause == "secure-boot-enabled"
    assert any(one.severity is Severity.UNKNOWN for one in found)


def test_the_order_of_objects_changes_nothing() -> None:
    made = AILMENTS["driver-in-use-cannot-unload"][0]()
    before = made.diagnosis()
    for table in made.tables.values():
        table.reverse()
    assert diagnose(Case(made.snapshot()))[0].cause == before[0].cause


class TestUnderWay:
    def test_a_driver_that_starts_is_no_error_before_its_probe_gives_up(self) -> None:
        for minutes, severity in ((3, Severity.WARNING), (40, Severity.ERROR)):
            found = Patient().policy().waits("driver", minutes=minutes).diagnosis()
            assert {one.severity for one in found} == {severity}

    def test_what_waits_for_a_young_driver_is_as_young(self) -> None:
        made = Patient().policy().waits("plugin", minutes=300).waits("driver", minutes=3)
        assert {one.severity for one in made.diagnosis()} == {Severity.WARNING}

    def test_a_young_pod_that_failed_is_an_error_at_once(self) -> None:
        made = Patient().waits("driver", minutes=3).fails("driver")
        assert made.diagnosis()[0].severity is Severity.ERROR

    def test_a_cause_that_is_seen_needs_no_waiting(self) -> None:
        made = Patient().waits("driver", minutes=3).log("driver", "Required key not available")
        assert made.diagnosis()[0].cause == "secure-boot-enabled"

    def test_without_the_time_of_the_snapshot_nothing_is_young(self) -> None:
        made = Patient().waits("driver", minutes=3)
        made.now = 0
        assert made.diagnosis()[0].severity is Severity.ERROR

    def test_olm_may_take_a_minute_to_make_what_a_csv_requires(self) -> None:
        lacking = "olm-csv-requirements-not-met"
        for seconds, plan_failed, named in ((5, False, False), (90, False, True), (5, True, True)):
            made = (given_up if plan_failed else AILMENTS[lacking][0])()
            made.now = 1_800_000_000.0
            since = datetime.fromtimestamp(made.now - seconds, UTC).isoformat()
            made.one("csvs", "a.v1")["status"]["lastTransitionTime"] = since
            causes = [finding.cause for finding in made.diagnosis()]
            assert (lacking in causes) == named, (seconds, plan_failed, causes)

    def test_a_pool_may_take_its_time_for_each_node(self) -> None:
        for minutes, updated, severity in (
            (20, 0, Severity.WARNING),
            (60, 0, Severity.ERROR),
            (60, 1, Severity.WARNING),
        ):
            found = Patient().rolls(minutes=minutes, updated=updated).diagnosis()
            assert found[0].cause == "mcp-stuck-updating"
            assert found[0].severity is severity


def test_an_operand_may_ask_for_the_runtime_class_on_crio() -> None:
    made = Patient().policy()
    pod = made.pod_of("plugin")
    pod["spec"]["runtimeClassName"] = "nvidia"
    pod["status"] = {"phase": "Pending", "initContainerStatuses": [{"name": "toolkit-validation"}]}
    assert all(one.cause != "runtimeclass-not-applicable-crio" for one in made.diagnosis())


def test_a_reboot_restarts_all_pods_of_a_node_and_is_nobodys_fault() -> None:
    made = Patient(openshift=False)
    for pod in made.tables["pods"]:
        pod["status"]["containerStatuses"][0]["restartCount"] = 30
    assert made.diagnosis() == ()


def test_who_gets_as_far_as_cuda_has_seen_the_markers_of_the_driver() -> None:
    made = Patient().policy(driver={"enabled": False}, toolkit={"enabled": False})
    made.without("driver", "toolkit").fails("validator", init="cuda-validation")
    made.log("validator", "error code no CUDA-capable device is detected")
    assert made.diagnosis()[0].cause == "cuda-init-error"


def test_a_fabric_manager_without_switch_on_cards_without_one_is_a_hint_only() -> None:
    said = "query NVSwitch device information failed with error:WARNING Nothing to do "
    made = Patient().waits("driver", minutes=90).log("driver", f"{said}[NV_WARN_NOTHING_TO_DO]")
    assert made.diagnosis()[0].confidence < SURE
    made.labels(**{"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"})
    assert made.diagnosis()[0].cause == "fabric-manager-not-running"
    assert made.diagnosis()[0].confidence >= SURE


def test_a_program_of_a_user_that_fails_is_no_error_of_the_gpus() -> None:
    made = Patient()
    gpu = {"limits": {"nvidia.com/gpu": "1"}}
    container = {"name": "app", "image": "cuda:12", "resources": gpu}
    made.pod("web-0", "ml", {"containers": [container], "nodeName": NODE}).fails("web-0")
    (found,) = made.diagnosis()
    assert found.code == UNEXPLAINED
    assert found.severity is Severity.WARNING


def test_a_call_to_the_api_server_is_known_in_any_spelling() -> None:
    call = (
        "Get https://10.43.0.1:443/api/v1/namespaces/gpu/pods/x. dial tcp 10.43.0.1:443 I/O timeout"
    )
    made = Patient(openshift=False).fails("nfd-worker").log("nfd-worker", call)
    assert made.diagnosis()[0].cause == "apiserver-unreachable"


class TestWithoutLogs:
    """What is told by the state of things alone is a hint, or not much more."""

    def test_a_manager_that_fails_where_a_driver_was_did_not_get_it_away(self) -> None:
        made = Patient().fails("driver", init="k8s-driver-manager")
        assert made.diagnosis()[0].cause == "driver-in-use-cannot-unload"
        made.log("driver", "something else", container="k8s-driver-manager")
        assert all(one.cause != "driver-in-use-cannot-unload" for one in made.diagnosis())

    def test_an_old_worker_that_fails_beside_a_master_that_is_well_does_not_reach_it(self) -> None:
        made = Patient(openshift=False).fails("nfd-worker", image="x/nfd:v0.12.1")
        assert made.diagnosis()[0].cause == "nfd-worker-cannot-reach-master"

    def test_a_newer_worker_calls_no_master(self) -> None:
        made = Patient(openshift=False).fails("nfd-worker", image="x/nfd:v0.16.6")
        assert all(one.cause != "nfd-worker-cannot-reach-master" for one in made.diagnosis())

    def test_a_plugin_of_ones_own_that_offers_nothing_beside_a_working_driver(self) -> None:
        made = Patient(openshift=False).without("operator", "driver", "toolkit", "validator")
        made.drop("clusterpolicies").node(capacity={}, allocatable={})
        for part in ("capacity", "allocatable"):
            made.one("nodes", NODE)["status"][part].pop("nvidia.com/gpu", None)
        first = made.diagnosis()[0]
        assert first.cause == "runtime-not-injecting-driver"
        assert first.confidence < SURE

    def test_a_build_with_an_entitlement_that_ends_without_a_word(self) -> None:
        made = AILMENTS["entitlement-stale"][0]()
        made.one("clusterversions", "version")["status"]["desired"]["version"] = "4.7.13"
        made.texts.clear()
        found = {one.cause: one.confidence for one in made.diagnosis()}
        assert found["entitlement-stale"] < SURE


def test_an_exporter_that_runs_on_without_some_metrics_explains_no_trouble() -> None:
    said = "Not collecting DCP metrics: Profiling is not supported for this group of GPUs or GPU"
    made = Patient().fails("nfd-worker").log("exporter", said)
    assert all(one.confidence < SURE for one in made.diagnosis() if "dcgm" in str(one.cause))
    made = Patient().fails("exporter").log("exporter", said)
    assert made.diagnosis()[0].cause == "dcgm-profiling-unsupported"


def test_the_end_of_a_log_is_enough_where_it_names_what_stopped() -> None:
    ends = {
        "did you set the docker default runtime to 'nvidia'?": "runtime-not-injecting-driver",
        "main.(*migStrategySingle).GetPlugins(0xc0001321b0)": "mig-strategy-mismatch",
    }
    for line, cause in ends.items():
        made = Patient(openshift=False).fails("plugin").log("plugin", line)
        assert made.diagnosis()[0].cause == cause


def _with_pod(name: str, state: str) -> Snapshot:
    waits = ContainerState(waiting=WaitingState(reason=state))
    status = PodStatus(container_statuses=[ContainerStatus(name="main", state=waits)])
    return Snapshot("here", tables={"pods": (Pod(metadata=Meta(name=name), status=status),)})


def test_a_case_takes_over_what_is_known_of_the_same_pods_and_of_no_others() -> None:
    first = Case(_with_pod("a", "CrashLoopBackOff"))
    assert [one.pod.metadata.name for one in first.troubles] == ["a"]
    more = Case(structs.replace(first.snapshot, journals={"node": "said"}), first)
    assert more.troubles is first.troubles
    assert more.snapshot.journals == {"node": "said"}
    others = Case(_with_pod("b", "ErrImagePull"), first)
    assert [one.pod.metadata.name for one in others.troubles] == ["b"]
