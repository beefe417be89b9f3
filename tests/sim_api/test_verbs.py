"""Objects can be created, read, changed and deleted as on a real API server."""

from typing import Any

import pytest

from oc_gpu.sim.api.messages import ApiRequest

from .conftest import JSON_PATCH, Api, config_map, namespace, pod, run

CM = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


def test_a_created_object_gets_identity_version_and_simulated_time(api: Api) -> None:
    made = api.create(CM, config_map("a", x="1"))
    meta = made["metadata"]
    assert meta["creationTimestamp"] == "2020-09-13T12:26:40Z"
    assert meta["uid"]
    assert int(meta["resourceVersion"]) > 0
    assert api.get(f"{CM}/a") == made


def test_creating_twice_is_refused_as_already_existing(api: Api) -> None:
    api.create(CM, config_map("a"))
    status, answer = api.ask("POST", CM, config_map("a"))
    assert (status, answer["reason"]) == (409, "AlreadyExists")
    assert answer["message"] == 'configmaps "a" already exists'


def test_what_does_not_exist_is_not_found_by_its_qualified_name(api: Api) -> None:
    status, answer = api.ask("GET", "/apis/apps/v1/namespaces/default/deployments/x")
    assert (status, answer["message"]) == (404, 'deployments.apps "x" not found')
    assert answer["details"] == {"name": "x", "group": "apps", "kind": "deployments"}


def test_a_generated_name_begins_with_its_prefix(api: Api) -> None:
    obj = config_map("")
    obj["metadata"] = {"generateName": "run-"}
    first, second = api.create(CM, obj), api.create(CM, obj)
    assert first["metadata"]["name"].startswith("run-")
    assert len(first["metadata"]["name"]) == len("run-") + 5
    assert first["metadata"]["name"] != second["metadata"]["name"]


def test_nothing_is_created_in_a_namespace_that_does_not_exist(api: Api) -> None:
    status, answer = api.ask("POST", "/api/v1/namespaces/none/configmaps", config_map("a"))
    assert (status, answer["message"]) == (404, 'namespaces "none" not found')


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 254])
def test_names_that_are_not_dns_names_are_refused(api: Api, name: str) -> None:
    status, answer = api.ask("POST", CM, config_map(name))
    assert (status, answer["reason"]) == (422, "Invalid")
    assert answer["details"]["causes"][0]["field"] == "metadata.name"


def test_a_label_value_that_is_not_one_is_refused(api: Api) -> None:
    obj = config_map("a")
    obj["metadata"]["labels"] = {"key": "two words"}
    status, answer = api.ask("POST", CM, obj)
    assert status == 422
    assert "a valid label must be" in answer["message"]


def test_a_replace_with_a_stale_version_is_a_conflict(api: Api) -> None:
    made = api.create(CM, config_map("a", x="1"))
    api.patch(f"{CM}/a", {"data": {"x": "2"}})
    status, answer = api.ask("PUT", f"{CM}/a", made | {"data": {"x": "3"}})
    assert (status, answer["reason"]) == (409, "Conflict")
    assert "the object has been modified" in answer["message"]


def test_a_replace_changes_everything_but_what_the_server_owns(api: Api) -> None:
    made = api.create(CM, config_map("a", x="1"))
    status, new = api.ask("PUT", f"{CM}/a", config_map("a", y="2"))
    assert status == 200
    assert new["data"] == {"y": "2"}
    assert new["metadata"]["uid"] == made["metadata"]["uid"]
    assert new["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]


def test_a_merge_patch_adds_replaces_and_removes(api: Api) -> None:
    api.create(CM, config_map("a", x="1", y="2"))
    status, new = api.patch(f"{CM}/a", {"data": {"x": None, "y": "3", "z": "4"}})
    assert status == 200
    assert new["data"] == {"y": "3", "z": "4"}


def test_a_change_that_changes_nothing_makes_no_new_version(api: Api) -> None:
    made = api.create(CM, config_map("a", x="1"))
    _, new = api.patch(f"{CM}/a", {"data": {"x": "1"}})
    assert new == made


def test_a_json_patch_runs_its_operations_in_order(api: Api) -> None:
    api.create(CM, config_map("a", x="1"))
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": "/data/x", "value": "1"},
        {"op": "add", "path": "/metadata/labels", "value": {"a~b": "c"}},
        {"op": "copy", "from": "/data/x", "path": "/data/copy"},
        {"op": "move", "from": "/data/x", "path": "/data/moved"},
        {"op": "replace", "path": "/metadata/labels/a~0b", "value": "d"},
        {"op": "remove", "path": "/metadata/labels/a~0b"},
    ]
    status, new = api.patch(f"{CM}/a", operations, JSON_PATCH)
    assert status == 200, new
    assert new["data"] == {"copy": "1", "moved": "1"}
    assert not new["metadata"].get("labels")


