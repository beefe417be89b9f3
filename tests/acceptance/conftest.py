"""A simulated cluster in a process of its own, and the installed program run on it."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from oc_gpu.kube import ApiError, Client, ConnectOptions
from tests.portal import portal_zip

BIN = Path(sys.executable).parent
PROGRAM = str(BIN / "oc-gpu")


@dataclass
class Cluster:
    """One simulated cluster and the means to act on it."""

    name: str
    kubeconfig: str
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def oc_gpu(self, *arguments: str, timeout: float = 90) -> "Run":
        """Run the program on this cluster."""
        done = subprocess.run(
            [PROGRAM, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Run(list(arguments), done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the program on this cluster without waiting for it."""
        return subprocess.Popen(
            [PROGRAM, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, question: Callable[[Client], Any]) -> Any:
        """Ask the API server something through our client."""

        async def asked() -> Any:
            async with Client.connect(ConnectOptions(kubeconfig=self.kubeconfig)) as client:
                return await question(client)

        return asyncio.run(asked())

    def simulation(self) -> dict[str, Any]:
        """Return what the simulator tells of itself (writes seen, simulated time)."""
        return dict(self.ask(_simulation))

    def objects(self) -> dict[str, Any]:
        """Return every object of the cluster, server-owned fields aside, by path."""
        return dict(self.ask(everything))


async def _simulation(client: Client) -> dict[str, Any]:
    return dict(json.loads(await client.read("/simulation")))


_NOT_LISTED = (404, 405)
"""Status of kinds that are gone by now, and of those that can only be created, as reviews are."""


async def everything(client: Client) -> dict[str, Any]:
    discovery = await client.discover()
    found: dict[str, Any] = {}
    for resource in discovery.resources:
        if resource.kind in ("Event", "Lease") or resource.group == "authorization.k8s.io":
            continue
        try:
            listed = await client.list(resource)
        except ApiError as error:
            if error.status not in _NOT_LISTED:
                raise
            continue
        for item in listed.items:
            path = resource.path(item["metadata"].get("namespace"), _stable_name(item))
            found[path] = _cleaned(item)
    return found


def _stable_name(item: dict[str, Any]) -> str:
    """Return the name, or for a pod of a controller (whose name is random) its controller's."""
    for owner in item["metadata"].get("ownerReferences", ()):
        if owner.get("controller") and "generateName" in item["metadata"]:
            return f"of-{owner['kind']}-{owner['name']}"
    return str(item["metadata"]["name"])


SERVER_OWNED = (
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "uid",
    "selfLink",
)


LEADER = "control-plane.alpha.kubernetes.io/leader"
"""Annotation that is a Lease in its older form, renewed every few seconds."""


def _cleaned(item: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in item.items() if key not in ("status", "metadata")}
    kept["metadata"] = {k: v for k, v in item["metadata"].items() if k not in SERVER_OWNED}
    notes = kept["metadata"].get("annotations", {})
    kept["metadata"]["annotations"] = {k: v for k, v in notes.items() if k != LEADER}
    if any(o.get("controller") for o in kept["metadata"].get("ownerReferences", ())):
        return {"controlled": True}
    return kept


def difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return what is new, gone or changed between two readings of all objects, a line each."""
    lines = [f"new: {path}" for path in sorted(after.keys() - before.keys())]
    lines += [f"gone: {path}" for path in sorted(before.keys() - after.keys())]
    for path in sorted(before.keys() & after.keys()):
        lines += [f"changed: {path} {change}" for change in _changes(before[path], after[path])]
    return "\n".join(lines)


def _changes(before: Any, after: Any, where: str = "") -> list[str]:
    """Return the fields that differ, with both values."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            change
            for key in sorted({*before, *after})
            for change in _changes(before.get(key), after.get(key), f"{where}.{key}")
        ]
    return [] if before == after else [f"{where}: {before!r} -> {after!r}"]


@dataclass
class Run:
    """How a run of the program ended."""

    arguments: list[str]
    code: int
    out: str
    err: str

    def ok(self, code: int = 0) -> "Run":
        """Insist on an exit code."""
        assert self.code == code, f"{self.arguments}: exit {self.code}\n{self.out}\n{self.err}"
        assert "Traceback" not in self.err
        return self


@contextmanager
def cluster(scenario: str, home: Path, *options: str) -> Iterator[Cluster]:
    """Start a simulated cluster and take it down afterwards."""
    name = f"t{os.getpid()}-{home.name}"[:40]
    environment = {
        "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "OC_GPU_SIM_HOME": str(home / "sim"),
        "LANG": "C.UTF-8",
    }
    up = [PROGRAM, "sim", "up", name, "--scenario", scenario, "-o", "json", *options]
    done = subprocess.run(up, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    environment["KUBECONFIG"] = told["kubeconfig"]
    try:
        yield Cluster(name, told["kubeconfig"], home, environment)
    finally:
        down = [PROGRAM, "sim", "down", name]
        subprocess.run(down, env=environment, capture_output=True, check=False, timeout=20)


@pytest.fixture
def seed(tmp_path: Path) -> Iterator[Cluster]:
    with cluster("seed", tmp_path) as started:
        yield started


@pytest.fixture
def ocp(tmp_path: Path) -> Iterator[Cluster]:
    with cluster("ocp-4.20", tmp_path) as started:
        yield started


@pytest.fixture
def no_gpu(tmp_path: Path) -> Iterator[Cluster]:
    with cluster("no-gpu", tmp_path) as started:
        yield started


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the portal's download: a certificate in a zip in a zip."""
    return portal_zip(tmp_path_factory.mktemp("portal"))


def kill(process: subprocess.Popen[str]) -> None:
    """End a process the hard way."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="module")
def seed_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a seed cluster for tests that write nothing."""
    with cluster("seed", tmp_path_factory.mktemp("shared")) as started:
        yield started


@pytest.fixture
def denied(tmp_path: Path) -> Iterator[Cluster]:
    """Return a seed cluster on which MachineConfigs may not be created."""
    text = resources.files("oc_gpu.sim").joinpath("scenarios/seed.yaml").read_text()
    text += "\ndenied:\n  - verbs: [create, patch]\n"
    text += "    apiGroups: [machineconfiguration.openshift.io]\n    resources: [machineconfigs]\n"
    path = tmp_path / "denied.yaml"
    path.write_text(text)
    with cluster(str(path), tmp_path) as started:
        yield started


@pytest.fixture
def hanging_up() -> Iterator[str]:
    """Return the URL of a server that accepts and hangs up at once."""
    listening = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        listening.settimeout(0.1)
        while not stop.is_set():
            with suppress(OSError):
                listening.accept()[0].close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"https://127.0.0.1:{listening.getsockname()[1]}"
    stop.set()
    thread.join()
    listening.close()
