"""`oc-gpu bench` on this machine: what it needs, what it refuses, what it leaves."""

import json
import sys
from pathlib import Path

import jsonschema
import pytest

from oc_gpu.bench import local
from oc_gpu.report import output
from tests.cli.conftest import Cli
from tests.report.test_bench import BENCH
from tests.report.test_documents import FOLDER

PLAYED = """
import json, sys
plan = json.loads(sys.stdin.read())
device = sys.argv[sys.argv.index("--device") + 1]
print(json.dumps({"record": "plan", "date": "2026-11-24", "device": device, "plan": plan}))
if device == "cuda":
    print(json.dumps({"record": "refused", "reason": "PyTorch sees no NVIDIA GPU here"}))
    sys.exit()
print(json.dumps({"record": "machine", "cpu": "Example", "threads": 2, "cores": 2, "affinity": 2}))
for point in plan["points"]:
    print(json.dumps({"record": "start", "id": point["id"]}))
    found = {"status": "measured", "compute": [0.5] * 10, "outputs": [1.0]}
    if point["batch"] == 4096:
        found = {"status": "out of memory", "reason": "cannot allocate memory"}
    print(json.dumps({"record": "point", "id": point["id"], **found}))
print(json.dumps({"record": "end"}))
"""


@pytest.fixture
def _played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "played.py"
    script.write_text(PLAYED)
    monkeypatch.setattr(local, "require_torch", lambda: None)
    monkeypatch.setattr(local, "COMMAND", (sys.executable, str(script)))


@pytest.mark.usefixtures("_played")
def test_both_legs_run_here_and_the_document_and_the_page_hold_them(
    cli: Cli, tmp_path: Path
) -> None:
    html = tmp_path / "page.html"
    ended = cli("bench", "--models", "mlp", "--batch", "1,4096", "-o", "json", "--html", str(html))
    assert ended.code == 0
    found = json.loads(ended.out)
    jsonschema.Draft202012Validator(json.loads((FOLDER / "bench.json").read_text())).validate(found)
    statuses = {name: result["status"] for name, result in found["cpu"]["results"].items()}
    assert statuses["mlp/train/medium/b1/fp32"] == "measured"
    assert statuses["mlp/train/medium/b4096/fp32"] == "out of memory"
    assert found["gpu"]["reason"] == "PyTorch sees no NVIDIA GPU here"
    assert "cpu 4/4" in ended.err
    assert "CPU against GPU" in html.read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--models", "gpt9"], "there is no model gpt9"),
        (["--batch", "1,-3"], "is not a list of batch sizes"),
        (["--batch", "0"], "is not a list of batch sizes"),
        (["--price-cpu", "1"], "one price alone tells nothing"),
        (["--suite", "huge"], "'huge' is not one of 'quick', 'full'"),
        (["--html", "missing/page.html"], "there is no folder missing"),
        (["--html", "/proc/page.html"], "cannot write /proc/page.html"),
        (["--html", "/"], "is a directory"),
        (["--where", "moon"], "'moon' is not"),
        (["--image", "quay.io/a/b:1"], "--image is for legs in a cluster"),
        (["--timeout", "5m"], "--timeout is for legs in a cluster"),
        (["--cpu-on-gpu-node"], "--cpu-on-gpu-node is for legs in a cluster"),
        (["--where", "cluster", "--image", "No Image"], "neither a file here nor an image"),
        (["--where", "cluster", "--gpus", "all"], "neither a number nor"),
        (["--where", "cluster", "--memory", "lots"], "--memory lots is no amount"),
        (["--where", "cluster", "--html", "/proc/page.html"], "cannot write /proc/page.html"),
    ],
)
@pytest.mark.usefixtures("_played")
def test_bad_input_is_one_sentence_before_anything_runs(
    cli: Cli, arguments: list[str], says: str
) -> None:
    ended = cli("bench", *arguments)
    assert ended.code == 2
    assert says in ended.err
    assert "cpu 1/" not in ended.err


def test_without_pytorch_bench_says_what_to_install(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "find_spec", lambda _: None)
    ended = cli("bench")
    assert ended.code == 2
    assert "error: bench computes with PyTorch" in ended.err
    assert "pip install 'oc-gpu[bench]'" in ended.err


def test_a_kit_holds_what_a_machine_without_us_needs(cli: Cli, tmp_path: Path) -> None:
    ended = cli("bench", "kit", str(tmp_path / "kit"), "--models", "mlp", "--time-budget", "1m")
    assert ended.code == 0
    assert {file.name for file in (tmp_path / "kit").iterdir()} == {
        "workloads.pyz",
        "cpu.json",
        "cuda.json",
    }
    assert "python3 workloads.pyz --device cuda --plan cuda.json --out cuda.jsonl" in ended.err


def test_a_kit_is_not_written_over_a_file(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "kit"
    file.write_text("")
    ended = cli("bench", "kit", str(file))
    assert ended.code == 2
    assert "cannot write to" in ended.err


def test_a_run_is_shown_again_and_priced(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(output.encode(BENCH, "json"))
    ended = cli("bench", "show", str(file), "--price-cpu", "2", "--price-gpu", "8", "-o", "json")
    assert ended.code == 0
    assert json.loads(ended.out)["prices"] == {"cpu": 2.0, "gpu": 8.0}


def test_the_measured_run_of_the_docs_still_gives_its_page_and_plots(
    cli: Cli, tmp_path: Path
) -> None:
    docs = Path(__file__).parents[2] / "docs" / "benchmarks"
    (run,) = docs.glob("*-driver-*.json")
    made, page = tmp_path / "plots", tmp_path / "page.html"
    assert cli("bench", "show", str(run), "--plots", str(made), "--html", str(page)).code == 0
    assert page.read_text() == run.with_suffix(".html").read_text()
    committed = docs / "2026-11-24-h100-plots"
    drawn = {path.name: path.read_text() for path in made.iterdir()}
    assert drawn == {path.name: path.read_text() for path in committed.iterdir()}
    assert all(picture.startswith('<svg xmlns="') for picture in drawn.values())
    refused = cli("bench", "show", str(run), "--plots", str(page))
    assert refused.code == 2
    assert "is a file" in refused.err


@pytest.mark.parametrize("command", [["show", "no.json"], ["compare", "no.json", "no.json"]])
def test_a_file_that_is_not_there_is_one_sentence(cli: Cli, command: list[str]) -> None:
    ended = cli("bench", *command)
    assert ended.code == 2
    assert "error: cannot read no.json: no such file or directory" in ended.err


def test_two_documents_are_not_one_run(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(output.encode(BENCH, "json"))
    ended = cli("bench", "show", str(file), str(file))
    assert ended.code == 2
    assert "several files make one run only when" in ended.err


def test_a_run_is_no_different_from_itself(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(output.encode(BENCH, "json"))
    ended = cli("bench", "compare", str(file), str(file), "-o", "json")
    assert ended.code == 0
    found = json.loads(ended.out)
    schema = json.loads((FOLDER / "benchcomparison.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(found)
    assert {one["change"] for one in found["differences"]} == {"no difference"}
