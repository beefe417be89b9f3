"""What findings tell to type is there: commands of this program, with their options."""

import re
from typing import Any

import click
import pytest

from oc_gpu.checks import doctor, preflight, verify
from oc_gpu.checks.catalogue import Check
from oc_gpu.cli.program import PROGRAM

_OURS = re.compile(r"\boc-gpu ([^#`;|]+)")
CHECKS: tuple[Check[Any], ...] = (*doctor.CHECKS, *preflight.CHECKS, *verify.CHECKS)
TOLD = sorted(
    {
        (check.code, told.strip())
        for check in CHECKS
        for line in check.remedy
        for told in _OURS.findall(line)
    }
)


def _found(words: list[str]) -> click.Command:
    """Return the command that words lead to; the rest of them stay in the list."""
    command: click.Command = PROGRAM
    while isinstance(command, click.Group) and words:
        below = command.get_command(click.Context(command), words[0])
        if below is None:
            break
        command = below
        del words[0]
    return command


@pytest.mark.parametrize(("code", "told"), TOLD)
def test_a_command_that_a_remedy_tells_is_there_with_its_options(code: str, told: str) -> None:
    words = told.split()
    command = _found(words)
    assert command is not PROGRAM, f"{code} tells {told}"
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known
