"""What `oc-gpu status` does, without the parser in front of it."""

import sys
from contextlib import nullcontext
from functools import partial

from oc_gpu.cli import defaults, wanted
from oc_gpu.cli.running import with_client
from oc_gpu.cli.settings import Settings
from oc_gpu.kube import Client
from oc_gpu.report import output, watching
from oc_gpu.report import status as report
from oc_gpu.report.documents import Status
from oc_gpu.rollout import commands


def status(settings: Settings) -> int:
    """Show where everything stands and return the exit code."""
    wish = wanted.wish(settings)

    async def look(client: Client) -> Status:
        return report.document(await commands.status(client, wish))

    document = with_client(settings, look, limit=settings.timeout or defaults.READING)
    text = partial(report.text, verbose=settings.verbose)
    output.put(document, text, settings.output, settings.color)
    return report.exit_code(document)


def follow(settings: Settings) -> int:
    """Show each change until the user has seen enough."""
    wish = wanted.wish(settings)
    picture, show = watching.shower(sys.stdout, settings.output, settings.color)

    async def look(client: Client) -> None:
        async for found in commands.follow(client, wish):
            show(found)

    try:
        with picture or nullcontext():
            with_client(settings, look, limit=settings.timeout)
    except KeyboardInterrupt:
        return defaults.INTERRUPTED
    return 0
