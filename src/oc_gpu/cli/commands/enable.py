"""`oc-gpu enable`: walk the road to working GPUs."""

import click

from oc_gpu.checks.hardware import JOURNAL_PATTERN
from oc_gpu.cli import defaults, wanted
from oc_gpu.cli.gates import Gates
from oc_gpu.cli.options import (
    Command,
    cluster_options,
    ownership_options,
    pass_settings,
    platform_options,
    yes_option,
)
from oc_gpu.cli.running import with_client
from oc_gpu.cli.settings import Settings
from oc_gpu.cli.walking import finish
from oc_gpu.kube import Client
from oc_gpu.rollout import commands
from oc_gpu.rollout.events import Outcome


@click.command(
    "enable", cls=Command, short_help="Walk the road to working GPUs; continue where it stands."
)
@platform_options
@ownership_options
@yes_option
@cluster_options
@pass_settings
def command(settings: Settings) -> int:
    """Walk the road to working GPUs. A run that was interrupted is continued by the next one.

    First the cluster is checked, and every right that is needed is asked for. Then the plan is
    shown and you are asked. Exit code 1 when a check or a stage fails, 4 when the time is over.
    """
    wish = wanted.wish(settings)
    gates = Gates(settings)

    async def work(client: Client) -> Outcome:
        with gates.progress as observer:
            return await commands.enable(
                client,
                wish,
                observer,
                check=gates.check,
                agree=gates.agree(client, "Do this?"),
                journal=JOURNAL_PATTERN,
                timeout=wanted.limit(settings, wish.config.spec.timeouts.enable, defaults.WALK),
            )

    return finish(settings, "Enable", gates, with_client(settings, work))
