"""The documents of `bench`: what it measured, and what two runs have that is different."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import msgspec
from msgspec import Struct

from oc_gpu.bench import legs, worth
from oc_gpu.bench.compare import Comparison, Difference, Setting
from oc_gpu.bench.model import Crossover, Leg, Pair, Plan, Prices, Run
from oc_gpu.kube.errors import UsageError, clean
from oc_gpu.report.documents import Document, Version


class Bench(Document, frozen=True, kw_only=True):
    """What `bench` measured. Every number in it was measured, or reckoned from one that was.

    On a simulated cluster the legs are processes of the machine that simulates it; `place` says so,
    and the numbers are that machine's.

    Attributes:
        date: Day and time of the beginning.
        plan: Everything that was to be measured.
        cpu: The CPU's leg, every repetition included.
        gpu: The GPU's leg.
        prices: What an hour costs, where it was given.
        pairs: Both sides of every point.
        crossovers: From where on the GPU wins, for every series of points.
    """

    kind: Literal["Bench"] = "Bench"
    date: str
    plan: Plan
    cpu: Leg
    gpu: Leg
    prices: Prices | None = None
    pairs: tuple[Pair, ...]
    crossovers: tuple[Crossover, ...]


class BenchComparison(Document, frozen=True, kw_only=True):
    """What `bench compare` found: the second run against the first.

    Attributes:
        settings: What is different about the machines.
        differences: Every timing that both have.
        missing: Points that were measured in one run only, by device.
        threshold: Smallest difference that is called one, in parts.
        error_rate: Probability of calling any point different when none is.
    """

    kind: Literal["BenchComparison"] = "BenchComparison"
    settings: tuple[Setting, ...]
    differences: tuple[Difference, ...]
    missing: tuple[str, ...]
    threshold: float
    error_rate: float


DOCUMENTS: tuple[type[Document], ...] = (Bench, BenchComparison)
"""What has a schema here."""


def comparison(found: Comparison) -> BenchComparison:
    """Return the document of a comparison."""
    return BenchComparison(
        settings=found.settings,
        differences=found.differences,
        missing=found.missing,
        threshold=found.threshold,
        error_rate=found.error_rate,
    )


class _Head(Struct, rename="camel"):
    """What tells one document from another."""

    kind: str = ""
    schema_version: str = ""


def load(path: str) -> Bench:
    """Read a run that `bench -o json` wrote.

    Raises:
        UsageError: The file cannot be read, or holds something else.
    """
    return _decoded(_content(path), path)


def load_any(paths: Sequence[str], prices: Prices | None = None) -> Bench:
    """Read a run: one document of `bench -o json`, or what the workloads wrote, leg by leg.

    Args:
        paths: One document, or one or two legs.
        prices: What an hour costs; None keeps what the document has.

    Raises:
        UsageError: A file cannot be read, or they do not make one run.
    """
    contents = [_content(path) for path in paths]
    if all(legs.is_leg(content) for content in contents):
        read = (legs.read(content, path) for content, path in zip(contents, paths, strict=True))
        return bench(legs.joined(read), prices)
    if len(paths) > 1:
        message = "several files make one run only when each is a leg that the workloads wrote"
        raise UsageError(message, hints=("name one run, or one leg of each device",))
    found = _decoded(contents[0], paths[0])
    return found if prices is None else bench(run_of(found), prices)


def _content(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError as error:
        message = f"cannot read {path}: {(error.strerror or str(error)).lower()}"
        raise UsageError(message, hints=("name a file that exists",)) from error


def _decoded(content: str, path: str) -> Bench:
    hints = ("`oc-gpu bench -o json > FILE` writes one",)
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.kind == "Bench" and head.schema_version not in get_args(Version):
            ours = ", ".join(get_args(Version))
            message = f"{path} has schema version {clean(head.schema_version)}, not {ours}"
            raise UsageError(message, hints=("read it with the release that wrote it",))
        return msgspec.json.decode(content, type=Bench)
    except msgspec.DecodeError as error:
        message = f"{path} is not a run of bench: {clean(str(error))}"
        raise UsageError(message, hints=hints) from error


def bench(run: Run, prices: Prices | None = None) -> Bench:
    """Return the document of a run."""
    pairs = worth.pairs(run, prices)
    places = [leg.place for leg in (run.cpu, run.gpu) if leg.place is not None]
    return Bench(
        simulated=any(place.locally for place in places),
        date=run.date,
        plan=run.plan,
        cpu=run.cpu,
        gpu=run.gpu,
        prices=prices,
        pairs=pairs,
        crossovers=worth.crossovers(pairs),
    )


def run_of(document: Bench) -> Run:
    """Return the run that a document was made of."""
    return Run(
        date=document.date,
        plan=document.plan,
        cpu=document.cpu,
        gpu=document.gpu,
    )
