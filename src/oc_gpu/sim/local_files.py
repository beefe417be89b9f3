"""The folder of a pod that runs as a process: what it mounts, and what its paths become there."""

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.placement import quantity
from oc_gpu.sim.hardware.model import View

ROOT_VARIABLE = "OC_GPU_POD_ROOT"
"""Environment variable with the folder that stands for `/` of the pod."""
CPU_VARIABLE = "OC_GPU_CPU_LIMIT"
"""Environment variable with the container's limit in cores; nothing holds the process to it."""
_PYTHONS = {"python", "python3"}
_OF_THE_MACHINE = ("/dev/", "/proc/")
_SOURCES = ("emptyDir", "configMap", "secret")
_DEFAULT_MODE = 0o644


class UnsupportedError(Exception):
    """The container needs what a process of this machine cannot have."""


class Place(Struct, frozen=True):
    """Where a container's processes run.

    Attributes:
        root: The folder that stands for `/`.
        mapped: Paths of the pod that stand for ones below the root wherever they are named.
        working: Working directory in the pod.
        environment: All of the environment of its processes.
        ports: Ports by name.
    """

    root: Path
    mapped: tuple[str, ...]
    working: str
    environment: dict[str, str]
    ports: dict[str, int]

    def command(self, words: Sequence[str]) -> list[str]:
        """Return a command as it runs here: Python is this program's, paths are below the root."""
        program, *rest = words
        is_python = program.rpartition("/")[2] in _PYTHONS
        first = sys.executable if is_python else self.text(program)
        here = _is_tar(words)
        return [first, *(self._argument(word, relative=here) for word in rest)]

    def folder(self, words: Sequence[str]) -> str:
        """Return where a command runs."""
        return str(self.root) if _is_tar(words) else self.path(self.working)

    def path(self, path: str) -> str:
        """Return where a path of the pod is on this machine; none leads out of the root."""
        return str(self.root) + os.path.normpath(f"/{path}").replace("//", "/").rstrip("/")

    def text(self, text: str) -> str:
        """Return a text in which mounted paths are those of this machine."""
        if not self.mapped:
            return text
        either = "|".join(re.escape(path) for path in self.mapped)
        named = rf"(?<![\w./-])(?:{either})(?![\w.-])"
        return re.sub(named, lambda found: f"{self.root}{found[0]}", text)

    def _argument(self, word: str, *, relative: bool) -> str:
        if not word.startswith("/") or word.startswith(_OF_THE_MACHINE) or {" ", ":"} & {*word}:
            return self.text(word)
        place = self.path(word)
        return os.path.relpath(place, self.root) if relative else place


def _is_tar(words: Sequence[str]) -> bool:
    """Tell whether this is tar, whose archives must name files as the pod knows them."""
    return bool(words) and words[0].rpartition("/")[2] == "tar"


def lay_out(root: Path, pod: RawObject, container: RawObject, view: View) -> Place:
    """Make a pod's folder, with what a container mounts in it.

    An emptyDir is kept over restarts and shared by the containers, as all of the folder is.

    Args:
        root: The pod's folder.
        pod: The pod.
        container: The container's entry in its spec.
        view: Its environment, the content of its ConfigMaps and Secrets.

    Raises:
        UnsupportedError: It has no command, or a volume that no process can have.
    """
    if not view.command:
        msg = f"container {view.container} names no command, and its image is not looked into"
        raise UnsupportedError(msg)
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or []}
    mounts = container.get("volumeMounts") or []
    working = container.get("workingDir") or "/"
    mapped = {mount["mountPath"].rstrip("/") for mount in mounts} | {working.rstrip("/")}
    place = Place(
        root,
        tuple(sorted(filter(None, mapped), key=len, reverse=True)),
        working,
        {},
        {port["name"]: port["containerPort"] for port in _ports(container) if port.get("name")},
    )
    for name in (working, "/tmp"):  # noqa: S108  # below the pod's own folder
        Path(place.path(name)).mkdir(parents=True, exist_ok=True)
    for mount in sorted(mounts, key=lambda mount: len(mount["mountPath"])):
        _mount(place, mount, volumes[mount["name"]], view)
    place.environment.update(_environment(place, container, view))
    return place


def _ports(container: RawObject) -> Sequence[RawObject]:
    return container.get("ports") or ()


def _mount(place: Place, mount: RawObject, volume: RawObject, view: View) -> None:
    kind = next((kind for kind in _SOURCES if kind in volume), None)
    if kind is None:
        what = next((key for key in volume if key != "name"), "of no kind")
        msg = f"volume {volume['name']} ({what}) cannot be had by a process of this machine"
        raise UnsupportedError(msg)
    target = Path(place.path(mount["mountPath"]))
    if kind == "emptyDir":
        _empty_dir(place, target, f"{volume['name']}/{mount.get('subPath', '')}")
        return
    mode = (volume[kind] or {}).get("defaultMode") or _DEFAULT_MODE
    if not mount.get("subPath"):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
    _write(place, mount["mountPath"].rstrip("/"), view.files, mode)


def _empty_dir(place: Place, target: Path, name: str) -> None:
    """Have a volume at a path: the first one is the folder, others lead to it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    marks = place.root / ".volumes"
    marks.mkdir(exist_ok=True)
    mark = marks / name.strip("/").replace("/", "_")
    if not mark.is_symlink():
        target.mkdir(exist_ok=True)
        mark.symlink_to(target)
    elif not target.exists():
        target.symlink_to(mark.readlink())


def _write(place: Place, below: str, files: Mapping[str, bytes], mode: int) -> None:
    for path, content in files.items():
        if path == below or path.startswith(f"{below}/"):
            file = Path(place.path(path))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            file.write_bytes(content)
            file.chmod(mode)


def _environment(place: Place, container: RawObject, view: View) -> dict[str, str]:
    """Return the container's environment, and what any program needs to run here."""
    limits = (container.get("resources") or {}).get("limits") or {}
    cards = ",".join(str(number) for number, _ in enumerate(view.devices))
    ours = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
        "HOME": place.path("/"),
        "TMPDIR": place.path("/tmp"),  # noqa: S108  # below the pod's own folder
        "CUDA_VISIBLE_DEVICES": cards,
        ROOT_VARIABLE: str(place.root),
    }
    if "cpu" in limits:
        ours[CPU_VARIABLE] = f"{quantity(limits['cpu']):g}"
    given = {name: place.text(value) for name, value in view.env.items()}
    return ours | given
