"""`config init`, `schema`, `validate`, and how options go over the document."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from oc_gpu.cli import wanted
from oc_gpu.cli.settings import Settings
from oc_gpu.kube.errors import UsageError
from tests.cli.conftest import Cli


def test_document_that_init_writes_is_valid(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "gpu.yaml"
    assert cli("config", "init", str(path)).code == 0
    assert cli("config", "validate", str(path)).out == f"{path} is valid\n"
    schema = json.loads(cli("config", "schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)


def test_init_keeps_a_file_that_exists_unless_forced(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "gpu.yaml"
    path.write_text("mine")
    ended = cli("config", "init", str(path))
    assert (ended.code, path.read_text()) == (2, "mine")
    assert "hint: --force writes over it" in ended.err
    assert cli("config", "init", str(path), "--force").code == 0
    assert "GpuPlatform" in path.read_text()


def test_init_writes_to_stdout_when_no_file_is_given(cli: Cli) -> None:
    assert yaml.safe_load(cli("config", "init").out)["kind"] == "GpuPlatform"


def test_every_mistake_is_named_with_what_was_meant(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "gpu.yaml"
    path.write_text("spec: {gpuOperatr: {}, isolation: {taint: 7}}")
    ended = cli("config", "validate", str(path))
    assert ended.code == 2
    assert "spec.gpuOperatr: is not a known field; did you mean gpuOperator?" in ended.err
    assert "spec.isolation.taint" in ended.err
    assert ended.err.count("error: ") == 1


def test_file_of_two_documents_is_told_apart_from_what_is_no_yaml(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "gpu.yaml"
    path.write_text("spec: {}\n---\nspec: {}\n")
    ended = cli("config", "validate", str(path))
    assert ended.code == 2
    assert "holds more than one document (the next one begins at line 2, column 1)" in ended.err
    assert "not YAML" not in ended.err
    path.write_text("spec: {")
    assert "is not YAML: line" in cli("config", "validate", str(path)).err


def test_options_go_over_the_document(tmp_path: Path) -> None:
    path = tmp_path / "gpu.yaml"
    path.write_text(
        "spec: {nfd: {channel: x}, entitlement: {file: a.zip}, isolation: {taint: a=b:NoSchedule}}"
    )
    settings = Settings(config=str(path), taint="nodetype=gpu:NoSchedule", entitlement="b.zip")
    spec = wanted.platform(settings).spec
    assert spec.isolation.taint == "nodetype=gpu:NoSchedule"
    assert spec.entitlement.file == "b.zip"
    assert spec.nfd.channel == "x"


def test_file_of_the_document_is_looked_for_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "gpu.yaml"
    path.write_text("spec: {entitlement: {file: a.zip}}")
    spec = wanted.platform(Settings(config=str(path))).spec
    assert spec.entitlement.file == str(tmp_path / "a.zip")


def test_taint_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError):
        wanted.platform(Settings(taint="nodetype"))
