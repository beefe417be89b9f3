"""A definition serves its kind; its schema prunes, completes and checks objects."""

from typing import Any

import pytest

from oc_gpu.kube import RawObject
from tests.contract.api import Api, done, install, with_query
from tests.contract.objects import DEFINITIONS, GROUP, definition, widget


@pytest.fixture
def widgets(api: Api) -> str:
    """Return the path of this test's custom resources."""
    return api.path("widgets", group=GROUP)


def conditions(definition: RawObject) -> dict[str, tuple[str, str, str]]:
    """Return status, reason and message by type."""
    found = definition["status"]["conditions"]
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in found}


def test_a_definition_is_completed_and_established(api: Api) -> None:
    made = install(api, definition("Fresh"))
    assert made["spec"]["names"] == {
        "plural": "freshs",
        "singular": "fresh",
        "kind": "Fresh",
        "listKind": "FreshList",
    }
    assert made["spec"]["conversion"] == {"strategy": "None"}
    assert made["status"]["acceptedNames"] == made["spec"]["names"]
    assert made["status"]["storedVersions"] == ["v1"]
    assert conditions(made) == {
        "NamesAccepted": ("True", "NoConflicts", "no conflicts found"),
        "Established": (
            "True",
            "InitialNamesAccepted",
            "the initial names have been accepted",
        ),
    }
    listed = api.get(api.path("freshs", group=GROUP))
    assert (listed["kind"], listed["apiVersion"]) == ("FreshList", f"{GROUP}/v1")


def test_a_definition_is_named_after_its_kind_and_group(api: Api) -> None:
    wrong = definition("Misnamed")
    wrong["metadata"]["name"] = "other.example.com"
    answer = api.ask("POST", DEFINITIONS, wrong)
    assert answer.refusal[:2] == (422, "Invalid")
    assert (
        'metadata.name: Invalid value: "other.example.com": must be spec.names.plural+'
        '"."+spec.group' in answer.refusal[2]
    )


def test_a_definition_without_schema_is_refused(api: Api) -> None:
    answer = api.ask("POST", DEFINITIONS, definition("Bare", schema={}))
    assert answer.refusal[:2] == (422, "Invalid")
    assert answer.refusal[2].endswith(
        "is invalid: spec.versions[0].schema.openAPIV3Schema: Required value"
    )


def test_unknown_fields_are_pruned_unless_the_schema_keeps_them(api: Api, widgets: str) -> None:
    spec = {
        "nope": 1,
        "open": {"any": {"thing": 1}},
        "labels": {"a": "b"},
        "nested": {"text": "t", "no": 1},
        "parts": [{"name": "a", "no": 1}],
    }
    made = api.create(widgets, widget("w", **spec) | {"beside": 1})
    assert "beside" not in made
    assert made["spec"] == {
        "open": {"any": {"thing": 1}},
        "labels": {"a": "b"},
        "nested": {"text": "t", "depth": 1},
        "parts": [{"name": "a", "on": False}],
        "colour": "red",
    }


def test_unknown_fields_are_warned_of(api: Api, widgets: str) -> None:
    answer = api.ask("POST", widgets, widget("w", nope=1))
    assert answer.status == 201
    assert answer.headers["warning"] == '299 - "unknown field \\"spec.nope\\""'
    silent = api.ask("POST", with_query(widgets, fieldValidation="Ignore"), widget("v", nope=1))
    assert "warning" not in silent.headers


def test_strict_validation_names_the_unknown_fields(api: Api, widgets: str) -> None:
    target = with_query(widgets, fieldValidation="Strict")
    answer = api.ask("POST", target, widget("w", nope=1, parts=[{"name": "a", "no": 1}]))
    assert answer.refusal[:2] == (400, "BadRequest")
    start = 'Widget in version "v1" cannot be handled as a Widget: strict decoding error: '
    assert answer.refusal[2].startswith(start)
    named = set(answer.refusal[2].removeprefix(start).split(", "))
    assert named == {'unknown field "spec.nope"', 'unknown field "spec.parts[0].no"'}


def test_strict_validation_is_for_patches_too(api: Api, widgets: str) -> None:
    api.create(widgets, widget("w", size=1))
    target = with_query(f"{widgets}/w", fieldValidation="Strict")
    assert api.patch(target, {"spec": {"nope": 1}}).refusal[0] in {400, 422}
    assert "nope" not in done(api.patch(f"{widgets}/w", {"spec": {"nope": 1}}))["spec"]


def test_validation_has_three_ways(api: Api, widgets: str) -> None:
    answer = api.ask("POST", with_query(widgets, fieldValidation="Maybe"), widget("w"))
    assert answer.refusal[:2] == (422, "Invalid")


