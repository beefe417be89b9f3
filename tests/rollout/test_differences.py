"""What differs between two states of an object, as a plan shows it."""

import json
from typing import Any

import pytest

from oc_gpu.kube.resources import CONFIGMAPS
from oc_gpu.manifests.licence import TOKEN
from oc_gpu.rollout.differences import NOT_SHOWN, Difference, differences
from oc_gpu.stages import record
from oc_gpu.stages.record import Record


def found(before: Any, after: Any) -> list[Difference]:
    return list(differences(CONFIGMAPS, before, after))


def test_a_record_is_told_by_what_changes_in_it() -> None:
    many = tuple(f"things{number}.nvidia.com" for number in range(50))
    before = record.action(Record(crds=many, taint="nvidia.com/gpu=true:NoSchedule")).manifest
    after = record.action(Record(crds=many)).manifest
    (told,) = found(before, after)
    assert told.path == "data.record.json.taint"
    assert (told.before, told.after or "") == ("nvidia.com/gpu=true:NoSchedule", "")


@pytest.mark.parametrize(
    ("before", "after"),
    [('{"a": 1}', "{"), ('{"a": 1}', '{"a":1}'), ("[1]", "[2]"), ("text", '{"a": 1}')],
)
def test_a_text_that_changes_otherwise_is_told_whole(before: str, after: str) -> None:
    told = found({"data": {"a.json": before}}, {"data": {"a.json": after}})
    assert told == [Difference("data.a.json", before, after)]


def test_what_is_not_shown_is_not_shown_within_documents_either() -> None:
    sides = [{"data": {TOKEN: {"a.json": json.dumps({"key": key})}}} for key in ("one", "two")]
    assert found(*sides) == [Difference(f"data.{TOKEN}.a.json.key", NOT_SHOWN, NOT_SHOWN)]
