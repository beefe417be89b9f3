"""Watches: what ends a stream, what is done then, and what ends the watch."""

import asyncio
import json
import time
from typing import Any

import pytest

from oc_gpu.kube import (
    ConnectionFailedError,
    Deleted,
    ForbiddenError,
    NotFoundError,
    OcGpuError,
    Replaced,
    Response,
    Retry,
    ServerError,
    Updated,
    WatchEvent,
)
from oc_gpu.kube import resources as known
from tests.kube.fake import FakeStream, FakeTransport, Pauses, answer, client
from tests.kube.server import status
from tests.kube.test_lists import page
from tests.kube.test_verbs import Meta, Named


def event(kind: str, name: str = "", version: str = "") -> bytes:
    metadata = {"name": name, "resourceVersion": version}
    return json.dumps({"type": kind, "object": {"metadata": metadata}}).encode() + b"\n"


def error(code: int, reason: str = "Expired") -> bytes:
    return json.dumps({"type": "ERROR", "object": status(code, reason, "no")}).encode() + b"\n"


def stream(*pieces: bytes | Exception) -> FakeStream:
    return FakeStream(200, pieces)


def refused(code: int) -> FakeStream:
    return FakeStream(code, [json.dumps(status(code, "Reason", "no")).encode()])


def watch(
    *script: Response | Exception | FakeStream,
    expect: type[Exception] = ForbiddenError,
    pauses: Pauses | None = None,
    **options: Any,
) -> tuple[list[WatchEvent[Named]], FakeTransport]:
    retry = Retry(sleep=Pauses() if pauses is None else pauses, **options)
    kube, transport = client(*script, retry=retry)
    seen: list[WatchEvent[Named]] = []

    async def follow() -> None:
        async for item in kube.watch(known.PODS, "x", type=Named):
            seen.append(item)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(expect):
        asyncio.run(follow())
    return seen, transport


def named(name: str) -> Named:
    return Named(Meta(name))


class Mute(FakeStream):
    """A stream that something on the way forgot: it stays open and says no more."""

    async def __anext__(self) -> bytes:
        if self._pieces:
            return await super().__anext__()
        await asyncio.Event().wait()
        raise AssertionError


def versions(transport: FakeTransport) -> list[str | None]:
    return [s.query["resourceVersion"] for s in transport.sent if s.query.get("watch")]


def test_a_watch_begins_with_the_list_and_goes_on_with_changes() -> None:
    changes = stream(event("ADDED", "b", "10"), event("MODIFIED", "b", "11"), event("DELETED", "b"))
    seen, transport = watch(page(["a"], "9"), changes, refused(403))
    assert seen == [
        Replaced([named("a")], "9"),
        Updated(named("b")),
        Updated(named("b")),
        Deleted(named("b")),
    ]
    request = transport.sent[1]
    assert request.path == "/api/v1/namespaces/x/pods"
    assert request.query["allowWatchBookmarks"] == "true"
    assert 300 <= int(request.query["timeoutSeconds"]) <= 600


def test_events_may_come_in_any_pieces() -> None:
    both = event("ADDED", "a", "10") + event("ADDED", "b", "11")
    pieces = [both[i : i + 7] for i in range(0, len(both), 7)]
    seen, _ = watch(page([]), stream(*pieces), refused(403))
    assert seen[1:] == [Updated(named("a")), Updated(named("b"))]


def test_a_stream_that_ends_silently_is_resumed_at_the_last_version() -> None:
    seen, transport = watch(
        page([], "9"), stream(event("ADDED", "a", "10")), stream(), stream(), refused(403)
    )
    assert seen == [Replaced([], "9"), Updated(named("a"))]
    assert versions(transport) == ["9", "10", "10", "10"]


def test_a_bookmark_moves_the_version_and_is_no_event() -> None:
    seen, transport = watch(page([], "9"), stream(event("BOOKMARK", "", "50")), refused(403))
    assert seen == [Replaced([], "9")]
    assert versions(transport) == ["9", "50"]


@pytest.mark.parametrize("gone", [stream(error(410)), refused(410)])
def test_a_version_that_is_too_old_means_a_new_list(gone: FakeStream) -> None:
    again = FakeStream(gone.status, gone._pieces)
    seen, transport = watch(page(["a"], "9"), again, page(["b"], "90"), stream(), refused(403))
    assert seen == [Replaced([named("a")], "9"), Replaced([named("b")], "90")]
    assert versions(transport) == ["9", "90", "90"]


def test_a_server_that_always_says_gone_is_not_hammered() -> None:
    pauses = Pauses()
    gone = [item for _ in range(6) for item in (refused(410), page([]))]
    watch(page([]), *gone, refused(403), pauses=pauses)
    assert len(pauses) == 5
    assert pauses[-1] > pauses[0]


