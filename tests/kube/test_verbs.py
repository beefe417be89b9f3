"""What each verb sends, and what it makes of the answer."""

import asyncio

import pytest
from msgspec import Struct, field

from oc_gpu.kube import Client, ForbiddenError, NotFoundError, OcGpuError, Resource
from oc_gpu.kube import resources as known
from tests.kube.fake import FakeStream, answer, client
from tests.kube.server import status

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "resourceVersion": "4"}}


class Meta(Struct):
    name: str = ""


class Named(Struct):
    metadata: Meta = field(default_factory=Meta)


def test_paths_follow_group_scope_and_subresource() -> None:
    assert known.PODS.path() == "/api/v1/pods"
    assert known.PODS.path("a", "p", "log") == "/api/v1/namespaces/a/pods/p/log"
    assert known.NODES.path("ignored", "n") == "/api/v1/nodes/n"
    assert known.SUBSCRIPTIONS.path("a") == (
        "/apis/operators.coreos.com/v1alpha1/namespaces/a/subscriptions"
    )
    assert Resource("g", "v1", "things", "Thing").api_version == "g/v1"


def test_names_cannot_break_out_of_the_path() -> None:
    assert known.PODS.path("a/../b", "x?y") == "/api/v1/namespaces/a%2F..%2Fb/pods/x%3Fy"
    assert known.CLUSTER_ROLES.path(None, "system:admin").endswith("/system:admin")


def test_get_returns_the_raw_object_from_the_clients_namespace() -> None:
    kube, sent = client(answer(POD))
    assert asyncio.run(kube.get(known.PODS, "p")) == POD
    assert sent.sent[0].target == "/api/v1/namespaces/here/pods/p"


def test_get_decodes_only_the_fields_of_a_struct() -> None:
    kube, _ = client(answer(POD))
    assert asyncio.run(kube.get(known.PODS, "p", "a", type=Named)) == Named(Meta("p"))


def test_find_returns_none_for_what_is_not_there() -> None:
    missing = answer(status(404, "NotFound", 'pods "p" not found'), 404)
    kube, _ = client(missing, missing)
    assert asyncio.run(kube.find(known.PODS, "p")) is None
    with pytest.raises(NotFoundError, match="cannot get pods/p in here"):
        asyncio.run(kube.get(known.PODS, "p"))


def test_an_answer_that_is_no_object_is_an_error_that_quotes_nothing() -> None:
    kube, _ = client(answer("<html>secret</html>"))
    with pytest.raises(OcGpuError, match="not what the Kubernetes API promises") as caught:
        asyncio.run(kube.get(known.PODS, "p"))
    assert "secret" not in str(caught.value)


def test_create_posts_to_the_namespace_of_the_object() -> None:
    kube, sent = client(answer(POD, 201))
    asyncio.run(kube.create(known.PODS, {"metadata": {"name": "p", "namespace": "b"}}))
    assert sent.sent[0].method == "POST"
    assert sent.sent[0].path == "/api/v1/namespaces/b/pods"
    assert sent.sent[0].query == {"fieldManager": "oc-gpu"}


def test_apply_sends_the_apply_type_with_manager_force_and_dry_run() -> None:
    kube, sent = client(answer(POD), answer(POD))
    wanted = {"metadata": {"name": "p", "namespace": "b"}, "data": {}}
    asyncio.run(kube.apply(known.CONFIGMAPS, wanted, force=True, dry_run=True))
    request = sent.sent[0]
    assert (request.method, request.path) == ("PATCH", "/api/v1/namespaces/b/configmaps/p")
    assert request.headers["content-type"] == "application/apply-patch+yaml"
    assert request.query == {"fieldManager": "oc-gpu", "force": "true", "dryRun": "All"}
    assert request.json == wanted
    asyncio.run(
        kube.apply(
            known.NODES, {"metadata": {"name": "n"}}, field_manager="x", subresource="status"
        )
    )
    assert sent.sent[1].target == "/api/v1/nodes/n/status?fieldManager=x"


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("merge", "application/merge-patch+json"),
        ("json", "application/json-patch+json"),
        ("strategic", "application/strategic-merge-patch+json"),
    ],
)
def test_patch_sends_the_content_type_of_its_kind(kind: str, content_type: str) -> None:
    kube, sent = client(answer(POD))
    asyncio.run(kube.patch(known.NODES, "n", [], kind=kind))  # type: ignore[arg-type]
    assert sent.sent[0].headers["content-type"] == content_type
    assert sent.sent[0].method == "PATCH"


