# ruff: noqa: E501  (lines without a terminal are as long as they are)
"""Commands on a simulated cluster, in this process: exit code, stdout, stderr."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from inline_snapshot import snapshot

from oc_gpu.sim import instances, scenario
from tests.cli.conftest import Cli, Ended
from tests.report.test_documents import FOLDER

PORT = re.compile(r"127\.0\.0\.1:\d+")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[instances.Instance]:
    """Return a cluster on which nothing is written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(instances.HOME_VARIABLE, str(tmp_path_factory.mktemp("sim")))
        with instances.temporary("ocp-4.20") as cluster:
            yield cluster


@pytest.fixture
def on(fresh: instances.Instance, cli: Cli) -> Cli:
    def call(*arguments: str) -> Ended:
        ended = cli(*arguments, "--kubeconfig", fresh.kubeconfig)
        return Ended(ended.code, PORT.sub("HOST", ended.out), PORT.sub("HOST", ended.err))

    return call


def _valid(ended: Ended, schema: str) -> dict[str, object]:
    document: dict[str, object] = json.loads(ended.out)
    jsonschema.Draft202012Validator(json.loads((FOLDER / schema).read_text())).validate(document)
    assert document["simulated"] is True
    return document


def test_status_of_a_bare_cluster(on: Cli) -> None:
    ended = on("status")
    assert ended.code == 0
    assert ended.out == snapshot("""\
OpenShift 4.20.4 at https://HOST (simulated)

STAGE         STATE       WHERE IT STANDS
record        not needed  nothing was made here
entitlement   not needed  OpenShift 4.20 builds the driver with its Driver Toolkit
nfd           due         1/3 operator nfd runs: nfd is not installed
gpu-operator  due         1/4 operator gpu-operator-certified runs: gpu-operator-certified is not installed
mig           not needed  no layout asked for
isolation     not needed  no taint asked for

No node is known to have an NVIDIA GPU.
""")
    assert ended.err == ""


