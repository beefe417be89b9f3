"""Server-side apply merges by ownership, refuses to take what others own, takes back its own."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import STRATEGIC, Api, config_map, pod

CM = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
NODES = "/api/v1/nodes"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def managers(obj: dict[str, Any]) -> dict[str, Any]:
    """Return fieldsV1 by manager and operation."""
    return {
        f"{e['manager']}/{e['operation']}": e["fieldsV1"] for e in obj["metadata"]["managedFields"]
    }


def test_applying_what_is_not_there_creates_it_with_its_manager(api: Api) -> None:
    status, made = api.apply(f"{CM}/a", config_map("a", x="1"), "one")
    assert status == 201
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "one",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": "2020-09-13T12:26:40Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:x": {}}},
        }
    ]


def test_applying_the_same_again_writes_nothing(api: Api) -> None:
    _, made = api.apply(f"{CM}/a", config_map("a", x="1"), "one")
    status, again = api.apply(f"{CM}/a", config_map("a", x="1"), "one")
    assert (status, again) == (200, made)


def test_a_field_that_is_not_applied_any_more_goes(api: Api) -> None:
    api.apply(f"{CM}/a", config_map("a", x="1", y="2"), "one")
    _, new = api.apply(f"{CM}/a", config_map("a", x="1"), "one")
    assert new["data"] == {"x": "1"}


def test_a_field_that_another_manager_applies_too_stays(api: Api) -> None:
    api.apply(f"{CM}/a", config_map("a", x="1", y="2"), "one")
    api.apply(f"{CM}/a", config_map("a", y="2"), "two")
    _, new = api.apply(f"{CM}/a", config_map("a", x="1"), "one")
    assert new["data"] == {"x": "1", "y": "2"}
    assert managers(new)["two/Apply"] == {"f:data": {"f:y": {}}}


def test_changing_anothers_field_is_a_conflict_that_names_manager_and_field(api: Api) -> None:
    api.apply(f"{CM}/a", config_map("a", x="1"), "one")
    status, answer = api.apply(f"{CM}/a", config_map("a", x="2"), "two")
    assert (status, answer["reason"]) == (409, "Conflict")
    assert answer["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.x'
    assert answer["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.x"}
    ]


def test_several_conflicts_are_listed_by_manager(api: Api) -> None:
    api.apply(f"{CM}/a", config_map("a", x="1"), "one")
    api.patch(f"{CM}/a?fieldManager=editor", {"data": {"y": "1"}})
    status, answer = api.apply(f"{CM}/a", config_map("a", x="2", y="2"), "two")
    assert status == 409
    assert answer["message"] == (
        "Apply failed with 2 conflicts: "
        'conflicts with "editor" using v1:\n- .data.y\n'
        'conflicts with "one":\n- .data.x'
    )


def test_force_takes_the_field_from_its_owner(api: Api) -> None:
    api.apply(f"{CM}/a", config_map("a", x="1", y="1"), "one")
    status, new = api.apply(f"{CM}/a", config_map("a", x="2"), "two", force=True)
    assert (status, new["data"]) == (200, {"x": "2", "y": "1"})
    assert managers(new) == {
        "one/Apply": {"f:data": {"f:y": {}}},
        "two/Apply": {"f:data": {"f:x": {}}},
    }


def test_apply_needs_a_manager_and_no_managed_fields(api: Api) -> None:
    how = "application/apply-patch+yaml"
    status, answer = api.patch(f"{CM}/a", config_map("a"), how)
    assert status == 422
    assert "fieldManager: Required value: is required for apply patch" in answer["message"]
    obj = config_map("a")
    obj["metadata"]["managedFields"] = [{"manager": "x"}]
    status, answer = api.patch(f"{CM}/a?fieldManager=one", obj, how)
    assert (status, answer["message"]) == (400, "metadata.managedFields must be nil")


def test_list_items_belong_to_their_managers_by_key(api: Api) -> None:
    def template(*containers: dict[str, Any]) -> dict[str, Any]:
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "d"},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": list(containers)},
                },
            },
        }

    main = {"name": "main", "image": "m:1", "env": [{"name": "A", "value": "1"}]}
    api.apply(f"{DEPLOYMENTS}/d", template(main), "one")
    side = {"name": "side", "image": "s:1"}
    _, both = api.apply(f"{DEPLOYMENTS}/d", template(side), "two")
    assert [c["name"] for c in both["spec"]["template"]["spec"]["containers"]] == ["main", "side"]
    environment = {"name": "main", "env": [{"name": "B", "value": "2"}]}
    _, more = api.apply(f"{DEPLOYMENTS}/d", template(environment), "three")
    names = [e["name"] for e in more["spec"]["template"]["spec"]["containers"][0]["env"]]
    assert names == ["A", "B"]
    _, less = api.apply(f"{DEPLOYMENTS}/d", {**template(), "spec": {}}, "two")
    assert [c["name"] for c in less["spec"]["template"]["spec"]["containers"]] == ["main"]
    owned = managers(less)["three/Apply"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert owned == {
        'k:{"name":"main"}': {
            ".": {},
            "f:env": {'k:{"name":"B"}': {".": {}, "f:name": {}, "f:value": {}}},
            "f:name": {},
        }
    }


def test_taints_are_applied_as_a_whole(api: Api) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    api.create(NODES, node | {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}})
    mine = node | {"spec": {"taints": [{"key": "b", "effect": "NoSchedule"}]}}
    status, answer = api.apply(f"{NODES}/n", mine, "one")
    assert status == 409
    assert answer["message"].endswith(".spec.taints")


def test_updates_are_noted_by_program_and_take_fields_over(api: Api) -> None:
    api.apply(f"{CM}/a", config_map("a", x="1", y="1"), "one")
    _, new = api.patch(f"{CM}/a", {"data": {"x": "2"}}, **{"user-agent": "kubectl/v1.32 (linux)"})
    assert managers(new) == {
        "one/Apply": {"f:data": {"f:y": {}}},
        "kubectl/Update": {"f:data": {"f:x": {}}},
    }


def test_a_removed_field_has_no_owner_any_more(api: Api) -> None:
    api.apply(f"{CM}/a", config_map("a", x="1", y="1"), "one")
    _, new = api.patch(f"{CM}/a", {"data": {"x": None}})
    assert managers(new) == {"one/Apply": {"f:data": {"f:y": {}}}}


def test_status_writers_are_noted_apart(api: Api) -> None:
    api.create(PODS, pod("p"))
    _, new = api.patch(f"{PODS}/p/status?fieldManager=kubelet", {"status": {"podIP": "10.0.0.1"}})
    entry = next(e for e in new["metadata"]["managedFields"] if e["manager"] == "kubelet")
    assert entry["subresource"] == "status"
    assert entry["fieldsV1"] == {"f:status": {"f:podIP": {}}}


def test_status_can_be_applied_through_its_own_door(api: Api) -> None:
    made = api.create(PODS, pod("p"))
    ready = {"type": "Ready", "status": "True"}
    config = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    applied = config | {"status": {"conditions": [ready]}, "spec": {"nodeName": "n"}}
    status, new = api.apply(f"{PODS}/p/status", applied, "one")
    assert status == 200, new
    assert new["spec"] == made["spec"]
    assert new["status"]["conditions"] == [ready]
    _, without = api.apply(f"{PODS}/p/status", config, "one")
    assert "conditions" not in without["status"]


def test_an_applied_label_goes_without_touching_those_of_others(api: Api) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {"x": "y"}}}
    api.create(NODES, node)
    mine = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n", "labels": {"role": "gpu"}},
    }
    _, new = api.apply(f"{NODES}/n", mine, "one")
    assert new["metadata"]["labels"] == {"x": "y", "role": "gpu"}
    mine["metadata"] = {"name": "n"}
    _, new = api.apply(f"{NODES}/n", mine, "one")
    assert new["metadata"]["labels"] == {"x": "y"}
    assert "one/Apply" not in managers(new)


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.integers(0, 3) | st.text("ab", min_size=1, max_size=2),
    lambda inner: (
        st.dictionaries(st.sampled_from("abcd"), inner, min_size=1, max_size=3)
        | st.lists(inner, max_size=2)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abc"), _VALUES, min_size=1),
    st.dictionaries(st.sampled_from("xyz"), _VALUES, min_size=1),
)
def test_applying_and_taking_back_leaves_what_was_there(
    before: dict[str, Any], mine: dict[str, Any]
) -> None:
    api = Api()
    proxy = {"apiVersion": "config.openshift.io/v1", "kind": "Proxy", "metadata": {"name": "p"}}
    path = "/apis/config.openshift.io/v1/proxies"
    made = api.create(path, proxy | {"spec": before})
    status, changed = api.apply(f"{path}/p", proxy | {"spec": mine}, "one")
    assert status == 200
    assert changed["spec"] == before | mine
    _, back = api.apply(f"{path}/p", proxy, "one")
    assert back["spec"] == made["spec"]
    assert managers(back) == managers(made)


def test_strategic_patch_merges_lists_by_key_deletes_and_orders(api: Api) -> None:
    spec = pod("p")["spec"]
    spec["volumes"] = [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]
    labels = {"app": "d"}
    made = api.create(
        DEPLOYMENTS,
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "d"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        },
    )
    assert made["spec"]["replicas"] == 1
    patch = {
        "spec": {
            "strategy": {"$patch": "replace", "type": "Recreate"},
            "template": {
                "spec": {
                    "$setElementOrder/volumes": [{"name": "c"}, {"name": "b"}],
                    "volumes": [
                        {"name": "c", "emptyDir": {}},
                        {"name": "a", "$patch": "delete"},
                    ],
                    "containers": [{"name": "main", "image": "other"}],
                }
            },
        }
    }
    status, new = api.patch(f"{DEPLOYMENTS}/d", patch, STRATEGIC)
    assert status == 200, new
    assert new["spec"]["strategy"] == {"type": "Recreate"}
    template = new["spec"]["template"]["spec"]
    assert [v["name"] for v in template["volumes"]] == ["c", "b"]
    assert [c["image"] for c in template["containers"]] == ["other"]


def test_strategic_patch_takes_values_out_of_plain_lists(api: Api) -> None:
    obj = config_map("a")
    obj["metadata"]["finalizers"] = ["x/a", "x/b"]
    api.create(CM, obj)
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/a"], "finalizers": ["x/c"]}}
    _, new = api.patch(f"{CM}/a", patch, STRATEGIC)
    assert new["metadata"]["finalizers"] == ["x/b", "x/c"]


def test_custom_resources_refuse_strategic_patches(api: Api) -> None:
    proxy = {"apiVersion": "config.openshift.io/v1", "kind": "Proxy", "metadata": {"name": "p"}}
    api.create("/apis/config.openshift.io/v1/proxies", proxy)
    status, _ = api.patch("/apis/config.openshift.io/v1/proxies/p", {"spec": {}}, STRATEGIC)
    assert status == 415
