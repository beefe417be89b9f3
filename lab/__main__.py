"""`python -m lab`: build, start and end the lab."""

import sys

import click

from lab.programs import build_all
from oc_gpu.kube.errors import OcGpuError


@click.group(help=__doc__)
def main() -> None:
    """Hold the commands together."""


@main.command()
def build() -> None:
    """Build the programs that are not there."""
    done = build_all(tell=click.echo)
    click.echo(f"built {', '.join(done)}" if done else "everything is there")


if __name__ == "__main__":
    try:
        main(standalone_mode=True)
    except OcGpuError as error:
        click.echo(f"error: {error}", err=True)
        for hint in error.hints:
            click.echo(f"  {hint}", err=True)
        sys.exit(error.exit_code)