def test_applying_an_undeclared_field_is_refused(api: Api, widgets: str) -> None:
    answer = api.apply(f"{widgets}/w", widget("w", nope=1), "one")
    assert answer.refusal == (
        500,
        "",
        (
            f"failed to create typed patch object (/w; {GROUP}/v1, Kind=Widget): "
            ".spec.nope: field not declared in schema"
        ),
    )


def test_defaults_are_filled_in_where_their_parent_is(api: Api, widgets: str) -> None:
    made = api.create(widgets, widget("w", parts=[{"name": "a"}], nested={}))
    assert made["spec"] == {
        "colour": "red",
        "nested": {"depth": 1},
        "parts": [{"name": "a", "on": False}],
    }


def test_null_means_nothing_unless_null_is_allowed(api: Api, widgets: str) -> None:
    made = api.create(widgets, widget("w", size=None, colour=None, nested=None, maybe=None))
    assert made["spec"] == {"colour": "red", "maybe": None}


@pytest.mark.parametrize(
    ("spec", "field", "message", "reason"),
    [
        (
            {"size": "big"},
            "spec.size",
            'Invalid value: "string": spec.size in body must be of type integer: "string"',
            "FieldValueTypeInvalid",
        ),
        (
            {"words": ["a", None]},
            "spec.words[1]",
            'Invalid value: "null": spec.words[1] in body must be of type string: "null"',
            "FieldValueTypeInvalid",
        ),
        (
            {"size": 1.5},
            "spec.size",
            'Invalid value: "number": spec.size in body must be of type integer: "number"',
            "FieldValueTypeInvalid",
        ),
        (
            {"size": 0},
            "spec.size",
            "Invalid value: 0: spec.size in body should be greater than or equal to 1",
            "FieldValueInvalid",
        ),
        (
            {"size": 10},
            "spec.size",
            "Invalid value: 10: spec.size in body should be less than or equal to 9",
            "FieldValueInvalid",
        ),
        (
            {"colour": "green"},
            "spec.colour",
            'Unsupported value: "green": supported values: "red", "blue"',
            "FieldValueNotSupported",
        ),
        (
            {"code": "A"},
            "spec.code",
            "Invalid value: \"A\": spec.code in body should match '^[a-z]+$'",
            "FieldValueInvalid",
        ),
        (
            {"code": "abcd"},
            "spec.code",
            "Too long: may not be more than 3 bytes",
            "FieldValueTooLong",
        ),
        (
            {"code": ""},
            "spec.code",
            'Invalid value: "": spec.code in body should be at least 1 chars long',
            "FieldValueInvalid",
        ),
        (
            {"limit": True},
            "spec.limit",
            (
                'Invalid value: "boolean": spec.limit in body must be of type integer,string: '
                '"boolean"'
            ),
            "FieldValueTypeInvalid",
        ),
        (
            {"on": "yes"},
            "spec.on",
            'Invalid value: "string": spec.on in body must be of type boolean: "string"',
            "FieldValueTypeInvalid",
        ),
        (
            {"labels": {"a": 1}},
            "spec.labels.a",
            'Invalid value: "integer": spec.labels.a in body must be of type string: "integer"',
            "FieldValueTypeInvalid",
        ),
        (
            {"words": ["a", 1]},
            "spec.words[1]",
            'Invalid value: "integer": spec.words[1] in body must be of type string: "integer"',
            "FieldValueTypeInvalid",
        ),
        (
            {"words": list("abcdef")},
            "spec.words",
            "Too many: 6: must have at most 5 items",
            "FieldValueTooMany",
        ),
        (
            {"words": "text"},
            "spec.words",
            'Invalid value: "string": spec.words in body must be of type array: "string"',
            "FieldValueTypeInvalid",
        ),
        (
            {"nested": []},
            "spec.nested",
            'Invalid value: "array": spec.nested in body must be of type object: "array"',
            "FieldValueTypeInvalid",
        ),
        (
            {"parts": [{"count": 1}]},
            "spec.parts[0].name",
            "Required value",
            "FieldValueRequired",
        ),
        (
            {"parts": [{"name": "a"}, {"name": "a"}]},
            "spec.parts[1]",
            'Duplicate value: {"name":"a"}',
            "FieldValueDuplicate",
        ),
        (
            {"flags": ["a", "a"]},
            "spec.flags[1]",
            'Duplicate value: "a"',
            "FieldValueDuplicate",
        ),
    ],
)
def test_values_that_break_the_schema_are_refused_with_their_place(
    api: Api, widgets: str, spec: dict[str, Any], field: str, message: str, reason: str
) -> None:
    answer = api.ask("POST", widgets, widget("w", **spec))
    assert answer.refusal == (
        422,
        "Invalid",
        f'Widget.{GROUP} "w" is invalid: {field}: {message}',
    )
    assert answer.body["details"] == {
        "name": "w",
        "group": GROUP,
        "kind": "Widget",
        "causes": [{"reason": reason, "message": message, "field": field}],
    }


