"""The section on faulty API servers of docs/reliability.md, from runs of now."""

from collections import Counter

from tests.chaos.roads import SCENARIOS, with_faults

TITLE = "Faulty API servers"
SEEDS = (1, 2, 3)


def text() -> str:
    """Return the section."""
    met: Counter[str] = Counter()
    rows = []
    for scenario in SCENARIOS:
        for seed in SEEDS:
            came = with_faults(scenario, seed)
            met.update(came.faults)
            told = "completes, nothing twice, nothing left" if came.well else _trouble(came.failed)
            rows.append(
                f"| {scenario} | {seed} | {came.requests} | {sum(came.faults.values())} | {told} |"
            )
    faults = "\n".join(f"| {name} | {count} |" for name, count in sorted(met.items()))
    return f"""\
A proxy in front of a simulated cluster makes a tenth of all requests fail and answers each first
apply of an object with a conflict. `enable`, `verify` and `disable` are run through it. *Nothing
twice* is counted at the server; *nothing left* compares all objects with those before.

| on | seed | requests | faulty | outcome |
| --- | --- | --- | --- | --- |
{chr(10).join(rows)}

| fault | met |
| --- | --- |
{faults}
"""


def _trouble(failed: str) -> str:
    return " ".join((failed or "something was written twice or left").split()).replace("|", "/")
