"""Merge patch, JSON patch and strategic merge patch change what they say and nothing else."""

from typing import Any

import pytest

from oc_gpu.kube import RawObject
from tests.contract.api import APPLY, JSON_PATCH, MERGE, STRATEGIC, Api, done
from tests.contract.objects import GROUP, config_map, container, deployment, pod, widget


@pytest.fixture
def maps(api: Api) -> str:
    """Return the path of ConfigMaps, of which there is one."""
    path = api.path("configmaps")
    api.create(path, config_map("a", x="1", y="2"))
    return path


def test_a_merge_patch_adds_replaces_and_removes(api: Api, maps: str) -> None:
    new = done(api.patch(f"{maps}/a", {"data": {"x": None, "y": "3", "z": "4"}}))
    assert new["data"] == {"y": "3", "z": "4"}


def test_a_merge_patch_removes_what_it_nulls_at_every_depth(api: Api, maps: str) -> None:
    done(api.patch(f"{maps}/a", {"metadata": {"labels": {"a": "b", "c": "d"}}}))
    new = done(api.patch(f"{maps}/a", {"metadata": {"labels": None}, "data": {"y": None}}))
    assert "labels" not in new["metadata"]
    assert new["data"] == {"x": "1"}


def test_the_last_entry_of_a_map_takes_the_map_along(api: Api, maps: str) -> None:
    assert "data" not in done(api.patch(f"{maps}/a", {"data": {"x": None, "y": None}}))


def test_a_merge_patch_replaces_lists(api: Api) -> None:
    path = api.path("widgets", group=GROUP)
    api.create(path, widget("w", words=["a", "b"], parts=[{"name": "a", "count": 1}]))
    new = done(api.patch(f"{path}/w", {"spec": {"words": ["c"], "parts": [{"name": "b"}]}}))
    assert new["spec"]["words"] == ["c"]
    assert new["spec"]["parts"] == [{"name": "b", "on": False}]


@pytest.mark.parametrize("kind", [MERGE, JSON_PATCH, STRATEGIC])
def test_a_patch_of_what_is_not_there_is_not_found(api: Api, maps: str, kind: str) -> None:
    answer = api.patch(f"{maps}/none", [] if kind == JSON_PATCH else {}, kind)
    assert answer.refusal == (404, "NotFound", 'configmaps "none" not found')


@pytest.mark.parametrize("kind", [MERGE, STRATEGIC])
def test_a_patch_with_a_stale_version_is_a_conflict(api: Api, maps: str, kind: str) -> None:
    version = api.get(f"{maps}/a")["metadata"]["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version}, "data": {"x": "9"}}
    done(api.patch(f"{maps}/a", patch, kind))
    answer = api.patch(f"{maps}/a", patch | {"data": {"x": "8"}}, kind)
    assert answer.refusal[:2] == (409, "Conflict")
    assert "the object has been modified" in answer.refusal[2]


@pytest.mark.parametrize("kind", [MERGE, STRATEGIC])
def test_a_patch_for_another_uid_is_refused(api: Api, maps: str, kind: str) -> None:
    patch = {"metadata": {"uid": "other"}, "data": {"x": "9"}}
    answer = api.patch(f"{maps}/a", patch, kind)
    code, reason, message = answer.refusal
    assert (code, reason) == (422, "Invalid")
    assert 'metadata.uid: Invalid value: "other": field is immutable' in message


def test_a_patch_cannot_rename(api: Api, maps: str) -> None:
    answer = api.patch(f"{maps}/a", {"metadata": {"name": "b"}})
    assert answer.refusal == (
        400,
        "BadRequest",
        "the name of the object (b) does not match the name on the URL (a)",
    )


def test_a_json_patch_runs_its_operations_in_order(api: Api, maps: str) -> None:
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": "/data/x", "value": "1"},
        {"op": "add", "path": "/metadata/labels", "value": {"a~b": "c"}},
        {"op": "copy", "from": "/data/x", "path": "/data/copy"},
        {"op": "move", "from": "/data/x", "path": "/data/moved"},
        {"op": "replace", "path": "/metadata/labels/a~0b", "value": "d"},
        {"op": "remove", "path": "/metadata/labels/a~0b"},
        {"op": "add", "path": "/metadata/labels/e~1f", "value": "g"},
    ]
    new = done(api.patch(f"{maps}/a", operations, JSON_PATCH))
    assert new["data"] == {"y": "2", "copy": "1", "moved": "1"}
    assert new["metadata"]["labels"] == {"e/f": "g"}


