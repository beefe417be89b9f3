"""Holding one trace against another: same objects, same conditions in the same order."""

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import msgspec
import yaml
from msgspec import Struct

from lab.tracing.trace import Sequences, Trace, once, sequences

Side = Literal["real", "simulated"]


class Difference(Struct, frozen=True, forbid_unknown_fields=True):
    """What only one of the two does, and why that is right.

    Attributes:
        only: Which of them does it.
        objects: Pattern of the objects.
        says: Pattern of what they say; everything that they say by default.
        steps: Pattern of the steps.
        reason: Why the other does not.
    """

    only: Side
    objects: str
    reason: str
    says: str = "*"
    steps: str = "*"

    def covers(self, step: str, name: str, says: str) -> bool:
        """Tell whether this is about what an object says in a step."""
        return (
            fnmatchcase(step, self.steps)
            and fnmatchcase(name, self.objects)
            and fnmatchcase(says, self.says)
        )


def load_differences(path: Path) -> dict[str, tuple[Difference, ...]]:
    """Return the known differences of each road."""
    read = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    return msgspec.convert(read, dict[str, tuple[Difference, ...]])


def compare(real: Trace, simulated: Trace, known: Sequence[Difference]) -> list[str]:
    """Return what differs beyond what is known, a line each, and what is known in vain.

    Args:
        real: The trace of the real programs.
        simulated: The simulator's own.
        known: The differences that have a reason.
    """
    used: set[Difference] = set()
    one = _without(sequences(real), "real", known, used)
    other = _without(sequences(simulated), "simulated", known, used)
    lines = [*_differing(one, other)]
    lines += [
        f"known, but not seen: only {d.only}: {d.objects} says {d.says}"
        for d in known
        if d not in used
    ]
    return lines


def _without(
    found: Sequences, side: Side, known: Iterable[Difference], used: set[Difference]
) -> Sequences:
    """Return sequences without what only this side is known to say."""
    mine = [difference for difference in known if difference.only == side]
    kept: Sequences = {}
    for (step, name), says in found.items():
        covering = [[d for d in mine if d.covers(step, name, text)] for text in says]
        used.update(d for each in covering for d in each)
        left = once(text for text, each in zip(says, covering, strict=True) if not each)
        if left:
            kept[step, name] = left
    return kept


def _differing(real: Sequences, simulated: Sequences) -> Iterator[str]:
    for step, name in dict.fromkeys([*real, *simulated]):
        one, other = real.get((step, name), ()), simulated.get((step, name), ())
        if one != other:
            yield (f"{step}: {name}\n  real:      {_shown(one)}\n  simulated: {_shown(other)}")


def _shown(says: Sequence[str]) -> str:
    return " > ".join(says) or "(nothing)"
