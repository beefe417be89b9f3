"""What would tell of trouble and is not there is named, with what gets it."""

from msgspec import structs

from oc_gpu.checks.case import Case
from oc_gpu.checks.doctor import diagnose
from oc_gpu.checks.model import Unheard
from oc_gpu.checks.unheard import unheard
from oc_gpu.report import doctor as report
from oc_gpu.report.look import Look
from tests.checks.patient import NODE, Patient


def _missing(made: Patient) -> tuple[Unheard, ...]:
    return unheard(Case(made.snapshot()))


def test_the_log_of_what_fails_and_the_kernel_beside_a_driver_are_missed() -> None:
    log, kernel = _missing(Patient().fails("driver"))
    pod = f"nvidia-driver-daemonset-{NODE}"
    assert log.what == f"log of nvidia-driver-ctr of Pod/{pod}"
    assert log.command.startswith(f"oc logs -n nvidia-gpu-operator {pod} -c nvidia-driver-ctr")
    assert kernel.what == f"kernel messages of Node/{NODE}"


def test_what_is_there_is_not_missed() -> None:
    assert _missing(Patient()) == ()
    assert _missing(Patient().fails("driver").log("driver", "a line").dmesg("another")) == ()


def test_a_container_that_never_ran_has_no_log_to_miss() -> None:
    assert _missing(Patient().fails("toolkit", "ImagePullBackOff")) == ()


def test_why_a_log_could_not_be_read_is_told() -> None:
    made = Patient().fails("plugin")
    name = made.pod_of("plugin")["metadata"]["name"]
    why = {f"nvidia-gpu-operator/{name}/nvidia-device-plugin": "not allowed to get pods/log"}
    found = unheard(Case(structs.replace(made.snapshot(), unlogged=why)))
    assert [one.why for one in found] == ["not allowed to get pods/log"]


def _said(made: Patient, *, verbose: int = 0) -> str:
    snapshot = made.snapshot()
    case = Case(snapshot)
    found = report.document(snapshot, diagnose(case), unheard(case))
    return "\n".join(report.text(found, Look(width=80), verbose=verbose))


def test_what_is_missing_is_told_where_no_cause_is_plain() -> None:
    assert "missing  log of nvidia-driver-ctr" in _said(Patient().fails("driver"))


def test_what_is_missing_beside_a_plain_cause_is_told_on_request() -> None:
    made = Patient().fails("driver").log("driver", "Required key not available")
    assert "missing" not in _said(made)
    assert "missing  kernel messages" in _said(made, verbose=1)
