"""The shipped ClusterRole: enough for every request that any command makes, and little more."""

from typing import Any

import pytest

from oc_gpu.checks.hardware import JOURNAL_PATTERN
from oc_gpu.kube import Client, RawObject
from oc_gpu.kube.resources import PODS
from oc_gpu.rollout import commands, jobs, rights
from oc_gpu.rollout.grants import cluster_role
from oc_gpu.rollout.preview import preview
from oc_gpu.rollout.proof import collect
from oc_gpu.rollout.rights import Right
from oc_gpu.rollout.survey import survey
from oc_gpu.sim.api.access import Access, Attempt
from oc_gpu.sim.api.messages import ADMIN
from oc_gpu.workload import running
from oc_gpu.workload.model import Patience, Request
from tests.rollout.clusters import QUIET, TAINT, Wire, on_cluster, wanted, wish
from tests.rollout.test_lost_record import lose_record

SCENARIOS = ("seed", "ocp-4.20")
UNSEEN = {
    # what these scenarios give no occasion for
    ("", "configmaps", "delete"),  # a namespace oc-gpu that is somebody else's stays
    ("", "pods/eviction", "create"),  # no pod uses a GPU
    ("", "pods/exec", "create"),  # servers from Kubernetes 1.35 on ask for it as well
}


class Recording(Access):
    """Rights of a cluster that note what the administrator, which is us, asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.attempts: set[Attempt] = set()

    def check(self, attempt: Attempt) -> None:
        if attempt.user == ADMIN:
            self.attempts.add(attempt)
        super().check(attempt)


def allows(role: RawObject, wish: Right | Attempt) -> bool:
    """Judge as RBAC does (Kubernetes, RBAC authorization: any rule that matches is enough)."""
    plural = wish.resource.plural + (f"/{wish.subresource}" if wish.subresource else "")
    return any(
        wish.verb in rule["verbs"]
        and wish.resource.group in rule["apiGroups"]
        and plural in rule["resources"]
        and ("resourceNames" not in rule or (wish.name or "") in rule["resourceNames"])
        for rule in role["rules"]
    )


async def every_command(client: Client, scenario: str) -> set[Right]:
    """Walk every road there is, and return the rights that were asked for beforehand."""
    asked: set[Right] = set()

    async def note(found: Any) -> None:
        asked.update(rights.of_survey(found))

    given = wanted(scenario, TAINT)
    found = await survey(client, given, journal=JOURNAL_PATTERN)
    await preview(client, found.actions)
    await commands.enable(client, given, QUIET, agree=note, timeout=60)
    await commands.enable(client, given, QUIET, agree=note, timeout=60)
    await collect(client, await survey(client, given, journal=JOURNAL_PATTERN))
    request = Request(title="t.sh", namespace="default", command=("true",), scripts={"t.sh": b""})
    job = await running.prepare(client, request)
    asked.update(jobs.needed(job.task))
    await running.run(client, job, Patience(start=20), lambda _: None)
    other = wanted(scenario, "a=b:NoExecute")
    await commands.isolate(client, other, QUIET, agree=note, timeout=60)
    await commands.isolate(client, wish(), QUIET, remove=True, agree=note, timeout=60)
    back = await survey(client, wish(), "undo")
    await preview(client, back.actions)
    await lose_record(client)
    await commands.disable(client, wish(), QUIET, agree=note, timeout=60)
    return asked


def walked(scenario: str) -> tuple[set[Attempt], set[Right]]:
    async def act(client: Client, wire: Wire) -> tuple[set[Attempt], set[Right]]:
        access = Recording()
        wire._server.backend.access = access
        asked = await every_command(client, scenario)
        return access.attempts, asked

    return on_cluster(act, scenario, patience=250)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_role_is_enough_for_every_request_and_for_every_right_that_is_asked_for() -> None:
    role, used = cluster_role(), set()
    for scenario in SCENARIOS:
        attempts, asked = walked(scenario)
        assert len(attempts) > 50
        assert [a for a in sorted(attempts, key=str) if not allows(role, a)] == []
        denied = [r for r in asked if not allows(role, r) and r.name is None]
        named = {(r.verb, r.resource, r.subresource) for r in asked if r.name and allows(role, r)}
        assert [r for r in denied if (r.verb, r.resource, r.subresource) not in named] == []
        used |= {(a.resource.group, a.target, a.verb) for a in attempts}
        used |= {(r.resource.group, r.resource.plural, r.verb) for r in asked}
    reads = {"get", "list", "watch"}
    given = {
        (group, plural, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
        for verb in rule["verbs"]
        if verb not in reads or "/" in plural
    }
    assert given - used == UNSEEN


@pytest.mark.parametrize(
    "right",
    [
        Right("list", PODS.__class__("", "v1", "secrets", "Secret"), "default"),
        Right("create", PODS, subresource="exec", namespace="x"),
        Right("delete", PODS.__class__("", "v1", "nodes", "Node", namespaced=False)),
        Right("create", PODS.__class__("rbac.authorization.k8s.io", "v1", "clusterroles", "X")),
    ],
)
def test_the_role_gives_no_more_than_that(right: Right) -> None:
    assert allows(cluster_role(), right) is (right.subresource == "exec")


def test_the_role_is_none_of_what_disable_removes() -> None:
    assert "labels" not in cluster_role()["metadata"]
