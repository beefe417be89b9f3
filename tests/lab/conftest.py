"""A lab cluster, and the program run on it as a user of it does: through the real `oc`."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from lab.__main__ import DAEMON, SCENARIO
from lab.control_plane import ADMIN
from lab.programs import program

from oc_gpu.sim import instances
from tests.acceptance.conftest import BIN, Cluster, Run
from tests.portal import portal_zip

_NO_CHANGES = ("selfsubjectaccessreviews", "leases")


class LabCluster(Cluster):
    """A lab cluster, and the means to act on it as `gpu-admin`."""

    @property
    def folder(self) -> Path:
        """Return the lab's folder."""
        return Path(self.kubeconfig).parent

    def oc_gpu(self, *arguments: str, timeout: float = 400) -> Run:
        """Run `oc gpu ...` on this cluster."""
        return self.oc("gpu", *arguments, timeout=timeout)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `oc gpu ...` without waiting for it."""
        return subprocess.Popen(
            [program("oc"), "gpu", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def oc(self, *arguments: str, stdin: str = "", timeout: float = 60) -> Run:
        """Run `oc` on this cluster."""
        done = subprocess.run(
            [program("oc"), *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Run(list(arguments), done.returncode, done.stdout, done.stderr)

    def as_cluster_admin(self, *arguments: str, stdin: str = "") -> Run:
        """Run `oc` with all rights."""
        return self.oc(f"--kubeconfig={self.kubeconfig}", *arguments, stdin=stdin)

    def writes(self) -> list[dict[str, Any]]:
        """Return the audit of what `gpu-admin` has changed: no dry runs, reviews or Leases."""
        lines = (self.folder / "audit.log").read_text().splitlines()
        events = (json.loads(line) for line in lines)
        return [
            e
            for e in events
            if e["objectRef"]["resource"] not in _NO_CHANGES and "dryRun=All" not in e["requestURI"]
        ]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process walks a road while the others are done."""
    items.sort(key=_patience, reverse=True)


def _patience(item: pytest.Item) -> float:
    limit = item.get_closest_marker("timeout")
    return float(limit.args[0]) if limit else 0.0


@contextmanager
def lab_cluster(home: Path) -> Iterator[LabCluster]:
    """Run a lab in which `gpu-admin` has the rights that the program asks for, and no others."""
    patch = pytest.MonkeyPatch()
    patch.setenv(instances.HOME_VARIABLE, str(home / "lab"))
    with instances.temporary(str(SCENARIO), name="t", daemon=DAEMON) as made:
        folder = Path(made.kubeconfig).parent
        environment = {
            "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "KUBECONFIG": str(folder / f"{ADMIN}.kubeconfig"),
        }
        on = LabCluster("lab", made.kubeconfig, home, environment)
        role = on.oc_gpu("rbac").ok().out
        on.as_cluster_admin("apply", "-f", "-", stdin=role).ok()
        on.as_cluster_admin(
            "create", "clusterrolebinding", ADMIN, "--clusterrole=oc-gpu", f"--user={ADMIN}"
        ).ok()
        yield on
    patch.undo()


@pytest.fixture(scope="session")
def lab() -> Iterator[LabCluster]:
    """Run one lab cluster for all tests: each takes back what it does to it.

    Its folder has a short path, for sockets are in it.
    """
    with TemporaryDirectory(prefix="oc-gpu-") as folder, lab_cluster(Path(folder)) as started:
        yield started


@pytest.fixture
def entitled(tmp_path: Path) -> Path:
    """Return a GpuPlatform that insists on the entitlement, so that the road has reboots too."""
    path = tmp_path / "platform.yaml"
    spec = {"entitlement": {"mode": "require", "file": str(portal_zip(tmp_path))}}
    document = {"apiVersion": "oc-gpu.io/v1alpha1", "kind": "GpuPlatform", "spec": spec}
    path.write_text(yaml.safe_dump(document))
    return path
