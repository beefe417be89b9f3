"""`oc-gpu status`: where the road stands."""

import click

from oc_gpu.cli import defaults, wanted
from oc_gpu.cli.options import (
    Command,
    Settings,
    cluster_options,
    config_option,
    pass_settings,
)
from oc_gpu.cli.running import with_client
from oc_gpu.kube import Client
from oc_gpu.report import output
from oc_gpu.report import status as report
from oc_gpu.report.documents import Status
from oc_gpu.rollout.survey import survey


@click.command(
    "status", cls=Command, short_help="Where the road stands: stages, GPU nodes, operands."
)
@click.option("-w", "--watch", is_flag=True, help="Follow until interrupted.")
@config_option
@cluster_options
@pass_settings
def command(settings: Settings, watch: bool) -> int:  # noqa: FBT001  (click passes it by name)
    """Show where stages, GPU nodes and operands stand. Nothing is changed.

    Exit code 1 when a stage failed or is blocked.
    """
    wish = wanted.wish(settings)

    async def look(client: Client) -> Status:
        return report.document(await survey(client, wish, "status"))

    status = with_client(settings, look, limit=settings.timeout or defaults.READING)
    output.put(status, report.text, settings.output, settings.color)
    return report.exit_code(status)
