"""What stops a run that waits, and what must not: pure, on ill clusters of the doctor's tests."""

import pytest

from oc_gpu.checks.case import Case
from oc_gpu.checks.doctor import CHECKS, diagnose
from oc_gpu.checks.model import Finding
from oc_gpu.checks.stalled import AT_ONCE, BY_PERSON, LASTS, SYMPTOMS, reason, signs, stalled
from oc_gpu.snapshot.kinds import Event, ObjectReference
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages.model import Assessment, State
from tests.checks.ailments import AILMENTS
from tests.checks.patient import NODE, Patient

NOW = 1_730_800_000.0


def waiting(*stages: str, state: State = State.WAITING) -> tuple[Assessment, ...]:
    return tuple(Assessment(stage, stage, state, detail="waits") for stage in stages)


def verdict(made: Patient, *stages: str, since: dict[str, float] | None = None) -> Finding | None:
    made.now = made.now or NOW
    case = Case(made.snapshot())
    return stalled(waiting(*stages), case, diagnose(case), since or {})


@pytest.mark.parametrize(
    "slug",
    [
        "secure-boot-enabled",
        "registry-auth-forbidden",
        "driver-image-tag-missing",
        "operand-missing-toleration",
    ],
)
def test_a_cause_that_nobody_but_a_person_mends_stops_the_stage_that_it_concerns(slug: str) -> None:
    found = verdict(AILMENTS[slug][0](), "gpu-operator")
    assert found is not None
    assert found.cause == slug


def test_a_cause_that_does_not_concern_what_is_left_of_the_road_stops_nothing() -> None:
    assert verdict(AILMENTS["secure-boot-enabled"][0](), "nfd") is None
    assert verdict(AILMENTS["secure-boot-enabled"][0]()) is None


@pytest.mark.parametrize("slug", ["registry-unreachable", "proxy-unreachable"])
def test_what_may_pass_by_itself_has_to_stand_for_a_while(slug: str) -> None:
    assert slug not in AT_ONCE
    make = AILMENTS[slug][0]
    assert verdict(make(), "gpu-operator") is None
    assert verdict(make(), "gpu-operator", since={slug: NOW - LASTS + 1}) is None
    found = verdict(make(), "gpu-operator", since={slug: NOW - LASTS})
    assert found is not None
    assert found.cause == slug


@pytest.mark.parametrize("slug", sorted(SYMPTOMS & set(AILMENTS)))
def test_what_is_also_seen_on_a_healthy_road_stops_nothing(slug: str) -> None:
    for make in AILMENTS[slug]:
        found = verdict(make(), "gpu-operator", "nfd", "entitlement")
        assert found is None or found.cause not in SYMPTOMS


def test_what_stops_a_run_at_once_is_known_to_the_doctor() -> None:
    known = {check.cause for check in CHECKS}
    assert known >= AT_ONCE | SYMPTOMS | BY_PERSON
    assert not AT_ONCE & SYMPTOMS


def test_a_driver_is_blamed_only_after_it_has_failed() -> None:
    def cluster() -> Patient:
        return Patient().lspci("1eb8", "nouveau")

    assert verdict(cluster().fails("driver", "ContainerCreating"), "gpu-operator") is None
    found = verdict(cluster().fails("driver"), "gpu-operator")
    assert found is not None
    assert found.cause == "nouveau-loaded"


@pytest.mark.parametrize("openshift", [True, False])
def test_a_healthy_cluster_stops_nothing(openshift: bool) -> None:  # noqa: FBT001
    assert verdict(Patient(openshift=openshift), "gpu-operator", "nfd", "entitlement") is None


def test_a_budget_stops_a_drain_only_where_it_will_never_yield() -> None:
    def cluster(healthy: int) -> Patient:
        made = Patient()
        made.one("nodes", NODE)["spec"]["unschedulable"] = True
        made.one("nodes", NODE)["metadata"]["annotations"] = {
            "machineconfiguration.openshift.io/currentConfig": "rendered-worker-1",
            "machineconfiguration.openshift.io/desiredConfig": "rendered-worker-2",
            "machineconfiguration.openshift.io/state": "Working",
        }
        made.pod("cart-1", "shop", {"containers": [{"name": "cart"}], "nodeName": NODE})
        status = {"disruptionsAllowed": 0, "expectedPods": 2, "currentHealthy": healthy}
        return made.add("poddisruptionbudgets", "cart", "shop", spec={}, status=status)

    assert verdict(cluster(1), "entitlement") is None
    found = verdict(cluster(2), "entitlement")
    assert found is not None
    assert found.cause == "drain-blocked-by-pdb"


def test_a_stage_that_has_failed_is_told_the_likely_cause() -> None:
    case = Case(AILMENTS["mcp-degraded-other"][0]().snapshot())
    failed = waiting("entitlement", state=State.FAILED)
    found = reason(failed, diagnose(case))
    assert found is not None
    assert found.cause == "mcp-degraded-other"
    assert reason(waiting("entitlement"), diagnose(case)) is None


def test_a_road_that_is_done_or_well_has_no_signs_of_trouble() -> None:
    ill = AILMENTS["secure-boot-enabled"][0]().snapshot()
    assert signs(waiting("gpu-operator", state=State.DONE), ill) == frozenset()
    assert signs(waiting("gpu-operator"), Patient().snapshot()) == frozenset()


def test_a_restart_more_is_a_new_sign() -> None:
    ill = AILMENTS["secure-boot-enabled"][0]()
    before = signs(waiting("gpu-operator"), ill.snapshot())
    pods = [p for p in ill.tables["pods"] if "driver-daemonset" in p["metadata"]["name"]]
    pods[0]["status"]["containerStatuses"][0]["restartCount"] += 1
    after = signs(waiting("gpu-operator"), ill.snapshot())
    assert before
    assert before != after


def test_a_warning_about_what_cannot_be_made_is_a_sign_and_one_of_a_pod_is_not() -> None:
    def told(kind: str) -> frozenset[str]:
        about = ObjectReference(kind=kind, name="nvidia-driver")
        event = Event(involved_object=about, reason="FailedCreate", message="exceeded quota")
        return signs(waiting("gpu-operator"), Snapshot("s", tables={"events": (event,)}))

    assert told("DaemonSet") == {"FailedCreate DaemonSet/nvidia-driver exceeded quota"}
    assert told("Pod") == frozenset()
