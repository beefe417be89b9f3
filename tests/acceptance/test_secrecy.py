"""The entitlement's key stays where it belongs."""

import base64
import json
from pathlib import Path

import pytest

from oc_gpu.kube import Client
from oc_gpu.kube.resources import CONFIGMAPS, EVENTS
from tests import portal as made
from tests.acceptance.conftest import Cluster


def _fragments(pem: bytes) -> list[str]:
    """Return lines of the key, plain and as base64 would show them at any offset."""
    text = pem.decode()
    key = text[text.index("-----BEGIN RSA PRIVATE KEY") :]
    lines = [line for line in key.splitlines() if len(line) == 64][1:4]
    encoded = [
        base64.b64encode(b" " * pad + line.encode()).decode()[8:-8]
        for line in lines
        for pad in range(3)
    ]
    return [*lines, *encoded]


@pytest.mark.slow
def test_key_appears_in_no_output_event_or_argument(seed: Cluster, tmp_path: Path) -> None:
    pem = made.lasting()
    portal = made.portal_zip(tmp_path, pem)
    given = ("--entitlement", str(portal))
    said = []
    for command in (
        ["entitlement", "inspect", str(portal)],
        ["check", *given, "-v"],
        ["plan", *given, "-v"],
        ["plan", *given, "-o", "json"],
        ["render", *given],
    ):
        run = seed.oc_gpu(*command)
        said += [run.out, run.err]
    process = seed.start("enable", "--yes", "-v", "-o", "json", *given)
    arguments = Path(f"/proc/{process.pid}/cmdline").read_text()
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    said += [arguments, out, err]
    for command in (["status", "-v"], ["status", "-o", "json"], ["verify", "-o", "json"]):
        run = seed.oc_gpu(*command)
        said += [run.out, run.err]

    async def told(client: Client) -> str:
        events = (await client.list(EVENTS)).items
        maps = (await client.list(CONFIGMAPS)).items
        return json.dumps([*events, *maps])

    said.append(str(seed.ask(told)))
    leftover = [path.read_text(errors="replace") for path in _private_files(seed.home)]
    for fragment in _fragments(pem):
        assert not any(fragment in text for text in (*said, *leftover))


def _private_files(home: Path) -> list[Path]:
    """Return what the program wrote under its home, the simulator's own state aside."""
    return [
        p for p in home.rglob("*") if p.is_file() and "sim" not in p.parts and p.suffix != ".zip"
    ]
