"""Whoever ends the program finds nothing of it left."""

import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import os, signal, sys
from oc_gpu.cli import entry
from oc_gpu.cli.commands import doctor

def told_to_end(case):
    assert os.listdir(os.environ["TMPDIR"])
    os.kill(os.getpid(), signal.SIGTERM)

doctor.diagnose = told_to_end
sys.exit(entry.run(["doctor", sys.argv[1]]))
"""


def test_a_doctor_that_is_told_to_end_leaves_no_folder(tmp_path: Path) -> None:
    bundle, temporary = tmp_path / "bundle", tmp_path / "temporary"
    (bundle / "cluster-scoped-resources" / "core" / "nodes").mkdir(parents=True)
    node = bundle / "cluster-scoped-resources" / "core" / "nodes" / "a.yaml"
    node.write_text("apiVersion: v1\nkind: Node\nmetadata: {name: a}\n")
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(bundle)],
        env={"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 130, done.stderr
    assert list(temporary.iterdir()) == []
