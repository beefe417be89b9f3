"""Diagnosing a bundle of 1 GB: our doctor against one `grep -rE` over the same files.

The bundle has the layout of `oc adm must-gather`: lists of a few hundred namespaces, and logs that
make up most of its bytes, some of them rotated and packed. One node's driver fails in it, and the
doctor has to say why. Both read from the page cache, in turns; grep writes into a pipe, because it
stops at the first match where its output goes to /dev/null.
"""

import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

SIZE = 1 << 30
TIMES = 3.0
"""What the doctor's time must not exceed, in times of one grep."""
MEGABYTES = 500.0
"""What the doctor's memory must not exceed."""
ROUNDS = 3
PATTERN = "Required key not available|no space left on device|unauthorized: |fallen off the bus"
CAUSE = "secure-boot-enabled"
PROGRAM = str(Path(sys.executable).with_name("oc-gpu"))
_NAMESPACES = 300
_PODS = 20
"""Pods of each namespace."""
_NODES = 120
_USERS = 10
"""Every how many namespaces one has pods that ask for a GPU: their logs are read."""
_WORDS = (
    *("reconcile", "controller", "request", "namespace", "watch", "cache", "sync", "updated"),
    *("status", "condition", "ready", "retry", "timeout", "leader", "lease", "node", "pod"),
    *("container", "image", "event", "handler", "queue", "finished", "started"),
)
_TEXTS = 40
"""Different logs: making each one new would take longer than reading them."""
_LINES = 20_000
"""Different lines in all logs; programs repeat themselves."""
_REFUSED = "modprobe: ERROR: could not insert 'nvidia': Required key not available"


class Figures(Struct, frozen=True):
    """Medians of both, and the doctor's largest memory."""

    doctor_s: float
    grep_s: float
    peak_mb: float


def make(root: Path, size: int = SIZE) -> None:
    """Write a bundle of some size.

    Args:
        root: An empty folder.
        size: Bytes of all its files.
    """
    luck = random.Random(4711)  # noqa: S311 - the same bundle every time, guards nothing
    inner = root / "quay-io-openshift-must-gather-sha256-0"
    written = sum(_write(inner / path, text) for path, text in _objects(luck))
    lines = [_line(luck) for _ in range(_LINES)]
    each = (size - written) // (_NAMESPACES * _PODS)
    texts = [_text(luck, lines, each) for _ in range(_TEXTS)]
    for space in range(_NAMESPACES):
        for pod in range(_PODS):
            _log(inner, f"team-{space:03}", f"app-{pod:02}", luck.choice(texts))
    driver = inner / _logs("nvidia-gpu-operator", "nvidia-driver-daemonset-x", "nvidia-driver-ctr")
    _write(driver / "current.log", _text(luck, lines, 4 << 20) + _stamped(_REFUSED))


def _write(path: Path, text: str) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.write_bytes(text.encode())


def _logs(space: str, pod: str, container: str) -> str:
    return f"namespaces/{space}/pods/{pod}/{container}/{container}/logs"


def _log(inner: Path, space: str, pod: str, text: str) -> None:
    folder = inner / _logs(space, pod, "main")
    _write(folder / "current.log", text)
    if pod.endswith("0"):
        rotated = folder / "rotated" / "0.log.20260101-000000.gz"
        rotated.parent.mkdir()
        rotated.write_bytes(gzip.compress(text[: 64 << 10].encode(), 1))


def _line(luck: random.Random) -> str:
    words = " ".join(luck.choices(_WORDS, k=luck.randint(6, 20)))
    return f"I0101 main.go:{luck.randint(1, 999)}] {words} {luck.randint(0, 1 << 40):x}"


def _stamped(line: str) -> str:
    return f"2026-01-01T08:00:00.000000000Z {line}\n"


def _text(luck: random.Random, lines: Sequence[str], size: int) -> str:
    count = size // 140
    return "".join(map(_stamped, luck.choices(lines, k=count)))


def _objects(luck: random.Random) -> Iterator[tuple[str, str]]:
    yield "timestamp", "2026-01-01 09:00:00.1 +0000 UTC\n"
    for number in range(_NODES):
        name = f"node-{number:03}"
        yield f"cluster-scoped-resources/core/nodes/{name}.yaml", _node(name, gpu=number == 0)
    for number in range(_NAMESPACES):
        space = f"team-{number:03}"
        gpu = number % _USERS == 0
        items = "".join(
            _pod(space, f"app-{n:02}", luck.randrange(_NODES), gpu=gpu) for n in range(_PODS)
        )
        yield f"namespaces/{space}/core/pods.yaml", _list("Pod", items)
        yield f"namespaces/{space}/core/events.yaml", _list("Event", _events(space))
        yield f"namespaces/{space}/{space}.yaml", f"kind: Namespace\nmetadata: {{name: {space}}}\n"
    space = "nvidia-gpu-operator"
    yield f"namespaces/{space}/core/pods.yaml", _list("Pod", _driver(space))


