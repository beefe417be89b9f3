"""A definition serves its kind at once; its schema prunes, completes and checks objects."""

from typing import Any

import pytest

from .conftest import Api

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"

SPEC = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 9},
        "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "code": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 3},
        "limit": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}]},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "env": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
            },
        },
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "on": {"type": "boolean", "default": False},
                },
            },
        },
    },
}


def definition(**version: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "spec": SPEC,
            "status": {"type": "object", "properties": {"state": {"type": "string"}}},
        },
    }
    v1 = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        **version,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [v1],
        },
    }


def widget(name: str = "w", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": 1, **spec},
    }


@pytest.fixture
def widgets(api: Api) -> Api:
    api.create(CRDS, definition())
    return api


def test_a_definition_is_established_and_served_at_once(api: Api) -> None:
    assert api.ask("GET", WIDGETS)[0] == 404
    made = api.create(CRDS, definition())
    conditions = {c["type"]: c["status"] for c in made["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert api.get(WIDGETS)["kind"] == "WidgetList"


def test_a_definition_whose_name_does_not_fit_is_refused(api: Api) -> None:
    wrong = definition()
    wrong["metadata"]["name"] = "gadgets.example.com"
    status, answer = api.ask("POST", CRDS, wrong)
    assert (status, answer["details"]["causes"][0]["field"]) == (422, "metadata.name")


def test_unknown_fields_are_pruned_unless_the_schema_keeps_them(widgets: Api) -> None:
    made = widgets.create(
        WIDGETS,
        widget(nope=1, open={"any": {"thing": 1}}, labels={"a": "b"}, env=[{"name": "x", "no": 1}]),
    )
    assert "nope" not in made["spec"]
    assert made["spec"]["open"] == {"any": {"thing": 1}}
    assert made["spec"]["labels"] == {"a": "b"}
    assert made["spec"]["env"] == [{"name": "x"}]


def test_defaults_are_filled_in_also_within_lists(widgets: Api) -> None:
    made = widgets.create(WIDGETS, widget(parts=[{"name": "a"}]))
    assert made["spec"]["colour"] == "red"
    assert made["spec"]["parts"] == [{"name": "a", "on": False}]


def test_a_missing_required_field_is_named(widgets: Api) -> None:
    obj = widget()
    del obj["spec"]["size"]
    _, answer = widgets.ask("POST", WIDGETS, obj)
    assert answer["message"] == 'Widget.example.com "w" is invalid: spec.size: Required value'


def test_an_int_or_string_takes_both(widgets: Api) -> None:
    widgets.create(WIDGETS, widget("a", limit=1))
    widgets.create(WIDGETS, widget("b", limit="10%"))


def test_status_is_written_apart_where_the_definition_says_so(widgets: Api) -> None:
    made = widgets.create(WIDGETS, {**widget(), "status": {"state": "ready"}})
    assert "status" not in made
    _, new = widgets.patch(f"{WIDGETS}/w/status", {"status": {"state": "ready"}})
    assert new["status"] == {"state": "ready"}
    assert new["metadata"]["generation"] == 1


def test_list_semantics_come_from_the_schema(widgets: Api) -> None:
    widgets.apply(
        f"{WIDGETS}/w", widget(parts=[{"name": "a", "on": True}], env=[{"name": "x"}]), "one"
    )
    mine = widget(parts=[{"name": "b", "on": True}])
    _, new = widgets.apply(f"{WIDGETS}/w", mine, "two")
    assert [p["name"] for p in new["spec"]["parts"]] == ["a", "b"]
    status, answer = widgets.apply(f"{WIDGETS}/w", widget(env=[{"name": "y"}]), "two")
    assert status == 409
    assert answer["message"].endswith(": .spec.env")


def test_deleting_a_definition_takes_its_objects_along(widgets: Api) -> None:
    widgets.create(WIDGETS, widget())
    widgets.ask("DELETE", f"{CRDS}/widgets.example.com")
    assert widgets.ask("GET", f"{CRDS}/widgets.example.com")[0] == 404
    assert widgets.ask("GET", WIDGETS)[0] == 404
    widgets.create(CRDS, definition())
    assert widgets.get(WIDGETS)["items"] == []


def test_a_definition_waits_for_objects_with_finalizers(widgets: Api) -> None:
    held = widget()
    held["metadata"]["finalizers"] = ["example.com/hold"]
    widgets.create(WIDGETS, held)
    widgets.ask("DELETE", f"{CRDS}/widgets.example.com")
    going = widgets.get(f"{CRDS}/widgets.example.com")
    assert going["metadata"]["deletionTimestamp"]
    widgets.patch(f"{WIDGETS}/w", {"metadata": {"finalizers": None}})
    assert widgets.ask("GET", f"{CRDS}/widgets.example.com")[0] == 404


def test_all_served_versions_show_the_same_objects(api: Api) -> None:
    two = definition()
    two["spec"]["versions"].append(
        {**two["spec"]["versions"][0], "name": "v1beta1", "storage": False}
    )
    api.create(CRDS, two)
    api.create(WIDGETS, widget())
    old = api.get(WIDGETS.replace("/v1/", "/v1beta1/") + "/w")
    assert old["apiVersion"] == "example.com/v1beta1"
    status, new = api.ask("PUT", WIDGETS.replace("/v1/", "/v1beta1/") + "/w", old)
    assert (status, new["apiVersion"]) == (200, "example.com/v1beta1")
    assert api.get(f"{WIDGETS}/w")["apiVersion"] == "example.com/v1"
