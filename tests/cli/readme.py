"""The outputs that the README shows, from real runs: `python -m tests.cli.readme` renews them.

A block marked `console` holds one command and what it prints on an 80-column terminal. The commands
are run in order on one fresh simulated cluster.
"""

import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from oc_gpu.sim import instances
from tests.portal import portal_zip

README = Path(__file__).parents[2] / "README.md"
SCENARIO = "seed"
_BLOCK = re.compile(
    r"^```console\n\$ (?P<command>[^\n]+)\n(?P<output>.*?)^```$", re.MULTILINE | re.DOTALL
)
_PORT = re.compile(r"127\.0\.0\.1:\d+")
_TALLY = re.compile(r"Done: \d+ writes, (?:\d+[hms] ?)+ by")


def blocks(text: str) -> list[tuple[str, str]]:
    """Return commands and outputs as a text shows them."""
    return [(found["command"], found["output"]) for found in _BLOCK.finditer(text)]


def renewed(text: str) -> str:
    """Return a text with the outputs as they are now."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = iter(_run_all([command for command, _ in blocks(text)], Path(folder)))
        return _BLOCK.sub(lambda b: f"```console\n$ {b['command']}\n{next(outputs)}```", text)


def without_tallies(text: str) -> str:
    """Return a text without simulated durations and the writes counted in them.

    Simulated time waits for a client as a real cluster does: on a busy machine the MCO has begun to
    render when the next MachineConfig arrives, and there is one rendered config more to take back.
    """
    return _TALLY.sub("Done: writes, by", text)


def _run_all(commands: list[str], folder: Path) -> list[str]:
    portal_zip(folder)
    before = os.environ.get(instances.HOME_VARIABLE)
    os.environ[instances.HOME_VARIABLE] = str(folder / "sim")
    try:
        with instances.temporary(SCENARIO) as cluster:
            return [_run(command, folder, cluster.kubeconfig) for command in commands]
    finally:
        if before is None:
            del os.environ[instances.HOME_VARIABLE]
        else:
            os.environ[instances.HOME_VARIABLE] = before


def _run(command: str, folder: Path, kubeconfig: str) -> str:
    """Return what a command prints on stdout when that is an 80-column terminal."""
    here = str(Path(sys.executable).parent)
    environment = {
        "COLUMNS": "80",
        "HOME": str(folder),
        "KUBECONFIG": kubeconfig,
        "NO_COLOR": "1",
        "PATH": f"{here}:{os.environ.get('PATH', '')}",
        "TERM": "xterm",
        "LANG": "C.UTF-8",
    }
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    text = _read(ours)
    process.wait()
    return _PORT.sub("127.0.0.1:6443", text.replace("\r\n", "\n"))


def _read(terminal: int) -> str:
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other side of a terminal is closed
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(terminal)
    return b"".join(pieces).decode()


if __name__ == "__main__":
    README.write_text(renewed(README.read_text("utf-8")), "utf-8")
