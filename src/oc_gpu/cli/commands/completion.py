"""`oc-gpu completion`: the script that makes a shell complete our commands."""

import click
from click.shell_completion import get_completion_class

from oc_gpu.cli.program import PROGRAM

HELP = """Print the completion script of a shell.

\b
bash:  source <(oc-gpu completion bash)
zsh:   source <(oc-gpu completion zsh)
fish:  oc-gpu completion fish | source

`oc gpu` and `kubectl gpu` need no script of their own: the completion of oc and kubectl asks
oc_complete-gpu and kubectl_complete-gpu, which are installed beside oc-gpu.
"""


@click.command("completion", help=HELP, short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        message = f"there is no completion for {shell}"
        raise click.UsageError(message)
    click.echo(kind(PROGRAM, {}, "oc-gpu", "_OC_GPU_COMPLETE").source())
