from typing import Any

import pytest

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.mco_render import RenderError, render, selected, sources_of
from oc_gpu.sim.actors.mco_status import (
    CURRENT,
    DESIRED,
    STATE,
    Machine,
    candidates,
    pool_of,
    status_of,
)
from oc_gpu.sim.scenario import load

ROLE = "machineconfiguration.openshift.io/role"
SEED, NEW = load("seed").openshift, load("ocp-4.20").openshift


def pool(name: str = "worker", **spec: Any) -> RawObject:
    selector = {"matchLabels": {ROLE: name}}
    nodes = {"matchLabels": {f"node-role.kubernetes.io/{name}": ""}}
    given = {"machineConfigSelector": selector, "nodeSelector": nodes, **spec}
    meta = {"name": name, "uid": "u", "generation": 3}
    return {
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfigPool",
        "metadata": meta,
        "spec": given,
    }


def config(
    name: str, path: str = "/etc/a", text: str = "data:,x", *, version: str = "2.2.0", **file: Any
) -> RawObject:
    old = {"filesystem": "root"} if version.startswith("2") else {}
    entry = {"path": path, "mode": 420, "contents": {"source": text}, **old, **file}
    ignition = {"ignition": {"version": version}, "storage": {"files": [entry]}}
    meta = {"name": name, "labels": {ROLE: "worker"}}
    return {"metadata": meta, "spec": {"config": ignition}}


def files(rendered: RawObject) -> dict[str, RawObject]:
    return {f["path"]: f for f in rendered["spec"]["config"]["storage"]["files"]}


def test_taking_a_config_away_leads_back_to_the_rendered_name_of_before() -> None:
    base, more = config("00-worker"), config("50-more", "/etc/b")
    before = render(pool(), [base], SEED)["metadata"]["name"]
    with_more = render(pool(), [base, more], SEED)["metadata"]["name"]
    assert with_more != before
    assert render(pool(), [base], SEED)["metadata"]["name"] == before
    assert before.startswith("rendered-worker-")
    assert len(before) == len("rendered-worker-") + 32


def test_of_two_files_with_one_path_the_config_that_comes_later_by_name_wins() -> None:
    chosen = selected(pool(), [config("60-b", text="data:,b"), config("50-a", text="data:,a")])
    assert [c["name"] for c in sources_of(chosen)] == ["50-a", "60-b"]
    rendered = render(pool(), chosen, SEED)
    assert files(rendered)["/etc/a"]["contents"]["source"] == "data:,b"


def test_rendered_configs_are_never_parts_of_others() -> None:
    rendered = render(pool(), [config("00-worker")], SEED)
    rendered["metadata"]["labels"] = {ROLE: "worker"}
    assert selected(pool(), [rendered]) == []


@pytest.mark.parametrize("version", ["3.1.0", "3.2.0", "2.3.0"])
def test_release_of_the_2_2_era_refuses_other_versions(version: str) -> None:
    with pytest.raises(RenderError, match="unsupported config version"):
        render(pool(), [config("50-a", version=version)], SEED)


def test_newer_release_converts_what_is_written_for_2_2() -> None:
    rendered = render(pool(), [config("50-a")], NEW)
    entry = files(rendered)["/etc/a"]
    assert rendered["spec"]["config"]["ignition"]["version"] == "3.5.0"
    assert entry["overwrite"] is True
    assert "filesystem" not in entry


def test_newer_release_names_the_versions_that_it_reads() -> None:
    with pytest.raises(RenderError, match=r"Supported spec versions: 2\.2, 3\.0"):
        render(pool(), [config("50-a", version="2.3.0")], NEW)


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ({"filesystem": ""}, "no filesystem"),
        ({"mode": "0644"}, "mode of type int"),
        ({"path": "etc/a"}, "path not absolute"),
    ],
)
def test_file_that_ignition_cannot_read_is_refused(file: RawObject, complaint: str) -> None:
    broken = config("50-a")
    broken["spec"]["config"]["storage"]["files"][0] |= file
    with pytest.raises(RenderError, match=complaint):
        render(pool(), [broken], SEED)