def test_replace_puts_the_object() -> None:
    kube, sent = client(answer(POD))
    asyncio.run(kube.replace(known.PODS, POD, subresource="status"))
    assert sent.sent[0].method == "PUT"
    assert sent.sent[0].path == "/api/v1/namespaces/here/pods/p/status"
    assert sent.sent[0].json == POD


def test_delete_sends_propagation_and_preconditions() -> None:
    kube, sent = client(answer({}), answer({}))
    asyncio.run(
        kube.delete(
            known.PODS,
            "p",
            propagation="Foreground",
            uid="u",
            resource_version="5",
            grace_seconds=0,
            dry_run=True,
        )
    )
    assert sent.sent[0].json == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": "u", "resourceVersion": "5"},
        "gracePeriodSeconds": 0,
        "dryRun": ["All"],
    }
    asyncio.run(kube.delete(known.PODS, "p"))
    assert sent.sent[1].json == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": "Background",
    }


def test_logs_are_text_even_where_they_are_not_utf8() -> None:
    raw = answer({})
    raw.body = b"ok \xff\n"
    kube, sent = client(raw)
    assert asyncio.run(kube.logs("a", "p", container="c", tail=5, previous=True)) == "ok \ufffd\n"
    assert sent.sent[0].path == "/api/v1/namespaces/a/pods/p/log"
    assert sent.sent[0].query == {"container": "c", "tailLines": "5", "previous": "true"}


def test_followed_logs_come_line_by_line() -> None:
    kube, sent = client(FakeStream(200, [b"on", b"e\n\ntwo\nth", b"ree"]))

    async def follow() -> list[str]:
        return [line async for line in kube.follow_logs("a", "p", tail=0)]

    assert asyncio.run(follow()) == ["one", "", "two", "three"]
    assert sent.sent[0].query == {"follow": "true", "tailLines": "0"}


def test_can_i_asks_for_exactly_the_right() -> None:
    kube, sent = client(answer({"status": {"allowed": True}}), answer({"status": {}}))
    assert asyncio.run(kube.can_i("create", known.PODS, "a", subresource="exec"))
    assert sent.sent[0].json["spec"]["resourceAttributes"] == {
        "verb": "create",
        "version": "v1",
        "resource": "pods",
        "subresource": "exec",
        "namespace": "a",
    }
    assert not asyncio.run(kube.can_i("list", known.NODES, "a"))
    assert "namespace" not in sent.sent[1].json["spec"]["resourceAttributes"]


def test_any_path_can_be_read_raw() -> None:
    kube, sent = client(answer({"name": "seed"}))
    assert asyncio.run(kube.read("/simulation")) == b'{"name": "seed"}'
    assert sent.sent[0].target == "/simulation"


def test_a_nodes_journal_is_read_through_its_kubelet() -> None:
    raw = answer({})
    raw.body = b"pci 0000:13:00.0: [10de:1eb8]\n"
    kube, sent = client(raw, answer(status(403, "Forbidden", "no"), 403))
    assert "10de" in asyncio.run(kube.journal("worker03", "10de|Secure boot"))
    assert sent.sent[0].path == "/api/v1/nodes/worker03/proxy/logs/journal"
    assert sent.sent[0].query == {"boot": "0", "grep": "10de|Secure boot"}
    with pytest.raises(ForbiddenError) as caught:
        asyncio.run(kube.journal("worker03", "x"))
    assert "`get nodes/proxy`" in caught.value.hints[0]


def test_a_simulated_server_says_so_in_its_version() -> None:
    kube, _ = client(
        answer({"gitVersion": "v1.33.1+simulated", "platform": "linux/amd64"}),
        answer({"gitVersion": "v1.17.1+9d33dd3.simulated"}),
        answer({"gitVersion": "v1.33.1"}),
    )
    assert asyncio.run(kube.version()).simulated
    assert asyncio.run(kube.version()).simulated
    assert not asyncio.run(kube.version()).simulated


def test_the_clusters_clock_is_that_of_the_last_answer() -> None:
    kube, _ = client(answer(POD, date="Tue, 24 Nov 2026 02:13:00 GMT"), answer(POD, date="soon"))
    times = [kube.server_time]
    for _ in range(2):
        asyncio.run(kube.get(known.PODS, "p"))
        times.append(kube.server_time)
    assert times == [None, 1795486380.0, None]


def test_leaving_the_client_closes_the_transport() -> None:
    kube, sent = client()

    async def leave() -> Client:
        async with kube as inside:
            return inside

    assert asyncio.run(leave()) is kube
    assert sent.closed
