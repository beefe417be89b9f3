"""What is deleted goes: at once, when nothing holds it, or with those that depend on it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from oc_gpu.kube import RawObject
from tests.contract.api import Api, done, with_query
from tests.contract.objects import GROUP, config_map, namespace, pod, widget


@pytest.fixture
def maps(api: Api) -> str:
    """Return the path of this test's ConfigMaps."""
    return api.path("configmaps")


@contextmanager
def until_gone(api: Api, path: str, *names: str) -> Iterator[None]:
    """Wait at the end of the block until objects are gone."""
    start = api.get(path)["metadata"]["resourceVersion"]
    with api.watch(path, resourceVersion=start) as events:
        yield
        left = set(names)
        while left:
            event = next(events)
            if event["type"] == "DELETED":
                left.discard(event["object"]["metadata"]["name"])


def owned(obj: RawObject, owner: RawObject, *, block: bool = False) -> RawObject:
    """Return an object that an other one owns."""
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": block,
    }
    return obj | {"metadata": obj["metadata"] | {"ownerReferences": [reference]}}


def held(obj: RawObject) -> RawObject:
    """Return an object with a finalizer."""
    return obj | {"metadata": obj["metadata"] | {"finalizers": ["example.com/hold"]}}


def release(api: Api, path: str) -> None:
    """Take the finalizers off."""
    done(api.patch(path, {"metadata": {"finalizers": None}}))


def test_what_nothing_holds_is_gone_at_once(api: Api, maps: str) -> None:
    made = api.create(maps, config_map("a"))
    answer = api.ask("DELETE", f"{maps}/a")
    assert answer.status == 200
    assert answer.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]},
    }
    assert api.ask("GET", f"{maps}/a").status == 404


def test_a_second_deletion_finds_nothing(api: Api, maps: str) -> None:
    api.create(maps, config_map("a"))
    done(api.ask("DELETE", f"{maps}/a"))
    answer = api.ask("DELETE", f"{maps}/a")
    assert answer.refusal == (404, "NotFound", 'configmaps "a" not found')
    assert answer.body["details"] == {"name": "a", "kind": "configmaps"}


def test_a_finalizer_holds_an_object_until_it_is_taken_off(api: Api, maps: str) -> None:
    api.create(maps, held(config_map("a")))
    going = done(api.ask("DELETE", f"{maps}/a"))
    assert going["kind"] == "ConfigMap"
    assert going["metadata"]["deletionTimestamp"]
    assert going["metadata"]["deletionGracePeriodSeconds"] == 0
    again = done(api.ask("DELETE", f"{maps}/a"))
    assert again["metadata"]["deletionTimestamp"] == going["metadata"]["deletionTimestamp"]
    released = done(api.patch(f"{maps}/a", {"metadata": {"finalizers": None}}))
    assert "finalizers" not in released["metadata"]
    assert api.ask("GET", f"{maps}/a").status == 404


def test_one_of_two_finalizers_is_not_enough(api: Api, maps: str) -> None:
    two = held(config_map("a"))
    two["metadata"]["finalizers"].append("example.com/other")
    api.create(maps, two)
    done(api.ask("DELETE", f"{maps}/a"))
    done(api.patch(f"{maps}/a", {"metadata": {"finalizers": ["example.com/other"]}}))
    assert api.get(f"{maps}/a")["metadata"]["finalizers"] == ["example.com/other"]
    release(api, f"{maps}/a")
    assert api.ask("GET", f"{maps}/a").status == 404


def test_no_finalizer_is_added_to_what_is_going(api: Api, maps: str) -> None:
    api.create(maps, held(config_map("a")))
    done(api.ask("DELETE", f"{maps}/a"))
    more = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    answer = api.patch(f"{maps}/a", more)
    assert answer.refusal[:2] == (422, "Invalid")
    assert (
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
        'deleted, found new finalizers []string{"example.com/more"}' in answer.refusal[2]
    )
    release(api, f"{maps}/a")


def test_a_finalizer_has_a_qualified_name(api: Api, maps: str) -> None:
    for name in ("a b", "/x"):
        wrong = config_map("a")
        wrong["metadata"]["finalizers"] = [name]
        answer = api.ask("POST", maps, wrong)
        assert answer.refusal[:2] == (422, "Invalid")
        assert answer.body["details"]["causes"][0]["field"] == "metadata.finalizers"


def test_a_deletion_of_what_is_going_is_no_new_version(api: Api, maps: str) -> None:
    api.create(maps, held(config_map("a")))
    first = done(api.ask("DELETE", f"{maps}/a"))
    second = done(api.ask("DELETE", f"{maps}/a"))
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    release(api, f"{maps}/a")


