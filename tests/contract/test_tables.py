"""The server decides what `get` shows, and in which columns."""

from typing import Any

import pytest

from oc_gpu.kube import RawObject
from tests.contract.api import TABLE, Api, done, install, with_query
from tests.contract.objects import (
    DEFINITIONS,
    GROUP,
    config_map,
    definition,
    deployment,
    pod,
    widget,
)
from tests.contract.told import COLUMNS

_RBAC = "rbac.authorization.k8s.io"
Head = tuple[str, str, str, int]


def heads(table: RawObject) -> list[Head]:
    """Return name, type, format and priority of the columns."""
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    found = table["columnDefinitions"]
    assert all(set(c) == {"name", "type", "format", "description", "priority"} for c in found)
    return [(c["name"], c["type"], c["format"], c["priority"]) for c in found]


def rows(table: RawObject) -> list[dict[str, Any]]:
    """Return the rows by column."""
    named = [column["name"] for column in table["columnDefinitions"]]
    return [dict(zip(named, row["cells"], strict=True)) for row in table["rows"]]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/pods",
        "/api/v1/nodes",
        "/api/v1/namespaces",
        "/api/v1/secrets",
        "/api/v1/configmaps",
        "/api/v1/serviceaccounts",
        "/api/v1/services",
        "/api/v1/events",
        "/apis/apps/v1/deployments",
        "/apis/apps/v1/daemonsets",
        "/apis/apps/v1/replicasets",
        "/apis/apps/v1/controllerrevisions",
        "/apis/batch/v1/jobs",
        "/apis/policy/v1/poddisruptionbudgets",
        "/apis/coordination.k8s.io/v1/leases",
        f"/apis/{_RBAC}/v1/roles",
        f"/apis/{_RBAC}/v1/clusterroles",
        f"/apis/{_RBAC}/v1/rolebindings",
        f"/apis/{_RBAC}/v1/clusterrolebindings",
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        "/apis/node.k8s.io/v1/runtimeclasses",
        DEFINITIONS,
    ],
)
def test_each_kind_has_its_columns(api: Api, path: str) -> None:
    assert heads(api.get(path, accept=TABLE)) == COLUMNS[path.rpartition("/")[2]]


