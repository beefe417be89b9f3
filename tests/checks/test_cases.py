"""The doctor on bundles that are built from public reports, and on healthy ones."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.doctor import diagnose
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.snapshot.bundle import open_bundle

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "cases"
CASES = Path(os.environ.get("OC_GPU_CASES", _BESIDE))
_PATIENCE = 600.0
"""Seconds in which the bundles are built, on a busy machine too."""
TOP, FAMILY = 0.9, 0.95
"""Shares of the bundles whose class, and whose family, is to be named first."""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (CASES / "make_bundles.py").is_file():
        pytest.skip("needs the cases: set OC_GPU_CASES to the folder with their make_bundles.py")
    out = tmp_path_factory.mktemp("bundles")
    for kind in ("dev", "healthy"):
        make = [
            sys.executable,
            "make_bundles.py",
            "--specs",
            f"specs/{kind}",
            "--out",
            str(out / kind),
        ]
        subprocess.run(make, cwd=CASES, check=True, capture_output=True, timeout=_PATIENCE)
    return out


def _found(path: Path) -> tuple[Finding, ...]:
    with open_bundle(path) as bundle:
        found = diagnose(Case(bundle.snapshot))
        assert not any("in check" in e.quote for one in found for e in one.evidence), path
        return found


def _is_sure(found: tuple[Finding, ...]) -> bool:
    return bool(found) and found[0].severity is Severity.ERROR and found[0].confidence >= SURE


def test_the_cause_of_most_reports_is_named_first(bundles: Path) -> None:
    key: dict[str, dict[str, Any]] = yaml.safe_load((CASES / "key_dev.yaml").read_text())
    classes = yaml.safe_load((CASES / "taxonomy.yaml").read_text())
    count: Counter[str] = Counter()
    for number, entry in key.items():
        found = _found(bundles / "dev" / number)
        right = {entry["class"], *entry["also"]}
        families = {classes[name]["family"] for name in right}
        count["class"] += bool(found) and found[0].cause in right
        count["family"] += bool(found) and found[0].family in families
        if entry["answerable"] == "abstain" and (not found or found[0].cause not in right):
            assert not _is_sure(found), number
    assert count["class"] >= TOP * len(key)
    assert count["family"] >= FAMILY * len(key)


def test_a_healthy_cluster_is_called_healthy(bundles: Path) -> None:
    for path in sorted((bundles / "healthy").iterdir()):
        errors = [one for one in _found(path) if one.severity is Severity.ERROR]
        assert errors == [], path.name
