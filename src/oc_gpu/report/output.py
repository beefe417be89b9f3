"""Writing results to stdout in the form that was asked for."""

import sys
from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from oc_gpu.report.look import ColorChoice, Look

Encoding = Literal["json", "yaml"]
Form = Literal["text", "json", "yaml"]


def encode(value: Any, form: Encoding) -> str:
    """Return a value as indented JSON or as YAML, with a line end."""
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
    return msgspec.yaml.encode(value).decode()


def put(
    value: Any,
    text: Callable[[Any, Look], Iterable[str]],
    form: Form = "text",
    color: ColorChoice = "auto",
) -> None:
    """Write a result to stdout.

    Args:
        value: The document.
        text: Makes the lines that people read.
        form: Form that was asked for.
        color: When to use colour.
    """
    if form == "text":
        lines = text(value, Look.of(sys.stdout, color))
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    else:
        sys.stdout.write(encode(value, form))


def say(text: str) -> None:
    """Write one line of talk to stderr."""
    look = Look.of(sys.stderr)
    sys.stderr.write(look.hanging("", text) + "\n")
