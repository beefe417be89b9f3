"""Answers of an API server, mutated: each command either works or gives one clear sentence."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from oc_gpu.checks import preflight
from oc_gpu.checks.catalogue import run_all
from oc_gpu.checks.context import inputs
from oc_gpu.kube import Client, Response, Retry
from oc_gpu.kube.resources import PODS
from oc_gpu.kube.transport import NO_HEADERS
from oc_gpu.report import status as report
from oc_gpu.report.look import Look
from oc_gpu.rollout import commands
from oc_gpu.rollout.survey import survey
from tests.fuzz.judge import judged, nothing_written_outside
from tests.fuzz.mutations import extremes, structured, turned
from tests.kube.fake import FakeStream
from tests.rollout.clusters import QUIET, Wire, on_cluster, wish

ANSWERS, EVENTS = 600, 1900


class Recorder:
    """Notes the answers of a server."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.answers: dict[str, Response] = {}

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes = b"",
    ) -> Response:
        answer = await self.wire.request(method, target, headers=headers, body=body)
        self.answers[f"{method} {target}"] = answer
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wire, name)


class Replay:
    """Gives the answers that were noted, one of them mutated."""

    def __init__(self, answers: Mapping[str, Response], mutated: str, body: bytes) -> None:
        self._answers = answers
        self._mutated = mutated
        self._body = body

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,  # noqa: ARG002
        body: bytes = b"",  # noqa: ARG002
    ) -> Response:
        key = f"{method} {target}"
        found = self._answers.get(key)
        if found is None:  # a page that a mutated token asks for
            return Response(404, {}, b"{}")
        return Response(found.status, found.headers, self._body) if key == self._mutated else found

    async def aclose(self) -> None:
        """End."""


@pytest.fixture(scope="module")
def answers() -> dict[str, Response]:
    """Return what a cluster that is set up answers to a look at all of it."""

    async def act(client: Client, wire: Wire) -> dict[str, Response]:
        await commands.enable(client, wish(), QUIET, timeout=100)
        recorder = Recorder(wire)
        await survey(Client(recorder), wish(), "undo")
        await survey(Client(recorder), wish())
        return recorder.answers

    return on_cluster(act)


async def no_time(_: float) -> None:
    """Wait for nothing."""


def look(transport: Any) -> None:
    """Look at a cluster as `status` and `check` do."""

    async def act() -> None:
        client = Client(transport, retry=Retry(sleep=no_time, unreachable=0.0))
        async with asyncio.timeout(20):
            found = await survey(client, wish(), "road")
        list(report.text(report.document(found), Look()))
        run_all(preflight.CHECKS, inputs(found.context))

    asyncio.run(act())


@pytest.mark.parametrize("part", range(2))
def test_answers(part: int, answers: dict[str, Response], tmp_path: Path) -> None:
    keys = sorted(answers)
    worked = 0
    with nothing_written_outside(tmp_path):
        for number in range(part, ANSWERS, 2):
            dice = random.Random(f"answer {number}")  # noqa: S311 - it is to be repeatable
            key = keys[number % len(keys)]
            raw = bytes(answers[key].body)
            if dice.random() < 0.8 and raw[:1] in {b"{", b"["}:
                body = json.dumps(structured(dice, json.loads(raw))).encode()
            else:
                body = turned(dice, raw)
            worked += judged(number, lambda k=key, b=body: look(Replay(answers, k, b)))  # type: ignore[misc]
    assert 0 < worked <= ANSWERS


def test_answers_that_are_something_else(answers: dict[str, Response]) -> None:
    keys = [
        key for key in sorted(answers) if any(k in key for k in ("/version", "/nodes", "/pods"))
    ]
    for key in keys[:4]:
        for number, body in enumerate(extremes(bytes(answers[key].body))):
            judged(number, lambda k=key, b=body: look(Replay(answers, k, b)))  # type: ignore[misc]


EVENT = {
    "type": "ADDED",
    "object": {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": "Running"},
    },
}


class Streams:
    """Gives an empty list and then a watch of some lines."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines

    async def request(self, *_: Any, **__: Any) -> Response:
        return Response(200, {}, b'{"metadata": {"resourceVersion": "1"}, "items": []}')

    @asynccontextmanager
    async def stream(self, *_: Any, **__: Any) -> AsyncIterator[FakeStream]:
        lines, self._lines = self._lines, []
        forbidden = b'{"kind": "Status", "code": 403, "reason": "Forbidden"}'
        yield FakeStream(200, lines) if lines else FakeStream(403, [forbidden])


def follow(lines: list[bytes]) -> None:
    async def act() -> None:
        client = Client(Streams(lines), retry=Retry(sleep=no_time))  # type: ignore[arg-type]
        async with asyncio.timeout(20):
            async for _ in client.watch(PODS, "n"):
                pass

    asyncio.run(act())


def test_events_of_watches() -> None:
    for number in range(EVENTS):
        dice = random.Random(f"event {number}")  # noqa: S311 - it is to be repeatable
        raw = json.dumps(structured(dice, EVENT)).encode() + b"\n"
        lines = [turned(dice, raw) if dice.random() < 0.3 else raw for _ in range(3)]
        assert not judged(number, lambda lines=lines: follow(lines))  # type: ignore[misc]
    for number, body in enumerate(extremes(json.dumps(EVENT).encode())):
        assert not judged(number, lambda b=body: follow([b + b"\n"]))  # type: ignore[misc]
