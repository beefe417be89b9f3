"""`oc-gpu gather`: a redacted bundle of what tells of GPUs on a cluster."""

from datetime import UTC, datetime
from pathlib import Path

import click

from oc_gpu.cli import defaults
from oc_gpu.cli.ending import cleaning_up
from oc_gpu.cli.options import Command, cluster_options, pass_settings
from oc_gpu.cli.running import with_client
from oc_gpu.cli.settings import Settings
from oc_gpu.report import bundles, output
from oc_gpu.rollout.gathering import gather
from oc_gpu.snapshot.bundle.writing import files


@click.command(
    "gather", cls=Command, short_help="A redacted bundle of the cluster, for support and doctor."
)
@click.argument("place", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@cluster_options
@pass_settings
def command(settings: Settings, place: Path | None) -> int:
    """Write what tells of GPUs on this cluster into DIR, in the layout of `oc adm inspect`.

    A DIR that ends in .tar.gz is packed. Secrets are not read at all; keys, tokens and passwords
    in other objects and in logs are hidden. What you may not read is left out and told. Nothing
    is changed on the cluster. `oc-gpu doctor DIR` reads it.
    """
    path = place or Path(f"oc-gpu-gather-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    bundles.require_free(path)
    contents = with_client(settings, gather, limit=settings.timeout or defaults.GATHERING)
    with cleaning_up():
        size = bundles.write(path, files(contents))
    made = bundles.document(path, contents, size)
    output.put(made, bundles.text, settings.output, settings.color)
    return 0
