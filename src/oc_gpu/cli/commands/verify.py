"""`oc-gpu verify`: proof that pods compute on every GPU."""

from functools import partial

import click

from oc_gpu.checks import catalogue, hardware
from oc_gpu.checks.context import inputs
from oc_gpu.checks.verify import judge
from oc_gpu.cli import wanted
from oc_gpu.cli.options import (
    Command,
    cluster_options,
    config_option,
    namespace_option,
    pass_settings,
)
from oc_gpu.cli.running import with_client
from oc_gpu.cli.settings import Settings
from oc_gpu.kube import Client
from oc_gpu.report import documents, findings, output
from oc_gpu.rollout import proof
from oc_gpu.rollout.survey import survey
from oc_gpu.snapshot.naming import named


@click.command(
    "verify", cls=Command, short_help="Prove that pods compute on every GPU (short-lived pods)."
)
@namespace_option
@config_option
@cluster_options
@pass_settings
def command(settings: Settings) -> int:
    """Prove, on each GPU node, that pods compute there and that others stay off.

    nvidia-smi runs in the driver's pod, and a CUDA program in a pod that is made for it and removed
    afterwards. Where a taint keeps pods off, a pod without GPU is made to be turned away. Exit
    code 1 when anything is not proven.
    """
    wish = wanted.wish(settings)
    patience = wanted.limit(settings, wish.config.spec.timeouts.verify, proof.PATIENCE)

    async def work(client: Client) -> documents.Findings:
        found = await survey(client, wish, journal=hardware.JOURNAL_PATTERN)
        nodes = hardware.gpu_nodes(inputs(found.context))
        if nodes:
            output.say(f"short-lived pods test {named(nodes)}")
        evidence = await proof.collect(
            client,
            found,
            namespace=settings.namespace,
            nodes=nodes,
            patience=patience,
            tell=output.say,
        )
        after = await survey(client, wish, journal=hardware.JOURNAL_PATTERN)
        told = judge(inputs(after.context), evidence)
        return documents.findings(
            "Verify",
            documents.cluster(after.snapshot, after.context.platform.version),
            told,
            clean=catalogue.exit_code(told, proof=True) == 0,
            simulated=after.snapshot.simulated,
        )

    document = with_client(settings, work)
    text = partial(findings.text, verbose=settings.verbose)
    output.put(document, text, settings.output, settings.color)
    return 0 if document.clean else 1
