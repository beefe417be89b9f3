"""What is tried again, how long is waited, and what never is."""

import asyncio
import email.utils
import random
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from oc_gpu.kube import (
    Client,
    ConflictError,
    ConnectionFailedError,
    OcGpuError,
    Response,
    Retry,
    ServerError,
    TooManyRequestsError,
)
from oc_gpu.kube import resources as known
from tests.kube.fake import Pauses, answer, client
from tests.kube.server import status

OK = answer({"metadata": {"name": "p"}})
POD = {"metadata": {"name": "p", "namespace": "a"}}


def broken(code: int = 500, **headers: str) -> Response:
    return answer(status(code, "Broken", "no"), code, **headers)


def unreachable(*, sent: bool, permanent: bool = False) -> ConnectionFailedError:
    return ConnectionFailedError("away", sent=sent, permanent=permanent)


VERBS: dict[str, Any] = {
    "get": lambda kube: kube.get(known.PODS, "p"),
    "list": lambda kube: kube.list(known.PODS),
    "apply": lambda kube: kube.apply(known.PODS, POD),
    "delete with uid": lambda kube: kube.delete(known.PODS, "p", uid="u"),
    "create": lambda kube: kube.create(known.PODS, POD),
    "patch": lambda kube: kube.patch(known.PODS, "p", {}),
    "replace": lambda kube: kube.replace(known.PODS, POD),
    "delete": lambda kube: kube.delete(known.PODS, "p"),
}
REPEATABLE = ["get", "list", "apply", "delete with uid"]
ONCE = ["create", "patch", "replace", "delete"]


def verb(name: str, kube: Client) -> Coroutine[Any, Any, Any]:
    return VERBS[name](kube)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", REPEATABLE)
@pytest.mark.parametrize("failure", [broken(), broken(503), unreachable(sent=True)])
def test_repeatable_requests_are_tried_again(name: str, failure: Response | Exception) -> None:
    kube, sent = client(failure, OK)
    asyncio.run(verb(name, kube))
    assert len(sent.sent) == 2


@pytest.mark.parametrize("name", ONCE)
@pytest.mark.parametrize("failure", [broken(), unreachable(sent=True)])
def test_requests_that_may_have_worked_are_not_repeated(
    name: str, failure: Response | Exception
) -> None:
    kube, sent = client(failure, OK)
    with pytest.raises(OcGpuError):
        asyncio.run(verb(name, kube))
    assert len(sent.sent) == 1


@pytest.mark.parametrize("name", [*REPEATABLE, *ONCE])
@pytest.mark.parametrize("failure", [broken(429), unreachable(sent=False)])
def test_requests_that_did_nothing_are_always_tried_again(
    name: str, failure: Response | Exception
) -> None:
    kube, sent = client(failure, OK)
    asyncio.run(verb(name, kube))
    assert len(sent.sent) == 2


@pytest.mark.parametrize("name", [*REPEATABLE, *ONCE])
def test_a_conflict_is_never_tried_again(name: str) -> None:
    kube, sent = client(answer(status(409, "Conflict", "changed"), 409))
    with pytest.raises(ConflictError):
        asyncio.run(verb(name, kube))
    assert len(sent.sent) == 1


def test_the_pauses_grow_and_differ() -> None:
    pauses = Pauses()
    kube, _ = client(*[broken()] * 4, OK, retry=Retry(first_delay=1, sleep=pauses))
    asyncio.run(kube.get(known.PODS, "p"))
    for pause, full in zip(pauses, (1, 2, 4, 5), strict=True):
        assert full / 2 <= pause <= full
    assert len({Retry().delay(3) for _ in range(20)}) > 1


def test_the_pauses_leave_the_numbers_of_a_seed_alone() -> None:
    before = random.getstate()
    assert Retry().delay(3) > 0
    assert random.getstate() == before


def test_it_gives_up_after_some_answers() -> None:
    kube, sent = client(*[broken()] * 10)
    with pytest.raises(ServerError):
        asyncio.run(kube.get(known.PODS, "p"))
    assert len(sent.sent) == Retry().attempts


@pytest.mark.parametrize(("asked", "pause"), [("7", 7.0), ("3600", Retry().max_retry_after)])
def test_the_servers_retry_after_is_honoured(asked: str, pause: float) -> None:
    pauses = Pauses()
    kube, _ = client(broken(429, retry_after=asked), OK, retry=Retry(sleep=pauses))
    asyncio.run(kube.create(known.PODS, POD))
    assert pauses == [pause]


def test_retry_after_may_be_a_date_by_the_servers_clock() -> None:
    pauses = Pauses()
    headers = {
        "retry_after": "Tue, 24 Nov 2026 02:13:09 GMT",
        "date": "Tue, 24 Nov 2026 02:13:00 GMT",
    }
    later = email.utils.formatdate(time.time() + 30, usegmt=True)
    kube, _ = client(
        broken(429, **headers), broken(429, retry_after=later), OK, retry=Retry(sleep=pauses)
    )
    asyncio.run(kube.get(known.PODS, "p"))
    assert pauses[0] == 9.0
    assert 27 < pauses[1] <= 30


def test_too_many_requests_ends_in_its_own_error() -> None:
    kube, _ = client(*[broken(429)] * 10)
    with pytest.raises(TooManyRequestsError) as caught:
        asyncio.run(kube.get(known.PODS, "p"))
    assert "overloaded" in caught.value.hints[0]


def test_a_server_that_stays_away_is_given_up_after_the_time_given() -> None:
    kube, sent = client(
        *[unreachable(sent=False)] * 1000, retry=Retry(unreachable=0.2, first_delay=0.02)
    )
    started = time.monotonic()
    with pytest.raises(ConnectionFailedError):
        asyncio.run(kube.get(known.PODS, "p"))
    assert 0.05 < time.monotonic() - started < 1
    assert len(sent.sent) > 2


def test_what_no_time_cures_fails_at_once() -> None:
    kube, sent = client(unreachable(sent=False, permanent=True), OK)
    with pytest.raises(ConnectionFailedError):
        asyncio.run(kube.get(known.PODS, "p"))
    assert len(sent.sent) == 1
