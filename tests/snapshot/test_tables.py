"""Tables of the live view: whatever the order of messages, the latest state stays."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oc_gpu.snapshot.tables import Shard, is_older


def item(name: str, version: int | str, uid: str = "u") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid, "resourceVersion": str(version)}}


def versions(shard: Shard) -> dict[str, str]:
    return {i["metadata"]["name"]: i["metadata"]["resourceVersion"] for i in shard}


@pytest.mark.parametrize(("version", "than"), [("9", "10"), ("99", "100")])
def test_versions_compare_as_numbers(version: str, than: str) -> None:
    assert is_older(version, than)
    assert not is_older(than, version)
    assert not is_older(version, version)


def test_versions_that_are_no_numbers_have_no_order() -> None:
    assert not is_older("x", "9")
    assert not is_older("", "9")


def test_an_echo_of_our_own_write_changes_nothing() -> None:
    shard = Shard()
    assert shard.update(item("a", 5))
    assert not shard.update(item("a", 5))


def test_an_event_from_before_our_write_is_ignored() -> None:
    shard = Shard()
    shard.update(item("a", 5))
    assert not shard.update(item("a", 4))
    assert not shard.delete(item("a", 3))
    assert versions(shard) == {"a": "5"}


def test_a_list_from_before_our_write_does_not_hide_it() -> None:
    shard = Shard()
    shard.update(item("a", 5))
    shard.replace([item("b", 2)], "3")
    assert versions(shard) == {"b": "2", "a": "5"}


def test_a_list_forgets_what_is_gone() -> None:
    shard = Shard()
    shard.update(item("a", 5))
    assert shard.replace([], "6")
    assert len(shard) == 0


def test_a_list_of_the_same_changes_nothing() -> None:
    shard = Shard()
    shard.replace([item("a", 5)], "6")
    assert not shard.replace([item("a", 5)], "9")


def test_a_namesake_made_after_the_end_stays() -> None:
    shard = Shard()
    shard.update(item("a", 9, uid="second"))
    assert not shard.delete(item("a", 7, uid="first"))
    assert versions(shard) == {"a": "9"}


@given(st.permutations(range(1, 8)))
def test_whatever_the_order_the_latest_state_stays(order: list[int]) -> None:
    shard = Shard()
    for version in order:
        shard.update(item("a", version))
    assert versions(shard) == {"a": "7"}
