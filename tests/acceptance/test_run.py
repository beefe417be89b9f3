"""`oc-gpu run` as installed: a script, files in and out, its exit code, every bad input."""

import json
import signal
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from oc_gpu.kube import Client
from oc_gpu.kube.resources import CONFIGMAPS, JOBS, PODS
from tests.acceptance.conftest import Cluster, Run, cluster

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("run")]
SCRIPT = """\
import os, pathlib, sys
print("arguments", *sys.argv[1:])
print("gpu", os.environ["CUDA_VISIBLE_DEVICES"])
out = pathlib.Path(os.environ.get("OC_GPU_OUTPUT", "."))
if pathlib.Path("data/numbers.txt").exists():
    total = sum(map(int, pathlib.Path("data/numbers.txt").read_text().split()))
    (out / "models").mkdir()
    (out / "models" / "sum.txt").write_text(str(total))
    (out / "bytes.bin").write_bytes(bytes(range(256)) * 4000)
    (out / "link").symlink_to("/etc/passwd")
print("complaint", file=sys.stderr)
sys.exit(int(os.environ.get("CODE", "0")))
"""
MISSING = "quay.io/nobody/nothing:1"
FOREVER = "echo started; sleep 1000\n"


@pytest.fixture(scope="module")
def gpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a cluster whose GPUs are in service and whose pods run as processes."""
    home = tmp_path_factory.mktemp("run")
    text = resources.files("oc_gpu.sim").joinpath("scenarios/ocp-4.20.yaml").read_text()
    text += f"images:\n  - {{reference: '{MISSING}', missing: true}}\n"
    path = home / "scenario.yaml"
    path.write_text(text)
    with cluster(str(path), home, "--run-pods") as started:
        started.oc_gpu("enable", "--yes", "--taint", "nodetype=gpu:NoSchedule").ok()
        yield started


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def left(on: Cluster) -> list[str]:
    """Return what runs left in the cluster."""

    async def look(client: Client) -> list[str]:
        return [
            f"{kind.kind}/{item['metadata']['name']}"
            for kind in (JOBS, PODS, CONFIGMAPS)
            for item in (await client.list(kind, label_selector="oc-gpu.io/stage=run")).items
            if "deletionTimestamp" not in item["metadata"]
        ]

    return list(on.ask(look))


def test_a_script_prints_and_its_exit_code_is_ours(gpus: Cluster, script: Path) -> None:
    run = gpus.oc_gpu("run", str(script), "--env", "CODE=7", "--", "-x", "two words").ok(7)
    assert run.out == "arguments -x two words\ngpu 0\ncomplaint\n"
    assert "train.py runs on gpu-" in run.err
    assert "train.py ended with exit code 7 on gpu-" in run.err
    assert "  | complaint\n" in run.err
    assert "runs the program as a process of its machine" in run.err
    assert left(gpus) == []


def test_files_go_in_and_come_back(gpus: Cluster, script: Path, tmp_path: Path) -> None:
    sent, back = tmp_path / "sent", tmp_path / "back"
    (sent / "data").mkdir(parents=True)
    (sent / "data" / "numbers.txt").write_text("1\n2\n39\n")
    words = ("--mount", str(sent), "--output", str(back), "-o", "json", "--env", "CODE=3")
    found: dict[str, Any] = json.loads(gpus.oc_gpu("run", str(script), *words).ok(3).out)
    assert (back / "models" / "sum.txt").read_text() == "42"
    assert (back / "bytes.bin").read_bytes() == bytes(range(256)) * 4000
    assert not (back / "link").exists()
    assert found["files"] == ["bytes.bin", "models/sum.txt"]
    assert found["leftOut"] == ["link is a link or a device"]
    assert found["exitCode"] == 3
    assert found["locally"] is found["simulated"] is True
    assert found["lastLines"] == ["arguments", "gpu 0", "complaint"]
    assert found["resources"] == {"nvidia.com/gpu": "1"}
    assert left(gpus) == []


def test_a_run_that_is_interrupted_leaves_nothing(gpus: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "forever.sh"
    path.write_text(FOREVER)
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 130)):
        process = gpus.start("run", str(path))
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        assert process.returncode == code
        assert "was removed" in said
        assert left(gpus) == []


def test_a_run_that_is_left_running_says_how_to_follow_it(gpus: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "forever.sh"
    path.write_text(FOREVER)
    run = gpus.oc_gpu("run", str(path), "--detach", "-o", "json").ok()
    name = json.loads(run.out)["job"]
    assert f"oc logs -f -n default job/{name} -c main" in run.err
    assert f"oc delete job -n default {name}" in run.err

    async def remove(client: Client) -> None:
        await client.delete(JOBS, name, "default")

    gpus.ask(remove)


def test_without_a_free_gpu_it_says_who_holds_them(gpus: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "forever.sh"
    path.write_text(FOREVER)
    where = ("--node-selector", "kubernetes.io/hostname=gpu-h100-0")
    holder = json.loads(gpus.oc_gpu("run", str(path), *where, "--detach", "-o", "json").out)["job"]
    try:
        run = gpus.oc_gpu("run", str(path), *where, "--timeout", "8s").ok(4)
        assert f"those of gpu-h100-0 (1) are held by default/{holder}-" in run.err
        assert "has not started after 8 s: no nvidia.com/gpu is free" in run.err
    finally:

        async def remove(client: Client) -> None:
            await client.delete(JOBS, holder, "default")

        gpus.ask(remove)


def test_an_image_that_cannot_be_pulled_is_told_with_its_event(gpus: Cluster) -> None:
    run = gpus.oc_gpu("run", MISSING, "--", "true").ok(1)
    assert f"the image {MISSING} cannot be pulled on gpu-" in run.err
    assert "manifest unknown" in run.err
    assert left(gpus) == []


def sentence(run: Run, code: int) -> str:
    """Insist on one error with a hint, and return it."""
    run.ok(code)
    errors = [line for line in run.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, run.err
    assert "\nhint: " in run.err
    return errors[0]


def test_bad_input_is_told_before_anything_is_written(
    gpus: Cluster, script: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no interpreter\n")
    large = tmp_path / "large.py"
    large.write_bytes(b"#" * 1_000_000)
    name = str(script)
    before = gpus.simulation()["writes"]["external"]
    for words, code, says in (
        (("nowhere.py",), 2, "the script nowhere.py cannot be read"),
        (("Not an image",), 2, "neither a file here nor an image"),
        ((str(plain),), 2, "what runs"),
        ((str(large),), 2, "has 1000000 bytes"),
        ((name, "--output", "/proc/there"), 2, "cannot be written to"),
        ((name, "--output", name), 2, "cannot be written to"),
        ((name, "--mount", str(tmp_path / "none")), 2, "does not exist"),
        ((name, "--mount", name), 2, "is a file"),
        ((name, "--gpus", "many"), 2, "neither a number nor"),
        ((name, "--gpus", "3"), 2, "the largest node has 2"),
        ((name, "--gpus", "mig-1g.5gb"), 1, "no node offers nvidia.com/mig-1g.5gb"),
        ((name, "--node-selector", "a=b"), 2, "no node that matches a=b"),
        ((name, "--node-selector", "worker-0"), 2, "needs KEY=VALUE"),
        ((name, "--env", "1=2"), 2, "no name of a variable"),
        ((name, "--env", "NOT_SET_HERE"), 2, "not set here"),
        ((name, "--memory", "much"), 2, "--memory much is no amount"),
        ((name, "--queue", "fast"), 2, "no Kueue"),
        ((name, "-n", "nowhere"), 2, "no namespace nowhere"),
        ((name, "--detach", "--output", str(tmp_path)), 2, "nobody is there"),
        (("quay.io/a/b:1", "--image", "quay.io/c/d:1"), 2, "two images"),
        (("quay.io/a/b:1", "--output", str(tmp_path)), 2, "has to know the command"),
    ):
        assert says in sentence(gpus.oc_gpu("run", *words), code)
    assert gpus.simulation()["writes"]["external"] == before


def test_bench_in_a_namespace_that_is_not_there_makes_nothing(gpus: Cluster) -> None:
    before = gpus.simulation()["writes"]["external"]
    run = gpus.oc_gpu("bench", "--where", "cluster", "-n", "nowhere", "--models", "copy")
    assert "no namespace nowhere" in sentence(run, 2)
    assert gpus.simulation()["writes"]["external"] == before


def test_without_gpus_the_doctor_says_why(ocp: Cluster, script: Path) -> None:
    error = sentence(ocp.oc_gpu("run", str(script)), 1)
    assert "no node offers nvidia.com/gpu" in error
