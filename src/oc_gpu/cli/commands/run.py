"""`oc-gpu run`: a user's script or image on a GPU."""

from pathlib import Path

import click
from msgspec import structs

from oc_gpu.cli import defaults
from oc_gpu.cli.options import Command, pass_settings, run_options
from oc_gpu.cli.running import interruptible
from oc_gpu.cli.settings import Settings
from oc_gpu.kube import Client
from oc_gpu.kube.errors import UsageError
from oc_gpu.manifests.jobs import Limits
from oc_gpu.report import output
from oc_gpu.report import workload as report
from oc_gpu.report.documents import JobRun
from oc_gpu.workload import asking, running
from oc_gpu.workload.model import Patience, Request

_HELP = "Run a script or an image on a GPU: files in and out, log, exit code."


@click.command("run", cls=Command, short_help=_HELP)
@click.argument("target", metavar="SCRIPT|IMAGE")
@click.argument("words", metavar="[-- ARGS...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--gpus",
    default="1",
    show_default=True,
    metavar="N|mig-1g.5gb",
    help="GPUs, or a part of one; 0 for none.",
)
@click.option("--image", default="", help="Image for a script, by default one with PyTorch.")
@click.option("--cpu", default="", metavar="N", help="Limit of cores, such as 2 or 500m.")
@click.option("--memory", default="", metavar="SIZE", help="Limit of memory, such as 8Gi.")
@click.option(
    "--node-selector",
    "selectors",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only nodes with this label; may be given again.",
)
@click.option(
    "--env",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="Variable for the program; NAME alone hands on this machine's; may be given again.",
)
@click.option(
    "--mount",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Send what is in this folder; the program starts in it.",
)
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Bring back here what the program writes to $OC_GPU_OUTPUT.",
)
@click.option("--queue", default="", metavar="NAME", help="Queue of Kueue to wait in.")
@click.option("--detach", is_flag=True, help="Leave it running.")
@click.option("-n", "--namespace", metavar="NAME", help="Namespace of the Job.")
@run_options
@pass_settings
def command(  # noqa: PLR0913  (click passes each option by name)
    settings: Settings,
    *,
    target: str,
    words: tuple[str, ...],
    gpus: str,
    image: str,
    cpu: str,
    memory: str,
    selectors: tuple[str, ...],
    variables: tuple[str, ...],
    mount: Path | None,
    folder: Path | None,
    queue: str,
    detach: bool,
    namespace: str | None,
) -> int:
    """Run SCRIPT, a file of this machine, or IMAGE on a GPU of the cluster.

    ARGS are those of the script, or the command for the image. The exit code is the program's;
    Ctrl-C ends it and removes what was made.
    """
    program = asking.program(target, words, image)
    request = Request(
        title=program.title,
        image=program.image,
        command=program.command,
        scripts=program.scripts,
        limits=Limits(
            asking.gpus(gpus),
            asking.quantity("--cpu", cpu),
            asking.quantity("--memory", memory),
        ),
        node_selector=asking.selector(selectors),
        env={**program.env, **asking.variables(variables)},
        mount=asking.readable_folder(mount) if mount is not None else None,
        output=_output(folder, program.command, detach=detach),
        queue=queue,
        namespace=namespace or "",
        detach=detach,
    )
    found = _run(settings, request)
    for line in report.talk(found, request.title, str(request.output or "")):
        output.say(line)
    if settings.output != "text":
        output.put(found, lambda _, __: (), settings.output)
    return found.exit_code or 0


def _output(folder: Path | None, words: tuple[str, ...], *, detach: bool) -> Path | None:
    """Return the folder for what comes back.

    Raises:
        UsageError: It cannot be written to, or nobody could fill it.
    """
    if folder is None:
        return None
    if detach:
        message = "with --detach nobody is there to bring files back to --output"
        raise UsageError(message, hints=("leave out one of the two",))
    if not words:
        message = "--output has to know the command: the image's own cannot be seen from here"
        raise UsageError(message, hints=("name it after --, such as: -- python3 /app/train.py",))
    return asking.writable_folder(folder)


def _run(settings: Settings, request: Request) -> JobRun:
    async def work(client: Client) -> JobRun:
        placed = structs.replace(request, namespace=request.namespace or client.namespace)
        found = await running.prepare(client, placed)
        if found.snapshot.simulated:
            output.say(report.LOCALLY)
        patience = Patience(start=settings.timeout or defaults.START, all=settings.timeout)
        observer = report.observer(settings.output)
        return report.document(await running.run(client, found, patience, observer), found.snapshot)

    return interruptible(settings, work)
