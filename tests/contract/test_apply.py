"""Server-side apply: whose field is it, who may change it, and what becomes of it."""

from typing import Any

import pytest

from oc_gpu.kube import RawObject
from tests.contract.api import APPLY, Api, done
from tests.contract.objects import (
    GROUP,
    config_map,
    container,
    deployment,
    labelled,
    widget,
)


@pytest.fixture
def one(api: Api) -> str:
    """Return the path of a ConfigMap that does not exist yet."""
    return api.path("configmaps", "a")


@pytest.fixture
def thing(api: Api) -> str:
    """Return the path of a custom resource that does not exist yet."""
    return api.path("widgets", "w", group=GROUP)


def managers(obj: RawObject) -> dict[str, Any]:
    """Return fieldsV1 by manager, operation and subresource."""
    return {
        "/".join(filter(None, (e["manager"], e["operation"], e.get("subresource")))): e["fieldsV1"]
        for e in obj["metadata"].get("managedFields") or []
    }


def test_applying_what_is_not_there_creates_it(api: Api, one: str) -> None:
    made = done(api.apply(one, config_map("a", x="1"), "one"), 201)
    [entry] = made["metadata"]["managedFields"]
    assert entry.pop("time")
    assert entry == {
        "manager": "one",
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:x": {}}},
    }


def test_applying_the_same_again_writes_nothing(api: Api, one: str) -> None:
    made = done(api.apply(one, config_map("a", x="1"), "one"), 201)
    assert done(api.apply(one, config_map("a", x="1"), "one")) == made


def test_a_field_that_is_not_applied_any_more_goes(api: Api, one: str) -> None:
    done(api.apply(one, config_map("a", x="1", y="2"), "one"), 201)
    assert done(api.apply(one, config_map("a", x="1"), "one"))["data"] == {"x": "1"}


def test_a_field_that_another_one_applies_too_stays(api: Api, one: str) -> None:
    done(api.apply(one, config_map("a", x="1", y="2"), "one"), 201)
    both = done(api.apply(one, config_map("a", y="2"), "two"))
    assert managers(both) == {
        "one/Apply": {"f:data": {"f:x": {}, "f:y": {}}},
        "two/Apply": {"f:data": {"f:y": {}}},
    }
    new = done(api.apply(one, config_map("a", x="1"), "one"))
    assert new["data"] == {"x": "1", "y": "2"}
    assert managers(new) == {
        "one/Apply": {"f:data": {"f:x": {}}},
        "two/Apply": {"f:data": {"f:y": {}}},
    }


