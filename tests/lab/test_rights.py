"""Rights on the real API server: what of the shipped ClusterRole is missing is named beforehand."""

import copy
import json
from typing import Any

import pytest

from oc_gpu.cli.entry import run
from oc_gpu.rollout.grants import cluster_role
from tests.lab.conftest import LabCluster

pytestmark = pytest.mark.lab
RULES = cluster_role()["rules"]
USERS = 8
"""Among whom the lack of the rules is shared out: a `check` for each rule takes minutes."""
EVERYBODYS = {"create selfsubjectaccessreviews.authorization.k8s.io"}
"""What everybody may who is authenticated: ClusterRole system:basic-user."""


@pytest.mark.timeout(300)
def test_every_right_of_the_role_is_named_by_check_where_it_is_missing_and_no_other(
    lab: LabCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    users = {f"lacks-{first}": RULES[first::USERS] for first in range(USERS)} | {
        "lacks-nothing": []
    }
    objects = [obj for user, lost in users.items() for obj in _user(user, lost)]
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    lab.as_cluster_admin("apply", "-f", "-", stdin=json.dumps(listed)).ok()
    written = lab.writes()
    wrong = {}
    for user, lost in users.items():
        run(["check", "--as", user, "--kubeconfig", lab.kubeconfig, "-o", "json"])
        told = _told(json.loads(capsys.readouterr().out))
        if told != _lost(lost):
            wrong[user] = told ^ _lost(lost)
    assert wrong == {}
    assert lab.writes() == written


def _user(name: str, lost: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a ClusterRole that lacks some rules, and who has it and no other."""
    role = copy.deepcopy(cluster_role())
    role["metadata"]["name"] = name
    role["rules"] = [rule for rule in role["rules"] if rule not in lost]
    group = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": name}],
    }
    return role, binding


def _lost(rules: list[dict[str, Any]]) -> set[str]:
    """Return the rights that nobody has any more without some rules, as they are named."""
    rest = [other for other in RULES if other not in rules]
    return {
        f"{verb} {plural}{f'.{group}' if group else ''}"
        for rule in rules
        for group in rule.get("apiGroups", ())
        for plural in rule["resources"]
        for verb in rule["verbs"]
        if not any(_covers(other, verb, group, plural) for other in rest)
    } - EVERYBODYS


def _covers(rule: dict[str, Any], verb: str, group: str, plural: str) -> bool:
    given = verb in rule["verbs"] and group in rule["apiGroups"] and plural in rule["resources"]
    return given and "resourceNames" not in rule


def _told(document: dict[str, Any]) -> set[str]:
    """Return the rights that the check of rights misses, places aside."""
    return {
        right.rpartition(": ")[2].partition(" in ")[0]
        for finding in document["findings"]
        if finding["check"] == "rights" and finding["severity"] != "ok"
        for seen in finding["evidence"]
        for right in seen["quote"].split(", ")
    }


def test_missing_right_is_named_before_the_first_write(lab: LabCluster) -> None:
    written = lab.writes()
    whole = lab.as_cluster_admin("get", "clusterrole", "oc-gpu", "-o", "json").ok().out
    role = json.loads(whole)
    for rule in role["rules"]:
        if "clusterpolicies" in rule["resources"]:
            rule["verbs"] = ["get", "list", "watch"]
    lab.as_cluster_admin("replace", "-f", "-", stdin=json.dumps(role)).ok()
    try:
        done = lab.oc_gpu("enable", "--yes")
        assert done.code == 3, done.out + done.err
        assert "clusterpolicies" in done.out + done.err
        assert lab.writes() == written
    finally:
        lab.as_cluster_admin("apply", "-f", "-", stdin=lab.oc_gpu("rbac").ok().out).ok()
