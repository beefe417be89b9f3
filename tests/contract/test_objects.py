"""Objects are created, read, replaced and refused in the same way."""

from typing import Any

import pytest

from tests.contract.api import Api, done, with_query
from tests.contract.objects import config_map, deployment, labelled, namespace, pod


@pytest.fixture
def maps(api: Api) -> str:
    """Return the path of this test's ConfigMaps."""
    return api.path("configmaps")


def test_a_new_object_gets_identity_version_and_time(api: Api, maps: str) -> None:
    made = api.create(maps, config_map("a", x="1"))
    meta = made["metadata"]
    assert set(meta) == {
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
    }
    assert (meta["name"], meta["namespace"]) == ("a", api.namespace)
    assert int(meta["resourceVersion"]) > 0
    assert api.get(f"{maps}/a") == made


def test_what_only_the_server_writes_is_not_taken_from_a_new_object(api: Api, maps: str) -> None:
    given = config_map("a")
    given["metadata"] |= {
        "uid": "mine",
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "deletionTimestamp": "2001-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 1,
        "generation": 7,
        "selfLink": "/x",
    }
    meta = api.create(maps, given)["metadata"]
    assert meta["uid"] != "mine"
    assert not meta["creationTimestamp"].startswith("2001")
    assert "deletionTimestamp" not in meta
    assert "deletionGracePeriodSeconds" not in meta


def test_a_new_object_must_not_have_a_version(api: Api, maps: str) -> None:
    given = config_map("a")
    given["metadata"]["resourceVersion"] = "1"
    assert api.ask("POST", maps, given).refusal == (
        500,
        "",
        "resourceVersion should not be set on objects to be created",
    )


def test_a_name_is_taken_once(api: Api, maps: str) -> None:
    api.create(maps, config_map("a"))
    answer = api.ask("POST", maps, config_map("a"))
    assert answer.refusal == (409, "AlreadyExists", 'configmaps "a" already exists')
    assert answer.body["details"] == {"name": "a", "kind": "configmaps"}


def test_a_generated_name_begins_with_its_prefix(api: Api, maps: str) -> None:
    given = config_map()
    given["metadata"] = {"generateName": "run-"}
    first, second = api.create(maps, given), api.create(maps, given)
    assert first["metadata"]["generateName"] == "run-"
    found = {made["metadata"]["name"] for made in (first, second)}
    assert len(found) == 2
    assert {(name[:4], len(name)) for name in found} == {("run-", 9)}


def test_a_long_prefix_of_a_generated_name_is_cut(api: Api, maps: str) -> None:
    given = config_map()
    given["metadata"] = {"generateName": "x" * 70}
    assert len(api.create(maps, given)["metadata"]["name"]) == 63


def test_a_name_comes_before_a_generated_one(api: Api, maps: str) -> None:
    given = config_map("a")
    given["metadata"]["generateName"] = "run-"
    assert api.create(maps, given)["metadata"]["name"] == "a"


def test_an_object_without_any_name_is_invalid(api: Api, maps: str) -> None:
    answer = api.ask("POST", maps, config_map())
    message = (
        'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'
    )
    assert answer.refusal == (422, "Invalid", message)
    assert answer.body["details"] == {
        "kind": "ConfigMap",
        "causes": [
            {
                "reason": "FieldValueRequired",
                "message": "Required value: name or generateName is required",
                "field": "metadata.name",
            }
        ],
    }


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a..b", "x" * 254])
def test_names_are_dns_names(api: Api, maps: str, name: str) -> None:
    answer = api.ask("POST", maps, config_map(name))
    code, reason, message = answer.refusal
    assert (code, reason) == (422, "Invalid")
    assert message.startswith(
        f'ConfigMap "{name}" is invalid: metadata.name: Invalid value: "{name}": '
    )
    assert answer.body["details"]["name"] == name
    cause = answer.body["details"]["causes"][0]
    assert (cause["field"], cause["reason"]) == ("metadata.name", "FieldValueInvalid")


def test_roles_may_have_colons_in_their_names(api: Api) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    group = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{group}/v1",
        "kind": "Role",
        "metadata": {"name": "a:b"},
        "rules": rules,
    }
    api.create(api.path("roles", group=group), role)


@pytest.mark.parametrize(
    ("labels", "field"),
    [({"a": "two words"}, "metadata.labels"), ({"a b": ""}, "metadata.labels")],
)
def test_labels_have_a_form(api: Api, maps: str, labels: Any, field: str) -> None:
    answer = api.ask("POST", maps, labelled(config_map("a"), **labels))
    assert answer.refusal[:2] == (422, "Invalid")
    assert answer.body["details"]["causes"][0]["field"] == field


