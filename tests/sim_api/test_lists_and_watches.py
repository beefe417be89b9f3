"""Lists select and page; watches tell what changes, and say so when they cannot."""

import asyncio
from typing import Any

import pytest

from oc_gpu.kube import Deleted, Replaced, Updated
from oc_gpu.kube.resources import CONFIGMAPS

from .conftest import Api, config_map, pod, run

CM = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


def names(listed: Any) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


def labelled(name: str, **labels: str) -> dict[str, Any]:
    obj = config_map(name)
    obj["metadata"]["labels"] = labels
    return obj


@pytest.fixture
def three(api: Api) -> Api:
    api.create(CM, labelled("a", tier="web", zone="1"))
    api.create(CM, labelled("b", tier="db"))
    api.create("/api/v1/namespaces/gpu/configmaps", labelled("c", tier="web"))
    return api


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("tier=web", ["a", "c"]),
        ("tier==web,zone", ["a"]),
        ("tier!=web", ["b"]),
        ("zone!=1", ["b", "c"]),
        ("!zone", ["b", "c"]),
        ("tier in (web, db),zone notin (1)", ["b", "c"]),
        ("nothing", []),
    ],
)
def test_label_selectors_select(three: Api, selector: str, found: list[str]) -> None:
    listed = three.get(f"/api/v1/configmaps?labelSelector={selector.replace(' ', '%20')}")
    assert names(listed) == found


def test_a_selector_that_makes_no_sense_is_refused(three: Api) -> None:
    for query in ("labelSelector=a%3D%3D%3D", "fieldSelector=spec.no%3Dx", "fieldSelector=x"):
        assert three.ask("GET", f"{CM}?{query}")[0] == 400


def test_lists_are_in_order_and_of_one_namespace(three: Api) -> None:
    assert names(three.get(CM)) == ["a", "b"]
    assert names(three.get("/api/v1/configmaps")) == ["a", "b", "c"]


def test_field_selectors_look_at_what_the_kind_offers(api: Api) -> None:
    api.create(PODS, pod("on", nodeName="n1"))
    api.create(PODS, pod("off"))
    assert names(api.get(f"{PODS}?fieldSelector=spec.nodeName%3Dn1")) == ["on"]
    assert names(api.get(f"{PODS}?fieldSelector=spec.nodeName%3D")) == ["off"]
    assert names(api.get(f"{PODS}?fieldSelector=status.phase!%3DPending")) == []
    assert names(api.get("/api/v1/namespaces?fieldSelector=metadata.name%3Dgpu")) == ["gpu"]


def test_events_are_found_by_the_object_they_are_about(api: Api) -> None:
    for name in ("p", "q"):
        event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "type": "Warning"}
        event["involvedObject"] = {"kind": "Pod", "name": name, "uid": f"u-{name}"}
        api.create("/api/v1/namespaces/default/events", event)
    query = "involvedObject.name%3Dp%2CinvolvedObject.uid%3Du-p%2Ctype%3DWarning"
    assert names(api.get(f"/api/v1/namespaces/default/events?fieldSelector={query}")) == ["p"]


def test_pages_follow_each_other_to_the_end(api: Api) -> None:
    for number in range(7):
        api.create(CM, config_map(f"c{number}"))
    found, token, pages = [], "", 0
    while True:
        page = api.get(f"{CM}?limit=3&continue={token}")
        found += names(page)
        pages += 1
        token = page["metadata"].get("continue", "")
        if not token:
            break
        assert page["metadata"]["remainingItemCount"] == 7 - len(found)
    assert (found, pages) == ([f"c{n}" for n in range(7)], 3)
    assert api.ask("GET", f"{CM}?limit=3&continue=rubbish")[0] == 400


def test_a_watch_without_version_begins_with_what_is_there(three: Api) -> None:
    events = three.watch(f"{CM}?watch=1", ("DELETE", f"{CM}/b", None), count=3)
    assert [(kind, obj["metadata"]["name"]) for kind, obj in events] == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("DELETED", "b"),
    ]


def test_a_watch_from_a_version_tells_only_what_came_after(api: Api) -> None:
    version = api.create(CM, config_map("a"))["metadata"]["resourceVersion"]
    api.create(CM, config_map("b"))
    events = api.watch(
        f"{CM}?watch=true&resourceVersion={version}",
        ("PATCH", f"{CM}/a", {"data": {"x": "1"}}),
        ("DELETE", f"{CM}/a", None),
        count=3,
    )
    assert [(kind, obj["metadata"]["name"]) for kind, obj in events] == [
        ("ADDED", "b"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
    ]
    versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in events]
    assert versions == sorted(set(versions))