def test_a_row_has_the_metadata_of_its_object(api: Api) -> None:
    maps = api.path("configmaps")
    api.create(maps, config_map("a", x="1", y="2"))
    table = api.get(maps, accept=TABLE)
    [row] = rows(table)
    assert (row["Name"], row["Data"]) == ("a", 2)
    assert row["Age"].endswith("s")
    shown = table["rows"][0]["object"]
    assert set(shown) == {"kind", "apiVersion", "metadata"}
    assert (shown["kind"], shown["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert shown["metadata"]["name"] == "a"
    assert table["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("how", "kind"), [("Object", "ConfigMap"), ("Metadata", "PartialObjectMetadata")]
)
def test_a_row_has_as_much_of_its_object_as_was_asked_for(api: Api, how: str, kind: str) -> None:
    maps = api.path("configmaps")
    api.create(maps, config_map("a"))
    table = api.get(with_query(maps, includeObject=how), accept=TABLE)
    assert table["rows"][0]["object"]["kind"] == kind


def test_a_row_can_be_without_its_object(api: Api) -> None:
    maps = api.path("configmaps")
    api.create(maps, config_map("a"))
    table = api.get(with_query(maps, includeObject="None"), accept=TABLE)
    assert table["rows"][0].get("object") is None


def test_one_object_is_a_table_of_one_row(api: Api) -> None:
    maps = api.path("configmaps")
    api.create(maps, config_map("a"))
    assert [row["Name"] for row in rows(api.get(f"{maps}/a", accept=TABLE))] == ["a"]


def test_tables_have_pages_too(api: Api) -> None:
    maps = api.path("configmaps")
    for name in "abc":
        api.create(maps, config_map(name))
    table = api.get(with_query(maps, limit="2"), accept=TABLE)
    assert [row["Name"] for row in rows(table)] == ["a", "b"]
    assert table["metadata"]["continue"]
    assert table["metadata"]["remainingItemCount"] == 1


def test_an_error_is_no_table(api: Api) -> None:
    answer = api.ask("GET", api.path("configmaps", "none"), headers={"accept": TABLE})
    assert answer.refusal[:2] == (404, "NotFound")


def test_a_client_that_knows_no_tables_of_this_version_gets_the_next_it_takes(api: Api) -> None:
    accept = "application/json;as=Table;v=v9;g=meta.k8s.io,application/json"
    assert api.get(api.path("configmaps"), accept=accept)["kind"] == "ConfigMapList"


def test_pods_show_how_they_are(api: Api) -> None:
    pods = api.path("pods")
    api.create(pods, pod("p", nodeName="n"))
    [row] = rows(api.get(pods, accept=TABLE))
    assert (row["Ready"], row["Status"], row["Restarts"], row["Node"]) == (
        "0/1",
        "Pending",
        "0",
        "n",
    )
    running = {"name": "main", "ready": True, "restartCount": 2, "state": {"running": {}}}
    running |= {"image": "x", "imageID": "y", "lastState": {}}
    status = {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "podIPs": [{"ip": "10.0.0.1"}],
        "containerStatuses": [running],
    }
    done(api.patch(f"{pods}/p/status", {"status": status}))
    [row] = rows(api.get(pods, accept=TABLE))
    assert (row["Ready"], row["Status"], row["Restarts"]) == ("1/1", "Running", "2")
    assert row["IP"] == "10.0.0.1"
    waiting = running | {"ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    done(api.patch(f"{pods}/p/status", {"status": {"containerStatuses": [waiting]}}))
    assert rows(api.get(pods, accept=TABLE))[0]["Status"] == "CrashLoopBackOff"
    done(api.ask("DELETE", f"{pods}/p"))
    assert rows(api.get(pods, accept=TABLE))[0]["Status"] == "Terminating"


def test_pods_show_their_init_containers(api: Api) -> None:
    pods = api.path("pods")
    api.create(pods, pod("p", nodeName="n", initContainers=[{"name": "i", "image": "x"}]))
    base = {"ready": False, "restartCount": 0, "image": "x", "imageID": "", "lastState": {}}
    waiting = base | {"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}
    states: list[tuple[RawObject, str]] = [
        ({"running": {}}, "Init:0/1"),
        ({"waiting": {"reason": "ImagePullBackOff"}}, "Init:ImagePullBackOff"),
        ({"terminated": {"exitCode": 1, "reason": "Error"}}, "Init:Error"),
        ({"terminated": {"exitCode": 3}}, "Init:ExitCode:3"),
    ]
    for state, shown in states:
        init = base | {"name": "i", "state": state}
        status = {
            "phase": "Pending",
            "initContainerStatuses": [init],
            "containerStatuses": [waiting],
        }
        done(api.patch(f"{pods}/p/status", {"status": status}))
        assert rows(api.get(pods, accept=TABLE))[0]["Status"] == shown


def test_deployments_count(api: Api) -> None:
    path = api.path("deployments", group="apps")
    api.create(path, deployment("d", replicas=3))
    status = {"replicas": 3, "readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1}
    done(api.patch(f"{path}/d/status", {"status": status}))
    [row] = rows(api.get(path, accept=TABLE))
    assert (row["Ready"], row["Up-to-date"], row["Available"]) == ("1/3", 2, 1)
    assert row["Containers"] == "main"
    assert row["Images"] == "registry.example.com/main:1"
    assert row["Selector"] == "app=d"


def test_nodes_show_roles_and_readiness(api: Api) -> None:
    name = f"node-{api.namespace}"
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"node-role.kubernetes.io/worker": ""}},
    }
    api.create("/api/v1/nodes", node)
    path = f"/api/v1/nodes/{name}"
    assert rows(api.get(path, accept=TABLE))[0]["Status"] == "Unknown"
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    status = {
        "conditions": [ready],
        "addresses": [{"type": "InternalIP", "address": "10.0.0.9"}],
        "nodeInfo": {"kubeletVersion": "v1.35.4", "kernelVersion": "5.14", "osImage": "RHCOS"},
    }
    done(api.patch(f"{path}/status", {"status": status}))
    done(api.patch(path, {"spec": {"unschedulable": True}}))
    [row] = rows(api.get(path, accept=TABLE))
    assert row["Status"] == "Ready,SchedulingDisabled"
    assert (row["Roles"], row["Version"]) == ("worker", "v1.35.4")
    assert (row["Internal-IP"], row["External-IP"]) == ("10.0.0.9", "<none>")
    assert (row["Kernel-Version"], row["OS-Image"]) == ("5.14", "RHCOS")


def test_printer_columns_come_from_the_definition(api: Api) -> None:
    def column(name: str, type_: str, path: str, **more: Any) -> RawObject:
        return {"name": name, "type": type_, "jsonPath": path, **more}

    columns = [
        column("Size", "integer", ".spec.size"),
        column("Colour", "string", ".spec.colour", description="What it looks like"),
        column("On", "boolean", ".spec.on", priority=1),
        column("Ratio", "number", ".spec.ratio", format="float"),
        column("First", "string", ".spec.words[0]"),
        column("B", "integer", '.spec.parts[?(@.name=="b")].count'),
        column("Label", "string", r".metadata.labels.a\.b/c"),
        column("Made", "date", ".metadata.creationTimestamp"),
        column("Whole", "string", ".spec.nested"),
    ]
    install(api, definition("Shown", additionalPrinterColumns=columns))
    path = api.path("showns", group=GROUP)
    spec = {
        "size": 2,
        "on": True,
        "ratio": 1.5,
        "words": ["x", "y"],
        "parts": [{"name": "a", "count": 1}, {"name": "b", "count": 7}],
        "nested": {"text": "t"},
    }
    full = widget("full", **spec) | {"kind": "Shown"}
    full["metadata"]["labels"] = {"a.b/c": "yes"}
    api.create(path, full)
    api.create(path, widget("less") | {"kind": "Shown"})
    table = api.get(path, accept=TABLE)
    assert heads(table) == [
        ("Name", "string", "name", 0),
        ("Size", "integer", "", 0),
        ("Colour", "string", "", 0),
        ("On", "boolean", "", 1),
        ("Ratio", "number", "float", 0),
        ("First", "string", "", 0),
        ("B", "integer", "", 0),
        ("Label", "string", "", 0),
        ("Made", "date", "", 0),
        ("Whole", "string", "", 0),
    ]
    assert table["columnDefinitions"][2]["description"] == "What it looks like"
    first, second = rows(table)
    assert first.pop("Made").endswith("s")
    assert second.pop("Made").endswith("s")
    assert first == {
        "Name": "full",
        "Size": 2,
        "Colour": "red",
        "On": True,
        "Ratio": 1.5,
        "First": "x",
        "B": 7,
        "Label": "yes",
        "Whole": '{"depth":1,"text":"t"}',
    }
    assert second == {
        "Name": "less",
        "Size": None,
        "Colour": "red",
        "On": None,
        "Ratio": None,
        "First": None,
        "B": None,
        "Label": None,
        "Whole": None,
    }


def test_without_printer_columns_there_are_name_and_age(api: Api) -> None:
    path = api.path("widgets", group=GROUP)
    api.create(path, widget("w"))
    table = api.get(path, accept=TABLE)
    assert heads(table) == [("Name", "string", "name", 0), ("Age", "date", "", 0)]
    assert rows(table)[0]["Name"] == "w"
