"""The server tells kubectl what to show, in the columns that its users know."""

from typing import Any

import pytest

from oc_gpu.sim.api import jsonpath
from oc_gpu.sim.api.columns import duration

from .conftest import Api, config_map, pod
from .test_custom_resources import CRDS, WIDGETS, definition, widget

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PODS = "/api/v1/namespaces/default/pods"


def shown(api: Api, target: str) -> list[dict[str, Any]]:
    """Return the rows by column name."""
    table = api.get(target, accept=TABLE)
    assert table["kind"] == "Table"
    heads = [column["name"] for column in table["columnDefinitions"]]
    return [dict(zip(heads, row["cells"], strict=True)) for row in table["rows"]]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (130, "2m10s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600 + 61, "3h1m"),
        (8 * 3600, "8h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (8 * 86400, "8d"),
        (3 * 365 * 86400, "3y"),
        (10 * 365 * 86400, "10y"),
    ],
)
def test_ages_are_written_as_kubectl_does(seconds: int, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (".a.b", 1),
        (".a['b']", 1),
        (r".a.x\.y/z", 2),
        ('.list[?(@.type=="two")].status', "yes"),
        (".list[0].type", "one"),
        (".list[*].type", "one"),
        (".list[7].type", None),
        (".nothing.here", None),
        ("{nonsense", None),
    ],
)
def test_printer_columns_read_their_paths(path: str, value: Any) -> None:
    obj = {
        "a": {"b": 1, "x.y/z": 2},
        "list": [{"type": "one"}, {"type": "two", "status": "yes"}],
    }
    assert jsonpath.first(path, obj) == value


def test_pods_are_shown_with_readiness_and_simulated_age(api: Api) -> None:
    api.create(PODS, pod("p", nodeName="n"))
    status = {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "containerStatuses": [
            {
                "name": "main",
                "ready": True,
                "restartCount": 2,
                "state": {"running": {}},
                "lastState": {"terminated": {"finishedAt": "2020-09-13T12:26:10Z"}},
            }
        ],
    }
    api.patch(f"{PODS}/p/status", {"status": status})
    assert shown(api, PODS) == [
        {
            "Name": "p",
            "Ready": "1/1",
            "Status": "Running",
            "Restarts": "2 (30s ago)",
            "Age": "0s",
            "IP": "10.0.0.1",
            "Node": "n",
            "Nominated Node": "<none>",
            "Readiness Gates": "<none>",
        }
    ]


def waiting(reason: str) -> dict[str, Any]:
    return {"name": "main", "state": {"waiting": {"reason": reason}}}


def ended(code: int, **more: Any) -> dict[str, Any]:
    return {"name": "main", "state": {"terminated": {"exitCode": code, **more}}}


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ({"phase": "Pending"}, "Pending"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        (
            {"phase": "Pending", "containerStatuses": [waiting("ImagePullBackOff")]},
            "ImagePullBackOff",
        ),
        ({"phase": "Running", "containerStatuses": [ended(1, reason="Error")]}, "Error"),
        ({"phase": "Failed", "containerStatuses": [ended(3)]}, "ExitCode:3"),
        ({"phase": "Failed", "containerStatuses": [ended(137, signal=9)]}, "Signal:9"),
        ({"phase": "Succeeded", "containerStatuses": [ended(0, reason="Completed")]}, "Completed"),
        ({"phase": "Pending", "initContainerStatuses": [waiting("PodInitializing")]}, "Init:0/1"),
        (
            {"phase": "Pending", "initContainerStatuses": [waiting("CrashLoopBackOff")]},
            "Init:CrashLoopBackOff",
        ),
        ({"phase": "Pending", "initContainerStatuses": [ended(2, reason="Error")]}, "Init:Error"),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [ended(0)],
                "containerStatuses": [waiting("ContainerCreating")],
            },
            "ContainerCreating",
        ),
    ],
)
def test_the_status_word_of_a_pod_tells_the_first_thing_that_matters(
    api: Api, status: dict[str, Any], word: str
) -> None:
    init = [{"name": "main", "image": "x"}] if "initContainerStatuses" in status else []
    api.create(PODS, pod("p", initContainers=init))
    api.patch(f"{PODS}/p/status", {"status": status})
    assert shown(api, PODS)[0]["Status"] == word


def test_a_pod_that_is_going_is_terminating(api: Api) -> None:
    api.create(PODS, pod("p", nodeName="n"))
    api.ask("DELETE", f"{PODS}/p")
    assert shown(api, PODS)[0]["Status"] == "Terminating"


def test_nodes_show_roles_cordon_and_versions(api: Api) -> None:
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "w", "labels": {"node-role.kubernetes.io/worker": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.33.5", "kernelVersion": "5.14.0"},
            "addresses": [{"type": "InternalIP", "address": "10.0.0.9"}],
        },
    }
    api.server.install(node)
    [row] = shown(api, "/api/v1/nodes")
    assert row["Status"] == "Ready,SchedulingDisabled"
    assert (row["Roles"], row["Version"]) == ("worker", "v1.33.5")
    assert (row["Internal-IP"], row["Kernel-Version"]) == ("10.0.0.9", "5.14.0")
    assert row["External-IP"] == "<none>"


def test_openshift_kinds_have_the_columns_of_their_definitions(api: Api) -> None:
    pool = {
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfigPool",
        "metadata": {"name": "worker"},
        "status": {
            "configuration": {"name": "rendered-worker-1"},
            "conditions": [
                {"type": "Updated", "status": "False"},
                {"type": "Updating", "status": "True"},
            ],
            "machineCount": 3,
        },
    }
    api.server.install(pool)
    [row] = shown(api, "/apis/machineconfiguration.openshift.io/v1/machineconfigpools")
    assert row["Config"] == "rendered-worker-1"
    assert (row["Updated"], row["Updating"], row["Degraded"]) == ("False", "True", None)
    assert row["MachineCount"] == 3


def test_columns_of_a_definition_are_used_for_its_objects(api: Api) -> None:
    printers = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "State", "type": "string", "jsonPath": ".status.state", "priority": 1},
        {"name": "Made", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    api.create(CRDS, definition(additionalPrinterColumns=printers))
    api.create(WIDGETS, widget(size=4))
    assert shown(api, WIDGETS) == [{"Name": "w", "Size": 4, "State": None, "Made": "0s"}]


def test_a_kind_without_columns_shows_name_and_age(api: Api) -> None:
    api.create(CRDS, definition())
    api.create(WIDGETS, widget())
    assert shown(api, WIDGETS) == [{"Name": "w", "Age": "0s"}]


def test_a_watch_can_be_in_the_form_of_tables(api: Api) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    api.create(path, config_map("a", x="1"))
    change = ("PATCH", f"{path}/a", {"data": {"y": "2"}})
    events = api.watch(f"{path}?watch=1", change, count=2, accept=TABLE)
    assert [(kind, obj["rows"][0]["cells"]) for kind, obj in events] == [
        ("ADDED", ["a", 1, "0s"]),
        ("MODIFIED", ["a", 2, "0s"]),
    ]


def test_rows_carry_as_much_of_the_object_as_asked_for(api: Api) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    api.create(path, config_map("a", x="1"))

    def carried(include: str) -> Any:
        return api.get(f"{path}?includeObject={include}", accept=TABLE)["rows"][0]["object"]

    assert carried("None") is None
    assert carried("Metadata")["kind"] == "PartialObjectMetadata"
    assert carried("Object")["data"] == {"x": "1"}
