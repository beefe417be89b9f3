"""`entitlement inspect` and `entitlement test`, the latter with a stand-in for podman."""

import json
import os
from pathlib import Path

import pytest

from tests.acceptance import certificates as made
from tests.cli.conftest import Cli

FOUND = "kernel-devel-4.18.0-240.15.1.el8_3.x86_64 : Development package for building modules"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pem") / "entitlement.pem"
    path.write_bytes(made.pem())
    return path


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a podman on PATH that notes what it was given, and does what `answer` says."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "podman"
    script.write_text(
        f"""#!/bin/sh
printf '%s\\n' "$@" > {tmp_path}/arguments
for word; do case $word in *:/etc/pki/entitlement/entitlement.pem:ro,Z)
  cp "${{word%%:*}}" {tmp_path}/seen; stat -c %a "${{word%%:*}}" > {tmp_path}/mode;;
esac; done
. {tmp_path}/answer
"""
    )
    script.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return tmp_path


def _answer(engine: Path, text: str) -> None:
    (engine / "answer").write_text(text)


def test_inspect_tells_serial_and_validity_and_no_key(pem: Path, cli: Cli) -> None:
    ended = cli("entitlement", "inspect", str(pem))
    assert ended.code == 0
    assert f"serial   {made.SERIAL}" in ended.out
    assert "valid    2020-01-01 to 2049-01-01" in ended.out
    assert "PRIVATE" not in ended.out


def test_inspect_of_a_portal_zip_names_the_certificate_in_it(tmp_path: Path, cli: Cli) -> None:
    ended = cli("entitlement", "inspect", str(made.portal_zip(tmp_path)), "-o", "json")
    document = json.loads(ended.out)
    assert document["form"] == "ZIP"
    assert document["chosen"] == f"export/entitlement_certificates/{made.SERIAL}.pem"
    assert document["certificates"][0]["serial"] == str(made.SERIAL)


def test_inspect_of_what_cannot_be_used_says_why_and_exits_1(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "cert.pem"
    path.write_bytes(made.certificate(made.key()))
    ended = cli("entitlement", "inspect", str(path))
    assert ended.code == 1
    assert "error  cert.pem: it holds a certificate but no key" in ended.out
    assert "Nothing in it can be used." in ended.out


def test_trial_that_finds_packages_is_proof(pem: Path, engine: Path, cli: Cli) -> None:
    _answer(engine, f"echo '== Name Matched: kernel-devel =='; echo '{FOUND}'")
    ended = cli("entitlement", "test", str(pem), "-o", "json")
    assert ended.code == 0
    document = json.loads(ended.out)
    assert document["packages"] == ["kernel-devel-4.18.0-240.15.1.el8_3.x86_64"]
    assert document["engine"] == "podman"


def test_container_sees_the_certificate_read_only_and_privately(
    pem: Path, engine: Path, cli: Cli
) -> None:
    _answer(engine, f"echo '{FOUND}'")
    cli("entitlement", "test", str(pem), "--image", "example.com/ubi8")
    words = (engine / "arguments").read_text().splitlines()
    assert words[-5:] == [
        "example.com/ubi8",
        "dnf",
        "search",
        "kernel-devel",
        "--showduplicates",
    ]
    assert (engine / "seen").read_bytes() == pem.read_bytes()
    assert (engine / "mode").read_text() == "600\n"
    mounted = [word for word in words if word.endswith("/entitlement-key.pem:ro,Z")]
    assert len(mounted) == 1
    assert not Path(mounted[0].partition(":")[0]).exists()
    assert "PRIVATE KEY" not in " ".join(words)


def test_proxy_is_handed_on_by_name_only(
    pem: Path, engine: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://user:password@proxy.example.com:8080")
    _answer(engine, f"echo '{FOUND}'")
    cli("entitlement", "test", str(pem))
    words = (engine / "arguments").read_text().splitlines()
    assert "https_proxy" in words
    assert "password" not in " ".join(words)


def test_trial_without_packages_shows_what_the_container_said(
    pem: Path, engine: Path, cli: Cli
) -> None:
    _answer(engine, "echo 'Error: There are no enabled repositories' >&2; exit 1")
    ended = cli("entitlement", "test", str(pem))
    assert ended.code == 1
    assert "error  no kernel-devel package found in registry.access.redhat.com" in ended.out
    assert "seen   Error: There are no enabled repositories" in ended.out


def test_packages_of_a_search_that_failed_are_no_proof(pem: Path, engine: Path, cli: Cli) -> None:
    _answer(engine, f"echo '{FOUND}'; exit 1")
    assert cli("entitlement", "test", str(pem)).code == 1


def test_trial_that_takes_too_long_is_ended(pem: Path, engine: Path, cli: Cli) -> None:
    _answer(engine, 'case $1 in kill) echo "$2" > "${0%/*}/../killed";; *) exec sleep 20;; esac')
    ended = cli("entitlement", "test", str(pem), "--timeout", "0.5s")
    assert ended.code == 4
    assert (engine / "killed").read_text().startswith("oc-gpu-entitlement-")


def test_machine_without_a_container_engine_says_so(
    pem: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = cli("entitlement", "test", str(pem))
    assert ended.code == 2
    assert ended.err.startswith("error: there is no podman or docker on this machine\nhint: ")


def test_bad_file_ends_before_any_container_starts(engine: Path, cli: Cli) -> None:
    _answer(engine, "true")
    assert cli("entitlement", "test", os.devnull).code == 2
    assert not (engine / "arguments").exists()
