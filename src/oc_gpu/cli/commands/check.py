"""`oc-gpu check`: can this cluster get GPUs, and what would stop it."""

from functools import partial

import click
from msgspec import structs

from oc_gpu import facts
from oc_gpu.checks import catalogue, preflight
from oc_gpu.checks.context import inputs
from oc_gpu.checks.hardware import JOURNAL_PATTERN, gpu_nodes
from oc_gpu.checks.inputs import Rights
from oc_gpu.cli import defaults, wanted
from oc_gpu.cli.options import (
    Command,
    cluster_options,
    namespace_option,
    pass_settings,
    platform_options,
    yes_option,
)
from oc_gpu.cli.running import with_client
from oc_gpu.cli.settings import Settings
from oc_gpu.cli.talking import confirm
from oc_gpu.kube import Client, OcGpuError
from oc_gpu.manifests.probe import summary
from oc_gpu.report import alike, documents, findings, output
from oc_gpu.rollout import probing, rights
from oc_gpu.rollout.probing import Probed
from oc_gpu.rollout.survey import Survey, survey


@click.command(
    "check", cls=Command, short_help="Can this cluster get GPUs, and what would stop it?"
)
@click.option(
    "--probe-nodes",
    is_flag=True,
    help="Ask the GPU nodes themselves, by short-lived privileged pods.",
)
@platform_options
@namespace_option
@yes_option
@cluster_options
@pass_settings
def command(settings: Settings, *, probe_nodes: bool) -> int:
    """Say whether this cluster can get GPUs, and what would stop it. Nothing is changed.

    Exit code 1 when something stands in the way. What could not be read is told as unknown.

    With --probe-nodes a privileged pod on each GPU node, or on each worker where none is known yet,
    tells of Secure Boot, nouveau, a driver of the host, PCI address space and the IOMMU. The pods
    are shown and asked for first, and removed afterwards.
    """
    wish = wanted.wish(settings)

    async def look(client: Client) -> tuple[Survey, Rights, Probed]:
        found = await survey(client, wish, "check", journal=JOURNAL_PATTERN)
        answers = await rights.of(client, found)
        given = rights.told(answers, await rights.of_others(client, found))
        probed = await _probe(client, settings, found) if probe_nodes else Probed({}, {})
        return found, given, probed

    limit = settings.timeout or (None if probe_nodes else defaults.READING)
    found, given, probed = with_client(settings, look, limit=limit)
    seen = structs.replace(inputs(found.context, given), probes=probed.told, unprobed=probed.missed)
    told = catalogue.run_all(preflight.CHECKS, seen)
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


async def _probe(client: Client, settings: Settings, found: Survey) -> Probed:
    """Show which pods are to be made, ask, and probe the nodes.

    Raises:
        OcGpuError: The user does not agree.
        UsageError: There is nobody to ask.
    """
    platform, snapshot = found.context.platform, found.snapshot
    nodes = gpu_nodes(inputs(found.context)) or tuple(n.metadata.name for n in platform.workers)
    pods = probing.planned(
        nodes,
        facts.trial_image(),
        settings.namespace or "default",
        snapshot.now,
    )
    if not pods:
        return Probed({}, {})
    for line in summary(pods) if settings.verbose else alike.told(summary(pods)):
        output.say(line)
    which = "this pod" if len(pods) == 1 else f"these {len(pods)} pods"
    if not confirm(settings, f"Make {which}?"):
        message = "you did not agree, so no node was probed and nothing was written"
        raise OcGpuError(message, hints=("without --probe-nodes nothing is made",))
    return await probing.probe(client, pods, snapshot.now)