def test_a_json_patch_inserts_into_and_appends_to_lists(api: Api) -> None:
    path = api.path("widgets", group=GROUP)
    api.create(path, widget("w", words=["b"]))
    operations = [
        {"op": "add", "path": "/spec/words/0", "value": "a"},
        {"op": "add", "path": "/spec/words/-", "value": "c"},
        {"op": "replace", "path": "/spec/words/1", "value": "B"},
    ]
    assert done(api.patch(f"{path}/w", operations, JSON_PATCH))["spec"]["words"] == ["a", "B", "c"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/x", "value": "9"},
        {"op": "test", "path": "/data/none", "value": "9"},
        {"op": "remove", "path": "/data/none"},
        {"op": "replace", "path": "/none/deep", "value": "1"},
        {"op": "add", "path": "/none/deep", "value": "1"},
        {"op": "copy", "from": "/none/deep", "path": "/data/z"},
        {"op": "move", "from": "/data/none", "path": "/data/z"},
    ],
)
def test_a_json_patch_that_does_not_fit_changes_nothing(
    api: Api, maps: str, operation: dict[str, Any]
) -> None:
    before = api.get(f"{maps}/a")
    first = {"op": "add", "path": "/data/z", "value": "1"}
    answer = api.patch(f"{maps}/a", [first, operation], JSON_PATCH)
    message = "the server rejected our request due to an error in our request"
    assert answer.refusal == (422, "Invalid", message)
    assert api.get(f"{maps}/a") == before


def test_a_json_patch_takes_a_field_that_is_not_there_for_null(api: Api, maps: str) -> None:
    operations: list[dict[str, Any]] = [
        {"op": "replace", "path": "/data/new", "value": "1"},
        {"op": "test", "path": "/data/none", "value": None},
        {"op": "copy", "from": "/data/none", "path": "/data/empty"},
    ]
    new = done(api.patch(f"{maps}/a", operations, JSON_PATCH))
    assert new["data"] == {"x": "1", "y": "2", "new": "1", "empty": ""}


@pytest.mark.parametrize(
    "patch", [{"op": "add"}, [{"op": "grow", "path": "/data/x"}], ["add"], "text"]
)
def test_what_is_no_json_patch_is_refused(api: Api, maps: str, patch: Any) -> None:
    assert api.patch(f"{maps}/a", patch, JSON_PATCH).refusal[0] in {400, 422}


@pytest.mark.parametrize("kind", [MERGE, STRATEGIC, JSON_PATCH, APPLY])
def test_a_patch_that_is_not_even_json_is_refused(api: Api, maps: str, kind: str) -> None:
    target = f"{maps}/a?fieldManager=m" if kind == APPLY else f"{maps}/a"
    answer = api.ask("PATCH", target, b"{", {"content-type": kind})
    assert answer.refusal[:2] == (400, "BadRequest")


def test_a_patch_of_an_unknown_kind_is_refused(api: Api, maps: str) -> None:
    answer = api.patch(f"{maps}/a", {}, "application/json")
    assert answer.refusal == (415, "UnsupportedMediaType", "415: Unsupported Media Type")


@pytest.mark.parametrize("kind", [STRATEGIC, "application/json"])
def test_custom_resources_know_other_kinds_of_patches(api: Api, kind: str) -> None:
    path = api.path("widgets", group=GROUP)
    api.create(path, widget("w", size=1))
    assert api.patch(f"{path}/w", {}, kind).refusal == (
        415,
        "UnsupportedMediaType",
        (
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, "
            "application/apply-patch+yaml"
        ),
    )


def test_a_patch_of_the_wrong_type_is_refused(api: Api, maps: str) -> None:
    for patch in ({"data": {"x": 1}}, {"data": "text"}, {"metadata": {"labels": ["a"]}}):
        assert api.patch(f"{maps}/a", patch).refusal[0] in {400, 422}


@pytest.fixture
def template(api: Api) -> str:
    """Return the path of a Deployment with two containers and two volumes."""
    path = api.path("deployments", group="apps")
    main = container(
        "main",
        env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        ports=[{"containerPort": 80}, {"containerPort": 81}],
        args=["one"],
    )
    made = deployment("d", main, container("side"))
    made["spec"]["template"]["spec"]["volumes"] = [
        {"name": "a", "emptyDir": {}},
        {"name": "b", "emptyDir": {}},
    ]
    made["spec"]["template"]["spec"]["tolerations"] = [{"key": "a", "operator": "Exists"}]
    api.create(path, made)
    return f"{path}/d"