def test_a_label_is_text(api: Api, maps: str) -> None:
    answer = api.ask("POST", maps, labelled(config_map("a"), n=1))  # type: ignore[arg-type]
    code, reason, message = answer.refusal
    assert (code, reason) == (400, "BadRequest")
    assert message.startswith('ConfigMap in version "v1" cannot be handled as a ConfigMap: ')


def test_a_namespace_must_be_there(api: Api) -> None:
    answer = api.ask("POST", "/api/v1/namespaces/none/configmaps", config_map("a"))
    assert answer.refusal == (404, "NotFound", 'namespaces "none" not found')
    assert answer.body["details"] == {"name": "none", "kind": "namespaces"}


def test_the_namespace_in_the_object_is_that_of_the_path(api: Api, maps: str) -> None:
    given = config_map("a")
    given["metadata"]["namespace"] = "other"
    message = (
        "the namespace of the provided object does not match the namespace sent on the request"
    )
    assert api.ask("POST", maps, given).refusal == (400, "BadRequest", message)


def test_a_cluster_wide_create_of_a_namespaced_kind_is_refused(api: Api) -> None:
    answer = api.ask("POST", "/api/v1/configmaps", config_map("a"))
    assert answer.status == 405


def test_null_is_the_same_as_nothing_in_built_in_kinds(api: Api, maps: str) -> None:
    given = config_map("a") | {"data": None, "binaryData": None}
    made = api.create(maps, given)
    assert "data" not in made
    assert "binaryData" not in made


def test_a_replace_takes_everything_but_the_identity(api: Api, maps: str) -> None:
    made = api.create(maps, labelled(config_map("a", x="1"), a="b"))
    new = done(api.ask("PUT", f"{maps}/a", config_map("a", y="2")))
    assert new["data"] == {"y": "2"}
    assert "labels" not in new["metadata"]
    for field in ("uid", "creationTimestamp", "namespace"):
        assert new["metadata"][field] == made["metadata"][field]


def test_a_replace_with_a_stale_version_is_a_conflict(api: Api, maps: str) -> None:
    made = api.create(maps, config_map("a", x="1"))
    done(api.ask("PUT", f"{maps}/a", made | {"data": {"x": "2"}}))
    answer = api.ask("PUT", f"{maps}/a", made | {"data": {"x": "3"}})
    assert answer.refusal == (
        409,
        "Conflict",
        (
            'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
            "please apply your changes to the latest version and try again"
        ),
    )
    assert answer.body["details"] == {"name": "a", "kind": "configmaps"}


def test_a_replace_of_another_object_of_the_same_name_is_a_conflict(api: Api, maps: str) -> None:
    made = api.create(maps, config_map("a"))
    given = config_map("a")
    given["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000"
    answer = api.ask("PUT", f"{maps}/a", given)
    code, reason, message = answer.refusal
    assert (code, reason) == (409, "Conflict")
    assert message.startswith('Operation cannot be fulfilled on configmaps "a": ')
    assert message.endswith(
        f"Precondition failed: UID in precondition: {given['metadata']['uid']}, "
        f"UID in object meta: {made['metadata']['uid']}"
    )


def test_a_replace_of_what_is_not_there_is_not_found(api: Api, maps: str) -> None:
    answer = api.ask("PUT", f"{maps}/a", config_map("a"))
    assert answer.refusal == (404, "NotFound", 'configmaps "a" not found')


def test_a_lease_is_made_by_a_replace(api: Api) -> None:
    path = api.path("leases", "a", group="coordination.k8s.io")
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "a", "namespace": api.namespace},
        "spec": {"holderIdentity": "me"},
    }
    made = done(api.ask("PUT", path, lease), 201)
    assert made["spec"] == {"holderIdentity": "me"}


def test_a_replace_must_name_the_object_of_its_path(api: Api, maps: str) -> None:
    api.create(maps, config_map("a"))
    message = "the name of the object (b) does not match the name on the URL (a)"
    assert api.ask("PUT", f"{maps}/a", config_map("b")).refusal == (400, "BadRequest", message)


def test_a_write_that_changes_nothing_makes_no_version(api: Api, maps: str) -> None:
    made = api.create(maps, config_map("a", x="1"))
    assert done(api.ask("PUT", f"{maps}/a", made)) == made
    assert done(api.patch(f"{maps}/a", {"data": {"x": "1"}})) == made


def test_the_generation_counts_changes_of_the_spec(api: Api) -> None:
    path = api.path("deployments", group="apps")
    made = api.create(path, deployment("d"))
    assert made["metadata"]["generation"] == 1
    changes: list[tuple[str, Any]] = [
        ("", {"metadata": {"labels": {"a": "b"}}}),
        ("", {"spec": {"replicas": 2}}),
        ("/status", {"status": {"replicas": 2}}),
        ("", {"spec": {"replicas": 2}}),
        ("", {"spec": {"paused": True}}),
        ("", {"metadata": {"annotations": {"a": "b"}}}),
    ]
    seen = [done(api.patch(f"{path}/d{part}", change)) for part, change in changes]
    assert [obj["metadata"]["generation"] for obj in seen] == [1, 2, 2, 2, 3, 4]


