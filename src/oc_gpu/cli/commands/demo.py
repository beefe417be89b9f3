"""`oc-gpu demo`: watch a simulated cluster get GPUs."""

import os
import sys

import click

from oc_gpu.cli.options import Command
from oc_gpu.report.look import Look, is_terminal
from oc_gpu.sim import instances

SCENARIO = "ocp-4.20"
TAINT = "--taint nodetype=gpu:NoSchedule"
SPEED = 60.0
"""Simulated seconds a second where somebody watches: five minutes of road take five seconds."""
STEPS = (
    ("check", "can this cluster get GPUs?"),
    (f"plan {TAINT}", "what would be done?"),
    (f"enable --yes {TAINT}", "do it"),
    ("verify", "is it true?"),
    ("status", "where does it stand?"),
)
AFTERWARDS = """
That was a simulated OpenShift; it is gone again. Where to look next:

  oc-gpu sim up              a simulated cluster that stays, for kubectl as well
  oc-gpu check               the same on your own cluster; nothing is changed
  README.md                  the road on a real cluster
  docs/architecture.md       how it is built
"""


@click.command("demo", cls=Command, short_help="Watch a simulated cluster get GPUs.")
def command() -> int:
    """Start a simulated OpenShift, walk check, plan, enable and verify on it, take it down."""
    name = f"demo-{os.getpid()}"
    speed = SPEED if is_terminal(sys.stderr) else None
    cluster = instances.up(name, SCENARIO, speed=speed)
    try:
        code = _walk(cluster)
    finally:
        instances.down(name)
    if not code:
        click.echo(AFTERWARDS, nl=False)
    return code


def _walk(cluster: instances.Instance) -> int:
    look = Look.of(sys.stdout)
    _title(look, f"A simulated OpenShift ({SCENARIO}) runs at {cluster.url}")
    codes = (_step(look, words, why, cluster.kubeconfig) for words, why in STEPS)
    return next((code for code in codes if code), 0)


def _step(look: Look, words: str, why: str, kubeconfig: str) -> int:
    """Show a command as it is typed, then run it in this process."""
    from oc_gpu.cli.entry import run  # noqa: PLC0415  (the entry imports this module's table)

    _title(look, f"$ oc-gpu {words}", f"   # {why}")
    return run([*words.split(), "--kubeconfig", kubeconfig])


def _title(look: Look, text: str, more: str = "") -> None:
    click.echo(f"\n{look.paint(text, 'bold')}{look.paint(more, 'dim')}\n")
    sys.stdout.flush()
