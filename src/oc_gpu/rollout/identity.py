"""Who holds a Lease: a run of this program, named so that another can tell whether it still lives.

The name starts with the host, as the names that client-go's leader election gives do. The rest
names one process exactly: its id, when it started, and the boot and the pid namespace in which
that id counts. So a run that was killed is known to be dead at once by the next one on its machine;
elsewhere its Lease expires.
"""

import os
import re
import secrets
import socket
from hashlib import blake2s
from pathlib import Path

from msgspec import Struct

_PROC = Path("/proc")
_FORM = re.compile(r"(?P<host>.*)_(?P<pid>\d+)-(?P<start>\d*)-(?P<machine>[0-9a-f]*)-(?P<run>\w+)")
_STATE, _START = 0, 19
"""Places in /proc/PID/stat after the name in parentheses (proc(5), fields 3 and 22)."""

_running: set[str] = set()
"""Runs of this very process."""


class Identity(Struct, frozen=True):
    """One run of this program.

    Attributes:
        host: Name of its machine, for the user's eyes.
        pid: Its process.
        start: When the process started, in ticks since the boot; empty where that is not known.
        machine: Tells boots and pid namespaces apart; empty where that is not known.
        run: Tells the runs of one process apart.
    """

    host: str
    pid: int
    start: str
    machine: str
    run: str

    def __str__(self) -> str:
        """Return it as `holderIdentity` has it."""
        return f"{self.host}_{self.pid}-{self.start}-{self.machine}-{self.run}"

    @property
    def words(self) -> str:
        """Return it as a user is told of it."""
        return f"the oc-gpu of process {self.pid} on {self.host}"

    def begin(self) -> None:
        """Let other runs of this process know that this one lives."""
        _running.add(self.run)

    def end(self) -> None:
        """Let other runs of this process know that this one is over."""
        _running.discard(self.run)

    def is_dead(self) -> bool:
        """Tell whether it is known to be over; False where that cannot be told from here."""
        here = own()
        if not self.machine or self.machine != here.machine:
            return False
        if (self.pid, self.start) == (here.pid, here.start):
            return self.run not in _running
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        state, start = _stat(self.pid)
        return state == "Z" or start not in ("", self.start)


def own() -> Identity:
    """Return a new run of this process."""
    pid = os.getpid()
    return Identity(socket.gethostname(), pid, _stat(pid)[1], _machine(), secrets.token_hex(4))


def parse(holder: str) -> Identity | None:
    """Return the run of a `holderIdentity`, None when it is not of this program."""
    found = _FORM.fullmatch(holder)
    if found is None:
        return None
    parts = found.groupdict()
    return Identity(parts["host"], int(parts["pid"]), *(parts[k] for k in _REST))


_REST = ("start", "machine", "run")


def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        space = (_PROC / "self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return blake2s(f"{boot}/{space}".encode(), digest_size=6).hexdigest()


def _stat(pid: int) -> tuple[str, str]:
    """Return state and start of a process; empty where they cannot be read."""
    try:
        fields = (
            (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        )
        return fields[_STATE], fields[_START]
    except (OSError, IndexError):
        return "", ""