def test_all_that_is_wrong_is_told_at_once(api: Api, widgets: str) -> None:
    answer = api.ask("POST", widgets, widget("w", size=0, colour="green"))
    code, _, message = answer.refusal
    assert code == 422
    assert message.startswith(f'Widget.{GROUP} "w" is invalid: [')
    assert {c["field"] for c in answer.body["details"]["causes"]} == {"spec.size", "spec.colour"}


def test_an_int_or_string_takes_both(api: Api, widgets: str) -> None:
    assert api.create(widgets, widget("a", limit=1))["spec"]["limit"] == 1
    assert api.create(widgets, widget("b", limit="10%"))["spec"]["limit"] == "10%"


def test_whole_numbers_stay_whole(api: Api, widgets: str) -> None:
    made = api.create(widgets, widget("a", size=2, ratio=1.5, open={"n": 3}))
    assert made["spec"]["size"] == 2
    assert made["spec"]["ratio"] == 1.5
    assert made["spec"]["open"] == {"n": 3}


def test_status_is_written_apart_and_does_not_count(api: Api, widgets: str) -> None:
    made = api.create(widgets, widget("w", size=1) | {"status": {"state": "up"}})
    assert "status" not in made
    new = done(api.patch(f"{widgets}/w/status", {"status": {"state": "up"}, "spec": {"size": 2}}))
    assert new["status"] == {"state": "up"}
    assert new["spec"]["size"] == 1
    assert new["metadata"]["generation"] == 1
    changed = done(api.patch(f"{widgets}/w", {"spec": {"size": 2}, "status": {"state": "no"}}))
    assert changed["status"] == {"state": "up"}
    assert changed["metadata"]["generation"] == 2


def test_without_its_own_door_a_status_is_a_field_like_others(api: Api) -> None:
    install(api, definition("Plain", subresources={}))
    path = api.path("plains", group=GROUP)
    obj = widget("p", size=1) | {"kind": "Plain", "status": {"state": "up"}}
    assert api.create(path, obj)["status"] == {"state": "up"}
    assert api.ask("GET", f"{path}/p/status").status == 404
    new = done(api.patch(f"{path}/p", {"status": {"state": "down"}}))
    assert (new["status"], new["metadata"]["generation"]) == ({"state": "down"}, 2)


def test_all_served_versions_show_the_same_objects(api: Api) -> None:
    two = definition("Both")
    old = two["spec"]["versions"][0] | {"name": "v1beta1", "storage": False}
    two["spec"]["versions"].append(old)
    install(api, two)
    new_path = api.path("boths", group=GROUP)
    old_path = api.path("boths", group=GROUP, version="v1beta1")
    made = api.create(new_path, widget("b", size=1) | {"kind": "Both"})
    seen = api.get(f"{old_path}/b")
    assert seen["apiVersion"] == f"{GROUP}/v1beta1"
    assert seen["metadata"]["uid"] == made["metadata"]["uid"]
    changed = done(api.ask("PUT", f"{old_path}/b", seen | {"spec": {"size": 2}}))
    assert changed["apiVersion"] == f"{GROUP}/v1beta1"
    assert api.get(f"{new_path}/b")["spec"]["size"] == 2


def test_a_definition_takes_its_objects_along(api: Api) -> None:
    install(api, definition("Brief"))
    path = api.path("briefs", group=GROUP)
    held = widget("b", size=1) | {"kind": "Brief"}
    held["metadata"]["finalizers"] = ["example.com/hold"]
    api.create(path, held)
    name = f"briefs.{GROUP}"
    start = api.get(DEFINITIONS)["metadata"]["resourceVersion"]
    going = done(api.ask("DELETE", f"{DEFINITIONS}/{name}"))
    assert going["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    only = f"metadata.name={name}"
    with api.watch(DEFINITIONS, resourceVersion=start, fieldSelector=only) as events:
        event = next(e for e in events if "Terminating" in conditions(e["object"]))
        assert conditions(event["object"])["Terminating"][0] == "True"
        done(api.patch(f"{path}/b", {"metadata": {"finalizers": None}}))
        assert next(e for e in events if e["type"] == "DELETED")
    assert api.ask("GET", f"{DEFINITIONS}/{name}").status == 404
