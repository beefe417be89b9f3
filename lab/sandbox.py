"""A small container: own mounts, own network with only a loopback, then the program.

`launch` starts this file inside new namespaces, where it reads a `Box` from a file that only its
owner may read. Nothing of it outlives the program: mounts and network go with the last process.
Root is not needed where the kernel lets users make namespaces.
"""

import asyncio
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from lab import relay

_BIND, _RECURSIVE, _READ_ONLY, _REMOUNT = 4096, 16384, 1, 32
_SET_ADDRESS, _GET_FLAGS, _SET_FLAGS, _UP = 0x8916, 0x8913, 0x8914, 1
_DIE_WITH_PARENT: Final = 1
_LOCALHOST: Final = "127.0.0.1"
_DEVICES: Final = ("null", "zero", "full", "random", "urandom")


@dataclass(frozen=True)
class Box:
    """What a program is given.

    Attributes:
        root: An empty folder; the program's root is mounted there, in its namespace only.
        command: Program and arguments, paths as seen inside.
        env: All of its environment.
        mounts: Path inside -> file or folder outside.
        writable: Those of the mounts that it may write to.
        outgoing: "address:port" that it may reach, handed to the gateway.
        gateway: The gateway's Unix socket.
        incoming: Unix socket through which its ports are reached.
        folder: Working folder inside.
    """

    root: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    mounts: Mapping[str, str] = field(default_factory=dict)
    writable: tuple[str, ...] = ()
    outgoing: tuple[str, ...] = ()
    gateway: str = ""
    incoming: str = ""
    folder: str = "/"


def launch(box: Box, description: Path) -> tuple[str, ...]:
    """Return the command that runs a box.

    Args:
        box: The program and its surroundings.
        description: Where they are written down for the new process.

    Raises:
        FileNotFoundError: There is no `unshare` (util-linux).
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        raise FileNotFoundError("the lab needs unshare, a part of util-linux")
    as_root = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    description.touch(mode=0o600)
    description.write_text(json.dumps(asdict(box)))
    inside = (sys.executable, "-m", "lab.sandbox", str(description))
    return (unshare, *as_root, "--mount", "--net", "--", *inside)


def enter(box: Box) -> None:
    """Become the program of a box; returns never."""
    _start_relay(box)
    _mount_root(box)
    os.chroot(box.root)
    os.chdir(box.folder)
    os.execve(box.command[0], box.command, dict(box.env))  # noqa: S606


def _start_relay(box: Box) -> None:
    """Bring the network up, and leave a process behind that carries streams in and out."""
    addresses = {target.rpartition(":")[0] for target in box.outgoing} - {_LOCALHOST}
    _bring_up(sorted(addresses))
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        ready = os.read(told, 1)
        os.close(told)
        if not ready:
            sys.exit("the relay of this sandbox did not start")
        return
    os.close(told)
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    asyncio.run(_relay(box, tell))
    os._exit(0)


async def _relay(box: Box, tell: int) -> None:
    servers = []
    for target in box.outgoing:
        host, _, port = target.rpartition(":")
        opener = relay.to_relay(Path(box.gateway), host, int(port))
        servers.append(await relay.forward(host, int(port), opener))
    if box.incoming:
        path = Path(box.incoming)
        servers.append(await relay.listen(path, lambda _host, port: relay.to_tcp(_LOCALHOST, port)))
    os.write(tell, b"1")
    os.close(tell)
    await asyncio.Event().wait()


def _bring_up(addresses: list[str]) -> None:
    """Set the loopback up, with more addresses on it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for number, address in enumerate(addresses):
            name = f"lo:{number}".encode()
            place = struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(control, _SET_ADDRESS, place)
        flags = struct.unpack("16sh", fcntl.ioctl(control, _GET_FLAGS, b"lo".ljust(18, b"\0"))[:18])
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh", b"lo", flags[1] | _UP))


def _mount_root(box: Box) -> None:
    root = Path(box.root)
    _mount("tmpfs", root, "tmpfs")
    for name in ("tmp", "etc", "proc", "dev"):
        (root / name).mkdir()
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    _bind(Path("/proc"), root / "proc", writable=True)
    for name in _DEVICES:
        _bind(Path("/dev") / name, root / "dev" / name, writable=True)
    for inside, outside in sorted(box.mounts.items()):
        target = root / inside.lstrip("/")
        _bind(Path(outside), target, writable=inside in box.writable)


def _bind(source: Path, target: Path, *, writable: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        target.mkdir(exist_ok=True)
    elif not target.exists():
        target.touch()
    _mount(str(source), target, None, _BIND | _RECURSIVE)
    if not writable:
        _mount(None, target, None, _BIND | _REMOUNT | _READ_ONLY)


def _mount(source: str | None, target: Path, kind: str | None, flags: int = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    words: list[Any] = [w.encode() if w else None for w in (source, str(target), kind)]
    if libc.mount(*words, ctypes.c_ulong(flags), None):
        error = ctypes.get_errno()
        raise OSError(error, f"mount {source} at {target}: {os.strerror(error)}")


if __name__ == "__main__":
    enter(Box(**json.loads(Path(sys.argv[1]).read_text())))
