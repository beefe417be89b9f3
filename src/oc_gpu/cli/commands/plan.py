"""`oc-gpu plan`: what enable would create, change and reboot, and how long it takes."""

from functools import partial

import click

from oc_gpu.checks import preflight
from oc_gpu.checks.hardware import JOURNAL_PATTERN
from oc_gpu.cli import defaults, wanted
from oc_gpu.cli.options import (
    Command,
    cluster_options,
    ownership_options,
    pass_settings,
    platform_options,
)
from oc_gpu.cli.running import with_client
from oc_gpu.cli.settings import Settings
from oc_gpu.kube import Client
from oc_gpu.report import documents, output
from oc_gpu.report import plan as report
from oc_gpu.rollout.preview import preview
from oc_gpu.rollout.survey import survey


@click.command(
    "plan",
    cls=Command,
    short_help="What enable would create, change and reboot, and how long it takes.",
)
@platform_options
@ownership_options
@cluster_options
@pass_settings
def command(settings: Settings) -> int:
    """Show what enable would create, change and reboot. Nothing is written.

    The server is asked by dry run what each write would do. Exit code 1 when a check finds that
    this cluster cannot get GPUs as it is, or a stage is blocked.
    """
    wish = wanted.wish(settings)

    async def look(client: Client) -> documents.Plan:
        found = await survey(client, wish, journal=JOURNAL_PATTERN)
        obstacles = preflight.obstacles(found.context)
        return report.document(found, await preview(client, found.actions), obstacles)

    plan = with_client(settings, look, limit=settings.timeout or defaults.READING)
    text = partial(report.answer, verbose=settings.verbose)
    output.put(plan, text, settings.output, settings.color)
    return 0 if plan.clean else 1
