"""The road there and back on an API server that fails: it ends, nothing is lost or done twice."""

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from oc_gpu.kube import Client
from oc_gpu.kube.resources import LEASES
from tests.acceptance.conftest import Cluster, Run, cluster, difference
from tests.chaos.faults import Chaos
from tests.chaos.proxy import Ask
from tests.chaos.running import Behind, behind

pytestmark = [pytest.mark.slow, pytest.mark.long]
TAINT = ("--taint", "nodetype=gpu:NoSchedule")


def given(scenario: str, portal: Path) -> tuple[str, ...]:
    return ("--entitlement", str(portal)) if scenario == "seed" else ()


@pytest.mark.parametrize(("scenario", "seed"), [("seed", 3), ("ocp-4.20", 1)])
def test_with_a_tenth_of_requests_faulty_the_road_is_walked_and_taken_back(
    scenario: str, seed: int, tmp_path: Path, portal: Path
) -> None:
    enable = ("enable", "--yes", *given(scenario, portal), *TAINT)
    with cluster(scenario, tmp_path) as on:
        before = on.objects()
        chaos = Chaos(seed, conflicts=True)
        with behind(on, chaos) as through:
            through.cluster.oc_gpu(*enable).ok()
            assert through.proxy.audit.twice() == []
            written = on.simulation()["writes"]["external"]
            on.oc_gpu(*enable).ok()
            assert on.simulation()["writes"]["external"] == written
            through.cluster.oc_gpu("verify").ok()
            through.cluster.oc_gpu("disable", "--yes").ok()
        assert chaos.counts["conflict on an apply"] > 3
        assert sum(chaos.counts.values()) > 0.05 * chaos.requests
        assert len(chaos.counts) > 6
        assert difference(before, on.objects()) == ""


def interrupted(through: Behind, count: int, then: Any) -> None:
    """Do something once, in the proxy's thread, at a given request."""
    seen = [0]

    def count_down(_: Ask) -> None:
        seen[0] += 1
        if seen[0] == count:
            then()

    through.proxy.asked = count_down


def test_an_api_that_is_away_for_a_while_is_waited_for(ocp: Cluster) -> None:
    with behind(ocp, Chaos(rate=0.0)) as through:

        def reboot() -> None:
            through.proxy.leave()
            through.loop.call_later(4.0, through.proxy.come_back)

        interrupted(through, 260, reboot)
        run = through.cluster.oc_gpu("enable", "--yes").ok()
        assert "tried again" in run.err or through.proxy.audit.took
        assert through.proxy.audit.twice() == []


def test_a_clock_that_is_hours_ahead_or_behind_changes_nothing(ocp: Cluster) -> None:
    with behind(ocp, Chaos(rate=0.0, skew=3 * 3600.0)) as through:
        through.cluster.oc_gpu("enable", "--yes").ok()
        through.proxy.chaos.skew = -3 * 3600.0
        through.cluster.oc_gpu("verify").ok()
        through.cluster.oc_gpu("disable", "--yes").ok()


def _token_file(through: Behind) -> Path:
    """Let the proxy tell tokens of its own apart, which the user takes from a file."""
    path = Path(through.cluster.kubeconfig)
    document = yaml.safe_load(path.read_text())
    user = document["users"][0]["user"]
    through.proxy.token = str(user.pop("token"))
    user["tokenFile"] = str(path.with_suffix(".token"))
    path.write_text(yaml.safe_dump(document))
    return path.with_suffix(".token")


@pytest.mark.parametrize("renewed", [True, False])
def test_a_token_that_expires_on_the_way(renewed: bool, ocp: Cluster) -> None:  # noqa: FBT001
    with behind(ocp, Chaos(rate=0.0)) as through:
        file = _token_file(through)
        _put(file, "first")
        good = ["first"]

        def expire() -> None:
            good[0] = "second"
            if renewed:
                _put(file, "second")
            through.proxy.leave()  # a watch that is open would go on
            through.proxy.come_back()

        through.proxy.valid = lambda token: token == good[0]
        interrupted(through, 230, expire)
        run = through.cluster.oc_gpu("enable", "--yes")
        if not renewed:
            _told(run, 3, "oc login")
            _put(file, "second")
            run = through.cluster.oc_gpu("enable", "--yes")
        run.ok()
        assert good == ["second"]


def _put(file: Path, token: str) -> None:
    """Replace a token in one step, as kubelets and login programs do."""
    beside = file.with_suffix(".new")
    beside.write_text(token)
    beside.replace(file)


def _told(run: Run, code: int, hint: str) -> None:
    run.ok(code)
    errors = [line for line in run.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, run.err
    assert hint in run.err


def test_ctrl_c_at_any_moment_leaves_a_sentence_on_how_to_go_on(ocp: Cluster) -> None:
    with behind(ocp, Chaos(rate=0.0)) as through:
        for moment in (40, 130, 200):  # before the first writes, between them, while it waits
            stop = threading.Event()

            def freeze(stop: threading.Event = stop) -> None:
                through.proxy.leave()  # so that the run is not over before it is interrupted
                stop.set()

            interrupted(through, moment, freeze)
            process = through.cluster.start("enable", "--yes")
            stop.wait(60)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
            through.act(through.proxy.come_back)
            assert process.returncode == 130, err
            assert "run the same command again" in err
            assert "Traceback" not in err
        through.cluster.oc_gpu("enable", "--yes").ok()


def test_two_enables_at_once_both_end_well_and_leave_no_lease(ocp: Cluster) -> None:
    both = [ocp.start("enable", "--yes") for _ in range(2)]
    said = [process.communicate(timeout=100)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("is at work here" in err for err in said) <= 1
    assert [item["metadata"]["name"] for item in ocp.ask(_leases)] == []


async def _leases(client: Client) -> Any:
    return (await client.list(LEASES, "oc-gpu")).items
