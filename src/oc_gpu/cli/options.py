"""Options that commands share: declared once, gathered in one `Settings` value."""

import re
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import click

from oc_gpu.cli import completing
from oc_gpu.cli.settings import Settings

C = TypeVar("C", bound="Callable[..., Any] | click.Command")


pass_settings = click.make_pass_decorator(Settings, ensure=True)


class Duration(click.ParamType[float]):
    """A time such as `90`, `90s`, `15m` or `1h30m`, in seconds."""

    name = "duration"
    _FORM = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds; more than none."""
        found = self._FORM.fullmatch(str(value))
        hours, minutes, seconds = found.groups() if found else (None, None, None)
        total = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)
        if total <= 0:
            self.fail(f"{value!r} is not a duration such as 90s, 15m or 1h30m", param, ctx)
        return total


class SharedOption(click.Option):
    """An option that goes to `Settings` and stands apart in the help."""


class Command(click.Command):
    """A command whose help lists its own options first, then those that all commands have."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in two sections."""
        params = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
        sections = (
            ("Options", [p for p in params if not isinstance(p, SharedOption)]),
            ("Connection and output", [p for p in params if isinstance(p, SharedOption)]),
        )
        for title, members in sections:
            rows = [row for row in (p.get_help_record(ctx) for p in members) if row]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class OpenGroup(Command, click.Group):
    """A command with options of its own that has some commands below it, too."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in two sections, then the commands."""
        Command.format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)


def _gather(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Put a given value where commands find it; a later one wins over one before the command."""
    settings = ctx.ensure_object(Settings)
    if value is not None and param.name is not None:
        setattr(settings, param.name, value)


class Decorator(Protocol):
    """Adds something to a command or to the function of one."""

    def __call__(self, target: C, /) -> C:
        """Return the target with it."""


def _option(*names: str, hidden: bool = False, own: bool = False, **more: Any) -> Decorator:
    return click.option(
        *names,
        cls=click.Option if own else SharedOption,
        hidden=hidden,
        expose_value=False,
        callback=_gather,
        **more,
    )


def _connection(*, hidden: bool) -> list[Decorator]:
    return [
        _option(
            "--context",
            metavar="NAME",
            hidden=hidden,
            help="Context of the kubeconfig.",
            shell_complete=completing.contexts,
        ),
        _option(
            "--kubeconfig",
            metavar="FILE",
            hidden=hidden,
            help="Use this kubeconfig only.",
            type=click.Path(),
        ),
        _option("--as", "impersonate", metavar="USER", hidden=hidden, help="Act as another user."),
    ]


def _output(*, hidden: bool, form: str = "--output") -> list[Decorator]:
    return [
        _option(
            "-o",
            form,
            "output",
            hidden=hidden,
            help="Form of the result on stdout.",
            type=click.Choice(("text", "json", "yaml")),
        ),
        _option(
            "--color",
            hidden=hidden,
            help="Colour; auto means on a terminal.",
            type=click.Choice(("auto", "always", "never")),
        ),
        _option("-v", "--verbose", count=True, default=None, hidden=hidden, help="Tell more."),
    ]


def _timeout(*, hidden: bool) -> Decorator:
    return _option(
        "--timeout",
        metavar="TIME",
        hidden=hidden,
        type=Duration(),
        help="Give up after this long (90s, 15m, 1h30m).",
    )


def _all(decorators: list[Decorator], target: C) -> C:
    for decorate in reversed(decorators):
        target = decorate(target)
    return target


def timeout_option(target: C) -> C:
    """Add `--timeout` to a command that speaks to no cluster."""
    return _timeout(hidden=False)(target)


def output_options(target: C) -> C:
    """Add the options that every command has."""
    return _all(_output(hidden=False), target)


def cluster_options(target: C) -> C:
    """Add the options of commands that speak to a cluster."""
    decorators = [*_connection(hidden=False), _timeout(hidden=False), *_output(hidden=False)]
    return _all(decorators, target)


def run_options(target: C) -> C:
    """Add the options of commands that speak to a cluster, `--output` being theirs for a folder."""
    output = _output(hidden=False, form="--format")
    return _all([*_connection(hidden=False), _timeout(hidden=False), *output], target)


def hidden_common(target: C) -> C:
    """Accept the shared options before the command, too, as kubectl does."""
    decorators = [*_connection(hidden=True), _timeout(hidden=True), *_output(hidden=True)]
    return _all(decorators, target)


def namespace_option(target: C) -> C:
    """Add `-n`, for commands that make pods."""
    return _option(
        "-n", "--namespace", metavar="NAME", own=True, help="Namespace of the test pods."
    )(target)


def platform_options(target: C) -> C:
    """Add what describes the platform that the user wants."""
    decorators: list[Decorator] = [
        config_option,
        _option(
            "--entitlement",
            own=True,
            metavar="FILE",
            type=click.Path(),
            help="Subscription certificate: the portal's ZIP, or a PEM with its key.",
        ),
        taint_option,
    ]
    return _all(decorators, target)


def config_option(target: C) -> C:
    """Add the GpuPlatform document."""
    return _option(
        "-f",
        "--config",
        own=True,
        metavar="FILE",
        type=click.Path(allow_dash=True),
        help="GpuPlatform document; everything has a default.",
    )(target)


def taint_option(target: C) -> C:
    """Add the taint for GPU nodes."""
    return _option(
        "--taint",
        own=True,
        metavar="KEY=VALUE:EFFECT",
        help="Taint the GPU nodes, such as nodetype=gpu:NoSchedule.",
    )(target)


def ownership_options(target: C) -> C:
    """Add what may be done to objects and fields of somebody else on the road."""
    decorators = [
        _permission(
            "--adopt",
            "Take over objects of somebody else whose names are needed; disable removes them.",
        ),
        _permission("--force-conflicts", "Take fields that other managers own."),
    ]
    return _all(decorators, target)


def undo_options(target: C) -> C:
    """Add what may be done to what is somebody else's on the way back."""
    decorators = [
        _permission("--evict-workloads", "Evict pods that use GPUs."),
        _permission("--force-conflicts", "Remove objects of ours that others have changed since."),
        _permission("--remove-finalizers", "Take finalizers off objects whose controller is gone."),
    ]
    return _all(decorators, target)


def _permission(name: str, told: str) -> Decorator:
    return _option(name, own=True, is_flag=True, default=None, help=told)


def yes_option(target: C) -> C:
    """Add `--yes`, for commands that ask before they write."""
    return _option("-y", "--yes", own=True, is_flag=True, default=None, help="Do not ask.")(target)
