"""The data files and how they are read."""

from pathlib import Path

import msgspec
import pytest

import oc_gpu.facts
from oc_gpu.facts import openshift_releases
from oc_gpu.facts.loading import convert, read
from oc_gpu.facts.model import NfdRelease
from oc_gpu.facts.versions import minor, numbers, within

DATA = Path(oc_gpu.facts.__file__).parent / "data"


@pytest.mark.parametrize("file", sorted(DATA.iterdir()), ids=lambda file: file.name)
def test_no_version_was_read_as_a_number(file: Path) -> None:
    def floats(value: object) -> list[float]:
        if isinstance(value, dict):
            return [n for inner in value.values() for n in floats(inner)]
        if isinstance(value, list):
            return [n for inner in value for n in floats(inner)]
        return [value] if isinstance(value, float) else []

    assert floats(read(file.name)) == []


def test_a_field_that_nobody_knows_is_a_mistake() -> None:
    era = {**read("nfd.yaml")["eras"][0], "colour": "green"}
    with pytest.raises(msgspec.ValidationError, match="colour"):
        convert(era, NfdRelease)


def test_facts_are_read_once() -> None:
    assert openshift_releases() is openshift_releases()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4.20", (4, 20)), ("nfd.v4.4.0-202101090338.p0", (4, 4, 0)), ("v26.7.0", (26, 7, 0))],
)
def test_numbers_are_found_in_names(text: str, expected: tuple[int, ...]) -> None:
    assert numbers(text) == expected


def test_ranges_compare_minor_releases_by_number() -> None:
    assert within("4.9.30", ("4.8", "4.9"))
    assert within("4.10.1", ("4.9", "4.11"))
    assert not within("4.10.1", ("4.1", "4.9"))
    assert minor("4.10.1") > minor("4.9.30")
