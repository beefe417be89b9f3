"""Taints as users write them: `key=value:Effect` or `key:Effect`."""

import re

from msgspec import Struct

from oc_gpu.kube.errors import UsageError

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DOMAIN = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"
_KEY = re.compile(rf"(?:{_DOMAIN}/)?{_NAME}")
_VALUE = re.compile(rf"(?:{_NAME})?")
_MAX_DOMAIN = 253


class Taint(Struct, frozen=True):
    """A taint; the value may be empty.

    >>> str(parse_taint("nodetype=gpu:NoSchedule"))
    'nodetype=gpu:NoSchedule'
    """

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        """Return the form that `parse_taint` reads."""
        value = f"={self.value}" if self.value else ""
        return f"{self.key}{value}:{self.effect}"


def parse_taint(text: str) -> Taint:
    """Return the taint that a text names.

    Raises:
        UsageError: It is none, by the rules that Kubernetes has for taints.
    """
    left, _, effect = text.rpartition(":")
    key, _, value = left.partition("=")
    problem = _problem(key, value, effect)
    if problem:
        message = f"{text!r} is not a taint: {problem}"
        raise UsageError(message, hints=("write it like nodetype=gpu:NoSchedule",))
    return Taint(key, value, effect)


def _problem(key: str, value: str, effect: str) -> str:
    if effect not in EFFECTS:
        return f"its effect must be one of {', '.join(EFFECTS)}"
    if not _KEY.fullmatch(key) or len(key.rpartition("/")[0]) > _MAX_DOMAIN:
        return "its key must be a name, with an optional domain before a slash"
    if not _VALUE.fullmatch(value):
        return "its value must be at most 63 letters, digits, '-', '_' or '.'"
    return ""
