"""`oc-gpu status`: where the road stands."""

import sys
from contextlib import nullcontext

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
from oc_gpu.report import output, watching
from oc_gpu.report import status as report
from oc_gpu.report.documents import Status
from oc_gpu.rollout import commands
from oc_gpu.rollout.survey import Wish

INTERRUPTED = 130


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
    if watch:
        return _watch(settings, wish)

    async def look(client: Client) -> Status:
        return report.document(await commands.status(client, wish))

    status = with_client(settings, look, limit=settings.timeout or defaults.READING)
    output.put(status, report.text, settings.output, settings.color)
    return report.exit_code(status)


def _watch(settings: Settings, wish: Wish) -> int:
    """Show each change until the user has seen enough."""
    picture, show = watching.shower(sys.stdout, settings.output, settings.color)

    async def follow(client: Client) -> None:
        async for found in commands.follow(client, wish):
            show(found)

    try:
        with picture or nullcontext():
            with_client(settings, follow, limit=settings.timeout)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0