def test_a_json_patch_whose_test_fails_changes_nothing(api: Api) -> None:
    made = api.create(CM, config_map("a", x="1"))
    operations = [
        {"op": "add", "path": "/data/y", "value": "2"},
        {"op": "test", "path": "/data/x", "value": "9"},
    ]
    status, _ = api.patch(f"{CM}/a", operations, JSON_PATCH)
    assert status == 422
    assert api.get(f"{CM}/a") == made


def test_json_patch_inserts_into_and_appends_to_lists(api: Api) -> None:
    api.create(PODS, pod("p", tolerations=[{"key": "a", "operator": "Exists"}]))
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    api.create("/api/v1/nodes", node | {"spec": {"taints": [{"key": "b", "effect": "NoSchedule"}]}})
    operations = [
        {"op": "add", "path": "/spec/taints/0", "value": {"key": "a", "effect": "NoSchedule"}},
        {"op": "add", "path": "/spec/taints/-", "value": {"key": "c", "effect": "NoSchedule"}},
    ]
    _, new = api.patch("/api/v1/nodes/n", operations, JSON_PATCH)
    assert [t["key"] for t in new["spec"]["taints"]] == ["a", "b", "c"]


def test_generation_counts_changes_of_the_spec_only(api: Api) -> None:
    path = "/apis/apps/v1/namespaces/default/deployments"
    made = api.create(path, deployment("d"))
    assert made["metadata"]["generation"] == 1
    _, labelled = api.patch(f"{path}/d", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    _, scaled = api.patch(f"{path}/d", {"spec": {"replicas": 2}})
    assert scaled["metadata"]["generation"] == 2
    _, reported = api.patch(f"{path}/d/status", {"status": {"replicas": 2}})
    assert reported["metadata"]["generation"] == 2


def deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod(name)["spec"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def test_a_dry_run_answers_but_stores_nothing(api: Api) -> None:
    status, _ = api.ask("POST", f"{CM}?dryRun=All", config_map("a"))
    assert status == 201
    assert api.ask("GET", f"{CM}/a")[0] == 404
    api.create(CM, config_map("b", x="1"))
    _, shown = api.patch(f"{CM}/b?dryRun=All", {"data": {"x": "2"}})
    assert shown["data"] == {"x": "2"}
    assert api.get(f"{CM}/b")["data"] == {"x": "1"}
    assert api.ask("DELETE", f"{CM}/b?dryRun=All")[0] == 200
    api.get(f"{CM}/b")


def test_deleting_removes_at_once_what_nothing_holds(api: Api) -> None:
    made = api.create(CM, config_map("a"))
    status, answer = api.ask("DELETE", f"{CM}/a")
    assert (status, answer["status"]) == (200, "Success")
    assert answer["details"]["uid"] == made["metadata"]["uid"]
    assert api.ask("GET", f"{CM}/a")[0] == 404


def test_a_finalizer_holds_an_object_until_it_is_taken_off(api: Api) -> None:
    obj = config_map("a")
    obj["metadata"]["finalizers"] = ["example.com/hold"]
    api.create(CM, obj)
    status, going = api.ask("DELETE", f"{CM}/a")
    assert (status, going["metadata"]["deletionTimestamp"]) == (200, "2020-09-13T12:26:40Z")
    api.get(f"{CM}/a")
    api.patch(f"{CM}/a", {"metadata": {"finalizers": None}})
    assert api.ask("GET", f"{CM}/a")[0] == 404


def test_foreground_and_orphan_deletion_leave_a_mark_for_the_garbage_collector(api: Api) -> None:
    for policy, mark in (("Foreground", "foregroundDeletion"), ("Orphan", "orphan")):
        api.create(CM, config_map("a"))
        api.ask("DELETE", f"{CM}/a", {"propagationPolicy": policy})
        assert api.get(f"{CM}/a")["metadata"]["finalizers"] == [mark]
        api.patch(f"{CM}/a", {"metadata": {"finalizers": []}})
        assert api.ask("GET", f"{CM}/a")[0] == 404


def test_a_deletion_meant_for_another_object_is_a_conflict(api: Api) -> None:
    made = api.create(CM, config_map("a"))
    for wanted in ({"uid": "other"}, {"resourceVersion": "1"}):
        status, answer = api.ask("DELETE", f"{CM}/a", {"preconditions": wanted})
        assert (status, answer["reason"]) == (409, "Conflict")
    right = {"uid": made["metadata"]["uid"]}
    assert api.ask("DELETE", f"{CM}/a", {"preconditions": right})[0] == 200


def test_a_running_pod_is_given_its_grace_and_goes_with_grace_zero(api: Api) -> None:
    api.create(PODS, pod("p", nodeName="n", terminationGracePeriodSeconds=20))
    _, going = api.ask("DELETE", f"{PODS}/p")
    assert going["metadata"]["deletionGracePeriodSeconds"] == 20
    assert going["metadata"]["deletionTimestamp"] == "2020-09-13T12:27:00Z"
    api.patch(f"{PODS}/p/status", {"status": {"phase": "Running"}})
    api.get(f"{PODS}/p")
    api.ask("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})
    assert api.ask("GET", f"{PODS}/p")[0] == 404


def test_a_pod_that_never_ran_needs_no_grace(api: Api) -> None:
    api.create(PODS, pod("p"))
    api.ask("DELETE", f"{PODS}/p")
    assert api.ask("GET", f"{PODS}/p")[0] == 404


def test_a_collection_is_deleted_by_label(api: Api) -> None:
    for name in ("a", "b"):
        obj = config_map(name)
        obj["metadata"]["labels"] = {"name": name}
        api.create(CM, obj)
    api.ask("DELETE", f"{CM}?labelSelector=name%3Da")
    assert [i["metadata"]["name"] for i in api.get(CM)["items"]] == ["b"]


def test_a_namespace_goes_after_its_content(api: Api) -> None:
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    api.create("/api/v1/namespaces/gpu/configmaps", held)
    api.create("/api/v1/namespaces/gpu/configmaps", config_map("free"))
    _, going = api.ask("DELETE", "/api/v1/namespaces/gpu")
    assert api.get("/api/v1/namespaces/gpu")["status"]["phase"] == "Terminating"
    assert going["metadata"]["deletionTimestamp"]
    assert api.ask("GET", "/api/v1/namespaces/gpu/configmaps/free")[0] == 404
    status, answer = api.ask("POST", "/api/v1/namespaces/gpu/configmaps", config_map("new"))
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert "because it is being terminated" in answer["message"]
    api.patch("/api/v1/namespaces/gpu/configmaps/held", {"metadata": {"finalizers": None}})
    assert api.ask("GET", "/api/v1/namespaces/gpu")[0] == 404


def test_an_empty_namespace_goes_at_once_and_can_be_made_again(api: Api) -> None:
    api.ask("DELETE", "/api/v1/namespaces/gpu")
    assert api.ask("GET", "/api/v1/namespaces/gpu")[0] == 404
    assert api.create("/api/v1/namespaces", namespace("gpu"))["status"] == {"phase": "Active"}


def test_secrets_keep_strings_as_base64(api: Api) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    made = api.create("/api/v1/namespaces/gpu/secrets", secret | {"stringData": {"k": "value"}})
    assert made["data"] == {"k": "dmFsdWU="}
    assert "stringData" not in made
    assert made["type"] == "Opaque"


def test_fields_that_are_null_are_not_there(api: Api) -> None:
    obj = deployment("d")
    obj["spec"]["template"]["metadata"]["creationTimestamp"] = None
    made = api.create("/apis/apps/v1/namespaces/default/deployments", obj)
    assert made["spec"]["template"]["metadata"] == {"labels": {"app": "d"}}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json", b'{"kind": "Secret"}'),
        ("application/yaml", b"a: [b"),
        ("application/vnd.kubernetes.protobuf", b"k8s\x00\xff"),
        ("application/vnd.kubernetes.protobuf", b"k8s\x00\x08\x01"),
    ],
)
def test_bodies_that_cannot_be_understood_are_bad_requests(
    api: Api, content_type: str, body: bytes
) -> None:
    headers = {"content-type": content_type}
    request = ApiRequest.of("POST", CM, body=body, headers=headers)
    assert run(api.server.handle(request)).status == 400


def test_a_patch_that_takes_the_metadata_away_is_refused(api: Api) -> None:
    api.create(CM, config_map("a"))
    assert api.patch(f"{CM}/a", {"metadata": None})[0] == 400
