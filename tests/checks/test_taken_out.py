"""GPUs that the device plugin takes out of service, by its words and by what nodes offer."""

import pytest

from oc_gpu.checks.model import Finding, Severity
from oc_gpu.snapshot.texts import TextRef
from tests.checks.patient import NODE, Patient

_GPU = "nvidia.com/gpu"
_SLICE = "nvidia.com/mig-1g.5gb"
_UNHEALTHY = "gpu-marked-unhealthy"
_XID = "gpu-marked-unhealthy-xid"
_OUT = "'nvidia.com/gpu' device marked unhealthy: GPU-1f5c"


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def offers(capacity: dict[str, str], allocatable: dict[str, str]) -> Patient:
    return Patient(openshift=False).node(capacity=capacity, allocatable=allocatable)


def user(*lines: str, fails: bool = True) -> Patient:
    """A plugin with all of its GPUs that says something, beside a user's pod."""
    made = Patient(openshift=False).log("plugin", *lines)
    container = {"name": "app", "image": "cuda:12", "resources": {"limits": {_GPU: "1"}}}
    made.pod("train-0", "ml", {"containers": [container], "nodeName": NODE})
    return made.fails("train-0") if fails else made


def test_parts_of_a_gpu_are_taken_out_like_whole_ones() -> None:
    for less in ("0", "6"):
        slices = offers({_GPU: "0", _SLICE: "7"}, {_GPU: "0", _SLICE: less})
        assert _one(slices, _UNHEALTHY) is not None
    shared = offers({_GPU: "0", f"{_GPU}.shared": "4"}, {_GPU: "0", f"{_GPU}.shared": "0"})
    assert _one(shared, _UNHEALTHY) is not None


def test_what_a_node_offered_before_its_layout_was_changed_is_not_taken_out() -> None:
    changed = offers({_GPU: "1", _SLICE: "7"}, {_GPU: "0", _SLICE: "7"})
    assert _one(changed, _UNHEALTHY) is None
    other = offers({"nvidia.com/hostdev": "8"}, {"nvidia.com/hostdev": "7"})
    assert _one(other, _UNHEALTHY) is None


@pytest.mark.parametrize(
    "line",
    [
        "Warning: GPU-1f5c is too old to support healthchecking: N/A. Marking it unhealthy",
        "Unable to determine GPU health: Unknown Error; marking all devices as unhealthy",
    ],
)
def test_plugins_say_otherwise_that_they_take_a_gpu_out(line: str) -> None:
    assert _one(user(line), _UNHEALTHY) is not None


def test_a_plugin_that_took_a_gpu_out_counts_where_a_user_fails() -> None:
    found = _one(user(_OUT), _UNHEALTHY)
    assert found is not None
    assert found.severity is Severity.ERROR
    well = _one(user(_OUT, fails=False), _UNHEALTHY)
    assert well is not None
    assert well.severity is Severity.WARNING
    assert _one(user(_OUT, "device marked healthy: GPU-1f5c"), _UNHEALTHY) is None
    coded = user("XidCriticalError: Xid=94 on Device=GPU-1f5c; marking device as unhealthy.")
    assert _one(coded, _XID) is not None
    assert _one(coded, _UNHEALTHY) is None


def test_a_plugin_that_began_anew_has_its_gpus_back() -> None:
    made = user(_OUT)
    ref = next(ref for ref in made.texts if ref.kind == "log")
    made.texts[_before(ref)] = made.texts.pop(ref)
    assert _one(made, _UNHEALTHY) is None


def _before(ref: TextRef) -> TextRef:
    return TextRef(
        kind="log",
        where=ref.where.replace("current", "previous"),
        namespace=ref.namespace,
        pod=ref.pod,
        container=ref.container,
        previous=True,
    )
