"""A very small shell: the commands that GPU pods and users run in containers."""

import fnmatch
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from ipaddress import ip_network

from oc_gpu.sim.hardware import packages, script, smi
from oc_gpu.sim.hardware.images import loaded_release
from oc_gpu.sim.hardware.kernel_files import kernel_files
from oc_gpu.sim.hardware.model import LICENCE, LICENSED, Outcome, View
from oc_gpu.sim.hardware.script import Unknown
from oc_gpu.sim.hardware.smi import Answer
from oc_gpu.sim.hardware.smi_card import cards_of

_SHELLS = {"sh", "bash"}
_FOREVER = {"inf", "infinity"}


def vector_add(view: View) -> Answer:
    """Run the CUDA sample vectorAdd."""
    head = "[Vector addition of 50000 elements]"
    failed = "Failed to allocate device vector A (error code {})!"
    if view.driver is None or not view.visible_devices:
        why = "CUDA driver version is insufficient for CUDA runtime version"
        return Answer(out=f"{head}\n{failed.format(why)}", code=1)
    if not cards_of(view, loaded_release(view.scenario, view.driver)):
        return Answer(out=f"{head}\n{failed.format('no CUDA-capable device is detected')}", code=1)
    if _degraded(view):
        why = "all CUDA-capable devices are busy or unavailable"
        return Answer(out=f"{head}\n{failed.format(why)}", code=1)
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


def _degraded(view: View) -> bool:
    """Tell whether a virtual GPU has been without licence for longer than its driver bears."""
    state = view.host.get(LICENCE, LICENSED)
    if state == LICENSED:
        return False
    return view.now - float(state) > view.scenario.licensing.grace_seconds


def run(view: View, command: Sequence[str]) -> tuple[Answer, float | None]:
    """Run a command to its end.

    Returns:
        What it printed and its exit code; and how long it took, None if it never ends.

    Raises:
        Unknown: A part of the command is not played.
    """
    if command and command[0].rpartition("/")[2] in _SHELLS:
        return _script(view, command)
    answer, seconds = _one(view, list(command))
    return answer, None if seconds == math.inf else seconds


def _script(view: View, command: Sequence[str]) -> tuple[Answer, float | None]:
    options = [word for word in command[1:3] if word.startswith("-")]
    text = command[1 + len(options) : 2 + len(options)]
    letters = "".join(option for option in options if not option.startswith("--"))
    if "c" not in letters or not text:
        raise Unknown(" ".join(command))
    played = script.play(
        text[0], environment(view), lambda words: _one(view, words), strict="e" in letters
    )
    answer = Answer("\n".join(played.out), "\n".join(played.err), played.code)
    return answer, None if played.seconds == math.inf else played.seconds


def outcome(view: View, command: Sequence[str]) -> Outcome:
    """Return what a container with this command does.

    Raises:
        Unknown: A part of the command is not played.
    """
    answer, seconds = run(view, command)
    log = tuple(f"{answer.out}\n{answer.err}".strip("\n").splitlines())
    if seconds is None:
        return Outcome(log=log, exit_code=None)
    return Outcome(log=log, seconds=seconds, exit_code=answer.code)


def environment(view: View) -> dict[str, str]:
    """Return the variables of a container: its own, and those that kubelet and CRI-O add."""
    api = str(ip_network(view.scenario.network.service_cidr)[1])
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME": view.hostname,
        "KUBERNETES_SERVICE_HOST": api,
        "KUBERNETES_SERVICE_PORT": "443",
        "KUBERNETES_SERVICE_PORT_HTTPS": "443",
        "KUBERNETES_PORT": f"tcp://{api}:443",
        "KUBERNETES_PORT_443_TCP": f"tcp://{api}:443",
        "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
        "KUBERNETES_PORT_443_TCP_PORT": "443",
        "KUBERNETES_PORT_443_TCP_ADDR": api,
        "HOME": "/" if view.user else "/root",
        **view.env,
    }


