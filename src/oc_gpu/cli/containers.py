"""Trying an entitlement out in a container of this machine, as the walk-through does it first."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oc_gpu.config import Entitlement
from oc_gpu.kube.errors import TimeoutExceededError, UsageError, clean
from oc_gpu.report.documents import Trial

ENGINES = ("podman", "docker")
FOLDER = "/etc/pki/entitlement"
SEARCH = ("dnf", "search", "kernel-devel", "--showduplicates")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_FOUND = "kernel-devel-"


def find_engine(chosen: str | None) -> str:
    """Return the path of the container engine.

    Raises:
        UsageError: There is none.
    """
    for name in (chosen,) if chosen else ENGINES:
        path = shutil.which(name)
        if path:
            return path
    message = f"there is no {chosen or ' or '.join(ENGINES)} on this machine"
    hint = "install podman, or run this on a machine that has it; the cluster proves it, too"
    raise UsageError(message, hints=(hint,))


def search(entitlement: Entitlement, engine: str, image: str, limit: float) -> Trial:
    """Search for kernel-devel in a container that sees the certificate.

    Args:
        entitlement: Certificate and key; the container sees them in a private folder only.
        engine: Path of podman or docker.
        image: UBI image.
        limit: Seconds to wait.

    Raises:
        TimeoutExceededError: The time is over.
        UsageError: The engine cannot be run.
    """
    name = f"oc-gpu-entitlement-{secrets.token_hex(4)}"
    with _private(entitlement) as pem:
        command = [engine, "run", "--rm", "--name", name, *_mounts(pem), *_proxy(), image, *SEARCH]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            subprocess.run([engine, "kill", name], capture_output=True, check=False)
            message = f"the container had not finished after {limit:.0f} seconds"
            hint = "give it longer with --timeout, and look whether this machine needs a proxy"
            raise TimeoutExceededError(message, hints=(hint,)) from error
        except OSError as error:
            message = f"cannot run {engine}: {error.strerror}"
            raise UsageError(message) from error
    return _judge(done, engine, image)


@contextmanager
def _private(entitlement: Entitlement) -> Iterator[Path]:
    """Write the certificate where only this user can read it, for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="oc-gpu-") as folder:
        path = Path(folder) / "entitlement.pem"
        with open(path, "wb", opener=_owner_only) as stream:
            stream.write(bytes(entitlement.pem))
        yield path


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _mounts(pem: Path) -> Iterator[str]:
    for name in ("entitlement.pem", "entitlement-key.pem"):
        yield "--volume"
        yield f"{pem}:{FOLDER}/{name}:ro,Z"


def _proxy() -> Iterator[str]:
    """Hand the proxy on by name only: its URL may hold a password."""
    for name in _PROXIES:
        if os.environ.get(name):
            yield "--env"
            yield name


def _judge(done: subprocess.CompletedProcess[bytes], engine: str, image: str) -> Trial:
    lines = [clean(line) for line in done.stdout.decode("utf-8", "replace").splitlines() if line]
    packages = [line.split()[0] for line in lines if _is_package(line)]
    return Trial(
        works=done.returncode == 0 and bool(packages),
        engine=Path(engine).name,
        image=image,
        packages=tuple(dict.fromkeys(packages)),
        output=tuple(line for line in lines if line.strip()),
    )


def _is_package(line: str) -> bool:
    return line.startswith(_FOUND) and line[len(_FOUND) : len(_FOUND) + 1].isdigit()
