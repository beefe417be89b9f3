"""The whole road on the real control plane, with the shipped rights and nothing more."""

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import difference
from tests.lab.conftest import LabCluster

pytestmark = pytest.mark.lab
TAINT = "nodetype=gpu:NoSchedule"


@pytest.mark.timeout(900)
def test_road_is_walked_proven_and_taken_back(lab: LabCluster, entitled: Path) -> None:
    given = ("--config", str(entitled))
    before, written = lab.objects(), lab.writes()
    lab.oc_gpu("check", *given).ok()
    plan = lab.oc_gpu("plan", *given).ok().out
    assert "MachineConfig/50-entitlement-pem" in plan
    assert lab.writes() == written

    lab.oc_gpu("enable", "--yes", *given).ok()
    status = json.loads(lab.oc_gpu("status", "-o", "json", *given).ok().out)
    states = {s["stage"]: s["state"] for s in status["stages"]}
    assert states == {
        "record": "done",
        "entitlement": "done",
        "nfd": "done",
        "gpu-operator": "done",
        "isolation": "not needed",
        "mig": "not needed",
    }
    proven = lab.oc_gpu("verify").ok().out
    assert "proven on every GPU node" in proven

    written = lab.writes()
    lab.oc_gpu("enable", "--yes", *given).ok()
    assert lab.writes() == written

    lab.oc_gpu("isolate", "--yes", "--taint", TAINT).ok()
    assert "proven on every GPU node" in lab.oc_gpu("verify").ok().out

    lab.oc_gpu("disable", "--yes").ok()
    assert difference(before, lab.objects()) == ""
