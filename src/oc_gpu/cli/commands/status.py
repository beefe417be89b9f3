"""`oc-gpu status`: where the road stands."""

import click

from oc_gpu.cli import showing
from oc_gpu.cli.options import Command, cluster_options, config_option, pass_settings
from oc_gpu.cli.settings import Settings


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
    return showing.follow(settings) if watch else showing.status(settings)
