"""docs/checks.md explains every code, and no other."""

import re
from pathlib import Path
from typing import Any

import pytest

from oc_gpu.checks import preflight, verify
from oc_gpu.checks.catalogue import LAYERS, Check

PAGE = Path(__file__).parents[2] / "docs" / "checks.md"
CHECKS: tuple[Check[Any], ...] = (*preflight.CHECKS, *verify.CHECKS)
EVERY = [(check.code, check.name, check.layer, check.title) for check in CHECKS]


@pytest.mark.parametrize(("code", "name", "layer", "title"), EVERY)
def test_a_code_has_its_anchor_with_name_layer_and_sentence(
    code: str, name: str, layer: str, title: str
) -> None:
    sections = re.split(r"^### ", PAGE.read_text(), flags=re.MULTILINE)
    section = next(text for text in sections if text.startswith(f"{code}\n"))
    head = section.split("\n\n")[1]
    assert head.startswith(f"**{name}**, layer {layer}")
    assert head.endswith(f": {title}.")


def test_no_anchor_is_left_over() -> None:
    anchors = re.findall(r"^### (\S+)$", PAGE.read_text(), flags=re.MULTILINE)
    assert sorted(anchors) == sorted(code for code, *_ in EVERY)


def test_the_layers_stand_there_with_their_numbers() -> None:
    text = PAGE.read_text()
    assert all(f"`{number:02}` {layer}" in text for number, layer in enumerate(LAYERS, 1))
