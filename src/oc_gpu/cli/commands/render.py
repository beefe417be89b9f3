"""`oc-gpu render`: the objects of the road as plain YAML files."""

import sys
from pathlib import Path

import click

from oc_gpu.cli import defaults, wanted
from oc_gpu.cli.options import Command, cluster_options, pass_settings, platform_options
from oc_gpu.cli.running import with_client
from oc_gpu.cli.settings import Settings
from oc_gpu.kube import Client
from oc_gpu.kube.errors import OcGpuError
from oc_gpu.kube.words import counted
from oc_gpu.report import files, output
from oc_gpu.rollout.survey import Survey, survey
from oc_gpu.stages.model import State
from oc_gpu.stages.road import STAGES

NAMES = tuple(stage.NAME for stage in STAGES)


@click.command(
    "render", cls=Command, short_help="Write the objects of the road as plain YAML files."
)
@click.option("--stage", "only", type=click.Choice(NAMES), multiple=True, help="Only this stage.")
@click.option(
    "-d",
    "--output-dir",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write numbered files there, keys included, for your eyes only.",
)
@platform_options
@cluster_options
@pass_settings
def command(settings: Settings, only: tuple[str, ...], output_dir: Path | None) -> int:
    """Write the objects of the road, in the order in which to apply them.

    They are YAML, with -o json a List, or a file each. Releases and names follow from the
    cluster, which is read and not changed. Without --output-dir everything goes to stdout, with
    the data of Secrets and the entitlement left out.
    """
    wish = wanted.wish(settings)

    async def look(client: Client) -> Survey:
        return await survey(client, wish)

    found = with_client(settings, look, limit=settings.timeout or defaults.READING)
    names = only or NAMES
    plans = [plan for plan in found.plans if plan.name in names]
    made = files.files(plans, settings.output)
    if not made:
        reasons = (f"{plan.name}: {plan.not_needed or plan.decision}" for plan in plans)
        raise OcGpuError("there is nothing to render", hints=tuple(reasons))
    if output_dir is None:
        sys.stdout.writelines(files.stdout_text(made, settings.output))
    else:
        files.write(output_dir, made)
        keys = any(file.manifest["kind"] == "Secret" for file in made)
        private = ": the entitlement's key is in them" if keys else ""
        output.say(f"{counted(len(made), 'file')} in {output_dir}, readable by you only{private}")
    for patch in files.patches(plans):
        output.say(f"not a file, a change of what exists: {patch}")
    stuck = [a for a in found.assessments if a.stage in names and a.state is State.BLOCKED]
    for assessment in stuck:
        output.say(f"not complete: {assessment.stage}: {assessment.detail}")
    return int(bool(stuck))
