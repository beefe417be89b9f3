"""`oc-gpu config`: write and check the GpuPlatform document."""

import json
import os
from pathlib import Path

import click

from oc_gpu import config
from oc_gpu.cli import wanted
from oc_gpu.cli.options import Command
from oc_gpu.cli.settings import Settings
from oc_gpu.kube.errors import UsageError


@click.group("config", short_help="Write and check the GpuPlatform document.")
def command() -> None:
    """Write and check the document that says what you want.

    Every field has a default, so that an empty document, or none, works.
    """


@command.command("init", cls=Command)
@click.argument("file", type=click.Path(allow_dash=True), default="-")
@click.option("--force", is_flag=True, help="Write over a file that exists.")
def init(file: str, force: bool) -> None:  # noqa: FBT001  (click passes flags by name)
    """Write a document in which every field is explained and none is set."""
    if file == "-":
        click.echo(config.example_text(), nl=False)
        return
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with open(os.open(file, flags, 0o644), "w", encoding="utf-8") as stream:  # noqa: PTH123
            stream.write(config.example_text())
    except FileExistsError as error:
        message = f"{file} exists"
        raise UsageError(message, hints=("--force writes over it",)) from error
    except OSError as error:
        message = f"cannot write {file}: {(error.strerror or str(error)).lower()}"
        raise UsageError(message, hints=("choose another path",)) from error
    click.echo(f"wrote {Path(file)}; use it with --config {file}", err=True)


@command.command("schema", cls=Command)
def schema() -> None:
    """Print the JSON Schema of the document, for editors."""
    click.echo(json.dumps(config.json_schema(), indent=2))


@command.command("validate", cls=Command)
@click.argument("file", type=click.Path(allow_dash=True))
def validate(file: str) -> None:
    """Check a document; every mistake is named. Exit code 2 when there is one."""
    wanted.platform(Settings(config=file))
    click.echo(f"{file} is valid")
