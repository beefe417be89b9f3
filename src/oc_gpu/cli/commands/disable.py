"""`oc-gpu disable`: remove exactly what enable made."""

import click

from oc_gpu.cli import defaults, wanted
from oc_gpu.cli.gates import Gates
from oc_gpu.cli.options import (
    Command,
    cluster_options,
    config_option,
    pass_settings,
    undo_options,
    yes_option,
)
from oc_gpu.cli.running import with_client
from oc_gpu.cli.settings import Settings
from oc_gpu.cli.walking import finish
from oc_gpu.kube import Client
from oc_gpu.rollout import commands
from oc_gpu.rollout.events import Outcome


@click.command("disable", cls=Command, short_help="Remove exactly what enable made.")
@config_option
@undo_options
@yes_option
@cluster_options
@pass_settings
def command(settings: Settings) -> int:
    """Remove exactly what enable made, in the safe order, and what the operators leave behind.

    What was there before stays, and what was changed of it is as it was. Nodes reboot when they
    give an entitlement back. While pods use GPUs, or where others have changed what enable made,
    nothing is removed unless you say so.
    """
    wish = wanted.wish(settings)
    gates = Gates(settings)

    async def work(client: Client) -> Outcome:
        with gates.progress as observer:
            return await commands.disable(
                client,
                wish,
                observer,
                agree=gates.agree(client, "Remove all this?"),
                timeout=wanted.limit(settings, wish.config.spec.timeouts.disable, defaults.WALK),
            )

    return finish(settings, "Disable", gates, with_client(settings, work))
