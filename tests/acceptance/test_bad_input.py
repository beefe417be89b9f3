"""A user's mistake gives one clear sentence and what to do; nothing is written."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests import portal as made
from tests.acceptance.conftest import Cluster, Run


def _one_sentence(run: Run, *codes: int) -> None:
    assert run.code in codes, f"exit {run.code}\n{run.out}\n{run.err}"
    assert "Traceback" not in run.err
    errors = [line for line in run.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, run.err
    assert any(line.startswith("hint: ") for line in run.err.splitlines()), run.err


def _bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export/entitlement_certificates/1.pem", b"\0" * 300_000_000)
    return buffer.getvalue()


def _expired() -> bytes:
    private = made.key()
    return made.certificate(private, start=-1155, end=-790) + made.key_pem(private)


PORTAL_FILES: dict[str, Callable[[], bytes]] = {
    "no PEM at all": lambda: b"this is not a certificate\n",
    "PEM of something else": lambda: b"-----BEGIN FOO-----\nAAAA\n-----END FOO-----\n",
    "PEM without key": lambda: made.certificate(made.key()),
    "key of another certificate": lambda: made.certificate(made.key()) + made.key_pem(made.key()),
    "expired": _expired,
    "zip bomb": _bomb,
    "zip without a certificate": lambda: made.zipped({"readme.txt": b"hello"}),
}


@pytest.mark.parametrize("kind", PORTAL_FILES)
@pytest.mark.parametrize("command", ["check", "plan", "enable"])
def test_bad_portal_file(kind: str, command: str, seed_shared: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "portal"
    path.write_bytes(PORTAL_FILES[kind]())
    before = seed_shared.simulation()["writes"]["external"]
    yes = ("--yes",) if command == "enable" else ()
    run = seed_shared.oc_gpu(command, *yes, "--entitlement", str(path))
    _one_sentence(run, 2)
    assert seed_shared.simulation()["writes"]["external"] == before


def test_missing_portal_file(seed_shared: Cluster) -> None:
    _one_sentence(seed_shared.oc_gpu("check", "--entitlement", "nowhere.zip"), 2)


@pytest.mark.parametrize(
    "text",
    ["{", "apiVersion: v1\nkind: Config\nclusters: 7\n", "", "\0\1"],
    ids=["broken", "ill-typed", "empty", "binary"],
)
def test_unreadable_kubeconfig(text: str, seed_shared: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    _one_sentence(seed_shared.oc_gpu("status", "--kubeconfig", str(path)), 2, 3)


def test_unknown_context(seed_shared: Cluster) -> None:
    run = seed_shared.oc_gpu("check", "--context", "nowhere")
    _one_sentence(run, 2)
    assert "nowhere" in run.err


@pytest.mark.parametrize(
    "text",
    [
        "spec: {gpuOperatr: {}}",
        "spec: {isolation: {taint: 7}}",
        "spec: {isolation: {taint: no-effect}}",
        "kind: Other",
        "[1, 2]",
        "spec: {entitlement: {file: [",
    ],
)
def test_bad_configuration(text: str, seed_shared: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "platform.yaml"
    path.write_text(text)
    before = seed_shared.simulation()["writes"]["external"]
    _one_sentence(seed_shared.oc_gpu("enable", "--yes", "--config", str(path)), 2)
    assert seed_shared.simulation()["writes"]["external"] == before


def test_unknown_field_is_answered_with_the_one_meant(seed_shared: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "platform.yaml"
    path.write_text("spec: {gpuOperatr: {}}")
    run = seed_shared.oc_gpu("config", "validate", str(path))
    _one_sentence(run, 2)
    assert "gpuOperator" in run.err


def _kubeconfig(on: Cluster, folder: Path, change: Callable[[dict], None]) -> str:  # type: ignore[type-arg]
    document = yaml.safe_load(Path(on.kubeconfig).read_text())
    change(document)
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def test_expired_token(seed_shared: Cluster, tmp_path: Path) -> None:
    def expire(document: dict) -> None:  # type: ignore[type-arg]
        document["users"][0]["user"]["token"] = "expired-token"

    path = _kubeconfig(seed_shared, tmp_path, expire)
    run = seed_shared.oc_gpu("enable", "--yes", "--kubeconfig", path)
    _one_sentence(run, 3)
    assert "expired-token" not in run.out + run.err


def test_server_that_hangs_up(seed_shared: Cluster, tmp_path: Path, hanging_up: str) -> None:
    def redirect(document: dict) -> None:  # type: ignore[type-arg]
        document["clusters"][0]["cluster"]["server"] = hanging_up

    path = _kubeconfig(seed_shared, tmp_path, redirect)
    run = seed_shared.oc_gpu("enable", "--yes", "--kubeconfig", path, "--timeout", "5s")
    _one_sentence(run, 3)


def test_missing_rights_are_named_before_the_first_write(denied: Cluster, portal: Path) -> None:
    run = denied.oc_gpu("enable", "--yes", "--entitlement", str(portal))
    _one_sentence(run, 3)
    assert "machineconfigs" in run.err
    assert denied.simulation()["writes"]["external"] == 0


def test_nobody_answers(seed_shared: Cluster, tmp_path: Path) -> None:
    def redirect(document: dict) -> None:  # type: ignore[type-arg]
        document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"

    path = _kubeconfig(seed_shared, tmp_path, redirect)
    _one_sentence(seed_shared.oc_gpu("status", "--kubeconfig", path, "--timeout", "3s"), 3)
