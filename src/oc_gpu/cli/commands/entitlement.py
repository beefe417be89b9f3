"""`oc-gpu entitlement`: look at the portal's download, and try it out."""

import click

from oc_gpu import facts
from oc_gpu.cli import containers, defaults
from oc_gpu.cli.options import Command, output_options, pass_settings, timeout_option
from oc_gpu.cli.settings import Settings
from oc_gpu.config import inspect_entitlement, read_entitlement
from oc_gpu.report import entitlement as report
from oc_gpu.report import output


@click.group("entitlement", short_help="Look at a subscription certificate and try it out.")
def command() -> None:
    """Look at a subscription certificate and try it out, away from any cluster."""


@command.command("inspect", cls=Command)
@click.argument("file", type=click.Path())
@output_options
@pass_settings
def inspect(settings: Settings, file: str) -> int:
    """Say what FILE holds and whether it can be used.

    FILE is what the customer portal gives: a ZIP, or the PEM with certificate and key in it. The
    key is never shown. Exit code 1 when nothing in it can be used.
    """
    found = report.document(inspect_entitlement(file))
    output.put(found, report.text, settings.output, settings.color)
    return 0 if found.chosen else 1


@command.command("test", cls=Command)
@click.argument("file", type=click.Path())
@click.option(
    "--image", help="UBI image to search in, by default that of releases that need a certificate."
)
@click.option(
    "--engine", type=click.Choice(containers.ENGINES), help="Container engine; podman first."
)
@timeout_option
@output_options
@pass_settings
def test(settings: Settings, file: str, image: str | None, engine: str | None) -> int:
    """Search for kernel-devel in a UBI container that sees FILE.

    This is the walk-through's first proof: what the driver build needs can be downloaded with
    this certificate. It needs podman or docker on this machine, and no cluster.
    """
    entitlement = read_entitlement(file)
    found = containers.find_engine(engine)
    image = image or facts.trial_image()
    if settings.output == "text":
        output.say(f"searching in {image}; the first time this pulls the image")
    trial = containers.search(entitlement, found, image, settings.timeout or defaults.TRIAL)
    output.put(trial, report.trial_text, settings.output, settings.color)
    return 0 if trial.works else 1
