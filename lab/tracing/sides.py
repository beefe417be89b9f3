"""The two sides of a comparison: a road on the lab's real programs, and on the simulator."""

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import yaml

from lab.cluster import cluster
from lab.programs import program, versions
from lab.tracing.recorder import Recorder
from lab.tracing.trace import Trace
from lab.tracing.walk import Road, walk
from oc_gpu import __version__
from oc_gpu.sim.api.certificates import issue
from oc_gpu.sim.cluster import Simulation
from oc_gpu.sim.scenario import Scenario

_BIN: Final = Path(sys.executable).parent
_QUIET_LAB, _QUIET_SIMULATOR = 8.0, 0.5
"""Seconds without news after which a step is over; simulated time leaps meanwhile."""


async def on_lab(road: Road, scenario: Scenario) -> Trace:
    """Walk a road on the real programs and return its trace.

    Raises:
        LabError: A program is missing, or a step failed.
    """
    with TemporaryDirectory(prefix="oc-gpu-") as place:
        folder = Path(place)
        async with cluster(scenario, folder / "lab", tell=_nobody) as site:
            recorder = Recorder(site.client, road.looks, time.time)
            environment = _environment(folder, site.plane.kubeconfig())
            steps = _commands(road, folder, (str(program("oc")), "gpu"))
            found = await walk(recorder, steps, environment, quiet=_QUIET_LAB)
    return Trace(road.name, _today(), scenario.name, versions(), found)


async def on_simulator(road: Road, scenario: Scenario) -> Trace:
    """Walk a road on the simulator and return its trace.

    Raises:
        LabError: A step failed.
    """
    with TemporaryDirectory(prefix="oc-gpu-") as place:
        folder = Path(place)
        simulation = Simulation(scenario)
        async with simulation.serving(folder) as served, simulation.client() as client:
            recorder = Recorder(client, road.looks, simulation.clock.now)
            environment = _environment(folder, served.kubeconfig_path)
            steps = _commands(road, folder, (str(_BIN / "oc-gpu"),))
            found = await walk(recorder, steps, environment, quiet=_QUIET_SIMULATOR)
    return Trace(road.name, _today(), scenario.name, {"oc-gpu": __version__}, found)


def _commands(road: Road, folder: Path, program_: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the command line of each step of a road."""
    given = {"enable": ("--config", str(_entitled(folder)))} if road.entitled else {}
    return {
        step: (*program_, *arguments, *given.get(step, ()))
        for step, arguments in road.steps.items()
    }


def _entitled(folder: Path) -> Path:
    """Write a GpuPlatform that insists on a subscription, and the subscription beside it."""
    made = issue(())
    pem, document = folder / "entitlement.pem", folder / "platform.yaml"
    pem.write_text(made.certificate + made.key)
    spec = {"entitlement": {"mode": "require", "file": str(pem)}}
    wanted = {"apiVersion": "oc-gpu.io/v1alpha1", "kind": "GpuPlatform", "spec": spec}
    document.write_text(yaml.safe_dump(wanted))
    return document


def _environment(home: Path, kubeconfig: Path) -> Mapping[str, str]:
    return {
        "PATH": f"{_BIN}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "KUBECONFIG": str(kubeconfig),
    }


def _today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


def _nobody(_line: str) -> None:
    """Take a line that nobody wants to read."""
