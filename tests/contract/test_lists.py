"""Lists select, page, and say so when a page is too old."""

import base64
import json
from typing import Any

import pytest

from tests.contract.api import Api, names, with_query
from tests.contract.objects import GROUP, config_map, labelled, pod, widget
from tests.contract.servers import Server


@pytest.fixture
def maps(api: Api) -> str:
    """Return the path of ConfigMaps: a to c, with labels."""
    path = api.path("configmaps")
    api.create(path, labelled(config_map("c"), tier="web"))
    api.create(path, labelled(config_map("a"), tier="web", zone="1"))
    api.create(path, labelled(config_map("b"), tier="db"))
    return path


def test_a_list_is_in_order_and_has_a_version(api: Api, maps: str) -> None:
    listed = api.get(maps)
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert names(listed) == ["a", "b", "c"]
    newest = max(int(item["metadata"]["resourceVersion"]) for item in listed["items"])
    assert int(listed["metadata"]["resourceVersion"]) >= newest


def test_items_of_a_list_do_not_repeat_their_kind(api: Api, maps: str) -> None:
    assert all(set(item) & {"kind", "apiVersion"} == set() for item in api.get(maps)["items"])


def test_an_empty_list_is_a_list(api: Api) -> None:
    assert api.get(api.path("secrets"))["items"] == []


@pytest.mark.usefixtures("maps")
def test_a_list_of_all_namespaces_is_ordered_by_namespace(api: Api) -> None:
    found = api.get("/api/v1/configmaps")["items"]
    keys = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found]
    assert keys == sorted(keys)
    assert [name for namespace, name in keys if namespace == api.namespace] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("tier=web", ["a", "c"]),
        ("tier==web,zone", ["a"]),
        ("tier!=web", ["b"]),
        ("zone!=1", ["b", "c"]),
        ("!zone", ["b", "c"]),
        ("tier in (web, db),zone notin (1)", ["b", "c"]),
        ("tier in (web)", ["a", "c"]),
        ("tier notin (web)", ["b"]),
        ("zone>0", ["a"]),
        ("zone<1", []),
        ("zone=", []),
        ("nothing", []),
        ("", ["a", "b", "c"]),
    ],
)
def test_label_selectors_select(api: Api, maps: str, selector: str, found: list[str]) -> None:
    assert names(api.get(with_query(maps, labelSelector=selector))) == found


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("metadata.name=b", ["b"]),
        ("metadata.name!=b", ["a", "c"]),
        ("metadata.name==b", ["b"]),
        ("metadata.namespace=elsewhere", []),
        ("metadata.name=a,metadata.name!=b", ["a"]),
    ],
)
def test_field_selectors_select(api: Api, maps: str, selector: str, found: list[str]) -> None:
    assert names(api.get(with_query(maps, fieldSelector=selector))) == found


def test_pods_are_selected_by_node_and_phase(api: Api) -> None:
    pods = api.path("pods")
    api.create(pods, pod("on", nodeName="n1"))
    api.create(pods, pod("off"))

    def found(selector: str) -> list[str]:
        return names(api.get(with_query(pods, fieldSelector=selector)))

    assert found("spec.nodeName=n1") == ["on"]
    assert found("spec.nodeName=") == ["off"]
    assert found("status.phase=Pending,spec.nodeName!=n1") == ["off"]
    assert found("status.phase!=Pending") == []
    assert found("spec.restartPolicy=Always") == ["off", "on"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"labelSelector": "a==="}, "unable to parse requirement: "),
        ({"labelSelector": "a in ("}, "unable to parse requirement: "),
        (
            {"fieldSelector": "spec.no=x"},
            '"spec.no" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        ({"fieldSelector": "x"}, "invalid selector: 'x'; can't understand 'x'"),
        ({"limit": "many"}, 'strconv.ParseInt: parsing "many": invalid syntax'),
        ({"continue": "rubbish"}, "continue key is not valid: "),
        ({"resourceVersion": "x"}, ""),
        ({"resourceVersionMatch": "Exact"}, ""),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    api: Api, maps: str, query: dict[str, str], message: str
) -> None:
    code, _reason, told = api.ask("GET", with_query(maps, **query)).refusal
    assert code in {400, 422}
    assert message in told


