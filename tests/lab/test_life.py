"""The lab's own life: it leaves nothing behind, however it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from lab.__main__ import DAEMON, SCENARIO

from oc_gpu.sim import instances

pytestmark = pytest.mark.lab
_SECONDS_TO_DIE = 20.0
_LISTEN = "0A"
_LOOPBACK = "0100007F"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep the lab's state in a folder of its own."""
    with TemporaryDirectory(prefix="oc-gpu-") as folder:
        monkeypatch.setenv(instances.HOME_VARIABLE, folder)
        yield Path(folder)
        instances.down("t")


def _processes(folder: Path) -> list[str]:
    """Return the command lines of processes that have to do with a folder, this one aside."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
                cwd = (entry / "root").readlink()
            except OSError:
                continue
            if str(folder).encode() in words or str(folder) in str(cwd):
                found.append(words.replace(b"\0", b" ").decode()[:120])
    return found


def _until_gone(folder: Path) -> list[str]:
    deadline = time.monotonic() + _SECONDS_TO_DIE
    while (left := _processes(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def test_lab_listens_on_the_loopback_only_and_down_ends_all_of_it(home: Path) -> None:
    made = instances.up("t", str(SCENARIO), daemon=DAEMON)
    assert made.url.startswith("https://127.0.0.1:")
    assert _processes(home)
    assert _listening(made.pid) == {_LOOPBACK}
    assert instances.down("t")
    assert _until_gone(home) == []
    assert not (home / "t").exists()


def test_crash_leaves_no_process_and_down_still_works(home: Path) -> None:
    made = instances.up("t", str(SCENARIO), daemon=DAEMON)
    os.kill(made.pid, signal.SIGKILL)
    os.waitpid(made.pid, 0)  # it holds its lock for a moment after /proc has nothing of it any more
    assert _until_gone(home) == []
    assert instances.find("t") is None
    assert instances.down("t")
    assert not (home / "t").exists()


def _listening(daemon: int) -> set[str]:
    """Return the addresses, as /proc has them, that a lab's processes listen on."""
    sockets = {
        line.split()[9]: line.split()[1].partition(":")[0]
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        if line.split()[3] == _LISTEN
    }
    targets = (
        str(link.readlink())
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _belongs(entry, daemon)
        for link in (entry / "fd").iterdir()
        if link.is_symlink()
    )
    inodes = {t.removeprefix("socket:[").removesuffix("]") for t in targets}
    return {address for inode, address in sockets.items() if inode in inodes}


def _belongs(entry: Path, daemon: int) -> bool:
    """Tell whether a process is the daemon or one of its children."""
    try:
        parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return False
    return daemon in (parent, int(entry.name))


def test_missing_program_is_named_with_what_to_do(home: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home),
        "PYTHONPATH": os.getcwd(),  # noqa: PTH109
    }
    command = [sys.executable, "-m", "lab", "build"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the command `go` is not on the PATH" in done.stderr
    assert "OC_GPU_LAB_ASSETS" in done.stderr
    assert "Traceback" not in done.stderr
