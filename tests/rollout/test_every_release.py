"""The whole road and back on every OpenShift release that the program knows."""

import pytest

from oc_gpu import facts
from oc_gpu.checks import catalogue, verify
from oc_gpu.checks.context import inputs
from oc_gpu.kube import Client
from oc_gpu.rollout import commands
from oc_gpu.rollout.proof import collect
from oc_gpu.rollout.survey import Wish, survey
from oc_gpu.sim.scenario import Scenario, load, names
from tests.acceptance.conftest import difference, everything
from tests.rollout.clusters import QUIET, Wire, certificate, on_cluster, passed, wanted, wish
from tests.rollout.releases import release, rows

pytestmark = pytest.mark.long

KNOWN = [r.version for r in facts.openshift_releases() if not r.version.startswith("5.")]

WALKED_ELSEWHERE = {"no-gpu", "seed", "ocp-4.20", "vgpu-4.16"}
"""Scenarios of the acceptance tests."""
SCENARIOS = sorted({*names()} - WALKED_ELSEWHERE)


def test_every_release_that_is_known_has_a_cluster_to_walk_on() -> None:
    assert set(rows()) == set(KNOWN)


@pytest.mark.parametrize("minor", KNOWN)
def test_road_leads_to_computing_gpus_and_back_on_every_release(minor: str) -> None:
    entitled = rows()[minor].get("entitled", False)
    there_and_back(release(minor), Wish(wish().config, certificate() if entitled else None))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_road_leads_to_computing_gpus_and_back_on_every_scenario(scenario: str) -> None:
    there_and_back(load(scenario), wanted(scenario))


def there_and_back(facts_of_cluster: Scenario, asked: Wish) -> None:
    async def walk(client: Client, _wire: Wire) -> None:
        before = await everything(client)
        outcome = await commands.enable(client, asked, QUIET, timeout=7200)
        assert passed(outcome), [(a.stage, a.state, a.detail) for a in outcome.assessments]
        evidence = await collect(client, await survey(client, asked))
        findings = verify.judge(inputs((await survey(client, asked)).context), evidence)
        assert catalogue.exit_code(findings, proof=True) == 0, findings
        await commands.disable(client, asked, QUIET)
        assert difference(before, await everything(client)) == ""

    on_cluster(walk, facts_of_cluster, patience=600)
