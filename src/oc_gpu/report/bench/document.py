"""The documents of `bench`: what it measured, and what two runs have that is different."""

from pathlib import Path
from typing import Literal

import msgspec

from oc_gpu.bench import worth
from oc_gpu.bench.compare import Comparison, Difference, Setting
from oc_gpu.bench.model import Crossover, Leg, Pair, Plan, Prices, Run
from oc_gpu.kube.errors import UsageError, clean
from oc_gpu.report.documents import Document


class Bench(Document, frozen=True, kw_only=True):
    """What `bench` measured. Every number in it was measured, or reckoned from one that was.

    Attributes:
        date: Day and time of the beginning.
        suite: Name of the suite.
        plan: Everything that was to be measured.
        cpu: The CPU's leg, every repetition included.
        gpu: The GPU's leg.
        prices: What an hour costs, where it was given.
        pairs: Both sides of every point.
        crossovers: From where on the GPU wins, for every series of points.
    """

    kind: Literal["Bench"] = "Bench"
    date: str
    suite: str
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


def load(path: str) -> Bench:
    """Read a run that `bench -o json` wrote.

    Raises:
        UsageError: The file cannot be read, or holds something else.
    """
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=Bench)
    except OSError as error:
        message = f"cannot read {path}: {(error.strerror or str(error)).lower()}"
        raise UsageError(message, hints=("name a file that exists",)) from error
    except msgspec.DecodeError as error:
        message = f"{path} is not a run of bench: {clean(str(error))}"
        raise UsageError(message, hints=("`oc-gpu bench -o json > FILE` writes one",)) from error


def bench(run: Run, prices: Prices | None = None) -> Bench:
    """Return the document of a run."""
    pairs = worth.pairs(run, prices)
    return Bench(
        date=run.date,
        suite=run.suite,
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
        suite=document.suite,
        plan=document.plan,
        cpu=document.cpu,
        gpu=document.gpu,
    )