def test_a_deletion_counts_as_a_change_of_a_custom_resource(api: Api) -> None:
    path = api.path("widgets", group=GROUP)
    made = api.create(path, held(widget("w", size=1)))
    going = done(api.ask("DELETE", f"{path}/w"))
    assert (made["metadata"]["generation"], going["metadata"]["generation"]) == (1, 2)
    release(api, f"{path}/w")


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (
            {"uid": "other"},
            "the UID in the precondition (other) does not match the UID in record (",
        ),
        (
            {"resourceVersion": "1"},
            (
                "the ResourceVersion in the precondition (1) does not match the ResourceVersion in "
                "record ("
            ),
        ),
    ],
)
def test_a_deletion_meant_for_another_object_is_a_conflict(
    api: Api, maps: str, condition: RawObject, words: str
) -> None:
    api.create(maps, config_map("a"))
    answer = api.ask("DELETE", f"{maps}/a", {"preconditions": condition})
    code, reason, message = answer.refusal
    assert (code, reason) == (409, "Conflict")
    assert message.startswith(f'Operation cannot be fulfilled on ConfigMap "a": {words}')
    assert answer.body["details"] == {"name": "a", "kind": "ConfigMap"}


def test_a_deletion_meant_for_this_object_is_done(api: Api, maps: str) -> None:
    meta = api.create(maps, config_map("a"))["metadata"]
    conditions = {key: meta[key] for key in ("uid", "resourceVersion")}
    done(api.ask("DELETE", f"{maps}/a", {"preconditions": conditions}))


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_what_an_object_owns_goes_with_it(api: Api, maps: str, policy: str) -> None:
    owner = api.create(maps, config_map("owner"))
    api.create(maps, owned(config_map("dependent"), owner))
    with until_gone(api, maps, "owner", "dependent"):
        done(api.ask("DELETE", f"{maps}/owner", {"propagationPolicy": policy}))


def test_a_deletion_in_the_foreground_waits_for_what_blocks_it(api: Api, maps: str) -> None:
    owner = api.create(maps, config_map("owner"))
    api.create(maps, held(owned(config_map("dependent"), owner, block=True)))
    start = api.get(maps)["metadata"]["resourceVersion"]
    going = done(api.ask("DELETE", f"{maps}/owner", {"propagationPolicy": "Foreground"}))
    assert going["metadata"]["finalizers"] == ["foregroundDeletion"]
    with api.watch(maps, resourceVersion=start) as events:
        seen = [(e["type"], e["object"]["metadata"]["name"]) for e in (next(events), next(events))]
        assert seen == [("MODIFIED", "owner"), ("MODIFIED", "dependent")]
    assert api.get(f"{maps}/owner")["metadata"]["deletionTimestamp"]
    with until_gone(api, maps, "owner", "dependent"):
        release(api, f"{maps}/dependent")


def test_orphans_stay_and_forget_their_owner(api: Api, maps: str) -> None:
    owner = api.create(maps, config_map("owner"))
    api.create(maps, owned(config_map("dependent"), owner))
    with until_gone(api, maps, "owner"):
        going = done(api.ask("DELETE", f"{maps}/owner", {"propagationPolicy": "Orphan"}))
        assert going["metadata"]["finalizers"] == ["orphan"]
    assert "ownerReferences" not in api.get(f"{maps}/dependent")["metadata"]


def test_an_object_with_a_second_owner_stays(api: Api, maps: str) -> None:
    first = api.create(maps, config_map("first"))
    second = api.create(maps, config_map("second"))
    shared = owned(config_map("shared"), first)
    shared["metadata"]["ownerReferences"] += owned(shared, second)["metadata"]["ownerReferences"]
    api.create(maps, shared)
    api.create(maps, owned(config_map("only"), first))
    with until_gone(api, maps, "only"):
        done(api.ask("DELETE", f"{maps}/first"))
    assert api.get(f"{maps}/shared")
    with until_gone(api, maps, "shared"):
        done(api.ask("DELETE", f"{maps}/second"))


