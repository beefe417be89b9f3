"""Trying an entitlement out in a container of this machine, as the walk-through does it first."""

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from oc_gpu.cli.ending import cleaning_up
from oc_gpu.config import Entitlement
from oc_gpu.kube.errors import OcGpuError, TimeoutExceededError, UsageError, clean
from oc_gpu.report.documents import Trial

ENGINES = ("podman", "docker")
FOLDER = "/etc/pki/entitlement"
SCRIPT = f"""umask 077
cat > {FOLDER}/entitlement.pem && cp {FOLDER}/entitlement.pem {FOLDER}/entitlement-key.pem || exit
exec dnf search kernel-devel --showduplicates < /dev/null"""
"""What the container does: one file serves as certificate and as key, as on the nodes."""
KILLING = 5.0
"""Seconds that an engine may take to end a container; a healthy one takes less than one."""
_ADVICE = re.compile(r"(?:Run|See) '[^']*--help'", re.IGNORECASE)
_FAILURE = re.compile(r"^(?:docker: |error: )|\bcannot connect\b", re.IGNORECASE)
_ENGINE_FAILED = 125
"""Exit code of podman and docker for a failure of their own (podman-run(1), docker run)."""
_NO_PROGRAM = (126, 127)
"""Exit codes, theirs and the shell's, for a program that is not there or cannot be run."""
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_FOUND = "kernel-devel-"


class EngineError(OcGpuError):
    """The container engine did not do its part: nothing was learnt of the certificate."""

    exit_code = 3


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

    The container reads it from its stdin into memory of its own, so that no file of this machine
    ever holds the key, however this process ends.

    Args:
        entitlement: Certificate and key.
        engine: Path of podman or docker.
        image: UBI image.
        limit: Seconds to wait.

    Raises:
        EngineError: The engine cannot be run, or did not get as far as the search.
        TimeoutExceededError: The time is over.
        UsageError: The image has no dnf.
    """
    name = f"oc-gpu-entitlement-{secrets.token_hex(4)}"
    command = [engine, "run", "--rm", "--interactive", "--name", name, "--tmpfs", FOLDER]
    command += [*_proxy(), image, "sh", "-c", SCRIPT]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError as error:
        message = f"cannot run {engine}: {error.strerror}"
        raise EngineError(message) from error
    with process, cleaning_up(), _ending(process, engine, name):
        try:
            said, _ = process.communicate(bytes(entitlement.pem), limit)
        except subprocess.TimeoutExpired as error:
            message = f"the container had not finished after {limit:.0f} seconds"
            hint = "give it longer with --timeout, and look whether this machine needs a proxy"
            raise TimeoutExceededError(message, hints=(hint,)) from error
    return _judge(process.returncode, _lines(said), engine, image)


@contextmanager
def _ending(process: subprocess.Popen[bytes], engine: str, name: str) -> Iterator[None]:
    """End container and engine where the block is left before they are done."""
    try:
        yield
    finally:
        if process.poll() is None:
            _kill(engine, name)
            process.kill()


def _kill(engine: str, name: str) -> None:
    """End a container, unless the engine takes too long over it."""
    quiet = subprocess.DEVNULL
    with suppress(subprocess.TimeoutExpired, OSError):
        subprocess.run(
            [engine, "kill", name],
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            timeout=KILLING,
            check=False,
        )


def _proxy() -> Iterator[str]:
    """Hand the proxy on by name only: its URL may hold a password."""
    for name in _PROXIES:
        if os.environ.get(name):
            yield "--env"
            yield name


def _lines(said: bytes) -> list[str]:
    lines = (clean(line) for line in said.decode("utf-8", "replace").splitlines())
    return [line for line in lines if line]


def _reason(lines: list[str]) -> str:
    """Return the line that says why an engine failed; docker names its help after that."""
    telling = [line for line in lines if not _ADVICE.match(line)]
    failed = [line for line in telling if _FAILURE.search(line)]
    return (failed or telling or ["it does not say why"])[-1]


def _judge(code: int, lines: list[str], engine: str, image: str) -> Trial:
    """Return what the search found; what kept it from searching says nothing of a certificate."""
    program = Path(engine).name
    if code == _ENGINE_FAILED:
        said = _reason(lines)
        message = f"{program} could not run a container of {image}: {said}"
        hints = (
            f"`{program} info` tells whether it runs",
            f"`{program} pull {image}` tries the image",
        )
        raise EngineError(message, hints=hints)
    if code in _NO_PROGRAM:
        message = f"{image} has no dnf to search with"
        raise UsageError(message, hints=("name a UBI image with --image",))
    packages = [line.split()[0] for line in lines if _is_package(line)]
    return Trial(
        works=code == 0 and bool(packages),
        engine=program,
        image=image,
        packages=tuple(dict.fromkeys(packages)),
        output=tuple(lines),
    )


def _is_package(line: str) -> bool:
    return line.startswith(_FOUND) and line[len(_FOUND) : len(_FOUND) + 1].isdigit()