def strategic(api: Api, template: str, spec: RawObject) -> RawObject:
    """Patch the pod template's spec and return it."""
    patch = {"spec": {"template": {"spec": spec}}}
    new: RawObject = done(api.patch(template, patch, STRATEGIC))["spec"]["template"]["spec"]
    return new


def test_a_strategic_patch_merges_lists_by_their_key(api: Api, template: str) -> None:
    change = {"name": "main", "image": "other", "env": [{"name": "B", "value": "3"}, {"name": "C"}]}
    new = strategic(api, template, {"containers": [change, container("new")]})
    assert [c["name"] for c in new["containers"]] == ["main", "new", "side"]
    main = next(c for c in new["containers"] if c["name"] == "main")
    assert main["image"] == "other"
    values = {e["name"]: e.get("value") for e in main["env"]}
    assert values == {"A": "1", "B": "3", "C": None}


def test_a_strategic_patch_replaces_lists_that_have_no_key(api: Api, template: str) -> None:
    change = {"name": "main", "args": ["two"]}
    tolerations = [{"key": "b", "operator": "Exists"}]
    new = strategic(api, template, {"containers": [change], "tolerations": tolerations})
    assert next(c for c in new["containers"] if c["name"] == "main")["args"] == ["two"]
    assert new["tolerations"] == tolerations


def test_a_strategic_patch_deletes_by_key(api: Api, template: str) -> None:
    gone = {"name": "a", "$patch": "delete"}
    port = {"containerPort": 80, "$patch": "delete"}
    change = {"volumes": [gone], "containers": [{"name": "main", "ports": [port]}]}
    new = strategic(api, template, change)
    assert [v["name"] for v in new["volumes"]] == ["b"]
    main = next(c for c in new["containers"] if c["name"] == "main")
    assert [p["containerPort"] for p in main["ports"]] == [81]


def test_a_strategic_patch_replaces_a_list_or_a_map_that_says_so(api: Api, template: str) -> None:
    volumes = [{"name": "c", "emptyDir": {}}, {"$patch": "replace"}]
    assert [v["name"] for v in strategic(api, template, {"volumes": volumes})["volumes"]] == ["c"]
    patch = {"spec": {"strategy": {"$patch": "replace", "type": "Recreate"}}}
    new = done(api.patch(template, patch, STRATEGIC))
    assert new["spec"]["strategy"] == {"type": "Recreate"}


def test_a_strategic_patch_keeps_only_the_named_keys_of_a_union(api: Api, template: str) -> None:
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert done(api.patch(template, patch, STRATEGIC))["spec"]["strategy"] == {"type": "Recreate"}


def test_a_strategic_patch_orders_lists(api: Api, template: str) -> None:
    change = {
        "$setElementOrder/volumes": [{"name": "c"}, {"name": "b"}, {"name": "a"}],
        "volumes": [{"name": "c", "emptyDir": {}}],
    }
    assert [v["name"] for v in strategic(api, template, change)["volumes"]] == ["c", "b", "a"]


def test_a_strategic_patch_removes_what_it_nulls(api: Api, template: str) -> None:
    new = strategic(api, template, {"volumes": None, "tolerations": None})
    assert not {"volumes", "tolerations"} & set(new)


def test_finalizers_grow_by_strategic_patches_and_shrink_by_name(api: Api, maps: str) -> None:
    first = {"metadata": {"finalizers": ["x/a", "x/b"]}}
    done(api.patch(f"{maps}/a", first, STRATEGIC))
    second = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/a"], "finalizers": ["x/c"]}}
    new = done(api.patch(f"{maps}/a", second, STRATEGIC))
    assert sorted(new["metadata"]["finalizers"]) == ["x/b", "x/c"]
    merged = done(api.patch(f"{maps}/a", {"metadata": {"finalizers": ["x/d"]}}))
    assert merged["metadata"]["finalizers"] == ["x/d"]
    done(api.patch(f"{maps}/a", {"metadata": {"finalizers": None}}))


def test_the_status_is_patched_through_its_own_door(api: Api) -> None:
    path = api.path("pods")
    api.create(path, pod("p"))
    ready = {"type": "Ready", "status": "True"}
    other = {"type": "Initialized", "status": "True"}
    for condition in (ready, other):
        patch = {"status": {"conditions": [condition]}}
        new = done(api.patch(f"{path}/p/status", patch, STRATEGIC))
    assert {c["type"] for c in new["status"]["conditions"]} == {"Ready", "Initialized"}
