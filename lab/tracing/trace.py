"""A trace as a value, and as a small file that a person can read."""

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

import msgspec
import yaml
from msgspec import Struct

Sequences = dict[tuple[str, str], tuple[str, ...]]
"""Step and object -> what the object said during the step, in order."""


class Said(Struct, frozen=True, array_like=True):
    """One object that says something new.

    Attributes:
        seconds: Since the step began.
        object: Kind, namespace and name; what is made up by chance is cut off.
        says: What its status says, in a few words.
    """

    seconds: float
    object: str
    says: str


class Trace(Struct, frozen=True, forbid_unknown_fields=True):
    """What happened while a road was walked.

    Attributes:
        road: What was done.
        recorded: Day, such as 2026-11-30.
        cluster: Name of the scenario.
        programs: Version of each program that took part.
        steps: Each command -> what followed from it.
    """

    road: str
    recorded: str
    cluster: str
    programs: Mapping[str, str]
    steps: Mapping[str, tuple[Said, ...]]


def load(path: Path) -> Trace:
    """Return the trace in a file."""
    return msgspec.convert(yaml.load(path.read_text(), Loader=yaml.CSafeLoader), Trace)


def dump(trace: Trace) -> str:
    """Return a trace as YAML with a line for each event."""
    head = {
        "road": trace.road,
        "recorded": trace.recorded,
        "cluster": trace.cluster,
        "programs": dict(trace.programs),
    }
    lines = [yaml.safe_dump(head, sort_keys=False).rstrip(), "steps:"]
    for step, events in trace.steps.items():
        lines.append(f"  {step}:")
        lines += [
            f"    - {json.dumps([round(said.seconds, 1), said.object, said.says])}"
            for said in events
        ]
    return "\n".join(lines) + "\n"


def sequences(trace: Trace) -> Sequences:
    """Return what each object said in each step, one after the other."""
    found: dict[tuple[str, str], list[str]] = {}
    for step, events in trace.steps.items():
        for said in events:
            found.setdefault((step, said.object), []).append(said.says)
    return {key: once(says) for key, says in found.items()}


def once(says: Iterable[str]) -> tuple[str, ...]:
    """Return what was said without immediate repetitions."""
    return tuple(text for text, _ in groupby(says))