def node(name: str, *, current: str = "new", desired: str = "new", **fields: Any) -> RawObject:
    notes = {CURRENT: current, DESIRED: desired, STATE: fields.pop("state", "Done")}
    labels = {f"node-role.kubernetes.io/{r}": "" for r in fields.pop("roles", ("worker",))}
    ready = {"type": "Ready", "status": "True"}
    meta = {"name": name, "annotations": notes, "labels": labels, "creationTimestamp": "t"}
    return {"metadata": meta, "spec": fields, "status": {"conditions": [ready]}}


def machines(*nodes: RawObject) -> list[Machine]:
    return [Machine(n, "new") for n in nodes]


def test_master_is_in_no_other_pool_and_custom_pools_take_nodes_from_worker() -> None:
    pools = [pool("worker"), pool("master"), pool("infra")]
    nodes = [
        node("m", roles=("master", "worker")),
        node("i", roles=("worker", "infra")),
        node("w"),
    ]
    got = {n["metadata"]["name"]: pool_of(n, pools) for n in nodes}
    assert got == {"w": "worker", "m": "master", "i": "infra"}


def test_as_many_machines_begin_as_max_unavailable_leaves_room_for() -> None:
    old = [node(f"w{i}", current="old", desired="old") for i in range(5)]
    assert [m.name for m in candidates(pool(), machines(*old))] == ["w0"]
    assert len(candidates(pool(maxUnavailable=2), machines(*old))) == 2
    assert len(candidates(pool(maxUnavailable="40%"), machines(*old))) == 2
    busy = node("w9", current="old", desired="new", state="Working")
    assert candidates(pool(), machines(busy, *old)) == []
    cordoned = node("w8", unschedulable=True)
    assert candidates(pool(), machines(cordoned, *old)) == []


def test_paused_pool_begins_nothing_and_says_so() -> None:
    old = machines(node("w", current="old", desired="old"))
    paused = pool(paused=True, configuration={"name": "new"})
    assert candidates(paused, old) == []
    conditions = {c["type"]: c for c in status_of(paused, old, 0.0)["conditions"]}
    assert conditions["Updating"]["status"] == "False"
    assert conditions["Updating"]["message"] == "Pool is paused; will not update to new"
    assert conditions["Updated"]["status"] == "False"


def test_pool_without_machines_is_updated() -> None:
    status = status_of(pool(configuration={"name": "new"}), [], 0.0)
    assert {c["type"]: c["status"] for c in status["conditions"]}["Updated"] == "True"
    assert status["machineCount"] == 0


def test_status_keeps_the_old_configuration_until_every_machine_has_the_new_one() -> None:
    before = {"configuration": {"name": "old"}}
    rolling = pool(configuration={"name": "new"}) | {"status": before}
    half = machines(node("a"), node("b", current="old", desired="new", state="Working"))
    status = status_of(rolling, half, 0.0)
    assert status["configuration"]["name"] == "old"
    assert (status["machineCount"], status["updatedMachineCount"]) == (2, 1)
    assert status["observedGeneration"] == 3
    done = status_of(rolling, machines(node("a"), node("b")), 0.0)
    assert done["configuration"]["name"] == "new"


def test_machine_that_nothing_can_run_on_keeps_its_pool_from_being_updated() -> None:
    away = machines(node("a"), node("b", unschedulable=True))
    status = status_of(pool(configuration={"name": "new"}), away, 0.0)
    states = {c["type"]: c["status"] for c in status["conditions"]}
    assert (states["Updated"], states["Updating"]) == ("False", "True")
    assert (status["updatedMachineCount"], status["readyMachineCount"]) == (2, 1)


def test_machine_that_gave_up_degrades_its_pool() -> None:
    bad = machines(node("a", current="old", state="Degraded"))
    status = status_of(pool(configuration={"name": "new"}), bad, 0.0)
    states = {c["type"]: c["status"] for c in status["conditions"]}
    assert states["NodeDegraded"] == states["Degraded"] == "True"
    assert status["degradedMachineCount"] == 1
