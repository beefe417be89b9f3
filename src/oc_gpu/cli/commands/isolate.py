"""`oc-gpu isolate`: keep other pods off the GPU nodes, or take the taint back."""

import click

from oc_gpu.cli import defaults, wanted
from oc_gpu.cli.gates import Gates
from oc_gpu.cli.options import (
    Command,
    cluster_options,
    config_option,
    pass_settings,
    taint_option,
    yes_option,
)
from oc_gpu.cli.running import with_client
from oc_gpu.cli.settings import Settings
from oc_gpu.cli.walking import finish
from oc_gpu.kube import Client
from oc_gpu.rollout import commands
from oc_gpu.rollout.events import Outcome


@click.command(
    "isolate",
    cls=Command,
    short_help="Keep other pods off the GPU nodes by a taint, or take it back.",
)
@click.option("--remove", is_flag=True, help="Take our taint back.")
@taint_option
@config_option
@yes_option
@cluster_options
@pass_settings
def command(settings: Settings, remove: bool) -> int:  # noqa: FBT001  (click passes it by name)
    """Keep pods that ask for no GPU off the GPU nodes by a taint, or take the taint back.

    The tolerations of NFD and the GPU Operator come first, so that none of their pods is
    turned away.
    """
    wish = wanted.wish(settings)
    gates = Gates(settings)

    async def work(client: Client) -> Outcome:
        with gates.progress as observer:
            return await commands.isolate(
                client,
                wish,
                observer,
                remove=remove,
                agree=gates.agree(client, "Do this?"),
                timeout=wanted.limit(settings, wish.config.spec.timeouts.enable, defaults.WALK),
            )

    return finish(settings, "Isolate", gates, with_client(settings, work))