def test_an_object_whose_owner_never_was_goes(api: Api, maps: str) -> None:
    owner = api.create(maps, config_map("owner"))
    owner["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000"
    owner["metadata"]["name"] = "never"
    with until_gone(api, maps, "dependent"):
        api.create(maps, owned(config_map("dependent"), owner))


def test_a_policy_is_one_of_three(api: Api, maps: str) -> None:
    api.create(maps, config_map("a"))
    answer = api.ask("DELETE", f"{maps}/a", {"propagationPolicy": "Sideways"})
    assert answer.refusal[:2] == (422, "Invalid")
    assert 'propagationPolicy: Unsupported value: "Sideways"' in answer.refusal[2] or (
        'propagationPolicy: Invalid value: "Sideways"' in answer.refusal[2]
    )
    both = {"propagationPolicy": "Orphan", "orphanDependents": True}
    assert api.ask("DELETE", f"{maps}/a", both).refusal[:2] == (422, "Invalid")


def test_the_policy_may_stand_in_the_query(api: Api, maps: str) -> None:
    owner = api.create(maps, config_map("owner"))
    api.create(maps, owned(config_map("dependent"), owner))
    with until_gone(api, maps, "owner"):
        done(api.ask("DELETE", with_query(f"{maps}/owner", propagationPolicy="Orphan")))
    assert api.get(f"{maps}/dependent")


@pytest.mark.parametrize(
    ("field", "value"), [("uid", ""), ("name", ""), ("kind", ""), ("apiVersion", "")]
)
def test_owner_references_are_complete(api: Api, maps: str, field: str, value: str) -> None:
    owner = api.create(maps, config_map("owner"))
    wrong = owned(config_map("dependent"), owner)
    wrong["metadata"]["ownerReferences"][0][field] = value
    answer = api.ask("POST", maps, wrong)
    assert answer.refusal[:2] == (422, "Invalid")
    cause = answer.body["details"]["causes"][0]
    assert cause["field"] == f"metadata.ownerReferences.{field}" or (
        cause["field"] == f"metadata.ownerReferences[0].{field}"
    )


def test_a_pod_on_a_node_is_given_its_grace(api: Api) -> None:
    pods = api.path("pods")
    api.create(pods, pod("p", nodeName="n", terminationGracePeriodSeconds=20))
    going = done(api.ask("DELETE", f"{pods}/p"))
    assert going["metadata"]["deletionGracePeriodSeconds"] == 20
    shorter = done(api.ask("DELETE", f"{pods}/p", {"gracePeriodSeconds": 5}))
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 5
    assert api.get(f"{pods}/p")
    done(api.ask("DELETE", f"{pods}/p", {"gracePeriodSeconds": 0}))
    assert api.ask("GET", f"{pods}/p").status == 404


def test_a_pod_without_node_or_that_is_done_needs_no_grace(api: Api) -> None:
    pods = api.path("pods")
    api.create(pods, pod("unbound"))
    api.create(pods, pod("over", nodeName="n"))
    done(api.patch(f"{pods}/over/status", {"status": {"phase": "Succeeded"}}))
    for name in ("unbound", "over"):
        done(api.ask("DELETE", f"{pods}/{name}"))
        assert api.ask("GET", f"{pods}/{name}").status == 404


def test_a_namespace_goes_after_its_content(api: Api, maps: str) -> None:
    api.create(maps, held(config_map("held")))
    api.create(maps, config_map("free"))
    mine = f"/api/v1/namespaces/{api.namespace}"
    with until_gone(api, maps, "free"):
        going = done(api.ask("DELETE", mine))
    assert going["kind"] == "Namespace"
    assert going["metadata"]["deletionTimestamp"]
    assert going["status"]["phase"] == "Terminating"
    answer = api.ask("POST", maps, config_map("new"))
    assert answer.refusal == (
        403,
        "Forbidden",
        (
            f'configmaps "new" is forbidden: unable to create new content in namespace '
            f"{api.namespace} because it is being terminated"
        ),
    )
    causes = answer.body["details"]["causes"]
    assert [(c["reason"], c["field"]) for c in causes] == [
        ("NamespaceTerminating", "metadata.namespace")
    ]
    with until_gone(api, "/api/v1/namespaces", api.namespace):
        release(api, f"{maps}/held")
    assert api.ask("GET", mine).status == 404


def test_what_is_in_a_going_namespace_can_still_be_changed(api: Api, maps: str) -> None:
    api.create(maps, held(config_map("held", x="1")))
    done(api.ask("DELETE", f"/api/v1/namespaces/{api.namespace}"))
    assert done(api.patch(f"{maps}/held", {"data": {"x": "2"}}))["data"] == {"x": "2"}
    release(api, f"{maps}/held")


def test_a_namespace_can_be_made_again(api: Api) -> None:
    name = f"{api.namespace}-again"
    first = api.create("/api/v1/namespaces", namespace(name))
    with until_gone(api, "/api/v1/namespaces", name):
        done(api.ask("DELETE", f"/api/v1/namespaces/{name}"))
    second = api.create("/api/v1/namespaces", namespace(name))
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert second["status"] == {"phase": "Active"}


def test_namespaces_are_not_deleted_as_a_collection(api: Api) -> None:
    assert api.ask("DELETE", "/api/v1/namespaces").status == 405


def test_a_pod_is_evicted_as_if_deleted(api: Api) -> None:
    pods = api.path("pods")
    api.create(pods, pod("p"))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    answer = api.ask("POST", f"{pods}/p/eviction", eviction)
    assert (answer.status, answer.body["status"]) == (201, "Success")
    assert api.ask("GET", f"{pods}/p").status == 404


def test_a_budget_that_allows_nothing_forbids_an_eviction(api: Api) -> None:
    pods, group = api.path("pods"), "policy"
    api.create(pods, pod("p", nodeName="n"))
    ready = {"type": "Ready", "status": "True"}
    status = {"status": {"phase": "Running", "conditions": [ready]}}
    done(api.patch(f"{pods}/p/status", status))
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "p"}}},
    }
    api.create(api.path("poddisruptionbudgets", group=group), budget)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    answer = api.ask("POST", f"{pods}/p/eviction", eviction)
    assert answer.refusal == (
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
    )
    assert answer.body["details"]["causes"][0]["reason"] == "DisruptionBudget"
    assert api.get(f"{pods}/p")
