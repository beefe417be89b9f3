"""The section on kills of docs/reliability.md, from runs of now.

How many runs are killed is `OC_GPU_KILLS` in the environment, 200 by default.
"""

import os
from itertools import count

from tests.chaos.roads import SCENARIOS, Came, with_kills

TITLE = "Kills"
KILLS = int(os.environ.get("OC_GPU_KILLS", "200"))
_ENABLES, _DISABLES = 6, 4
"""Kills tried on one cluster; some runs are over before theirs."""


def text() -> str:
    """Return the section."""
    came: list[Came] = []
    for number in count():
        if sum(_kills(one) for one in came) >= KILLS:
            break
        came.append(with_kills(SCENARIOS[number % len(SCENARIOS)], number, _ENABLES, _DISABLES))
    rows = "\n".join(
        _row(scenario, [c for c in came if c.scenario == scenario]) for scenario in SCENARIOS
    )
    return f"""\
Runs of `enable` and `disable` are killed (SIGKILL) while they send a request chosen by chance, one
after another on the same cluster; then the command is run to its end, and `verify` after `enable`.

| on | clusters | `enable` killed | `disable` killed | held |
| --- | --- | --- | --- | --- |
{rows}
"""


def _kills(came: Came) -> int:
    return sum(len(moments) for moments in came.kills.values())


def _row(scenario: str, came: list[Came]) -> str:
    killed = [sum(len(one.kills[name]) for one in came) for name in ("enable", "disable")]
    held = sum(one.well for one in came)
    return f"| {scenario} | {len(came)} | {killed[0]} | {killed[1]} | {held} of {len(came)} |"
