"""`oc-gpu bench`: how much faster the GPU is than the CPU, and from where on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from msgspec import structs

from oc_gpu.bench import catalogue, cluster, compare, legs, local
from oc_gpu.bench.collect import Progress
from oc_gpu.bench.model import Plan, Prices, Run
from oc_gpu.cli import defaults
from oc_gpu.cli.options import (
    C,
    Command,
    Duration,
    OpenGroup,
    cluster_options,
    output_options,
    pass_settings,
)
from oc_gpu.cli.running import interruptible
from oc_gpu.cli.settings import Settings
from oc_gpu.kube import Client
from oc_gpu.kube.errors import UsageError
from oc_gpu.report import files, output
from oc_gpu.report.bench import comparison, document, page, text
from oc_gpu.report.workload import LOCALLY
from oc_gpu.workload import asking

PRICE = click.FloatRange(min=0, min_open=True)
HTML = click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page with plots there.",
)
PLOTS = click.option(
    "--plots",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write each plot there, as an SVG file.",
)


class Listed(click.ParamType[tuple[str, ...]]):
    """Words with commas between them."""

    name = "list"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the words."""
        del param, ctx
        if isinstance(value, tuple):
            return value
        return tuple(word.strip() for word in str(value).split(",") if word.strip())


class Batches(click.ParamType[tuple[int, ...]]):
    """Whole numbers with commas between them."""

    name = "batches"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the numbers; each is at least one."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",")]
        if not all(word.isascii() and word.isdigit() and int(word) for word in words):
            self.fail(f"{value!r} is not a list of batch sizes such as 1,16,256", param, ctx)
        return tuple(int(word) for word in words)


SUITE = click.option(
    "--suite",
    type=click.Choice(tuple(catalogue.SUITES)),
    default="quick",
    show_default=True,
    help="How much is measured: 2 minutes of it, or 20.",
)
MODELS = click.option(
    "--models",
    type=Listed(),
    default=(),
    metavar="NAME,...",
    help=f"Only these: {', '.join(catalogue.TITLES)}.",
)
BATCH = click.option(
    "--batch", type=Batches(), default=(), metavar="N,...", help="Batch sizes of the networks."
)
TIME_BUDGET = click.option(
    "--time-budget", type=Duration(), metavar="TIME", help="Time for both legs (90s, 15m)."
)
PRICE_CPU = click.option(
    "--price-cpu", type=PRICE, metavar="X", help="Price of an hour without the GPU."
)
PRICE_GPU = click.option(
    "--price-gpu", type=PRICE, metavar="Y", help="Price of an hour with the GPU."
)


def in_cluster(target: C) -> C:
    """Add the options of legs in a cluster; each is empty where it was not given."""
    for decorate in reversed(
        (
            click.option(
                "-n", "--namespace", default="", metavar="NAME", help="Namespace of its Jobs."
            ),
            click.option("--image", default="", help="Image with PyTorch; one fits the driver."),
            click.option(
                "--gpus",
                default="",
                metavar="N|mig-1g.5gb",
                help="GPUs of the GPU's leg, 1 by default.",
            ),
            click.option("--cpu", default="", metavar="N", help="Limit of cores for each pod."),
            click.option(
                "--memory", default="", metavar="SIZE", help="Limit of memory for each pod."
            ),
            click.option(
                "--cpu-on-gpu-node", is_flag=True, help="Measure the CPU of the GPU's node."
            ),
        )
    ):
        target = decorate(target)
    return target


