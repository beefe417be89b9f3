"""The speed that is promised, as ratios: `make bench`; with `--large` also on the largest cluster.

Times of programs are medians of runs that take turns, so that a busy moment of the machine hits
both sides. Times of roads are simulated: the cluster's clock against the scenario's own latencies.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct
from tests.portal import portal_zip

from benchmarks import bundle, critical_path, list_pods, scale
from oc_gpu.report.look import Look
from oc_gpu.sim import instances

PROGRAM = str(Path(sys.executable).with_name("oc-gpu"))
ROUNDS = 20
HELP_SECONDS = 0.15
STATUS = 2.0
ROAD = 1.03
PLAIN_LOOP = 1.03
SCENARIOS = ("seed", "ocp-4.20")
MEGABYTES = 300.0
"""Memory that a command may take on the largest cluster."""
LARGE = "--large"


class Figure(Struct, frozen=True):
    """One figure: what was measured, what it is held against, the ratio and its limit."""

    name: str
    measured: float
    against: float
    unit: str
    limit: float

    @property
    def ratio(self) -> float:
        """Return the measured value in parts of the other."""
        return self.measured / self.against

    def row(self) -> tuple[str, ...]:
        """Return the cells of its row."""
        return (
            "ok" if self.ratio <= self.limit else "over",
            f"{self.ratio:.2f}",
            f"{self.limit:g}",
            _digits(self.measured),
            f"{_digits(self.against)} {self.unit}",
            self.name,
        )


def _digits(value: float) -> str:
    return f"{value:.3f}" if value >= 0.1 else f"{value:.3g}"  # noqa: PLR2004


def main(arguments: Sequence[str]) -> int:
    """Print all figures; 1 when one is over its limit."""
    figures = list(_figures(scale.SIZES if LARGE in arguments else scale.USUAL))
    header = ("", "RATIO", "LIMIT", "MEASURED", "AGAINST", "FIGURE")
    for line in Look().table([figure.row() for figure in figures], header=header):
        print(line)
    return int(any(figure.ratio > figure.limit for figure in figures))


def _figures(sizes: Sequence[int]) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ[instances.HOME_VARIABLE] = f"{folder}/sim"
        (help_seconds,) = _medians([[PROGRAM, "--help"]])
        yield Figure("oc-gpu --help, against 0.15 s", help_seconds, HELP_SECONDS, "s", 1.0)
        for scenario in SCENARIOS:
            with _enabled(scenario, Path(folder)) as simulated:
                name = f"enable on {scenario}, against its critical path"
                yield Figure(name, simulated, critical_path.seconds(scenario), "simulated s", ROAD)
                if scenario == SCENARIOS[-1]:
                    yield from _status()
    yield from _bundle()
    yield from _plain_loop()
    yield from _scale(sizes)
    pods = list_pods.measure()
    name = "list and decode of 10,000 pods, against bare read and decode"
    yield Figure(name, pods.client_s, pods.floor_s, "s", list_pods.LIMIT)


@contextmanager
def _enabled(scenario: str, folder: Path) -> Iterator[float]:
    """Give the simulated seconds of `enable` on a fresh cluster, and the cluster meanwhile."""
    with instances.temporary(scenario) as cluster:
        os.environ["KUBECONFIG"] = cluster.kubeconfig
        certificate = str(portal_zip(folder))
        command = [PROGRAM, "enable", "--yes", "-o", "json", "--entitlement", certificate]
        done = subprocess.run(command, capture_output=True, check=True)
        yield float(json.loads(done.stdout)["seconds"])


def _status() -> Iterator[Figure]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        print("oc-gpu status: not measured, there is no kubectl to measure it against")
        return
    ours, theirs = _medians([[PROGRAM, "status"], [kubectl, "get", "nodes"]])
    yield Figure("oc-gpu status, against kubectl get nodes", ours, theirs, "s", STATUS)


def _scale(sizes: Sequence[int]) -> Iterator[Figure]:
    """Hold what a node costs on large clusters against what it costs on a small one."""
    for size in sorted(set(scale.SIZES) - set(sizes)):
        print(f"{size:,} nodes: not measured, `make bench LARGE=1` does in some minutes")
    small, *large = [scale.road(size) for size in sizes]
    for one in large:
        if one.look.code:
            print(f"enable on {one.nodes:,} nodes: not finished in {one.wall_s:.0f} s; {one.last}")
            continue
        name = f"enable on {one.nodes:,} nodes, CPU time of a node, against one of {small.nodes}"
        yield Figure(name, one.a_node_s, small.a_node_s, "s", scale.NODE)
    yield from _looks(sizes)


def _looks(sizes: Sequence[int]) -> Iterator[Figure]:
    """Hold commands that look at large clusters against the same on a small one."""
    small, *large = [scale.looked(size) for size in sizes]
    for looks in large:
        for one, other in zip(looks, small, strict=True):
            name = f"{one.command} on {one.nodes:,} nodes that are done"
            against = f"{name}, CPU time of a node, against one of {other.nodes}"
            yield Figure(
                against, one.seconds / one.nodes, other.seconds / other.nodes, "s", scale.NODE
            )
            yield Figure(f"{name}, its memory", one.megabytes, MEGABYTES, "MB", 1.0)


def _bundle() -> Iterator[Figure]:
    """Diagnose a bundle of 1 GB."""
    found = bundle.measure()
    name = "doctor on a bundle of 1 GB, against one grep -rE over it"
    yield Figure(name, found.doctor_s, found.grep_s, "s", bundle.TIMES)
    name = f"its memory, against {bundle.MEGABYTES:g} MB"
    yield Figure(name, found.peak_mb, bundle.MEGABYTES, "MB", 1.0)


def _plain_loop() -> Iterator[Figure]:
    """Hold the workloads of `bench` against a plain PyTorch loop, where PyTorch is."""
    pythons = [sys.executable] if find_spec("torch") else []
    pythons += [str(path) for path in [Path(".venv-bench/bin/python")] if path.exists()]
    if not pythons:
        print("workloads against a plain loop: not measured, `make test-bench` installs PyTorch")
        return
    command = [pythons[0], str(Path(__file__).with_name("plain_loop.py"))]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    for one in found["figures"]:
        what = " ".join([one["workload"], *map(str, one["shape"].values()), one["dtype"]])
        name = f"timing of {what} on {found['name']}, against a plain loop"
        yield Figure(name, one["ours"], one["ours"] / one["ratio"], "s", PLAIN_LOOP)


def _medians(commands: Sequence[Sequence[str]]) -> tuple[float, ...]:
    """Return the median seconds of each command; the first round warms caches only."""
    rounds = [[_seconds(command) for command in commands] for _ in range(ROUNDS + 1)][1:]
    return tuple(statistics.median(times) for times in zip(*rounds, strict=True))


def _seconds(command: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
