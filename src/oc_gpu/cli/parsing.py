"""Parsing a command line with click; its errors are told in our own form."""

from collections.abc import Sequence

import click

from oc_gpu.cli.program import PROGRAM
from oc_gpu.report import errors as report

USAGE = 2


def perform(arguments: Sequence[str], name: str) -> int:
    """Parse a command line, run its command and return the exit code.

    Args:
        arguments: The command line after the program's name.
        name: Name of the program in help texts.

    Raises:
        KeyboardInterrupt: The user broke off.
    """
    try:
        result = PROGRAM.main(list(arguments), prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return USAGE
    except click.ClickException as error:
        report.show(*_told(error, name))
        return USAGE
    except click.Abort:
        raise KeyboardInterrupt from None
    return result if isinstance(result, int) else 0


def _told(error: click.ClickException, name: str) -> tuple[str, tuple[str, ...]]:
    """Return an error of the command line in our own form: a sentence and what to do."""
    # The bare message is wanted for these: click appends what was meant instead of hinting it.
    if isinstance(error, click.NoSuchOption | click.exceptions.NoSuchCommand):
        text = error.message
    else:
        text = error.format_message()
    text = " ".join(f"{text[:1].lower()}{text[1:]}".split())
    meant = getattr(error, "possibilities", None) or ()
    hints = [f"did you mean `{word}`?" for word in meant]
    context = getattr(error, "ctx", None)
    path = context.command_path if context else name
    hints.append(f"`{path} --help` shows what there is")
    return text.rstrip("."), tuple(hints)
