"""Mistakes of documents: found exactly where msgspec finds one, and told without its words."""

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from oc_gpu.kube.mistakes import explain, find_mistakes, listed


class Inner(Struct):
    """A part that takes fields it does not know."""

    name: str
    size: Annotated[float, Meta(ge=0.5, le=9.5)] | None = None


class Sample(Struct, forbid_unknown_fields=True):
    """A document with fields of each sort."""

    count: Annotated[int, Meta(ge=1, le=8)] = 1
    on: bool = False
    parts: Annotated[tuple[Inner, ...], Meta(min_length=1)] | None = None
    names: list[str] | None = None
    free: Any = None
    labels: dict[str, int] = {}

    def __post_init__(self) -> None:
        if self.count == len(self.labels):
            msg = "count and labels are as many"
            raise ValueError(msg)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 9) | st.floats(-1, 10) | st.just("a"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "size", "x"]), inner, max_size=2)
    ),
    max_leaves=6,
)
_FIELDS = st.sampled_from(["count", "on", "parts", "names", "free", "labels", "colour"])


_TWO = "2 mistakes: on: must be true or false, not a number; colour: is not a known field"


def _refusal(value: Any) -> msgspec.ValidationError | None:
    try:
        msgspec.convert(value, Sample)
    except msgspec.ValidationError as error:
        return error
    return None


@given(value=st.dictionaries(_FIELDS, _VALUES, max_size=3))
def test_mistakes_are_found_exactly_where_the_value_does_not_convert(value: Any) -> None:
    found = find_mistakes(value, Sample)
    refused = _refusal(value)
    if refused is None or "as many" in str(refused):
        assert not found
    else:
        assert found


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("text", "must be a mapping, not text"),
        ({"count": 0}, "count: must be at least 1"),
        ({"count": 1.5}, "count: must be a whole number"),
        ({"count": True}, "count: must be a number, not true or false"),
        ({"on": "yes"}, "on: must be true or false, not text"),
        ({"parts": []}, "parts: has too few entries: at least 1"),
        ({"parts": "a"}, "parts: must be a list, not text"),
        ({"parts": [{"name": "a", "size": 99}]}, "parts[0].size: must be at most 9.5"),
        ({"on": 1, "colour": 2}, _TWO),
        ({"names": [["a"]]}, "names[0]: must be text, not a list"),
        ({"names": 5}, "names: must be a list or empty, not a number"),
        ({"count": 1, "labels": {"a": 1}}, "count and labels are as many"),
        ({"coumt": 1}, "coumt: is not a known field; did you mean count?"),
    ],
)
def test_each_mistake_is_told_in_words_of_the_document(value: Any, told: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, Sample)
    assert listed(explain(value, Sample, caught.value)) == told
