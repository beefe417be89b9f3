"""Both legs as Jobs of a simulated cluster, with the real PyTorch in its pods."""

import json
import re
from pathlib import Path

import pytest

from tests.acceptance.conftest import cluster


@pytest.mark.timeout(300)  # the road, two cold starts of PyTorch, a minute of measuring
def test_the_cpus_leg_is_measured_and_the_gpus_says_why_not(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    with cluster("ocp-4.20", tmp_path, "--run-pods") as on:
        on.oc_gpu("enable", "--yes").ok()
        words = ("--where", "cluster", "--models", "copy", "--cpu", "2", "--cpu-on-gpu-node")
        more = ("--time-budget", "1m", "--html", str(page), "-o", "json")
        run = on.oc_gpu("bench", *words, *more, timeout=300).ok()
    found = json.loads(run.out)
    assert found["simulated"]
    (result,) = found["cpu"]["results"].values()
    assert result["status"] == "measured"
    assert min(result["compute"]) > 0
    assert found["cpu"]["machine"]["threads"] >= 1
    place = found["cpu"]["place"]
    assert place["node"] == found["gpu"]["place"]["node"] != ""
    assert place["cpuLimit"] == "2"
    assert place["locally"]
    assert found["gpu"]["reason"] == "PyTorch sees no NVIDIA GPU here"
    assert "this cluster is simulated" in run.err
    text = page.read_text()
    assert "a process of the machine that simulates it" in text
    assert re.search("limit of its pod: cpu 2", text)
