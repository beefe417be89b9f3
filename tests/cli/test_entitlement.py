"""`entitlement inspect` and `entitlement test`, the latter with a stand-in for podman."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oc_gpu.cli import containers
from tests import portal as made
from tests.cli.conftest import Cli

PROGRAM = str(Path(sys.executable).parent / "oc-gpu")
FOUND = "kernel-devel-4.18.0-240.15.1.el8_3.x86_64 : Development package for building modules"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pem") / "entitlement.pem"
    path.write_bytes(made.lasting())
    return path


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a podman on PATH that notes what it was given, and does what `answer` says."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "podman"
    script.write_text(
        f"""#!/bin/sh
printf '%s\\n' "$@" > {tmp_path}/arguments-$1
case $1 in run) cat > {tmp_path}/seen; . {tmp_path}/answer;; *) . {tmp_path}/answer-kill;; esac
"""
    )
    (tmp_path / "answer-kill").write_text("")
    script.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return tmp_path


def _answer(engine: Path, text: str, kill: str = "") -> None:
    (engine / "answer").write_text(text)
    (engine / "answer-kill").write_text(kill)


def _arguments(engine: Path, verb: str = "run") -> list[str]:
    return (engine / f"arguments-{verb}").read_text().splitlines()


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


def test_container_gets_the_certificate_through_its_stdin_into_memory(
    pem: Path, engine: Path, cli: Cli
) -> None:
    _answer(engine, f"echo '{FOUND}'")
    assert cli("entitlement", "test", str(pem), "--image", "example.com/ubi8").code == 0
    words = _arguments(engine)
    assert words[words.index("--tmpfs") + 1] == "/etc/pki/entitlement"
    assert "--volume" not in words
    assert (engine / "seen").read_bytes() == pem.read_bytes()
    assert "PRIVATE KEY" not in " ".join(words)
    image, shell, option, *script = words[words.index("example.com/ubi8") :]
    assert (image, shell, option) == ("example.com/ubi8", "sh", "-c")
    assert script[-1] == "exec dnf search kernel-devel --showduplicates < /dev/null"


def test_script_of_the_container_lays_the_certificate_out_and_searches(tmp_path: Path) -> None:
    (tmp_path / "dnf").write_text(f'#!/bin/sh\necho "$@"; cat; ls -l {tmp_path}/*.pem')
    (tmp_path / "dnf").chmod(0o700)
    script = containers.SCRIPT.replace(containers.FOLDER, str(tmp_path))
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        input="both",
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()
    assert said[0] == "search kernel-devel --showduplicates"
    assert [line.split()[0] for line in said[1:]] == ["-rw-------", "-rw-------"]
    assert (tmp_path / "entitlement.pem").read_text() == "both"
    assert (tmp_path / "entitlement-key.pem").read_text() == "both"


def test_proxy_is_handed_on_by_name_only(
    pem: Path, engine: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://user:password@proxy.example.com:8080")
    _answer(engine, f"echo '{FOUND}'")
    cli("entitlement", "test", str(pem))
    words = _arguments(engine)
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
    _answer(engine, "exec sleep 20")
    ended = cli("entitlement", "test", str(pem), "--timeout", "0.5s")
    assert ended.code == 4
    assert _arguments(engine, "kill")[1].startswith("oc-gpu-entitlement-")


def test_engine_that_cannot_end_its_container_does_not_hold_the_program(
    pem: Path, engine: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "KILLING", 0.1)
    _answer(engine, "exec sleep 600", kill="exec sleep 600")
    assert cli("entitlement", "test", str(pem), "--timeout", "0.2s").code == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_program_that_is_ended_leaves_no_key_and_no_container(
    pem: Path, engine: Path, tmp_path: Path, number: signal.Signals
) -> None:
    os.mkfifo(engine / "started")
    _answer(engine, f"echo > {engine}/started; exec sleep 600")
    folder = tmp_path / "tmp"
    folder.mkdir()
    process = subprocess.Popen(
        [PROGRAM, "entitlement", "test", str(pem)],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    (engine / "started").read_text()
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert "error: interrupted" in said
    assert not list(folder.iterdir())
    assert _arguments(engine, "kill")[1].startswith("oc-gpu-entitlement-")


def test_engine_that_failed_says_nothing_of_the_certificate(
    pem: Path, engine: Path, cli: Cli
) -> None:
    dead = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
    _answer(engine, f"echo '{dead}' >&2; exit 125")
    ended = cli("entitlement", "test", str(pem))
    assert ended.code == 3
    assert ended.out == ""
    assert "error: podman could not run a container of registry.access.redhat.com" in ended.err
    assert dead.rstrip(".") in " ".join(ended.err.split())
    assert "no kernel-devel package" not in ended.err


@pytest.mark.parametrize(
    "said",
    [
        "docker: Cannot connect to the Docker daemon. Is it up?\n\nRun 'docker run --help' for",
        "no\ndocker: Cannot connect to the Docker daemon. Is it up?\nSee 'docker run --help'.",
        "Error: Cannot connect to the Docker daemon. Is it up?\nhint: start it",
        "Trying to pull\nCannot connect to the Docker daemon. Is it up?",
    ],
)
def test_the_line_that_tells_why_an_engine_failed_is_shown(
    pem: Path, engine: Path, cli: Cli, said: str
) -> None:
    _answer(engine, f"cat >&2 <<'END'\n{said}\nEND\nexit 125")
    told = " ".join(cli("entitlement", "test", str(pem)).err.split())
    assert "Cannot connect to the Docker daemon. Is it up?" in told
    assert "--help" not in told


def test_image_without_dnf_is_told_apart_from_a_bad_certificate(
    pem: Path, engine: Path, cli: Cli
) -> None:
    _answer(engine, "echo 'sh: line 3: exec: dnf: not found' >&2; exit 127")
    ended = cli("entitlement", "test", str(pem), "--image", "example.com/tiny")
    assert ended.code == 2
    assert "example.com/tiny has no dnf to search with" in ended.err


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
    assert not (engine / "arguments-run").exists()