def test_half_an_event_at_a_broken_end_is_dropped_and_asked_for_again() -> None:
    whole = event("ADDED", "b", "11")
    seen, transport = watch(
        page([], "9"),
        stream(event("ADDED", "a", "10"), whole[:20], ConnectionFailedError("cut")),
        stream(whole),
        refused(403),
    )
    assert seen[1:] == [Updated(named("a")), Updated(named("b"))]
    assert versions(transport) == ["9", "10", "11"]


@pytest.mark.parametrize("fault", [stream(error(500, "InternalError")), refused(503), refused(429)])
def test_a_server_in_trouble_is_asked_again_with_growing_pauses(fault: FakeStream) -> None:
    pauses = Pauses()
    again = [FakeStream(fault.status, list(fault._pieces)) for _ in range(4)]
    seen, transport = watch(page([], "9"), *again, refused(403), pauses=pauses)
    assert seen == [Replaced([], "9")]
    assert versions(transport) == ["9"] * 5
    assert len(pauses) == 3
    assert pauses[2] > pauses[0]


def test_the_first_try_after_a_good_stream_waits_for_nothing() -> None:
    pauses = Pauses()
    watch(page([]), stream(event("ADDED", "a", "10")), refused(403), pauses=pauses)
    assert pauses == []


def test_an_unreachable_server_is_waited_for_but_not_for_ever() -> None:
    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0.02)

    away = [ConnectionFailedError("away", sent=False)] * 1000
    started = time.monotonic()
    watch(page([]), *away, expect=ConnectionFailedError, outage=0.2, pauses=sleep)  # type: ignore[arg-type]
    assert 0.1 < time.monotonic() - started < 2


def test_what_no_time_cures_ends_the_watch() -> None:
    lost = ConnectionFailedError("certificate", permanent=True)
    _, transport = watch(page([]), lost, expect=ConnectionFailedError)
    assert len(transport.sent) == 2


def test_a_relist_survives_a_server_in_trouble() -> None:
    seen, _ = watch(
        page([], "9"),
        refused(410),
        *[answer(status(503, "Unavailable", "no"), 503)] * 5,
        page(["a"], "20"),
        refused(403),
    )
    assert seen[1:] == [Replaced([named("a")], "20")]


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (answer(status(503, "Unavailable", "no"), 503), ServerError),
        (ConnectionFailedError("away", sent=False), ConnectionFailedError),
    ],
)
@pytest.mark.parametrize("patient", [True, False])
def test_the_first_list_of_a_watch_opened_in_a_run_outlasts_an_outage(
    trouble: Response | Exception, kind: type[Exception], *, patient: bool
) -> None:
    retry = Retry(sleep=Pauses(), unreachable=0.1)
    kube, _ = client(*[trouble] * 12, page(["a"], "9"), refused(403), retry=retry)
    seen: list[WatchEvent[Named]] = []

    async def follow() -> None:
        async for item in kube.watch(known.PODS, "x", patient=patient, type=Named):
            seen.append(item)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(ForbiddenError if patient else kind):
        asyncio.run(follow())
    assert seen == ([Replaced([named("a")], "9")] if patient else [])


@pytest.mark.parametrize(("code", "kind"), [(403, ForbiddenError), (404, NotFoundError)])
def test_a_kind_that_may_not_be_seen_ends_the_watch_at_its_list(
    code: int, kind: type[Exception]
) -> None:
    seen, _ = watch(answer(status(code, "Reason", "no"), code), expect=kind)
    assert seen == []


def test_an_error_names_the_right_to_watch() -> None:
    kube, _ = client(page([]), refused(403))

    async def follow() -> None:
        async for _ in kube.watch(known.PODS, "x"):
            pass

    with pytest.raises(ForbiddenError) as caught:
        asyncio.run(follow())
    assert "`watch pods in namespace x`" in caught.value.hints[0]


def test_a_stream_that_is_no_watch_is_an_error() -> None:
    watch(page([]), stream(b"<html>\n"), expect=OcGpuError)


def test_a_stream_that_says_no_more_is_given_up_after_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, seconds in (("_SHORTEST_STREAM", 0), ("_LONGEST_STREAM", 0), ("_GRACE", 0.02)):
        monkeypatch.setattr(f"oc_gpu.kube.watching.{name}", seconds)
    mute = Mute(200, [event("ADDED", "b", "10")])
    seen, transport = watch(page(["a"], "9"), mute, refused(403))
    assert seen == [Replaced([named("a")], "9"), Updated(named("b"))]
    assert versions(transport) == ["9", "10"]
