"""A pod that runs as a process of this machine, as kubectl sees it."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oc_gpu.sim import instances
from oc_gpu.sim.local_pods import ANNOTATION

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(
        shutil.which("kubectl") is None, reason="the kubectl program is not on this machine"
    ),
]
Kubectl = Callable[..., str]
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "annotations": {ANNOTATION: "true"}},
    "spec": {
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "main",
                "image": "registry.example.com/any",
                "command": ["sh", "-c", "mkfifo /out/go; echo up; cat /out/go"],
                "volumeMounts": [{"name": "out", "mountPath": "/out"}],
            }
        ],
        "volumes": [{"name": "out", "emptyDir": {}}],
    },
}


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubectl]:
    monkeypatch.setenv(instances.HOME_VARIABLE, str(tmp_path / "sim"))
    with instances.temporary("no-gpu", run_pods=True) as cluster:
        environment = {**os.environ, "KUBECONFIG": cluster.kubeconfig, "HOME": str(tmp_path)}

        def run(*words: str, given: str = "") -> str:
            done = subprocess.run(
                ["kubectl", *words],
                env=environment,
                input=given,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        yield run


def test_files_go_in_and_out_and_the_log_is_the_programs(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("apply", "-f", "-", given=json.dumps(POD))
    kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=30s")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.bin").write_bytes(bytes(range(256)) * 1000)
    kubectl("cp", str(tmp_path / "data"), "p:/out/data")
    assert kubectl("exec", "p", "--", "sh", "-c", "wc -c < /out/data/a.bin").strip() == "256000"
    kubectl("cp", "p:/out/data", str(tmp_path / "back"))
    back = (tmp_path / "back" / "a.bin").read_bytes()
    assert back == (tmp_path / "data" / "a.bin").read_bytes()
    kubectl("exec", "p", "--", "sh", "-c", "echo bye > /out/go")
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/p", "--timeout=30s")
    assert kubectl("logs", "p") == "up\nbye\n"