def test_pages_follow_each_other_to_the_end(api: Api) -> None:
    maps = api.path("configmaps")
    for number in range(7):
        api.create(maps, config_map(f"c{number}"))
    pages = list(_pages(api, maps, limit="3"))
    assert [names(page) for page in pages] == [
        ["c0", "c1", "c2"],
        ["c3", "c4", "c5"],
        ["c6"],
    ]
    assert [page["metadata"].get("remainingItemCount") for page in pages] == [4, 1, None]
    assert len({page["metadata"]["resourceVersion"] for page in pages}) == 1


def test_pages_show_one_moment(api: Api, maps: str) -> None:
    first = api.get(with_query(maps, limit="1"))
    api.create(maps, config_map("bb"))
    api.ask("DELETE", f"{maps}/c")
    rest = with_query(maps, limit="5", **{"continue": first["metadata"]["continue"]})
    assert names(api.get(rest)) == ["b", "c"]


def test_pages_of_a_selection_do_not_tell_how_many_are_left(api: Api, maps: str) -> None:
    pages = list(_pages(api, maps, limit="1", labelSelector="tier=web"))
    assert [name for page in pages for name in names(page)] == ["a", "c"]
    assert all("remainingItemCount" not in page["metadata"] for page in pages)


def test_a_limit_that_is_not_reached_leaves_no_token(api: Api, maps: str) -> None:
    assert "continue" not in api.get(with_query(maps, limit="3"))["metadata"]


def test_a_page_of_a_forgotten_version_is_gone(server: Server, api: Api) -> None:
    # Of a kind that came after the first version: of others the server's cache may still hold it.
    path = api.path("widgets", group=GROUP)
    for name in "abc":
        api.create(path, widget(name))
    token = _aged(api.get(with_query(path, limit="1"))["metadata"]["continue"])
    api.create(path, widget("d"))
    server.forget()
    answer = api.ask("GET", with_query(path, limit="1", **{"continue": token}))
    code, reason, message = answer.refusal
    assert (code, reason) == (410, "Expired")
    assert message.startswith(
        "The provided continue parameter is too old to display a consistent list result."
    )
    again = answer.body["metadata"]["continue"]
    rest = api.get(with_query(path, limit="5", **{"continue": again}))
    assert names(rest) == ["b", "c", "d"]


def test_an_old_version_is_good_enough_for_who_says_so(api: Api, maps: str) -> None:
    assert names(api.get(with_query(maps, resourceVersion="0"))) == ["a", "b", "c"]
    version = api.get(maps)["metadata"]["resourceVersion"]
    for match in ("NotOlderThan", "Exact"):
        query = {"resourceVersion": version, "resourceVersionMatch": match}
        assert names(api.get(with_query(maps, **query))) == ["a", "b", "c"]


def test_a_version_that_is_still_to_come_is_not_served(api: Api, maps: str) -> None:
    version = int(api.get(maps)["metadata"]["resourceVersion"])
    query = {"resourceVersion": str(version + 10**6)}
    code, _reason, message = api.ask("GET", with_query(maps, **query)).refusal
    assert code == 504
    assert message.startswith("Timeout: Too large resource version: ")


def test_metadata_alone_is_given_to_who_asks_for_it(api: Api, maps: str) -> None:
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    listed = api.get(maps, accept=accept)
    assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert names(listed) == ["a", "b", "c"]
    assert all("data" not in item for item in listed["items"])
    one = api.get(f"{maps}/a", accept=accept.replace("List", ""))
    assert set(one) == {"kind", "apiVersion", "metadata"}
    assert (one["kind"], one["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")


def test_a_collection_is_deleted_by_selection(api: Api, maps: str) -> None:
    answer = api.ask("DELETE", with_query(maps, labelSelector="tier=web"))
    assert answer.status == 200
    assert names(answer.body) == ["a", "c"]
    assert names(api.get(maps)) == ["b"]


def _aged(token: str) -> str:
    """Return a token as if it were from the first version; caches keep newer ones for a while."""
    known = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    aged = json.dumps(known | {"rv": 1}).encode()
    return base64.urlsafe_b64encode(aged).decode().rstrip("=")


def _pages(api: Api, target: str, **query: str) -> Any:
    while True:
        page = api.get(with_query(target, **query))
        yield page
        token = page["metadata"].get("continue")
        if not token:
            return
        query["continue"] = token
