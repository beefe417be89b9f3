"""The workloads with the real PyTorch, on the CPU, in tiny sizes."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from oc_gpu.bench import arithmetic
from oc_gpu.bench.local import COMMAND
from oc_gpu.bench.packing import ARCHIVE, archive
from oc_gpu.bench.workloads.points import work
from oc_gpu.bench.workloads.walk import Bench

SHAPES: dict[str, dict[str, Any]] = {
    "mlp": {"width": 32, "layers": 3, "classes": 10},
    "resnet50": {"side": 64, "classes": 10, "width": 8, "blocks": [1, 2, 1, 1]},
    "transformer": {"width": 32, "heads": 2, "layers": 2, "words": 50, "length": 8},
}
NETWORKS = [(name, mode) for name in SHAPES for mode in ("train", "infer")]


def _point(workload: str, mode: str = "", dtype: str = "fp32", **more: Any) -> dict[str, Any]:
    shape = SHAPES.get(workload, {"n": 64, "mib": 1})
    return {
        "id": f"{workload}/{mode}/{dtype}",
        "workload": workload,
        "mode": mode,
        "batch": 2,
        "dtype": dtype,
        "shape": shape,
        "flops": 0,
        **more,
    }


def _run(*points: dict[str, Any], **plan: Any) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    whole = {
        "seed": 0,
        "steps": 3,
        "precision": 0.5,
        "energy": True,
        "budget": 300.0,
        "points": points,
        **plan,
    }
    Bench(whole, "cpu", told.append).run()
    return told


def _results(*points: dict[str, Any], **plan: Any) -> list[dict[str, Any]]:
    return [record for record in _run(*points, **plan) if record["record"] == "point"]


def test_every_record_comes_in_its_order_and_the_machine_is_described() -> None:
    told = _run(_point("matmul"), _point("copy"))
    kinds = [record["record"] for record in told]
    assert kinds == ["plan", "machine", "start", "point", "start", "point", "end"]
    assert told[1]["torch"] == torch.__version__
    assert told[1]["threads"] >= 1


@pytest.mark.parametrize(("workload", "mode"), NETWORKS)
def test_a_network_is_measured_and_gives_the_same_twice(workload: str, mode: str) -> None:
    first, second = _results(_point(workload, mode), _point(workload, mode))
    assert first["status"] == "measured"
    assert len(first["compute"]) >= 6
    assert min(first["compute"]) > 0
    assert first["outputs"] == pytest.approx(second["outputs"], rel=1e-3, abs=1e-5)
    assert first.get("losses", []) == pytest.approx(second.get("losses", []), rel=1e-5)


@pytest.mark.parametrize(("workload", "mode"), NETWORKS)
def test_another_seed_gives_other_outputs(workload: str, mode: str) -> None:
    (first,) = _results(_point(workload, mode))
    (second,) = _results(_point(workload, mode), seed=1)
    assert first["outputs"] != pytest.approx(second["outputs"], rel=0.1, abs=0.01)


@pytest.mark.parametrize("workload", SHAPES)
def test_training_makes_the_loss_smaller(workload: str) -> None:
    (found,) = _results(_point(workload, "train"))
    assert len(found["losses"]) == 3
    assert found["losses"][0] > found["losses"][-1]


@pytest.mark.parametrize(("workload", "mode"), NETWORKS)
def test_bf16_computes_about_the_same_as_fp32(workload: str, mode: str) -> None:
    exact, rounded = _results(_point(workload, mode), _point(workload, mode, "bf16"))
    distance = math.dist(exact["outputs"], rounded["outputs"]) / math.hypot(*exact["outputs"])
    assert 1e-6 < distance < 0.1


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("workload", SHAPES)
def test_operations_are_those_that_pytorch_counts(workload: str, mode: str) -> None:
    made = work(_point(workload, mode), "cpu", 0)
    with FlopCounterMode(display=False) as counter:
        made.step()
    ours, _ = arithmetic.counted(workload, mode, 2, "fp32", SHAPES[workload])
    assert counter.get_total_flops() == ours + _counted_otherwise(workload, mode)


def _counted_otherwise(workload: str, mode: str) -> int:
    """Return what PyTorch counts beyond the papers' three passes."""
    if mode == "infer":
        return 0
    if workload == "transformer":  # attention computes its scores again on the way back
        shape = SHAPES[workload]
        return int(2 * 2 * shape["length"] ** 2 * shape["width"] * shape["layers"])
    # Nobody needs the gradient of the network's inputs, so that it is not computed.
    first = next(iter(arithmetic.LAYERS[workload](SHAPES[workload])))
    return -2 * 2 * first.products


@pytest.mark.parametrize(("dtype", "limit"), [("fp32", 1e-5), ("bf16", 5e-3), ("fp16", 1e-3)])
def test_a_matrix_product_is_held_against_double_precision(dtype: str, limit: float) -> None:
    (found,) = _results(_point("matmul", dtype=dtype))
    assert 0 < found["error"] < limit


def test_tf32_is_not_measured_on_a_cpu() -> None:
    (found,) = _results(_point("matmul", dtype="tf32"))
    assert found["status"] == "not measured"
    assert "tensor cores" in found["reason"]


def test_a_copy_is_checked_and_needs_a_gpu_when_it_goes_to_one() -> None:
    here, there = _results(_point("copy"), _point("h2d", "pinned"))
    assert here["error"] == 0.0
    assert there["status"] == "not measured"


def test_a_batch_that_does_not_fit_is_told_and_the_next_point_is_measured() -> None:
    huge = _point("matmul", shape={"n": 10_000_000})
    first, second = _results(huge, _point("matmul"))
    assert first["status"] == "out of memory"
    assert second["status"] == "measured"


def test_a_broken_point_is_told_and_the_next_one_is_measured() -> None:
    first, second = _results(_point("matmul", shape={"n": -1}), _point("matmul"))
    assert first["status"] == "failed"
    assert first["reason"]
    assert second["status"] == "measured"


def test_a_spent_budget_leaves_points_unmeasured_with_the_reason() -> None:
    (found,) = _results(_point("matmul"), budget=0.0)
    assert found["status"] == "not measured"
    assert "budget" in found["reason"]


def test_the_file_runs_alone(tmp_path: Path) -> None:
    alone = tmp_path / ARCHIVE
    alone.write_bytes(archive())
    plan, out = tmp_path / "plan.json", tmp_path / "result.jsonl"
    plan.write_text(json.dumps({"budget": 300, "precision": 0.5, "points": [_point("matmul")]}))
    command = [sys.executable, "-I", str(alone), "--plan", str(plan), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [record["record"] for record in records] == ["plan", "machine", "start", "point", "end"]
    assert records[3]["status"] == "measured"
    assert done.stdout == done.stderr == ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_the_gpu_leg_is_refused(tmp_path: Path) -> None:
    command = [*COMMAND, "--device", "cuda", "--point", "{}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["record"] == "refused"
    assert "no NVIDIA GPU" in record["reason"]
