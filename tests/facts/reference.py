"""The collected reference that the facts were taken from, where a checkout has it beside itself."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from oc_gpu.kube.yamlfile import parse

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "reference"


def folder() -> Path:
    """Return its folder; skip the test where there is none."""
    found = Path(os.environ.get("OC_GPU_REFERENCE", _BESIDE))
    if not (found / "facts.yaml").is_file():
        pytest.skip("needs the reference: set OC_GPU_REFERENCE to the folder with its facts.yaml")
    return found


@cache
def read(name: str) -> Any:
    """Return a YAML file of it."""
    return parse((folder() / name).read_bytes())
