"""`oc-gpu explain`: what a code means, and what to do about it."""

from difflib import get_close_matches

import click

from oc_gpu.checks.codes import every
from oc_gpu.cli.options import Command, output_options, pass_settings
from oc_gpu.cli.settings import Settings
from oc_gpu.kube.errors import UsageError
from oc_gpu.report import doctor as report
from oc_gpu.report import output

_CLOSE = 0.8
"""How alike words are: less is another code altogether, which only confuses."""
_WHERE = "docs/checks.md and docs/causes.md list every code"
_HELP = "What a code such as OCG0520 means, and what to do."


@click.command(
    "explain", cls=Command, short_help="What a code such as OCG0520 means, and what to do."
)
@click.argument("code")
@output_options
@pass_settings
def command(settings: Settings, code: str) -> int:
    """Say what CODE means, how it comes about, and what to do.

    CODE is one of a finding, such as OCG0520, or its name, such as olm-bundle-unpack-failed.
    """
    known = {check.code.lower(): check for check in every()}
    known |= {check.name: check for check in every()}
    found = known.get(code.lower())
    if found is None:
        near = get_close_matches(code.lower(), known, n=3, cutoff=_CLOSE)
        shown = (word.upper() if known[word].code.lower() == word else word for word in near)
        hints = (f"close to it: {', '.join(shown)}",) if near else (_WHERE,)
        raise UsageError(f"there is no code {code}", hints=hints)
    output.put(report.explanation(found), report.explained, settings.output, settings.color)
    return 0