def _list(kind: str, items: str) -> str:
    return f"apiVersion: v1\nitems:\n{items}kind: {kind}List\n"


def _node(name: str, *, gpu: bool) -> str:
    card = '    feature.node.kubernetes.io/pci-10de.present: "true"\n' if gpu else ""
    return (
        f"apiVersion: v1\nkind: Node\nmetadata:\n  name: {name}\n  labels:\n"
        f'    node-role.kubernetes.io/worker: ""\n{card}'
        "status:\n  allocatable:\n    cpu: '32'\n  conditions:\n"
        '  - {type: Ready, status: "True"}\n'
        "  nodeInfo:\n    osImage: Red Hat Enterprise Linux CoreOS 416.94.202409040013-0\n"
    )


def _pod(space: str, name: str, node: int, *, gpu: bool) -> str:
    limits = "      resources:\n        limits:\n          nvidia.com/gpu: '1'\n" if gpu else ""
    env = "".join(f"      - name: VARIABLE_{n}\n        value: some value {n}\n" for n in range(20))
    return (
        f"- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: {name}\n    namespace: {space}\n"
        f"    labels:\n      app: {name}\n  spec:\n    nodeName: node-{node:03}\n"
        "    containers:\n    - name: main\n"
        f"      image: registry.example.com/{space}/app:1\n{limits}"
        f"      env:\n{env}  status:\n    phase: Running\n    containerStatuses:\n"
        "    - name: main\n      ready: true\n      restartCount: 0\n      state:\n"
        "        running:\n          startedAt: '2026-01-01T00:00:00Z'\n"
    )


def _driver(space: str) -> str:
    waiting = "          reason: CrashLoopBackOff\n"
    return (
        "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: nvidia-driver-daemonset-x\n"
        f"    namespace: {space}\n    labels:\n      app: nvidia-driver-daemonset\n"
        "  spec:\n    nodeName: node-000\n    containers:\n    - name: nvidia-driver-ctr\n"
        "      image: nvcr.io/nvidia/driver:550.144.03-rhcos4.16\n  status:\n    phase: Running\n"
        "    containerStatuses:\n    - name: nvidia-driver-ctr\n      ready: false\n"
        f"      restartCount: 9\n      state:\n        waiting:\n{waiting}"
    )


def _events(space: str) -> str:
    return "".join(
        f"- apiVersion: v1\n  kind: Event\n  metadata:\n    name: e{n}\n    namespace: {space}\n"
        f"  involvedObject:\n    kind: Pod\n    name: app-00\n  type: {kind}\n"
        f"  reason: Pulled\n  message: Container image number {n} is there\n"
        for n, kind in enumerate(("Normal", "Normal", "Warning") * 30)
    )


def measure(size: int = SIZE, rounds: int = ROUNDS) -> Figures:
    """Make a bundle and measure both over it; the first round fills the page cache only."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, size)
        doctor = [PROGRAM, "doctor", folder, "-o", "json"]
        grep = ["grep", "-rE", PATTERN, folder]
        told = subprocess.run(doctor, capture_output=True, check=False).stdout
        found = json.loads(told)["findings"][0]["cause"]
        assert found == CAUSE, found
        runs = [(_run(grep), _run(doctor)) for _ in range(rounds + 1)][1:]
    return Figures(
        statistics.median(ours[0] for _, ours in runs),
        statistics.median(theirs[0] for theirs, _ in runs),
        max(ours[1] for _, ours in runs),
    )


def _run(command: Sequence[str]) -> tuple[float, float]:
    """Return the seconds that a command takes, and its largest memory in MB."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        while process.stdout.read(1 << 20):
            pass
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - started, used.ru_maxrss / 1000


def main() -> None:
    """Print the figures."""
    figures = measure()
    ratio = figures.doctor_s / figures.grep_s
    print(f"doctor {figures.doctor_s:.2f} s, grep {figures.grep_s:.2f} s, ratio {ratio:.2f}")
    print(f"memory {figures.peak_mb:.0f} MB")


if __name__ == "__main__":
    main()
