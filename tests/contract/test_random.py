"""Whatever is sent to both servers, they answer the same, object for object.

The sequences are made up by Hypothesis, the same ones in each run: a server that differs is found
when something changes, not by chance on another day.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oc_gpu.kube import RawObject
from tests.contract.api import MERGE, STRATEGIC, Answer, Api, with_query
from tests.contract.conftest import open_api
from tests.contract.objects import GROUP, config_map, widget
from tests.contract.servers import Server

pytestmark = pytest.mark.lab
_numbers = count(1)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
examples = settings(
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
MANAGERS = st.sampled_from(["one", "two", "three"])
WORDS = st.sampled_from(["a", "b", "c"])


class Step(NamedTuple):
    """One write."""

    how: str
    what: Any
    manager: str
    force: bool = False
    part: str = ""

    def named(self, name: str) -> "Step":
        """Return the same for an object of this name."""
        if self.how != "apply":
            return self
        return self._replace(what=self.what | {"metadata": self.what["metadata"] | {"name": name}})

    def take(self, api: Api, path: str) -> Answer:
        """Send it."""
        target = f"{path}/{self.part}" if self.part else path
        if self.how == "apply":
            return api.apply(target, self.what, self.manager, force=self.force)
        kind = {"merge": MERGE, "strategic": STRATEGIC}[self.how]
        return api.patch(with_query(target, fieldManager=self.manager), self.what, kind)


@pytest.fixture(scope="module")
def both(simulator: Server, lab: Server) -> Iterator[tuple[Api, Api]]:
    """Return clients of both servers, in namespaces of the same name."""
    with ExitStack() as stack:
        yield (
            stack.enter_context(open_api(simulator.admin, "random")),
            stack.enter_context(open_api(lab.admin, "random")),
        )


def same(both: tuple[Api, Api], plural: str, group: str, steps: list[Step]) -> None:
    """Take the steps on both servers, which must answer the same each time."""
    name = f"x{next(_numbers)}"
    for number, step in enumerate(steps):
        named = step.named(name)
        simulated, real = (
            _comparable(named.take(api, api.path(plural, name, group=group))) for api in both
        )
        assert simulated == real, f"after step {number}, {step}"


def _comparable(answer: Answer) -> Any:
    """Return an answer without what is each server's own."""
    body = answer.body
    if body["kind"] == "Status":
        return answer.status, body.get("reason"), _TIME.sub("TIME", body["message"])
    meta = {**body["metadata"]}
    for field in ("uid", "resourceVersion", "creationTimestamp"):
        meta.pop(field, None)
    entries = [{k: v for k, v in e.items() if k != "time"} for e in meta.pop("managedFields", [])]
    entries.sort(key=lambda e: (e["manager"], e["operation"], e.get("subresource", "")))
    return answer.status, {**body, "metadata": meta}, entries


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[RawObject]:
    """Return dictionaries with some of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


def nullable(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return the same, or null: a patch removes by it."""
    return st.none() | strategy


def keyed(key: str, item: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Return lists in which each key is there once."""
    return st.lists(item, max_size=3, unique_by=lambda i: i[key])


JSON: st.SearchStrategy[Any] = st.recursive(
    st.integers(0, 3) | WORDS | st.booleans(),
    lambda inner: st.dictionaries(WORDS, inner, max_size=2) | st.lists(inner, max_size=2),
    max_leaves=4,
)
PARTS = keyed(
    "name",
    st.fixed_dictionaries(
        {"name": WORDS}, optional={"count": st.integers(0, 2), "on": st.booleans()}
    ),
)
SPEC: dict[str, st.SearchStrategy[Any]] = {
    "size": st.integers(1, 3),
    "colour": st.sampled_from(["red", "blue"]),
    "words": st.lists(WORDS, max_size=3),
    # Where items of a set stand that others applied is the real server's own affair.
    "flags": st.lists(WORDS, max_size=1),
    "whole": some(a=WORDS, b=WORDS),
    "nested": some(text=WORDS, depth=st.integers(0, 2)).filter(bool),
    "labels": st.dictionaries(WORDS, WORDS, min_size=1, max_size=2),
    "parts": PARTS,
    "limit": st.integers(0, 2) | WORDS,
    "maybe": nullable(WORDS),
    "open": st.dictionaries(WORDS, JSON, min_size=1, max_size=2),
}
METADATA = some(
    labels=st.dictionaries(WORDS, WORDS, max_size=2),
    annotations=st.dictionaries(WORDS, WORDS, max_size=2),
)


def applied(obj: RawObject, content: st.SearchStrategy[RawObject]) -> st.SearchStrategy[Step]:
    """Return applies of an object with some content."""
    head = {"apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    return st.builds(
        lambda meta, inner, manager, force: Step(
            "apply", {**head, "metadata": meta, **inner}, manager, force
        ),
        METADATA,
        content,
        MANAGERS,
        st.booleans(),
    )


WIDGETS = applied(widget(), some(spec=some(**SPEC).filter(bool)))


@examples
@given(st.lists(WIDGETS, min_size=2, max_size=5))
def test_applies_of_a_custom_resource(both: tuple[Api, Api], steps: list[Step]) -> None:
    same(both, "widgets", GROUP, steps)


MAPS = applied(
    config_map(),
    some(data=st.dictionaries(WORDS, WORDS, max_size=3), immutable=st.just(False)),  # noqa: FBT003
)
MAP_PATCHES = st.builds(
    Step,
    st.sampled_from(["merge", "strategic"]),
    some(
        data=nullable(st.dictionaries(WORDS, nullable(WORDS), max_size=3)),
        metadata=some(
            labels=nullable(st.dictionaries(WORDS, nullable(WORDS), max_size=2)),
            annotations=nullable(st.dictionaries(WORDS, nullable(WORDS), max_size=2)),
        ),
    ),
    MANAGERS,
    st.just(False),  # noqa: FBT003
    st.just(""),
)


@examples
@given(MAPS, st.lists(MAPS | MAP_PATCHES, min_size=1, max_size=6))
def test_all_writes_of_a_config_map(both: tuple[Api, Api], first: Step, steps: list[Step]) -> None:
    same(both, "configmaps", "", [first, *steps])