def test_changing_anothers_field_is_a_conflict(api: Api, one: str) -> None:
    done(api.apply(one, config_map("a", x="1"), "one"), 201)
    answer = api.apply(one, config_map("a", x="2"), "two")
    message = 'Apply failed with 1 conflict: conflict with "one": .data.x'
    assert answer.refusal == (409, "Conflict", message)
    assert answer.body["details"] == {
        "causes": [
            {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.x"}
        ]
    }


def test_several_conflicts_are_listed_by_manager(api: Api, one: str) -> None:
    done(api.apply(one, config_map("a", x="1"), "one"), 201)
    done(api.patch(f"{one}?fieldManager=editor", {"data": {"y": "1", "z": "1"}}))
    answer = api.apply(one, config_map("a", x="2", y="2", z="2"), "two")
    assert answer.refusal == (
        409,
        "Conflict",
        (
            "Apply failed with 3 conflicts: "
            'conflicts with "editor" using v1:\n- .data.y\n- .data.z\n'
            'conflicts with "one":\n- .data.x'
        ),
    )
    assert {c["field"] for c in answer.body["details"]["causes"]} == {
        ".data.x",
        ".data.y",
        ".data.z",
    }


def test_force_takes_the_field_from_its_owner(api: Api, one: str) -> None:
    done(api.apply(one, config_map("a", x="1", y="1"), "one"), 201)
    new = done(api.apply(one, config_map("a", x="2"), "two", force=True))
    assert new["data"] == {"x": "2", "y": "1"}
    assert managers(new) == {
        "one/Apply": {"f:data": {"f:y": {}}},
        "two/Apply": {"f:data": {"f:x": {}}},
    }


def test_the_loser_of_a_field_conflicts_when_it_applies_again(api: Api, one: str) -> None:
    done(api.apply(one, config_map("a", x="1"), "one"), 201)
    done(api.apply(one, config_map("a", x="2"), "two", force=True))
    assert api.apply(one, config_map("a", x="1"), "one").refusal[0] == 409
    same = done(api.apply(one, config_map("a", x="2"), "one"))
    assert managers(same) == {
        "one/Apply": {"f:data": {"f:x": {}}},
        "two/Apply": {"f:data": {"f:x": {}}},
    }


def test_giving_up_all_fields_leaves_no_entry(api: Api, one: str) -> None:
    done(api.apply(one, config_map("a", x="1"), "one"), 201)
    done(api.apply(one, config_map("a", y="1"), "two"))
    bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    new = done(api.apply(one, bare, "two"))
    assert new["data"] == {"x": "1"}
    assert managers(new) == {"one/Apply": {"f:data": {"f:x": {}}}}


def test_an_update_takes_fields_from_those_who_applied_them(api: Api, one: str) -> None:
    done(api.apply(one, config_map("a", x="1", y="1"), "one"), 201)
    new = done(api.patch(f"{one}?fieldManager=editor", {"data": {"x": "2"}}))
    assert managers(new) == {
        "one/Apply": {"f:data": {"f:y": {}}},
        "editor/Update": {"f:data": {"f:x": {}}},
    }


def test_without_a_name_an_updater_is_its_program(api: Api, one: str) -> None:
    done(api.ask("POST", api.path("configmaps"), config_map("a", x="1")), 201)
    [entry] = api.get(one)["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("contract", "Update")
    assert entry["fieldsV1"] == {"f:data": {".": {}, "f:x": {}}}


def test_a_field_that_an_update_removes_has_no_owner(api: Api, one: str) -> None:
    done(api.apply(one, config_map("a", x="1", y="1"), "one"), 201)
    new = done(api.patch(one, {"data": {"x": None}}))
    assert managers(new) == {"one/Apply": {"f:data": {"f:y": {}}}}


def test_an_empty_list_of_managers_forgets_them(api: Api, one: str) -> None:
    done(api.apply(one, config_map("a", x="1"), "one"), 201)
    cleared = done(api.patch(one, {"metadata": {"managedFields": [{}]}}))
    assert "managedFields" not in cleared["metadata"]
    done(api.apply(one, config_map("a", x="1"), "two"))
    answer = api.apply(one, config_map("a", x="2"), "two")
    assert answer.refusal[2].endswith('conflict with "before-first-apply" using v1: .data.x')


def test_before_the_first_apply_older_fields_belong_to_someone(api: Api, one: str) -> None:
    api.create(api.path("configmaps"), config_map("a", x="1"))
    done(api.patch(one, {"metadata": {"managedFields": [{}]}}))
    new = done(api.apply(one, config_map("a", y="2"), "one"))
    assert managers(new)["before-first-apply/Update"] == {"f:data": {".": {}, "f:x": {}}}
    assert new["data"] == {"x": "1", "y": "2"}


def test_apply_needs_a_manager(api: Api, one: str) -> None:
    answer = api.patch(one, config_map("a"), APPLY)
    assert answer.refusal == (
        422,
        "Invalid",
        (
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: '
            "is required for apply patch"
        ),
    )


def test_force_is_for_apply_only(api: Api, one: str) -> None:
    api.create(api.path("configmaps"), config_map("a"))
    answer = api.patch(f"{one}?force=true", {"data": {"x": "1"}})
    assert answer.refusal[:2] == (422, "Invalid")
    assert "force: Forbidden: may not be specified for non-apply patch" in answer.refusal[2]


def test_an_applied_object_has_no_managed_fields(api: Api, one: str) -> None:
    wrong = config_map("a")
    wrong["metadata"]["managedFields"] = [{"manager": "x"}]
    answer = api.apply(one, wrong, "one")
    assert answer.refusal == (400, "BadRequest", "metadata.managedFields must be nil")


def test_an_applied_object_says_what_it_is(api: Api, one: str) -> None:
    for change, told in (
        ({"apiVersion": ""}, "/, Kind=ConfigMap"),
        ({"kind": ""}, "/v1, Kind="),
        ({"kind": "Pod"}, "/v1, Kind=Pod"),
        ({"apiVersion": "v9"}, "/v9, Kind=ConfigMap"),
    ):
        answer = api.apply(one, config_map("a") | change, "one")
        assert answer.refusal == (400, "BadRequest", f"invalid object type: {told}")


def test_an_applied_object_may_say_its_version(api: Api, one: str) -> None:
    made = done(api.apply(one, config_map("a", x="1"), "one"), 201)
    stale = config_map("a", x="2")
    stale["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
    done(api.apply(one, stale, "one"))
    stale["data"] = {"x": "3"}
    answer = api.apply(one, stale, "one")
    assert answer.refusal[:2] == (409, "Conflict")
    assert "the object has been modified" in answer.refusal[2]


def test_yaml_is_applied_too(api: Api, one: str) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: '1'\n"
    answer = api.ask("PATCH", f"{one}?fieldManager=one", text, {"content-type": APPLY})
    assert done(answer, 201)["data"] == {"x": "1"}


def test_a_field_that_the_kind_does_not_have_is_refused(api: Api, one: str) -> None:
    code, _reason, message = api.apply(one, config_map("a") | {"date": {}}, "one").refusal
    assert code == 500
    assert ".date: field not declared in schema" in message


def test_list_items_belong_to_their_managers_by_key(api: Api) -> None:
    path = api.path("deployments", "d", group="apps")
    main = container("main", env=[{"name": "A", "value": "1"}], ports=[{"containerPort": 80}])
    done(api.apply(path, deployment("d", main), "one"), 201)
    both = done(api.apply(path, deployment("d", container("side")), "two"))
    assert [c["name"] for c in _containers(both)] == ["main", "side"]
    more = container("main", env=[{"name": "B", "value": "2"}], ports=[{"containerPort": 81}])
    three = done(api.apply(path, deployment("d", more), "three"))
    assert [e["name"] for e in _containers(three)[0]["env"]] == ["A", "B"]
    owned = managers(three)["three/Apply"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert owned == {
        'k:{"name":"main"}': {
            ".": {},
            "f:name": {},
            "f:image": {},
            "f:env": {'k:{"name":"B"}': {".": {}, "f:name": {}, "f:value": {}}},
            "f:ports": {
                'k:{"containerPort":81,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}
            },
        }
    }
    bare = {k: v for k, v in deployment("d").items() if k != "spec"}
    less = done(api.apply(path, bare, "two"))
    assert [c["name"] for c in _containers(less)] == ["main"]
    [port] = [p for p in _containers(less)[0]["ports"] if p["containerPort"] == 81]
    assert port["protocol"] == "TCP"


def _containers(obj: RawObject) -> Any:
    return obj["spec"]["template"]["spec"]["containers"]


def test_a_selector_belongs_to_one_as_a_whole(api: Api) -> None:
    path = api.path("services", "s")
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    spec = {"ports": [{"port": 80}], "selector": {"app": "a"}}
    done(api.apply(path, service | {"spec": spec}, "one"), 201)
    answer = api.apply(path, service | {"spec": {"selector": {"tier": "b"}}}, "two")
    assert answer.refusal[:2] == (409, "Conflict")
    assert answer.refusal[2].endswith(": .spec.selector")


def test_taints_are_applied_as_a_whole(api: Api) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{api.namespace}"}}
    taint = {"key": "a", "effect": "NoSchedule"}
    api.create("/api/v1/nodes", node | {"spec": {"taints": [taint]}})
    mine = node | {"spec": {"taints": [{"key": "b", "effect": "NoSchedule"}]}}
    answer = api.apply(f"/api/v1/nodes/node-{api.namespace}", mine, "one")
    assert answer.refusal[:2] == (409, "Conflict")
    assert answer.refusal[2].endswith(": .spec.taints")


def test_an_applied_label_goes_without_touching_those_of_others(api: Api, one: str) -> None:
    api.create(api.path("configmaps"), labelled(config_map("a", x="1"), x="y"))
    bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    new = done(api.apply(one, labelled(bare, role="gpu"), "one"))
    assert new["metadata"]["labels"] == {"x": "y", "role": "gpu"}
    assert managers(new)["one/Apply"] == {"f:metadata": {"f:labels": {"f:role": {}}}}
    new = done(api.apply(one, bare, "one"))
    assert new["metadata"]["labels"] == {"x": "y"}
    assert set(managers(new)) == {"contract/Update"}


def test_finalizers_and_owners_are_sets_and_maps(api: Api, one: str) -> None:
    bare: RawObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    with_ = bare | {"metadata": {"name": "a", "finalizers": ["example.com/one"]}}
    made = done(api.apply(one, with_, "one"), 201)
    assert managers(made)["one/Apply"] == {
        "f:metadata": {"f:finalizers": {'v:"example.com/one"': {}}}
    }
    with_ = bare | {"metadata": {"name": "a", "finalizers": ["example.com/two"]}}
    both = done(api.apply(one, with_, "two"))
    assert both["metadata"]["finalizers"] == ["example.com/one", "example.com/two"]
    less = done(api.apply(one, bare, "one"))
    assert less["metadata"]["finalizers"] == ["example.com/two"]
    done(api.apply(one, bare, "two"))


def test_status_is_applied_through_its_own_door(api: Api, thing: str) -> None:
    done(api.apply(thing, widget("w", size=1), "one"), 201)
    config = {key: value for key, value in widget("w").items() if key != "spec"}
    new = done(api.apply(f"{thing}/status", config | {"status": {"state": "up"}}, "one"))
    assert (new["spec"]["size"], new["status"]) == (1, {"state": "up"})
    assert managers(new) == {
        "one/Apply": {"f:spec": {"f:size": {}}},
        "one/Apply/status": {"f:status": {"f:state": {}}},
    }
    gone = done(api.apply(f"{thing}/status", config, "one"))
    assert gone.get("status", {}) == {}
    assert managers(gone) == {"one/Apply": {"f:spec": {"f:size": {}}}}


def test_an_applied_status_is_ignored_at_the_main_door(api: Api, thing: str) -> None:
    made = done(api.apply(thing, widget("w", size=1) | {"status": {"state": "up"}}, "one"), 201)
    assert "status" not in made
    assert managers(made) == {"one/Apply": {"f:spec": {"f:size": {}}}}


def test_the_schema_says_how_custom_lists_and_maps_merge(api: Api, thing: str) -> None:
    first = widget(
        "w",
        flags=["a"],
        words=["x"],
        parts=[{"name": "a", "count": 1}],
        nested={"text": "t"},
        labels={"k": "v"},
        whole={"a": "1"},
    )
    made = done(api.apply(thing, first, "one"), 201)
    assert managers(made)["one/Apply"] == {
        "f:spec": {
            "f:flags": {'v:"a"': {}},
            "f:words": {},
            "f:parts": {'k:{"name":"a"}': {".": {}, "f:count": {}, "f:name": {}}},
            "f:nested": {"f:text": {}},
            "f:labels": {"f:k": {}},
            "f:whole": {},
        }
    }
    second = widget("w", flags=["b"], parts=[{"name": "b"}], labels={"l": "v"})
    new = done(api.apply(thing, second, "two"))
    assert new["spec"]["flags"] == ["a", "b"]
    assert [p["name"] for p in new["spec"]["parts"]] == ["a", "b"]
    assert new["spec"]["labels"] == {"k": "v", "l": "v"}
    for field, value in (("words", ["y"]), ("whole", {"b": "2"})):
        answer = api.apply(thing, widget("w", **{field: value}), "three")
        assert answer.refusal[:2] == (409, "Conflict")
        assert answer.refusal[2].endswith(f": .spec.{field}")


def test_a_default_has_no_owner(api: Api, thing: str) -> None:
    made = done(api.apply(thing, widget("w", size=1), "one"), 201)
    assert made["spec"]["colour"] == "red"
    new = done(api.apply(thing, widget("w", colour="blue"), "two"))
    assert new["spec"]["colour"] == "blue"


def test_a_default_comes_back_when_its_field_is_given_up(api: Api, thing: str) -> None:
    done(api.apply(thing, widget("w", size=1, colour="blue"), "one"), 201)
    assert done(api.apply(thing, widget("w", size=1), "one"))["spec"]["colour"] == "red"


def test_items_of_a_set_and_keys_of_a_map_are_there_once(api: Api, thing: str) -> None:
    for spec, told in (
        ({"flags": ["a", "a"]}, '.spec.flags: duplicate entries for key [="a"]'),
        (
            {"parts": [{"name": "a"}, {"name": "a"}]},
            '.spec.parts: duplicate entries for key [name="a"]',
        ),
    ):
        code, _reason, message = api.apply(thing, widget("w", **spec), "one").refusal
        assert code == 500
        assert message.endswith(f"Kind=Widget): {told}")


def test_an_item_keeps_what_others_set_in_it(api: Api, thing: str) -> None:
    done(api.apply(thing, widget("w", parts=[{"name": "a", "count": 1}]), "one"), 201)
    done(api.apply(thing, widget("w", parts=[{"name": "a", "on": True}]), "two"))
    new = done(api.apply(thing, widget("w"), "one"))
    assert new["spec"]["parts"] == [{"name": "a", "on": True}]


@pytest.mark.parametrize("order", [["c", "a"], ["b", "a"], ["c", "b", "a"]])
def test_items_stand_in_the_order_of_the_last_who_applied(
    api: Api, thing: str, order: list[str]
) -> None:
    done(api.apply(thing, widget("w", parts=[{"name": n} for n in "ab"]), "one"), 201)
    new = done(api.apply(thing, widget("w", parts=[{"name": n} for n in order]), "two"))
    found = [p["name"] for p in new["spec"]["parts"]]
    assert sorted(found) == sorted({"a", "b", *order})
    assert [n for n in found if n in order] == order