def test_status_has_a_door_of_its_own(api: Api) -> None:
    path = api.path("deployments", group="apps")
    made = api.create(path, deployment("d") | {"status": {"replicas": 9}})
    assert made["status"] == {}
    same = done(api.patch(f"{path}/d", {"status": {"replicas": 9}}))
    assert same["status"] == {}
    change = {"spec": {"replicas": 5}, "status": {"observedGeneration": 1, "replicas": 3}}
    new = done(api.patch(f"{path}/d/status", change))
    assert new["status"] == {"observedGeneration": 1, "replicas": 3}
    assert new["spec"] == made["spec"]
    kept = done(api.patch(f"{path}/d", {"spec": {"replicas": 2}}))
    assert kept["status"] == new["status"]


def test_the_status_door_replaces_the_status_too(api: Api) -> None:
    path = api.path("deployments", group="apps")
    made = api.create(path, deployment("d"))
    given = made | {"spec": made["spec"] | {"replicas": 9}, "status": {"replicas": 3}}
    new = done(api.ask("PUT", f"{path}/d/status", given))
    assert (new["spec"], new["status"]) == (made["spec"], {"replicas": 3})
    assert api.get(f"{path}/d/status") == new


def test_labels_of_pods_are_written_through_the_status_door_too(api: Api) -> None:
    path = api.path("pods")
    api.create(path, pod("p"))
    change = {"metadata": {"labels": {"x": "y"}}, "status": {"message": "text"}}
    new = done(api.patch(f"{path}/p/status", change))
    assert new["metadata"]["labels"] == {"app": "p", "x": "y"}
    assert new["status"]["message"] == "text"


def test_labels_of_deployments_are_not(api: Api) -> None:
    path = api.path("deployments", group="apps")
    api.create(path, labelled(deployment("d"), a="b"))
    change = {"metadata": {"labels": {"x": "y"}}, "status": {"replicas": 1}}
    new = done(api.patch(f"{path}/d/status", change))
    assert (new["metadata"]["labels"], new["status"]) == ({"a": "b"}, {"replicas": 1})


@pytest.mark.parametrize("how", ["create", "replace", "merge", "apply", "delete"])
def test_a_dry_run_answers_as_if_and_stores_nothing(api: Api, maps: str, how: str) -> None:
    made = api.create(maps, config_map("a", x="1"))
    one = with_query(f"{maps}/a", dryRun="All")
    match how:
        case "create":
            shown = done(api.ask("POST", with_query(maps, dryRun="All"), config_map("b")), 201)
            assert shown["metadata"]["uid"]
            assert api.ask("GET", f"{maps}/b").status == 404
        case "replace":
            shown = done(api.ask("PUT", one, made | {"data": {"x": "2"}}))
            assert shown["data"] == {"x": "2"}
        case "merge":
            shown = done(api.patch(one, {"data": {"y": "2"}}))
            assert shown["data"] == {"x": "1", "y": "2"}
        case "apply":
            shown = done(api.apply(one, config_map("a", y="2"), "m"))
            assert shown["data"] == {"x": "1", "y": "2"}
        case "delete":
            done(api.ask("DELETE", one))
    assert api.get(f"{maps}/a") == made


def test_a_dry_run_refuses_what_would_be_refused(api: Api, maps: str) -> None:
    api.create(maps, config_map("a"))
    twice = api.ask("POST", with_query(maps, dryRun="All"), config_map("a"))
    assert twice.refusal[:2] == (409, "AlreadyExists")
    wrong = api.ask("POST", with_query(maps, dryRun="Some"), config_map("b"))
    assert wrong.refusal[:2] == (422, "Invalid")


def test_a_namespace_has_a_label_a_phase_and_a_finalizer(api: Api) -> None:
    name = f"{api.namespace}-more"
    made = api.create("/api/v1/namespaces", namespace(name))
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": name}
    assert made["spec"] == {"finalizers": ["kubernetes"]}
    assert made["status"] == {"phase": "Active"}


def test_secrets_keep_strings_as_base64(api: Api) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    made = api.create(api.path("secrets"), secret | {"stringData": {"k": "value"}})
    assert (made["data"], made["type"]) == ({"k": "dmFsdWU="}, "Opaque")
    assert "stringData" not in made


def test_immutable_config_maps_stay_as_they_are(api: Api, maps: str) -> None:
    api.create(maps, config_map("a", x="1") | {"immutable": True})
    answer = api.patch(f"{maps}/a", {"data": {"x": "2"}})
    assert answer.refusal == (
        422,
        "Invalid",
        'ConfigMap "a" is invalid: data: Forbidden: field is immutable when `immutable` is set',
    )
