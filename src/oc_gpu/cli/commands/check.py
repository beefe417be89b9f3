"""`oc-gpu check`: can this cluster get GPUs, and what would stop it."""

from functools import partial

import click

from oc_gpu.checks import catalogue, preflight
from oc_gpu.checks.context import inputs
from oc_gpu.checks.hardware import JOURNAL_PATTERN
from oc_gpu.checks.inputs import Rights
from oc_gpu.cli import defaults, wanted
from oc_gpu.cli.options import Command, cluster_options, pass_settings, platform_options
from oc_gpu.cli.running import with_client
from oc_gpu.cli.settings import Settings
from oc_gpu.kube import Client
from oc_gpu.report import documents, findings, output
from oc_gpu.rollout import rights
from oc_gpu.rollout.survey import Survey, survey


@click.command(
    "check", cls=Command, short_help="Can this cluster get GPUs, and what would stop it?"
)
@platform_options
@cluster_options
@pass_settings
def command(settings: Settings) -> int:
    """Say whether this cluster can get GPUs, and what would stop it. Nothing is changed.

    Exit code 1 when something stands in the way. What could not be read is told as unknown.
    """
    wish = wanted.wish(settings)

    async def look(client: Client) -> tuple[Survey, Rights]:
        found = await survey(client, wish, "check", journal=JOURNAL_PATTERN)
        return found, rights.told(await rights.of(client, found))

    found, given = with_client(settings, look, limit=settings.timeout or defaults.READING)
    told = catalogue.run_all(preflight.CHECKS, inputs(found.context, given))
    code = catalogue.exit_code(told)
    document = documents.findings(
        "Check",
        documents.cluster(found.snapshot, found.context.platform.version),
        told,
        clean=code == 0,
        simulated=found.snapshot.simulated,
    )
    text = partial(findings.text, verbose=settings.verbose)
    output.put(document, text, settings.output, settings.color)
    return code
