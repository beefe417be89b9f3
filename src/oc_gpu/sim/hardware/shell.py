"""A very small shell: the commands that GPU pods and users run in containers."""

import fnmatch
import re
import shlex
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from oc_gpu.sim.hardware import packages, smi
from oc_gpu.sim.hardware.images import loaded_release
from oc_gpu.sim.hardware.kernel_files import kernel_files
from oc_gpu.sim.hardware.model import Outcome, View
from oc_gpu.sim.hardware.smi import Answer
from oc_gpu.sim.hardware.smi_card import cards_of

_JOIN = re.compile(r"\s*(?:;|&&|\n)\s*")
_SHELLS = {"sh", "bash", "/bin/sh", "/bin/bash"}
_FOREVER = {"inf", "infinity"}


class Unknown(Exception):  # noqa: N818  # not an error: the caller then lets the program just run
    """A command that the simulator knows nothing of."""


def vector_add(view: View) -> Answer:
    """Run the CUDA sample vectorAdd."""
    head = "[Vector addition of 50000 elements]"
    failed = "Failed to allocate device vector A (error code {})!"
    if view.driver is None or not view.visible_devices:
        why = "CUDA driver version is insufficient for CUDA runtime version"
        return Answer(out=f"{head}\n{failed.format(why)}", code=1)
    if not cards_of(view, loaded_release(view.scenario, view.driver)):
        return Answer(out=f"{head}\n{failed.format('no CUDA-capable device is detected')}", code=1)
    return Answer(
        out="\n".join(
            (
                head,
                "Copy input data from the host memory to the CUDA device",
                "CUDA kernel launch with 196 blocks of 256 threads",
                "Copy output data from the CUDA device to the host memory",
                "Test PASSED",
                "Done",
            )
        )
    )


def run(view: View, command: Sequence[str]) -> tuple[Answer, float | None]:
    """Run a command to its end.

    Returns:
        What it printed and its exit code; and how long it took, None if it never ends.

    Raises:
        Unknown: A part of the command is not known.
    """
    out: list[str] = []
    err: list[str] = []
    code, seconds = 0, 0.0
    for words in _parts(command):
        if words[0] == "sleep" and len(words) > 1:
            if words[1] in _FOREVER:
                return Answer("\n".join(out), "\n".join(err), 0), None
            seconds += _duration(words[1])
            continue
        answer, took = _one(view, words)
        seconds += took
        out += [answer.out] if answer.out else []
        err += [answer.err] if answer.err else []
        code = answer.code
        if code:
            break
    return Answer("\n".join(out), "\n".join(err), code), seconds


def outcome(view: View, command: Sequence[str]) -> Outcome | None:
    """Return what a container with this command does; None when the command is not known."""
    try:
        answer, seconds = run(view, command)
    except Unknown:
        return None
    log = tuple(f"{answer.out}\n{answer.err}".strip("\n").splitlines())
    if seconds is None:
        return Outcome(log=log, exit_code=None)
    return Outcome(log=log, seconds=seconds, exit_code=answer.code)


def _parts(command: Sequence[str]) -> list[list[str]]:
    words = list(command)
    if words and words[0] in _SHELLS:
        scripts = [w for w in words[1:] if not w.startswith("-")]
        if not scripts:
            raise Unknown
        words = scripts[:1]
        try:
            parts = [shlex.split(p) for p in _JOIN.split(words[0])]
        except ValueError as error:
            raise Unknown from error
        return [p for p in parts if p]
    return [words] if words else []


def _one(view: View, words: list[str]) -> tuple[Answer, float]:
    name = words[0].rpartition("/")[2]
    if name == "dnf" and "search" in words and "kernel-devel" in words:
        found = packages.search_kernel_devel(view)
        return Answer(out="\n".join(found.log), code=found.exit_code or 0), found.seconds
    if name == "vectorAdd":
        return vector_add(view), view.scenario.latencies.cuda_sample
    known = _COMMANDS.get(name)
    if known is None:
        raise Unknown(name)
    return known(view, words[1:]), 0.0


