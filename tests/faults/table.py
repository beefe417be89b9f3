"""The section on faults of docs/reliability.md: each is tried, and what came of it is told."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from oc_gpu.sim import faults
from tests.faults.cases import CASES, Expected
from tests.faults.trying import Result, complaints, tried

TITLE = "Faults"
_HEAD = """Each fault is a fact of a simulated cluster. `enable` meets it, `doctor` looks at the
cluster that it leaves, the fault is lifted, the same command is run again, and `verify` proves the
result.
*Seconds* are simulated: from when the cause was first to be seen in any object or log to the end
of the command. Where `check` refuses the cluster, nothing was written; the seconds are then those
of the same road walked without the checks, as where the fault comes later."""
_COLUMNS = (
    "fault",
    "on",
    "`enable` ends by",
    "cause named",
    "seconds",
    "`doctor` names",
    "after lifting",
)


def text() -> str:
    """Try every fault and return the section."""
    with ProcessPoolExecutor() as pool:
        results = list(zip(CASES, pool.map(_tried, CASES), strict=True))
    rows = [_COLUMNS, tuple("---" for _ in _COLUMNS), *(_row(*pair) for pair in results)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join((_HEAD, table, *_untold(), *_bad(results)))


def _tried(expected: Expected) -> Result:
    return asyncio.run(tried(expected))


def _row(expected: Expected, result: Result) -> tuple[str, ...]:
    first = result.first
    named = first.findings[0] if first.findings else None
    diagnosis = result.diagnosis[0] if result.diagnosis else None
    seconds = "-" if result.seconds is None or expected.completes else f"{result.seconds:.0f}"
    ends = "it completes" if first.done else f"the {first.by}, exit code 1"
    well = result.again.done and not result.unproven
    return (
        f"`{expected.fault}`",
        expected.scenario,
        ends,
        _slug(named.cause, named.title) if named else "-",
        seconds,
        _slug(diagnosis.cause, diagnosis.title) if diagnosis else "nothing",
        "completes, `verify` ok" if well else "does not complete",
    )


def _slug(cause: str | None, title: str) -> str:
    return f"`{cause}`" if cause else title


def _untold() -> Iterator[str]:
    told = [f"* `{one.name}`: {one.untold}" for one in faults.every() if one.untold]
    if told:
        yield "What the simulation cannot tell:\n\n" + "\n".join(told)


def _bad(results: list[tuple[Expected, Result]]) -> Iterator[str]:
    bad = [
        f"* `{one.fault}`: {complaint}"
        for one, result in results
        for complaint in complaints(one, result)
    ]
    if bad:
        yield "**Not as it should be:**\n\n" + "\n".join(bad)
