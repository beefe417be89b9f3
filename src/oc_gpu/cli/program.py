"""The table of commands. Help comes from the table, so that it imports none of them."""

from dataclasses import dataclass
from importlib import import_module

import click

from oc_gpu import __version__
from oc_gpu.cli.options import hidden_common


@dataclass(frozen=True)
class Entry:
    """One command: its name, what the list of commands says, and the section it stands in."""

    name: str
    help: str
    section: str


LOOK = "Look (nothing is changed)"
CHANGE = "Change the cluster"
USE = "Use the GPUs"
PREPARE = "Prepare and try out"
COMMANDS = (
    Entry("check", "Can this cluster get GPUs, and what would stop it?", LOOK),
    Entry("plan", "What enable would create, change and reboot, and how long it takes.", LOOK),
    Entry("doctor", "The root cause of trouble, and the fix; live or from a bundle.", LOOK),
    Entry("gather", "A redacted bundle of the cluster, for support and doctor.", LOOK),
    Entry("explain", "What a code such as OCG0520 means, and what to do.", LOOK),
    Entry("status", "Where the road stands: stages, GPU nodes, operands.", LOOK),
    Entry("enable", "Walk the road to working GPUs; continue where it stands.", CHANGE),
    Entry("verify", "Prove that pods compute on every GPU (short-lived pods).", CHANGE),
    Entry("isolate", "Keep other pods off the GPU nodes by a taint, or take it back.", CHANGE),
    Entry("disable", "Remove exactly what enable made.", CHANGE),
    Entry("run", "Run a script or an image on a GPU: files in and out, log, exit code.", USE),
    Entry("bench", "How much faster the GPU is than the CPU, and from where on.", USE),
    Entry("entitlement", "Look at a subscription certificate and try it out.", PREPARE),
    Entry("config", "Write and check the GpuPlatform document.", PREPARE),
    Entry("render", "Write the objects of the road as plain YAML files.", PREPARE),
    Entry("rbac", "Print a ClusterRole with every right that oc-gpu needs.", PREPARE),
    Entry("sim", "A simulated OpenShift on this machine.", PREPARE),
    Entry("demo", "Watch a simulated cluster get GPUs.", PREPARE),
    Entry("completion", "Print the completion script of a shell.", PREPARE),
)


class Program(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands in the order of the table."""
        del ctx
        return [entry.name for entry in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        del ctx
        if cmd_name not in {entry.name for entry in COMMANDS}:
            return None
        command: click.Command = import_module(f"oc_gpu.cli.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a misspelt one is answered with those that come close."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            names = self.list_commands(ctx)
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=names, ctx=ctx
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, from the table."""
        del ctx
        for section in dict.fromkeys(entry.section for entry in COMMANDS):
            with formatter.section(section):
                formatter.write_dl([(e.name, e.help) for e in COMMANDS if e.section == section])

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list["click.shell_completion.CompletionItem"]:
        """Offer commands from the table without importing them, then options."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  (only completion pays)

        named = [
            CompletionItem(entry.name, help=entry.help)
            for entry in COMMANDS
            if entry.name.startswith(incomplete)
        ]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]


def _program() -> Program:
    program = Program(
        name="oc-gpu",
        help="NVIDIA GPUs on Red Hat OpenShift: set up, prove, take back.",
        epilog="Begin with `check`. Without a cluster at hand: `oc-gpu demo`.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        no_args_is_help=True,
    )
    program = click.version_option(__version__, message="oc-gpu %(version)s")(program)
    return hidden_common(program)


PROGRAM = _program()
"""The whole command line."""
