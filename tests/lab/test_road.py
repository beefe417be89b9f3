"""The whole road on the real control plane, with the shipped rights and nothing more."""

import json
import os
import random
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.conftest import difference, kill
from tests.lab.conftest import LabCluster

pytestmark = pytest.mark.lab
TAINT = "nodetype=gpu:NoSchedule"
KILLS = int(os.environ.get("OC_GPU_LAB_KILLS", "5"))


@pytest.mark.timeout(900)
def test_road_is_walked_proven_and_taken_back(lab: LabCluster, entitled: Path) -> None:
    given = ("--config", str(entitled))
    before = lab.objects()
    lab.oc_gpu("check", *given).ok()
    plan = lab.oc_gpu("plan", *given).ok().out
    assert "MachineConfig/50-entitlement-pem" in plan
    assert lab.writes() == []

    lab.oc_gpu("enable", "--yes", *given).ok()
    status = json.loads(lab.oc_gpu("status", "-o", "json", *given).ok().out)
    states = {s["stage"]: s["state"] for s in status["stages"]}
    assert states == {
        "record": "done",
        "entitlement": "done",
        "nfd": "done",
        "gpu-operator": "done",
        "isolation": "not needed",
    }
    proven = lab.oc_gpu("verify").ok().out
    assert "proven on every GPU node" in proven

    written = len(lab.writes())
    lab.oc_gpu("enable", "--yes", *given).ok()
    assert lab.writes()[written:] == []

    lab.oc_gpu("isolate", "--yes", "--taint", TAINT).ok()
    assert "proven on every GPU node" in lab.oc_gpu("verify").ok().out

    lab.oc_gpu("disable", "--yes").ok()
    assert difference(before, lab.objects()) == ""


@pytest.mark.timeout(900 + 30 * KILLS)
def test_enable_killed_at_random_moments_ends_verified(lab: LabCluster) -> None:
    dice = random.Random(4)  # noqa: S311 - a moment, no secret
    for _ in range(KILLS):
        process = lab.start("enable", "--yes", "--taint", TAINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(dice.uniform(1, 12))
        kill(process)
    lab.oc_gpu("enable", "--yes", "--taint", TAINT).ok()
    assert "proven on every GPU node" in lab.oc_gpu("verify").ok().out


def test_missing_right_is_named_before_the_first_write(lab: LabCluster) -> None:
    role = json.loads(lab.as_cluster_admin("get", "clusterrole", "oc-gpu", "-o", "json").ok().out)
    for rule in role["rules"]:
        if "clusterpolicies" in rule["resources"]:
            rule["verbs"] = ["get", "list", "watch"]
    lab.as_cluster_admin("replace", "-f", "-", stdin=json.dumps(role)).ok()
    done = lab.oc_gpu("enable", "--yes")
    assert done.code == 3, done.out + done.err
    assert "clusterpolicies" in done.out + done.err
    assert lab.writes() == []
