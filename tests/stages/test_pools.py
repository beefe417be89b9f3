from oc_gpu.stages.model import State
from oc_gpu.stages.pools import mention, rolled_back, rolled_out
from tests.stages.builders import node, pool, snapshot

OURS = ("50-a", "50-b")


def test_pool_that_still_says_updated_before_rendering_is_not_done() -> None:
    progress = rolled_out(
        snapshot(machineconfigpools=[pool("worker", "00-worker")]), "worker", OURS
    )
    assert progress.state is State.WAITING
    assert "rendered" in progress.detail


def test_pool_is_done_when_all_machines_have_a_configuration_with_ours() -> None:
    done = snapshot(machineconfigpools=[pool("worker", "00-worker", *OURS)])
    assert rolled_out(done, "worker", OURS).state is State.DONE


def test_pool_whose_status_lags_behind_its_spec_is_waited_for() -> None:
    behind = pool("worker", *OURS, has={"name": "rendered-old", "source": [{"name": "00"}]})
    done = {_MC + "currentConfig": "rendered-worker-1", _MC + "state": "Done"}
    nodes = [node("w1", annotations=done)]
    nodes += [node("w2", ready="False", annotations={_MC + "state": "Working"})]
    progress = rolled_out(snapshot(machineconfigpools=[behind], nodes=nodes), "worker", OURS)
    assert progress.state is State.WAITING
    assert progress.detail == "pool worker: 1 of 2 nodes updated, w2 reboots"


_MC = "machineconfiguration.openshift.io/"


def test_unready_machine_keeps_the_pool_waiting() -> None:
    waiting = snapshot(machineconfigpools=[pool("worker", *OURS, ready=2)])
    assert rolled_out(waiting, "worker", OURS).state is State.WAITING


def test_paused_pool_blocks_with_the_command_that_unpauses_it() -> None:
    paused = pool("worker", *OURS, paused=True, has={"name": "rendered-old"})
    progress = rolled_out(snapshot(machineconfigpools=[paused]), "worker", OURS)
    assert progress.state is State.BLOCKED
    assert progress.cause == "mcp-paused"
    assert "oc patch mcp/worker" in progress.hints[0]


def test_degraded_pool_fails_with_its_message() -> None:
    bad = {"type": "RenderDegraded", "status": "True", "message": "unknown version 3.9.0"}
    broken = snapshot(machineconfigpools=[pool("worker", conditions=[bad])])
    progress = rolled_out(broken, "worker", OURS)
    assert progress.state is State.FAILED
    assert "unknown version 3.9.0" in progress.detail


def test_pool_without_machines_is_not_waited_for() -> None:
    empty = pool("worker", count=0)
    assert rolled_out(snapshot(machineconfigpools=[empty]), "worker", OURS).state is State.DONE


def test_master_pool_is_left_out() -> None:
    both = [pool("master", "00-master"), pool("worker", *OURS)]
    assert rolled_out(snapshot(machineconfigpools=both), "worker", OURS).state is State.DONE


def test_custom_pool_takes_worker_configurations_too() -> None:
    custom = pool("gpu", "00-worker")
    custom["spec"]["machineConfigSelector"] = {
        "matchExpressions": [{"key": _MC + "role", "operator": "In", "values": ["worker", "gpu"]}]
    }
    both = snapshot(machineconfigpools=[pool("worker", *OURS), custom])
    progress = rolled_out(both, "worker", OURS)
    assert progress.state is State.WAITING
    assert "pool gpu" in progress.detail


def test_way_back_is_done_only_when_no_source_is_left() -> None:
    left = snapshot(machineconfigpools=[pool("worker", "00-worker", "50-a")])
    gone = snapshot(machineconfigpools=[pool("worker", "00-worker")])
    assert rolled_back(left, "worker", OURS).state is State.WAITING
    assert rolled_back(gone, "worker", OURS).state is State.DONE
    assert mention(left, "worker", OURS)
    assert not mention(gone, "worker", OURS)