@click.group(
    "bench",
    cls=OpenGroup,
    invoke_without_command=True,
    short_help="How much faster the GPU is than the CPU, and from where on.",
)
@SUITE
@MODELS
@BATCH
@click.option(
    "--where",
    type=click.Choice(("local", "cluster")),
    default="local",
    show_default=True,
    help="Where it runs: on this machine, or as Jobs in the cluster.",
)
@TIME_BUDGET
@PRICE_CPU
@PRICE_GPU
@HTML
@in_cluster
@cluster_options
@pass_settings
@click.pass_context
def command(  # noqa: PLR0913  (click passes each option by name)
    ctx: click.Context,
    settings: Settings,
    /,
    *,
    suite: str,
    models: tuple[str, ...],
    batch: tuple[int, ...],
    where: str,
    time_budget: float | None,
    price_cpu: float | None,
    price_gpu: float | None,
    html: Path | None,
    **inside: Any,
) -> int:
    """Measure how much faster the GPU is than the CPU, and from which batch or size on.

    Both sides compute the same, and their results are compared. What could not be measured is
    told with the reason. On this machine PyTorch is needed: `pip install 'oc-gpu[bench]'`; in the
    cluster it is in the image. Exit code 1 when both sides computed something different, or
    nothing could be measured.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    prices = _prices(price_cpu, price_gpu)
    plan = _plan(suite, models, batch, time_budget)
    if where == "local":
        _refuse_all({**inside, "timeout": settings.timeout})
        local.require_torch()
    wish = _wish(settings, **inside)
    if html is not None:
        files.require_writable(html)
    found = local.run(plan, _tell) if where == "local" else _in_cluster(settings, plan, wish)
    return _put(settings, document.bench(found, prices), html)


def _tell(done: Progress) -> None:
    output.say(text.progress(done))


def _refuse_all(inside: Mapping[str, Any]) -> None:
    """Refuse what only a leg in a cluster can have.

    Raises:
        UsageError: Some of it was given.
    """
    given = [f"--{name.replace('_', '-')}" for name, value in inside.items() if value]
    if given:
        message = f"{given[0]} is for legs in a cluster"
        hints = ("add --where cluster, or leave it out; --time-budget bounds what is measured",)
        raise UsageError(message, hints=hints)


def _wish(  # noqa: PLR0913  (each is an option)
    settings: Settings,
    *,
    namespace: str,
    image: str,
    gpus: str,
    cpu: str,
    memory: str,
    cpu_on_gpu_node: bool,
) -> cluster.Wish:
    """Return how the legs are to run in the cluster.

    Raises:
        UsageError: One of the options is a mistake.
    """
    return cluster.Wish(
        namespace=namespace,
        image=asking.checked_image(image) if image else "",
        gpus=asking.gpus(gpus or "1"),
        cpu=asking.quantity("--cpu", cpu),
        memory=asking.quantity("--memory", memory),
        beside=cpu_on_gpu_node,
        start=settings.timeout or defaults.START,
    )


def _in_cluster(settings: Settings, plan: Plan, wish: cluster.Wish) -> Run:
    async def work(client: Client) -> Run:
        placed = structs.replace(wish, namespace=wish.namespace or client.namespace)
        found, seen = await cluster.run(client, plan, placed, cluster.Told(_tell, output.say))
        if seen.simulated:
            output.say(LOCALLY)
        return found

    return interruptible(settings, work)


def _plan(suite: str, models: Sequence[str], batches: Sequence[int], budget: float | None) -> Plan:
    plan = catalogue.plan(suite, models, batches)
    return plan if budget is None else structs.replace(plan, budget=budget)


def _prices(cpu: float | None, gpu: float | None) -> Prices | None:
    if cpu is None and gpu is None:
        return None
    if cpu is None or gpu is None:
        raise UsageError(
            "one price alone tells nothing", hints=("give both --price-cpu and --price-gpu",)
        )
    return Prices(cpu=cpu, gpu=gpu)


def _put(settings: Settings, found: document.Bench, html: Path | None) -> int:
    """Show a run, write its page, and return the exit code.

    It is 1 when both sides computed something different, and when nothing was measured.
    """
    if html is not None:
        files.write_text(html, page.page(found))
    output.put(found, text.text, settings.output, settings.color)
    measured = any(pair.cpu or pair.gpu for pair in found.pairs)
    return int(not measured or any(pair.proof.same is False for pair in found.pairs))


@command.command("show", cls=Command)
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@PRICE_CPU
@PRICE_GPU
@HTML
@PLOTS
@output_options
@pass_settings
def show(
    settings: Settings,
    *,
    paths: tuple[str, ...],
    price_cpu: float | None,
    price_gpu: float | None,
    html: Path | None,
    plots: Path | None,
) -> int:
    """Show a run again, or make its page or its plots.

    FILE is what `-o json` wrote, or one or two legs that the workloads wrote on machines of their
    own (see `oc-gpu bench kit`).
    """
    if html is not None:
        files.require_writable(html)
    found = document.load_any(paths, _prices(price_cpu, price_gpu))
    if plots is not None:
        files.write_files(plots, page.pictures(found))
    return _put(settings, found, html)


@command.command("kit", cls=Command)
@click.argument("folder", type=click.Path(path_type=Path))
@SUITE
@MODELS
@BATCH
@TIME_BUDGET
def kit(
    folder: Path,
    *,
    suite: str,
    models: tuple[str, ...],
    batch: tuple[int, ...],
    time_budget: float | None,
) -> int:
    """Write what is measured into a folder, for machines that oc-gpu is not on.

    There, Python with PyTorch is enough; nothing else is needed. Half of the time is for each
    side.
    """
    files.write_files(folder, legs.kit(_plan(suite, models, batch, time_budget)))
    for line in text.kit(folder):
        output.say(line)
    return 0


@command.command("compare", cls=Command)
@click.argument("before", type=click.Path())
@click.argument("after", type=click.Path())
@click.option(
    "--threshold",
    type=click.FloatRange(min=0, max=100),
    default=100 * compare.THRESHOLD,
    show_default=True,
    metavar="PERCENT",
    help="Smallest difference that is called one.",
)
@output_options
@pass_settings
def compare_(settings: Settings, before: str, after: str, threshold: float) -> int:
    """Say what of two runs is different: two clusters, cards or drivers.

    BEFORE and AFTER are what `-o json` wrote. A difference is told when it is more than chance,
    all comparisons taken together. Exit code 1 when something became slower.
    """
    first, second = (document.run_of(document.load(path)) for path in (before, after))
    found = document.comparison(compare.compare(first, second, threshold / 100))
    output.put(found, comparison.text, settings.output, settings.color)
    return int(any(one.change == "slower" for one in found.differences))