def _cat(view: View, paths: list[str]) -> Answer:
    out = []
    for path in paths:
        content = _node_file(view, path)
        if content is None:
            return Answer(err=f"cat: {path}: No such file or directory", code=1)
        out.append(content)
    return Answer(out="".join(out).removesuffix("\n"))


def _node_file(view: View, path: str) -> str | None:
    if path in view.files:
        return view.files[path].decode("utf-8", "replace")
    if path in {"/etc/os-release", "/host-etc/os-release", "/host/etc/os-release"}:
        return "".join(f'{k}="{v}"\n' for k, v in view.node.os_release.items())
    if path == "/proc/version":
        return f"Linux version {view.node.kernel}\n"
    if path == "/proc/driver/nvidia/version" and view.driver:
        machine = "aarch64" if view.node.architecture == "arm64" else "x86_64"
        return f"NVRM version: NVIDIA UNIX {machine} Kernel Module  {view.driver}\n"
    return view.host.get(path)


def _grep(view: View, words: list[str]) -> Answer:
    """Print lines with their path, as `grep -sHa PATTERN FILES` does; files may be patterns."""
    pattern, *wanted = [word for word in words if not word.startswith("-")]
    lines = [
        f"{path}:{line}"
        for path, text in sorted(kernel_files(view).items())
        if any(fnmatch.fnmatch(path, one) for one in wanted)
        for line in text.removesuffix("\n").split("\n")
        if re.search(pattern, line)
    ]
    return Answer(out="\n".join(lines), code=0 if lines else 1)


def _ls(view: View, words: list[str]) -> Answer:
    out = []
    for folder in [w.rstrip("/") for w in words if not w.startswith("-")]:
        paths = [*view.files, *(k for k in view.host if k.startswith("/"))]
        inside = sorted({p.rpartition("/")[2] for p in paths if p.rpartition("/")[0] == folder})
        if not inside and folder not in paths:
            text = f"ls: cannot access '{folder}': No such file or directory"
            return Answer(err=text, code=2)
        out += inside or [folder]
    return Answer(out="\n".join(out))


def _lsmod(view: View, _words: list[str]) -> Answer:
    modules = ["nvidia_uvm", "nvidia_modeset", "nvidia"] if view.driver else []
    modules += ["nouveau"] if view.node.nouveau else []
    return Answer(out="\n".join(["Module                  Size  Used by", *modules]))


def _lspci(view: View, _words: list[str]) -> Answer:
    rows = (f"{d.address} {d.class_code}: {d.vendor}:{d.device}" for d in view.node.pci)
    return Answer(out="\n".join(rows))


def _date(view: View, _words: list[str]) -> Answer:
    when = datetime.fromtimestamp(view.now, UTC)
    return Answer(out=when.strftime("%a %b %e %H:%M:%S UTC %Y"))


def _env(view: View, _words: list[str]) -> Answer:
    return Answer(out="\n".join(f"{k}={v}" for k, v in view.env.items()))


_COMMANDS: dict[str, Callable[[View, list[str]], Answer]] = {
    "nvidia-smi": smi.run,
    "cat": _cat,
    "grep": _grep,
    "ls": _ls,
    "echo": lambda _v, words: Answer(out=" ".join(words)),
    "true": lambda _v, _w: Answer(),
    ":": lambda _v, _w: Answer(),
    "set": lambda _v, _w: Answer(),
    "false": lambda _v, _w: Answer(code=1),
    "uname": lambda v, _w: Answer(out=v.node.kernel),
    "hostname": lambda v, _w: Answer(out=v.node.name),
    "lsmod": _lsmod,
    "lspci": _lspci,
    "date": _date,
    "env": _env,
}
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _duration(text: str) -> float:
    unit = _UNITS.get(text[-1])
    try:
        return float(text[:-1]) * unit if unit else float(text)
    except ValueError as error:
        raise Unknown(text) from error
