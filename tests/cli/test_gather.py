# ruff: noqa: E501  (lines without a terminal are as long as they are)
"""`gather` and `doctor` on what it wrote: exit codes, both streams, the files."""

import json
import re
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from inline_snapshot import snapshot

from oc_gpu.sim import instances
from tests.cli.conftest import Cli, Ended
from tests.report.test_documents import FOLDER


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[instances.Instance]:
    """Return a cluster on which nothing is written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(instances.HOME_VARIABLE, str(tmp_path_factory.mktemp("sim")))
        with instances.temporary("ocp-4.20") as cluster:
            yield cluster


@pytest.fixture
def on(fresh: instances.Instance, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: cli(*arguments, "--kubeconfig", fresh.kubeconfig)


def _text(ended: Ended) -> str:
    return re.sub(r"\d+ objects, (\d+) logs, [\d.]+ MiB", r"N objects, \1 logs, N MiB", ended.out)


def test_a_folder_that_the_doctor_reads(on: Cli, cli: Cli, tmp_path: Path) -> None:
    ended = on("gather", "made")
    assert ended.code == 0
    assert _text(ended) == snapshot("""\
made: N objects, 0 logs, N MiB
hidden   Secrets are not read; keys, tokens and passwords elsewhere are replaced by (redacted)
next     oc-gpu doctor made
""")
    made = tmp_path / "made"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in made.rglob("*") if p.is_file()} == {0o600}
    assert (made / "cluster-scoped-resources/core/nodes/gpu-a100-0.yaml").is_file()
    assert (made / "cluster-scoped-resources/config.openshift.io/proxies.yaml").is_file()
    read = cli("doctor", "made")
    assert read.code == 0
    assert read.out == snapshot("""\
OpenShift 4.20.4 at made (simulated)

nothing of a GPU stack is installed here, and nothing else is wrong in what was read; oc-gpu check tells whether it can be installed
""")


def test_an_archive(on: Cli, cli: Cli, tmp_path: Path) -> None:
    ended = on("gather", "made.tar.gz", "-o", "json")
    schema = json.loads((FOLDER / "gathered.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(ended.out))
    with tarfile.open(tmp_path / "made.tar.gz") as archive:
        assert all(name.startswith("made/") for name in archive.getnames())
    assert cli("doctor", "made.tar.gz").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.tar.gz"]


def test_what_is_there_is_not_written_over(on: Cli, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine").touch()
    ended = on("gather", "made")
    assert ended.code == 2
    assert "made exists, and files of two gatherings would mix" in ended.err
    assert on("gather", "no/such/made").code == 2


def test_a_gathering_that_ends_early_leaves_nothing(
    on: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("oc_gpu.report.bundles._unpacked", full)
    ended = on("gather", "made")
    assert ended.code == 2
    assert "no space left" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_probing_nodes_shows_the_pods_and_wants_a_word(on: Cli) -> None:
    ended = on("check", "--probe-nodes")
    assert ended.code == 2
    assert "oc-gpu-probe-gpu-a100-0" in ended.err
    assert "privileged" in ended.err
    assert "--yes agrees beforehand" in ended.err


def test_probing_nodes_tells_of_the_machines(on: Cli) -> None:
    ended = on("check", "--probe-nodes", "--yes")
    assert ended.code == 0
    assert "ok       gpu-a100-0 has not loaded nouveau" in ended.out
    assert "ok       gpu-h100-0 boots without Secure Boot" in ended.out
