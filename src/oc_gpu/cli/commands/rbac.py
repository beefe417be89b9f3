"""`oc-gpu rbac`: the rights that all commands need, as a ClusterRole."""

import sys

import click

from oc_gpu.cli.options import Command, output_options, pass_settings
from oc_gpu.cli.settings import Settings
from oc_gpu.report import output
from oc_gpu.rollout.grants import cluster_role


@click.command(
    "rbac", cls=Command, short_help="Print a ClusterRole with every right that oc-gpu needs."
)
@output_options
@pass_settings
def command(settings: Settings) -> None:
    r"""Print a ClusterRole with every right that oc-gpu needs, from check to disable.

    \b
    oc-gpu rbac | oc apply -f -
    oc adm policy add-cluster-role-to-user oc-gpu USER

    Who has it can take a cluster from bare to GPUs and back, and is no cluster-admin. Without the
    right to get nodes/proxy, check and verify know less of the nodes.
    """
    role = cluster_role()
    as_json = settings.output == "json"
    sys.stdout.write(output.encode(role, "json") if as_json else output.encode(role, "yaml"))
