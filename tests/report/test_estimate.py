"""Which nodes reboot, and the rule of thumb for how long it takes."""

import pytest

from oc_gpu.kube.resources import MACHINE_CONFIGS, NODES, SUBSCRIPTIONS
from oc_gpu.report import estimate
from oc_gpu.report.documents import Reboot
from oc_gpu.snapshot.kinds import Meta, Node
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages.model import Apply, Delete, ObjectRef, Patch

ROLE = "machineconfiguration.openshift.io/role"
CONFIG = Apply(ObjectRef(MACHINE_CONFIGS, "50-x"), {}, reboots="worker")
OPERATOR = Apply(ObjectRef(SUBSCRIPTIONS, "nfd", "x"), {})
TAINT = Patch(ObjectRef(NODES, "worker01"), {}, holds=False, why="taint")


def _pool(name: str, labels: dict[str, str], most: int | str | None = None) -> dict[str, object]:
    return {
        "metadata": {"name": name},
        "spec": {
            "machineConfigSelector": {"matchLabels": {ROLE: "worker"}},
            "nodeSelector": {"matchLabels": labels},
            "maxUnavailable": most,
        },
        "status": {"machineCount": 2},
    }


SNAPSHOT = Snapshot(
    "https://localhost:1",
    tables={
        "machineconfigpools": (_pool("worker", {"w": ""}), _pool("gpu", {"g": ""}, "50%")),
        "nodes": (
            Node(Meta("worker01", labels={"w": ""})),
            Node(Meta("worker02", labels={"w": ""})),
            Node(Meta("gpu01", labels={"w": "", "g": ""})),
        ),
    },
)


def test_nodes_of_every_pool_that_takes_the_configuration_reboot() -> None:
    assert estimate.reboots([CONFIG, OPERATOR], SNAPSHOT) == (
        Reboot(pool="gpu", nodes=("gpu01",), at_once="50%"),
        Reboot(pool="worker", nodes=("worker01", "worker02"), at_once="1"),
    )


def test_nothing_reboots_without_a_configuration() -> None:
    assert estimate.reboots([OPERATOR, TAINT, Delete(ObjectRef(NODES, "x"))], SNAPSHOT) == ()


@pytest.mark.parametrize(
    ("nodes", "at_once", "turns"),
    [(3, "1", 3), (3, "2", 2), (10, "30%", 4), (2, "10%", 2), (1, "100%", 1)],
)
def test_time_grows_with_the_turns_in_which_nodes_reboot(
    nodes: int, at_once: str, turns: int
) -> None:
    pool = Reboot(pool="worker", nodes=tuple("n" * nodes), at_once=at_once)
    found = estimate.estimate([CONFIG], [pool])
    assert found is not None
    assert found.low - 600 == turns * 600
    assert found.high - 1800 == turns * 2400


def test_what_takes_no_time_has_no_estimate() -> None:
    assert estimate.estimate([], []) is None
    assert estimate.estimate([TAINT], []) is None


def test_estimate_says_that_it_is_a_rule_of_thumb() -> None:
    found = estimate.estimate([OPERATOR], [])
    assert found is not None
    assert (found.low, found.high) == (600, 1800)
    assert found.source == "rule of thumb for operators and driver"
