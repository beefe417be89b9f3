"""Watches tell what changes, in order, from the version that was asked for."""

from collections.abc import Iterator
from itertools import islice

import pytest

from oc_gpu.kube import RawObject
from tests.contract.api import Api, done, with_query
from tests.contract.objects import GROUP, config_map, labelled, widget
from tests.contract.servers import Server

Seen = list[tuple[str, str]]


@pytest.fixture
def maps(api: Api) -> str:
    """Return the path of this test's ConfigMaps."""
    return api.path("configmaps")


def take(events: Iterator[RawObject], count: int) -> list[RawObject]:
    """Return the next events."""
    return list(islice(events, count))


def told(events: list[RawObject]) -> Seen:
    """Return type and name of each event."""
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


def version(api: Api, path: str) -> str:
    """Return the version of a list as it is now."""
    found: str = api.get(path)["metadata"]["resourceVersion"]
    return found


def test_a_watch_without_version_begins_with_what_is_there(api: Api, maps: str) -> None:
    api.create(maps, config_map("b"))
    api.create(maps, config_map("a"))
    with api.watch(maps) as events:
        first = take(events, 2)
        api.create(maps, config_map("c"))
        third = take(events, 1)
    assert sorted(told(first)) == [("ADDED", "a"), ("ADDED", "b")]
    assert told(third) == [("ADDED", "c")]
    assert all(e["object"]["kind"] == "ConfigMap" for e in first)


def test_a_watch_from_a_version_tells_only_what_came_after(api: Api, maps: str) -> None:
    api.create(maps, config_map("a"))
    start = version(api, maps)
    api.create(maps, config_map("b"))
    with api.watch(maps, resourceVersion=start) as events:
        done(api.patch(f"{maps}/a", {"data": {"x": "1"}}))
        done(api.ask("DELETE", f"{maps}/a"))
        found = take(events, 3)
    assert told(found) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a")]
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in found]
    assert versions == sorted(set(versions))


def test_a_deleted_object_is_told_with_its_last_state_and_a_new_version(
    api: Api, maps: str
) -> None:
    made = api.create(maps, config_map("a", x="1"))
    with api.watch(maps, resourceVersion=made["metadata"]["resourceVersion"]) as events:
        done(api.ask("DELETE", f"{maps}/a"))
        [gone] = take(events, 1)
    assert gone["type"] == "DELETED"
    assert gone["object"]["data"] == {"x": "1"}
    last = int(gone["object"]["metadata"]["resourceVersion"])
    assert last > int(made["metadata"]["resourceVersion"])
    assert int(version(api, maps)) >= last


def test_an_object_that_waits_for_its_finalizer_is_modified_before_it_is_deleted(
    api: Api, maps: str
) -> None:
    held = config_map("a")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    made = api.create(maps, held)
    with api.watch(maps, resourceVersion=made["metadata"]["resourceVersion"]) as events:
        done(api.ask("DELETE", f"{maps}/a"))
        done(api.patch(f"{maps}/a", {"metadata": {"finalizers": None}}))
        going, gone = take(events, 2)
    assert (going["type"], gone["type"]) == ("MODIFIED", "DELETED")
    assert going["object"]["metadata"]["deletionTimestamp"]
    assert gone["object"]["metadata"]["finalizers"] == ["example.com/hold"]


def test_an_object_comes_and_goes_as_it_matches(api: Api, maps: str) -> None:
    api.create(maps, labelled(config_map("a"), tier="web"))
    api.create(maps, labelled(config_map("b"), tier="db"))
    start = version(api, maps)
    with api.watch(maps, resourceVersion=start, labelSelector="tier=web") as events:
        done(api.patch(f"{maps}/b", {"metadata": {"labels": {"tier": "web"}}}))
        done(api.patch(f"{maps}/b", {"data": {"x": "1"}}))
        done(api.patch(f"{maps}/a", {"metadata": {"labels": {"tier": "db"}}}))
        done(api.patch(f"{maps}/a", {"data": {"x": "1"}}))
        done(api.ask("DELETE", f"{maps}/b"))
        found = take(events, 4)
    assert told(found) == [
        ("ADDED", "b"),
        ("MODIFIED", "b"),
        ("DELETED", "a"),
        ("DELETED", "b"),
    ]
    assert found[2]["object"]["metadata"]["labels"] == {"tier": "web"}
    assert int(found[2]["object"]["metadata"]["resourceVersion"]) > int(start)


