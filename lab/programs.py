"""The real programs: where they are, and how they are built from pinned Go modules."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import yaml
from msgspec import Struct

from oc_gpu.kube.errors import OcGpuError

HERE: Final = Path(__file__).parent
ASSETS_VARIABLE: Final = "OC_GPU_LAB_ASSETS"
KUBEBUILDER_VARIABLE: Final = "KUBEBUILDER_ASSETS"
_OF_KUBEBUILDER: Final = frozenset({"etcd", "kube-apiserver"})
_REQUIRED: Final = r"^\s*(?:require\s+)?(\S+)\s+(v\S+)"


class LabError(OcGpuError):
    """The lab cannot be built or started."""


class Component(Struct, frozen=True, forbid_unknown_fields=True):
    """One folder with go.mod and go.sum, and what is taken from it.

    Attributes:
        programs: Name of each program -> its Go package.
        tags: Build tags.
        variables: Go string variable -> value that the linker gives it.
        modules: Modules whose files the lab reads.
    """

    programs: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    modules: tuple[str, ...] = ()


def components() -> dict[str, Component]:
    """Return all components by the name of their folder."""
    text = (HERE / "components.yaml").read_text()
    return msgspec.convert(yaml.safe_load(text), dict[str, Component], strict=False)


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder, outside the repository, in which built programs are kept."""
    root = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "oc-gpu" / "lab"


def find(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return where a program is, None when it has to be built.

    Args:
        name: The program's name, for instance kube-apiserver.
        environ: OC_GPU_LAB_ASSETS names a folder of ready programs; KUBEBUILDER_ASSETS one with
            etcd and kube-apiserver. Both come before what was built here.
    """
    folders = [Path(environ[ASSETS_VARIABLE])] if environ.get(ASSETS_VARIABLE) else []
    if environ.get(KUBEBUILDER_VARIABLE) and name in _OF_KUBEBUILDER:
        folders.append(Path(environ[KUBEBUILDER_VARIABLE]))
    for component, facts in components().items():
        if name in facts.programs:
            folders.append(_built_folder(component, facts, environ))
    return next((f / name for f in folders if os.access(f / name, os.X_OK)), None)


def program(name: str) -> Path:
    """Return where a program is.

    Raises:
        LabError: It is not there.
    """
    found = find(name)
    if found is None:
        raise LabError(
            f"the lab's program {name} is not there",
            hints=(f"`make lab` builds it; or set {ASSETS_VARIABLE} to a folder that has it",),
        )
    return found


def module(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of a module in the Go module cache.

    Args:
        name: The module's path, for instance github.com/NVIDIA/gpu-operator.
        environ: OC_GPU_LAB_ASSETS may have a folder `modules` laid out like a module cache.

    Raises:
        LabError: It is not there.
    """
    folder = _module_folder(name, environ)
    if folder is None:
        raise LabError(
            f"the files of Go module {name} are not in the module cache",
            hints=("`make lab` fetches them",),
        )
    return folder


def versions() -> dict[str, str]:
    """Return the pinned version of each component's programs."""
    found = {}
    for name, facts in components().items():
        for package in list(facts.programs.values())[:1]:
            pins = _pins(name)
            home = max((m for m in pins if f"{package}/".startswith(f"{m}/")), key=len)
            found[name] = f"{home} {pins[home]}"
    return found


def _pins(component: str) -> dict[str, str]:
    """Return the version of each module that a component's go.mod requires."""
    text = (HERE / component / "go.mod").read_text()
    return dict(re.findall(_REQUIRED, text, re.MULTILINE))


def build_all(
    environ: Mapping[str, str] = os.environ, *, tell: Callable[[str], object] = print
) -> list[str]:
    """Build every program and fetch every module that is not there.

    Args:
        environ: As for `find`.
        tell: Takes a line about what is about to be done.

    Returns:
        The components that were built and the modules that were fetched.

    Raises:
        LabError: Go is missing, or says why it cannot build.
    """
    done = []
    for name, facts in components().items():
        if any(find(program, environ) is None for program in facts.programs):
            tell(f"building {', '.join(facts.programs)} from lab/{name}/go.mod")
            _build(name, facts, environ)
            done.append(name)
        for wanted in facts.modules:
            if _module_folder(wanted, environ) is None:
                tell(f"fetching the files of {wanted}")
                _go(("mod", "download", wanted), HERE / name)
                done.append(wanted)
    return done


def _built_folder(name: str, facts: Component, environ: Mapping[str, str]) -> Path:
    """Return where the programs of a component are built; another pin is another folder."""
    pins = (HERE / name / "go.mod", HERE / name / "go.sum")
    digest = hashlib.sha256(msgspec.json.encode(facts, order="deterministic"))
    for pin in pins:
        digest.update(pin.read_bytes())
    return cache_folder(environ) / f"{name}-{digest.hexdigest()[:12]}"


def _build(name: str, facts: Component, environ: Mapping[str, str]) -> None:
    target = _built_folder(name, facts, environ)
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    settings = " ".join(f"-X {k}={v}" for k, v in facts.variables.items())
    options = ["-trimpath", f"-ldflags=-s -w {settings}".rstrip()]
    options += [f"-tags={','.join(facts.tags)}"] if facts.tags else []
    for program_name, package in facts.programs.items():
        _go(("build", *options, "-o", str(unfinished / program_name), package), HERE / name)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)


def _module_folder(name: str, environ: Mapping[str, str]) -> Path | None:
    """Return the folder of a module at its pinned version, if it is there."""
    where = next(c for c, facts in components().items() if name in facts.modules)
    version = _pins(where).get(name)
    if version is None:
        raise LabError(f"lab/{where}/go.mod does not pin {name}")
    escaped = re.sub("[A-Z]", lambda letter: f"!{letter[0].lower()}", name)
    folders = [root / f"{escaped}@{version}" for root in _module_caches(environ)]
    return next((f for f in folders if f.is_dir()), None)


def _module_caches(environ: Mapping[str, str]) -> list[Path]:
    caches = [Path(environ[ASSETS_VARIABLE]) / "modules"] if environ.get(ASSETS_VARIABLE) else []
    default = Path(environ.get("GOPATH") or Path.home() / "go") / "pkg" / "mod"
    return [*caches, Path(environ.get("GOMODCACHE") or default)]


def _go(arguments: tuple[str, ...], folder: Path) -> None:
    """Run the go command; cgo is off, so that no C compiler is needed.

    Raises:
        LabError: It is missing, or failed.
    """
    if shutil.which("go") is None:
        raise LabError(
            "the lab's programs are built with Go, and the command `go` is not on the PATH",
            hints=(
                "install Go 1.25 or newer (https://go.dev/doc/install)",
                f"or set {ASSETS_VARIABLE} to a folder of ready programs",
            ),
        )
    environ = {**os.environ, "CGO_ENABLED": "0"}
    done = subprocess.run(
        ("go", *arguments), cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise LabError(f"go {arguments[0]} in lab/{folder.name} failed: {last}")
