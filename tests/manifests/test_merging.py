"""Merging and trimming of custom resources."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from oc_gpu.manifests.merging import at, merge, put, without

_SCALAR = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
_KEYS = st.sampled_from("abcd")


def _trees(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
        max_leaves=15,
    )


_OBJECTS = st.dictionaries(_KEYS, _trees(_SCALAR), max_size=4)
_WITHOUT_NULLS = st.dictionaries(_KEYS, _trees(st.booleans() | st.integers()), max_size=4)
_PATHS = st.lists(_KEYS, min_size=1, max_size=4).map(tuple)


def test_the_examples_of_the_standard_come_out_as_it_says() -> None:
    assert merge({"a": "b", "c": {"d": "e", "f": "g"}}, {"a": "z", "c": {"f": None}}) == {
        "a": "z",
        "c": {"d": "e"},
    }
    assert merge({"a": ["b"]}, {"a": "c"}) == {"a": "c"}
    assert merge({"a": "foo"}, None) is None
    assert merge({}, {"a": {"bb": {"ccc": None}}}) == {"a": {"bb": {}}}


@given(base=_OBJECTS, over=_OBJECTS)
def test_merging_twice_is_merging_once(base: Any, over: Any) -> None:
    once = merge(base, over)
    assert merge(once, over) == once


@given(base=_OBJECTS, over=_OBJECTS)
def test_merging_changes_neither_side(base: Any, over: Any) -> None:
    before = deepcopy((base, over))
    merge(base, over)
    assert (base, over) == before


@given(base=_OBJECTS)
def test_merging_nothing_leaves_everything(base: Any) -> None:
    assert merge(base, {}) == base


@given(base=_WITHOUT_NULLS, over=_WITHOUT_NULLS)
def test_everything_laid_over_is_there_and_the_rest_as_before(base: Any, over: Any) -> None:
    merged = merge(base, over)
    assert set(merged) == set(base) | set(over)
    for key in base.keys() - over.keys():
        assert merged[key] == base[key]
    for key, value in over.items():
        if not isinstance(value, dict):
            assert merged[key] == value


@given(base=_OBJECTS, path=_PATHS, value=_SCALAR)
def test_what_is_put_is_found_and_what_is_taken_is_gone(base: Any, path: Any, value: Any) -> None:
    before = deepcopy(base)
    placed = put(base, path, value)
    assert at(placed, path) == value
    assert at(without(placed, path), path) is None
    assert base == before


@given(base=_OBJECTS, path=_PATHS)
def test_taking_away_what_is_not_there_changes_nothing(base: Any, path: Any) -> None:
    parent = at(base, path[:-1])
    if not isinstance(parent, dict) or path[-1] not in parent:
        assert without(base, path) == base