def test_one_object_is_watched_by_its_name(api: Api, maps: str) -> None:
    for name in ("a", "b"):
        api.create(maps, config_map(name))
    with api.watch(maps, fieldSelector="metadata.name=b") as events:
        done(api.patch(f"{maps}/a", {"data": {"x": "1"}}))
        done(api.ask("DELETE", f"{maps}/b"))
        assert told(take(events, 2)) == [("ADDED", "b"), ("DELETED", "b")]


def test_a_write_that_changes_nothing_is_not_told(api: Api, maps: str) -> None:
    api.create(maps, config_map("a", x="1"))
    with api.watch(maps, resourceVersion=version(api, maps)) as events:
        done(api.patch(f"{maps}/a", {"data": {"x": "1"}}))
        done(api.patch(f"{maps}/a", {"data": {"x": "2"}}))
        [event] = take(events, 1)
    assert event["object"]["data"] == {"x": "2"}


def test_a_watch_from_a_version_long_gone_ends_with_an_error(server: Server, api: Api) -> None:
    path = api.path("widgets", group=GROUP)
    api.create(path, widget("a", size=1))
    server.forget()
    with api.watch(path, resourceVersion="1") as events:
        [event, *others] = events
    assert not others
    assert event["type"] == "ERROR"
    status = event["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith("too old resource version: 1 (")


def test_a_watch_ends_when_its_time_is_over(api: Api, maps: str) -> None:
    with api.watch(maps, resourceVersion=version(api, maps), timeoutSeconds="1") as events:
        assert list(events) == []


def test_initial_events_end_with_a_marked_bookmark(api: Api, maps: str) -> None:
    for name in ("a", "b"):
        api.create(maps, config_map(name))
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    with api.watch(maps, **query) as events:
        found = take(events, 3)
        api.create(maps, config_map("c"))
        assert told(take(events, 1)) == [("ADDED", "c")]
    assert [e["type"] for e in found] == ["ADDED", "ADDED", "BOOKMARK"]
    mark = found[2]["object"]
    assert (mark["kind"], mark["apiVersion"]) == ("ConfigMap", "v1")
    assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(mark["metadata"]["resourceVersion"]) >= int(
        found[1]["object"]["metadata"]["resourceVersion"]
    )


def test_initial_events_need_a_match(api: Api, maps: str) -> None:
    answer = api.ask("GET", with_query(maps, watch="1", sendInitialEvents="true"))
    assert answer.refusal[:2] == (422, "Invalid")
    wanted = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    assert f"resourceVersionMatch: Forbidden: {wanted}" in answer.refusal[2]


def test_custom_resources_are_watched_too(api: Api) -> None:
    path = api.path("widgets", group=GROUP)
    with api.watch(path, resourceVersion=version(api, path)) as events:
        api.create(path, widget("a", size=1))
        done(api.patch(f"{path}/a/status", {"status": {"state": "ready"}}))
        done(api.ask("DELETE", f"{path}/a"))
        found = take(events, 3)
    assert told(found) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert found[1]["object"]["status"] == {"state": "ready"}


def test_a_watch_can_be_of_tables_or_of_metadata(api: Api, maps: str) -> None:
    api.create(maps, config_map("a", x="1"))
    kinds = {
        "application/json;as=Table;v=v1;g=meta.k8s.io": "Table",
        "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io": "PartialObjectMetadata",
    }
    for accept, kind in kinds.items():
        with api.watch(maps, accept=accept) as events:
            [event] = take(events, 1)
        assert (event["type"], event["object"]["kind"]) == ("ADDED", kind)


def test_a_watch_with_a_version_that_is_no_number_is_refused(api: Api, maps: str) -> None:
    answer = api.ask("GET", with_query(maps, watch="1", resourceVersion="x"))
    assert answer.refusal[0] in {400, 500}