def test_an_object_that_stops_matching_is_deleted_for_the_watcher(three: Api) -> None:
    version = three.get(CM)["metadata"]["resourceVersion"]
    events = three.watch(
        f"{CM}?watch=true&resourceVersion={version}&labelSelector=tier%3Dweb",
        ("PATCH", f"{CM}/b", {"metadata": {"labels": {"tier": "web"}}}),
        ("PATCH", f"{CM}/a", {"metadata": {"labels": {"tier": "db"}}}),
        count=2,
    )
    assert [(kind, obj["metadata"]["name"]) for kind, obj in events] == [
        ("ADDED", "b"),
        ("DELETED", "a"),
    ]


def test_a_watch_from_a_forgotten_version_ends_with_410(api: Api) -> None:
    version = api.create(CM, config_map("a"))["metadata"]["resourceVersion"]
    api.create(CM, config_map("b"))
    api.server.compact()
    [(kind, status)] = api.watch(f"{CM}?watch=1&resourceVersion={version}", count=1)
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")


def test_a_watch_ends_after_its_timeout_with_a_bookmark(api: Api) -> None:
    version = api.create(CM, config_map("a"))["metadata"]["resourceVersion"]
    target = f"{CM}?watch=1&resourceVersion={version}&timeoutSeconds=0.05&allowWatchBookmarks=true"
    [(kind, mark)] = api.watch(target, count=9)
    assert kind == "BOOKMARK"
    assert mark["metadata"]["resourceVersion"] == version


def test_watchers_of_a_quiet_kind_get_bookmarks_from_busy_ones(api: Api) -> None:
    version = api.create(CM, config_map("a"))["metadata"]["resourceVersion"]
    changes = [
        ("PATCH", "/api/v1/namespaces/gpu", {"metadata": {"labels": {"n": str(n)}}})
        for n in range(501)
    ]
    target = f"{CM}?watch=1&resourceVersion={version}&allowWatchBookmarks=1"
    [(kind, mark)] = api.watch(target, *changes, count=1)
    assert kind == "BOOKMARK"
    assert int(mark["metadata"]["resourceVersion"]) > int(version)


def test_initial_events_end_with_a_marked_bookmark(three: Api) -> None:
    target = f"{CM}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    events = three.watch(f"{target}&allowWatchBookmarks=true", count=3)
    assert [kind for kind, _ in events] == ["ADDED", "ADDED", "BOOKMARK"]
    assert events[2][1]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_watch_of_one_object_by_name_sees_only_it(three: Api) -> None:
    target = f"{CM}?watch=1&fieldSelector=metadata.name%3Db"
    change = ("PATCH", f"{CM}/a", {"data": {"x": "1"}})
    gone = ("DELETE", f"{CM}/b", None)
    events = three.watch(target, change, gone, count=2)
    assert [(kind, obj["metadata"]["name"]) for kind, obj in events] == [
        ("ADDED", "b"),
        ("DELETED", "b"),
    ]


def test_the_products_own_client_follows_a_watch_across_a_forgotten_version(api: Api) -> None:
    async def main() -> list[Any]:
        seen: list[Any] = []
        async with api.client() as client, asyncio.timeout(5):
            async for event in client.watch(CONFIGMAPS, "default"):
                seen.append(event)
                if len(seen) == 1:
                    await client.create(CONFIGMAPS, config_map("a"), "default")
                elif len(seen) == 2:
                    api.server.close_watches()
                    api.server.compact()
                    await client.delete(CONFIGMAPS, "a", "default")
                    await client.create(CONFIGMAPS, config_map("b"), "default")
                    api.server.compact()
                elif any(isinstance(e, Replaced | Updated) and "b" in str(e) for e in seen):
                    return seen
        return seen

    seen = run(main())
    assert isinstance(seen[0], Replaced)
    assert isinstance(seen[1], Updated)
    assert not any(isinstance(event, Deleted) for event in seen)


def test_metadata_only_is_answered_when_asked_for(three: Api) -> None:
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    listed = three.get(CM, accept=accept)
    assert listed["kind"] == "PartialObjectMetadataList"
    assert [set(item) for item in listed["items"]] == [{"kind", "apiVersion", "metadata"}] * 2
    one = three.get(f"{CM}/a", accept=accept.replace("List", ""))
    assert one["kind"] == "PartialObjectMetadata"