def _one(view: View, words: list[str]) -> tuple[Answer, float]:
    name = words[0].rpartition("/")[2]
    if name == "dnf" and "search" in words and "kernel-devel" in words:
        found = packages.search_kernel_devel(view)
        return Answer(out="\n".join(found.log), code=found.exit_code or 0), found.seconds
    if name == "vectorAdd":
        return vector_add(view), view.scenario.latencies.cuda_sample
    if name == "sleep" and len(words) > 1:
        return Answer(), sum(map(_duration, words[1:]))
    known = _COMMANDS.get(name)
    if known is None:
        raise Unknown(words[0])
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


_IMAGE = {
    *("bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root"),
    *("run", "sbin", "srv", "sys", "tmp", "usr", "var"),
}
"""Folders of every image, by the Filesystem Hierarchy Standard."""


def _ls(view: View, words: list[str]) -> Answer:
    out = []
    for folder in [w.rstrip("/") for w in words if not w.startswith("-")] or [""]:
        paths = [*view.files, *(k for k in view.host if k.startswith("/"))]
        below = {p.removeprefix(f"{folder}/") for p in paths if p.startswith(f"{folder}/")}
        inside = {name.partition("/")[0] for name in below}
        if not folder:
            inside |= _IMAGE
        elif not inside and folder.removeprefix("/") in _IMAGE:
            msg = f"ls {folder}"  # full of the image's own files, which the simulator does not have
            raise Unknown(msg)
        if not inside and folder not in paths:
            text = f"ls: cannot access '{folder}': No such file or directory"
            return Answer(err=text, code=2)
        out += sorted(inside) or [folder]
    return Answer(out="\n".join(out))


def _id(view: View, words: list[str]) -> Answer:
    """Print who the container runs as; CRI-O gives a number without a name its own as a name."""
    user, group, groups = view.user, view.group, sorted({view.group, *view.groups})
    if words == ["-u"]:
        return Answer(out=str(user))
    if words == ["-g"]:
        return Answer(out=str(group))
    if words:
        raise Unknown(" ".join(["id", *words]))
    shown = ",".join(_named(number) if not number else str(number) for number in groups)
    name = f"{group}(root)" if not group else str(group)
    return Answer(out=f"uid={_named(user)} gid={name} groups={shown}")


def _named(number: int) -> str:
    return f"{number}({number or 'root'})"


def _uname(view: View, words: list[str]) -> Answer:
    machine = "aarch64" if view.node.architecture == "arm64" else "x86_64"
    known = {"-s": "Linux", "-n": view.hostname, "-r": view.node.kernel, "-m": machine}
    if any(word not in known for word in words):
        raise Unknown(" ".join(["uname", *words]))
    return Answer(out=" ".join(text for word, text in known.items() if word in (words or ["-s"])))


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
    return Answer(out="\n".join(f"{k}={v}" for k, v in environment(view).items()))


_COMMANDS: dict[str, Callable[[View, list[str]], Answer]] = {
    "nvidia-smi": smi.run,
    "cat": _cat,
    "grep": _grep,
    "ls": _ls,
    "echo": lambda _v, words: Answer(out=" ".join(words)),
    "true": lambda _v, _w: Answer(),
    ":": lambda _v, _w: Answer(),
    "false": lambda _v, _w: Answer(code=1),
    "uname": _uname,
    "hostname": lambda v, _w: Answer(out=v.hostname),
    "id": _id,
    "whoami": lambda v, _w: Answer(out=str(v.user or "root")),
    "pwd": lambda _v, _w: Answer(out="/"),
    "lsmod": _lsmod,
    "lspci": _lspci,
    "date": _date,
    "env": _env,
}
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _duration(text: str) -> float:
    if text in _FOREVER:
        return math.inf
    unit = _UNITS.get(text[-1])
    try:
        return float(text[:-1]) * unit if unit else float(text)
    except ValueError as error:
        raise Unknown(text) from error