def test_status_without_options_says_what_the_parsed_one_says(
    fresh: instances.Instance, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", fresh.kubeconfig)
    assert cli("status") == cli("status", "--color", "auto")


def test_plan_names_every_object_and_writes_none(on: Cli) -> None:
    ended = on("plan", "--taint", "nodetype=gpu:NoSchedule")
    assert ended.code == 0
    assert ended.out == snapshot("""\
OpenShift 4.20.4 at https://HOST (simulated)

record  to do
  create  Namespace/oc-gpu
  until   the record has a namespace
  create  ConfigMap/oc-gpu-record in oc-gpu
  until   what was here is recorded

entitlement  not needed
  OpenShift 4.20 builds the driver with its Driver Toolkit

nfd  to do
  nfd from channel stable of redhat-operators
  create  Namespace/openshift-nfd
  create  OperatorGroup/openshift-nfd in openshift-nfd
  create  Subscription/nfd in openshift-nfd
  until   operator nfd runs
  create  NodeFeatureDiscovery/nfd-instance in openshift-nfd
  until   NFD runs on every worker
  until   GPU nodes carry the label of their card

gpu-operator  to do
  25.10.1 from channel v25.10: newest offered release certified for OpenShift 4.20 (certified for 4.14 to 4.20)
  create  Namespace/nvidia-gpu-operator
  create  OperatorGroup/nvidia-gpu-operator in nvidia-gpu-operator
  create  Subscription/gpu-operator-certified in nvidia-gpu-operator
  until   operator gpu-operator-certified runs
  create  ClusterPolicy/gpu-cluster-policy
  until   ClusterPolicy is made
  until   every GPU node runs its operands
  until   every GPU node offers its cards

mig  not needed
  no layout asked for

isolation  to do
  nodetype=gpu:NoSchedule on every GPU node
  until   the operands tolerate the taint
  until   the GPU nodes are tainted

No node reboots.
Time: 10 to 30 minutes (rule of thumb for operators and driver)
Nothing was written.
""")


@pytest.mark.parametrize(
    ("command", "schema"),
    [("check", "findings.json"), ("plan", "plan.json"), ("status", "status.json")],
)
def test_json_of_a_command_fits_its_schema(command: str, schema: str, on: Cli) -> None:
    document = _valid(on(command, "-o", "json"), schema)
    assert document["kind"] == command.capitalize()


def test_yaml_of_a_command_is_yaml(on: Cli) -> None:
    assert yaml.safe_load(on("status", "-o", "yaml").out)["kind"] == "Status"


def test_render_prints_objects_in_order_and_files_hold_the_same(on: Cli, tmp_path: Path) -> None:
    ended = on("render", "--stage", "nfd")
    kinds = [document["kind"] for document in yaml.safe_load_all(ended.out)]
    assert kinds == ["Namespace", "OperatorGroup", "Subscription", "NodeFeatureDiscovery"]
    written = on("render", "--stage", "nfd", "--output-dir", str(tmp_path / "road"))
    assert written.out == ""
    assert "4 files" in written.err
    assert [
        yaml.safe_load(p.read_text())["kind"] for p in sorted(tmp_path.rglob("*.yaml"))
    ] == kinds


def test_render_in_json_is_one_list_without_secrets_or_json_files(on: Cli, tmp_path: Path) -> None:
    kinds = ["Namespace", "OperatorGroup", "Subscription", "NodeFeatureDiscovery"]
    ended = on("render", "--stage", "nfd", "-o", "json")
    found = json.loads(ended.out)
    assert (found["apiVersion"], found["kind"]) == ("v1", "List")
    assert [item["kind"] for item in found["items"]] == kinds
    on("render", "--stage", "nfd", "-o", "json", "--output-dir", str(tmp_path / "road"))
    written = sorted((tmp_path / "road").iterdir())
    assert [json.loads(path.read_text())["kind"] for path in written] == kinds
    assert {path.suffix for path in written} == {".json"}
    as_yaml = on("render", "--stage", "nfd", "-o", "yaml")
    assert [document["kind"] for document in yaml.safe_load_all(as_yaml.out)] == kinds


def test_rbac_prints_a_role_that_can_be_applied(cli: Cli) -> None:
    told = cli("rbac")
    assert (told.code, told.err) == (0, "")
    role = yaml.safe_load(told.out)
    assert (role["kind"], role["metadata"]) == ("ClusterRole", {"name": "oc-gpu"})
    assert json.loads(cli("rbac", "-o", "json").out) == role


def test_render_of_nothing_says_why(on: Cli) -> None:
    ended = on("render", "--stage", "entitlement")
    assert ended.code == 1
    assert "error: there is nothing to render\nhint: entitlement: " in ended.err


def test_nothing_is_deleted_without_somebody_who_agrees(
    on: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oc_gpu.cli.talking.is_terminal", lambda _: False)
    ended = on("disable")
    assert ended.code == 0, "there is nothing to delete yet, so nobody is asked"
    assert "nothing was written" in ended.out


def test_isolate_without_a_taint_says_what_to_name(on: Cli) -> None:
    ended = on("isolate", "--yes")
    assert ended.code == 2
    assert "hint: name it with --taint nodetype=gpu:NoSchedule" in ended.err


def test_user_who_does_not_agree_is_obeyed(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(instances.HOME_VARIABLE, str(tmp_path))
    monkeypatch.setattr("oc_gpu.cli.talking.is_terminal", lambda stream: stream is sys.stdin)
    monkeypatch.setattr("oc_gpu.cli.talking.click.confirm", lambda *_, **__: False)
    with instances.temporary("ocp-4.20") as cluster:
        ended = cli("enable", "--kubeconfig", cluster.kubeconfig)
        before = cli("status", "--kubeconfig", cluster.kubeconfig).out
    assert ended.code == 1
    assert "create  Subscription/nfd in openshift-nfd" in ended.err
    assert "error: you did not agree, so nothing was written" in ended.err
    assert "record        not needed" in before or "record        due" in before


def test_road_there_and_back_tells_plain_lines_and_json(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(instances.HOME_VARIABLE, str(tmp_path))
    with instances.temporary("ocp-4.20") as cluster:
        where = ("--kubeconfig", cluster.kubeconfig)
        enabled = cli("enable", "--yes", "-o", "json", *where)
        proven = cli("verify", "-o", "json", *where)
        undone = cli("disable", "--yes", "-o", "json", *where)
    assert (enabled.code, proven.code, undone.code) == (0, 0, 0)
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  ", x) for x in enabled.err.splitlines())
    assert _valid(enabled, "walk.json")["done"] is True
    assert _valid(proven, "findings.json")["clean"] is True
    assert _valid(undone, "walk.json")["kind"] == "Disable"


def test_simulations_are_listed_while_they_run(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(instances.HOME_VARIABLE, str(tmp_path))
    assert cli("sim", "list").out == "No simulated cluster runs.\n"
    started = _valid(cli("sim", "up", "mine", "-s", "no-gpu", "-o", "json"), "started.json")
    try:
        (item,) = json.loads(cli("sim", "list", "-o", "json").out)["items"]
        assert (item["name"], item["scenario"], item["pid"]) == ("mine", "no-gpu", started["pid"])
        assert cli("sim", "kubeconfig", "mine").out.strip() == item["kubeconfig"]
        again = cli("sim", "up", "mine")
        assert "hint: oc-gpu sim down mine" in again.err
    finally:
        assert cli("sim", "down", "mine").code == 0
    assert cli("sim", "list").out == "No simulated cluster runs.\n"


def test_a_running_simulation_is_given_a_fault_and_set_right_again(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(instances.HOME_VARIABLE, str(tmp_path))
    assert cli("sim", "up", "mine", "-s", "ocp-4.20").code == 0
    where = ("--kubeconfig", cli("sim", "kubeconfig", "mine").out.strip())
    try:
        told = _valid(
            cli("sim", "fault", "mine", "add", "secure-boot", "-o", "json"), "faults.json"
        )
        items: Any = told["items"]
        assert [one["name"] for one in items if one["active"]] == ["secure-boot"]
        refused = cli("enable", "--yes", "-o", "json", *where)
        assert refused.code == 1
        walk: Any = _valid(refused, "walk.json")
        assert (walk["done"], walk["writes"]) == (False, 0)
        assert walk["finding"]["cause"] == "secure-boot-enabled"
        assert "Secure Boot is on on gpu-a100-0" in refused.err
        assert cli("sim", "fault", "mine", "remove", "secure-boot").code == 0
        assert "secure-boot" in cli("sim", "fault", "mine", "list").out
        done = cli("enable", "--yes", *where)
        assert (done.code, "Cause:" in done.out) == (0, False)
        assert cli("sim", "fault", "mine", "add", "nouveau").code == 0
        assert cli("doctor", *where).code == 1
        again = cli("sim", "fault", "mine", "remove", "secure-boot")
        assert (again.code, "has no fault secure-boot" in again.err) == (2, True)
        assert cli("sim", "fault", "mine", "add", "flood").code == 2
        assert cli("sim", "fault", "mine", "add").code == 2
        assert cli("sim", "fault", "other", "list").code == 2
    finally:
        assert cli("sim", "down", "mine").code == 0


def test_exec_runs_a_command_on_a_fresh_cluster_and_returns_its_exit_code(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(instances.HOME_VARIABLE, str(tmp_path))
    ended = cli("sim", "exec", "-s", "no-gpu", "--", "sh", "-c", 'test -f "$KUBECONFIG" && exit 7')
    assert ended.code == 7
    assert list(tmp_path.iterdir()) == []


def test_schema_of_scenarios_is_one(cli: Cli) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(cli("sim", "schema").out))


def test_unknown_scenario_is_one_sentence(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(instances.HOME_VARIABLE, str(tmp_path))
    ended = cli("sim", "up", "x", "-s", "nowhere")
    assert ended.code == 2
    assert ended.err.startswith("error: no scenario named 'nowhere'")
    for name in scenario.names():
        assert re.search(rf"hint: built-in scenarios: .*\b{re.escape(name)}\b", ended.err)


def test_demo_walks_the_whole_road_and_leaves_nothing(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(instances.HOME_VARIABLE, str(tmp_path))
    ended = cli("demo")
    assert ended.code == 0
    for told in (
        "$ oc-gpu check",
        "$ oc-gpu plan",
        "proven on every GPU node",
        "Where to look next",
    ):
        assert told in ended.out
    assert list(tmp_path.iterdir()) == []
