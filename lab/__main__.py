"""The lab: a real control plane and the real operators, for tests and for looking around."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

import click

from lab.programs import HERE, build_all
from lab.tracing.sides import on_lab
from lab.tracing.trace import dump
from lab.tracing.walk import ROADS
from oc_gpu.kube.errors import OcGpuError
from oc_gpu.sim import instances
from oc_gpu.sim.scenario import load

SCENARIO: Final = HERE / "scenarios" / "ocp-4.17.yaml"
DAEMON: Final = instances.Daemon("lab.daemon", patience=180.0)
TRACES: Final = HERE / "traces"
_NAME: Final = "lab"


@click.group(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Hold the commands together."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    os.environ.setdefault(instances.HOME_VARIABLE, str(Path(state) / "oc-gpu" / "lab"))


@main.command()
def build() -> None:
    """Build the programs that are not there."""
    done = build_all(tell=click.echo)
    click.echo(f"built {', '.join(done)}" if done else "everything is there")


@main.command()
@click.argument("scenario", default=SCENARIO, type=click.Path(path_type=Path))
def up(scenario: Path) -> None:
    """Start a lab cluster that goes on after this command."""
    made = instances.up(_NAME, str(scenario), daemon=DAEMON)
    click.echo(f"the lab is at {made.url}")
    click.echo(f"export KUBECONFIG={made.kubeconfig}")


@main.command()
def down() -> None:
    """End it, and all that belongs to it."""
    click.echo("the lab is gone" if instances.down(_NAME) else "no lab ran")


@main.command()
def status() -> None:
    """Tell whether it runs."""
    found = instances.find(_NAME)
    click.echo(f"the lab is at {found.url} (process {found.pid})" if found else "no lab runs")


@main.command()
@click.option("--road", "names", type=click.Choice([r.name for r in ROADS]), multiple=True)
@click.option("--folder", default=TRACES, type=click.Path(file_okay=False, path_type=Path))
def trace(names: tuple[str, ...], folder: Path) -> None:
    """Walk the roads on fresh lab clusters and write down what the objects say."""
    scenario = load(str(SCENARIO))
    for road in ROADS:
        if not names or road.name in names:
            found = asyncio.run(on_lab(road, scenario))
            path = folder / f"{road.name}.yaml"
            path.write_text(dump(found))
            click.echo(f"{path}: {sum(map(len, found.steps.values()))} events")


@main.command()
def kubeconfig() -> None:
    """Print the path of its kubeconfig."""
    click.echo(instances.kubeconfig(_NAME))


if __name__ == "__main__":
    try:
        main()
    except OcGpuError as error:
        click.echo(f"error: {error}", err=True)
        for hint in error.hints:
            click.echo(f"hint: {hint}", err=True)
        sys.exit(error.exit_code)
