"""Lists: pages, expired tokens, raw items, selectors."""

import asyncio
from typing import Any

import pytest

from oc_gpu.kube import GoneError, Response
from oc_gpu.kube import resources as known
from tests.kube.fake import answer, client
from tests.kube.server import status
from tests.kube.test_verbs import Meta, Named


def page(names: list[str] | None, version: str = "9", token: str = "") -> Response:
    items = None if names is None else [{"metadata": {"name": name}} for name in names]
    metadata: dict[str, Any] = {"resourceVersion": version}
    if token:
        metadata["continue"] = token
    return answer({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items})


EXPIRED = answer(status(410, "Expired", "The provided continue parameter is too old"), 410)


def test_all_pages_are_fetched_and_the_last_version_kept() -> None:
    kube, sent = client(page(["a", "b"], token="t&1"), page(["c"], token="t2"), page([], "9"))
    result = asyncio.run(kube.list(known.PODS, "x", limit=2, type=Named))
    assert [item.metadata.name for item in result.items] == ["a", "b", "c"]
    assert result.resource_version == "9"
    assert [request.query.get("continue") for request in sent.sent] == [None, "t&1", "t2"]
    assert all(request.query["limit"] == "2" for request in sent.sent)
    assert sent.sent[0].headers["accept-encoding"] == "gzip"


def test_a_list_whose_token_expires_begins_anew() -> None:
    kube, sent = client(page(["old"], token="t"), EXPIRED, page(["a"], token="u"), page(["b"]))
    result = asyncio.run(kube.list(known.PODS, type=Named))
    assert [item.metadata.name for item in result.items] == ["a", "b"]
    assert "continue" not in sent.sent[2].query


def test_a_list_that_expires_again_and_again_is_asked_for_whole() -> None:
    kube, sent = client(*[page(["old"], token="t"), EXPIRED] * 3, page(["a"]))
    result = asyncio.run(kube.list(known.PODS, type=Named))
    assert result.items == [Named(Meta("a"))]
    assert "limit" not in sent.sent[-1].query


def test_a_server_that_says_gone_to_a_whole_list_is_believed() -> None:
    kube, _ = client(*[EXPIRED] * 4)
    with pytest.raises(GoneError):
        asyncio.run(kube.list(known.PODS))


def test_selectors_and_all_namespaces() -> None:
    kube, sent = client(page([]))
    asyncio.run(kube.list(known.PODS, label_selector="a=b,c!=d", field_selector="spec.nodeName=n"))
    assert sent.sent[0].path == "/api/v1/pods"
    assert sent.sent[0].query["labelSelector"] == "a=b,c!=d"
    assert sent.sent[0].query["fieldSelector"] == "spec.nodeName=n"


def test_raw_items_get_the_kind_that_lists_leave_out() -> None:
    kube, _ = client(page(["a"]))
    items = asyncio.run(kube.list(known.PODS)).items
    assert items == [{"metadata": {"name": "a"}, "kind": "Pod", "apiVersion": "v1"}]


def test_null_items_are_an_empty_list() -> None:
    kube, _ = client(page(None))
    assert asyncio.run(kube.list(known.PODS)).items == []
