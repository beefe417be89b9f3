"""What a faulty API server does to a request, as data, and the dice that choose."""

import random
from dataclasses import dataclass, field
from typing import Literal

When = Literal["before", "after", "stream"]


@dataclass(frozen=True)
class Fault:
    """One way in which a request goes wrong.

    Attributes:
        name: As the tables of docs/reliability.md have it.
        when: `before` the server sees the request, `after` it has done what was asked, or in the
            middle of a watch.
        status: What is answered; 0 when the connection is cut instead.
    """

    name: str
    when: When
    status: int = 0


TOO_MANY = Fault("429 with Retry-After", "before", 429)
BROKEN = Fault("500", "before", 500)
UNAVAILABLE = Fault("503", "before", 503)
DONE_BUT_BROKEN = Fault("500 after the write was done", "after", 500)
RESET = Fault("connection reset", "before")
DONE_BUT_RESET = Fault("connection reset after the write was done", "after")
HALF = Fault("half an answer", "after")
SLOW = Fault("slow answer", "before")
GONE = Fault("410 on a watch", "before", 410)
EXPIRED = Fault("410 in the middle of a watch", "stream", 410)
ENDED = Fault("watch that ends silently", "stream")
MUTE = Fault("watch that says no more", "stream")

ANY = (TOO_MANY, BROKEN, UNAVAILABLE, DONE_BUT_BROKEN, RESET, DONE_BUT_RESET, HALF, SLOW)
WATCHES = (GONE, EXPIRED, ENDED, RESET, UNAVAILABLE)


@dataclass
class Chaos:
    """What goes wrong, how often, and what has gone wrong so far.

    Attributes:
        seed: The dice roll the same for the same seed; which request meets which roll depends on
            the order in which requests come.
        rate: Share of requests that are faulty.
        conflicts: Whether every apply is answered with a conflict once.
        skew: Seconds by which the server's clock is ahead.
        slowness: Seconds that a slow answer takes.
        of_any: Faults of ordinary requests.
        of_watches: Faults of watches.
        counts: How often each fault was met.
        requests: Number of requests.
    """

    seed: int = 0
    rate: float = 0.1
    conflicts: bool = False
    skew: float = 0.0
    slowness: float = 0.3
    of_any: tuple[Fault, ...] = ANY
    of_watches: tuple[Fault, ...] = WATCHES
    counts: dict[str, int] = field(default_factory=dict)
    requests: int = 0

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311 - it is to be repeatable
        self._met: set[str] = set()

    def roll(self, *, watch: bool) -> Fault | None:
        """Return what goes wrong with the next request, None when nothing does."""
        self.requests += 1
        hit, which = self._dice.random() < self.rate, self._dice.random()
        faults = self.of_watches if watch else self.of_any
        return self.note(faults[int(which * len(faults))]) if hit and faults else None

    def conflict(self, target: str) -> bool:
        """Tell whether an apply of an object meets its one conflict now."""
        if not self.conflicts or target in self._met:
            return False
        self._met.add(target)
        self.counts["conflict on an apply"] = self.counts.get("conflict on an apply", 0) + 1
        return True

    def note(self, fault: Fault) -> Fault:
        """Count a fault and return it."""
        self.counts[fault.name] = self.counts.get(fault.name, 0) + 1
        return fault
