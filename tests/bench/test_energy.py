"""Energy: read from one move of its counter to another, so that its pace does not show."""

from collections.abc import Callable

import pytest

from oc_gpu.bench.workloads import timing

WATTS = 400.0
PACE = 0.1
"""Seconds between two moves of the played counter."""


class Card:
    """A card that uses `WATTS` while time passes only in its work."""

    def __init__(self, seconds: float, *, dead: bool = False) -> None:
        self.now = 0.037
        self.seconds = seconds
        self.dead = dead

    def clock(self) -> float:
        return self.now

    def group(self) -> None:
        self.now += self.seconds

    def read(self) -> float | None:
        return 0.0 if self.dead else int(self.now / PACE) * PACE * WATTS


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[float | None, str]]:
    def call(card: Card, until: float = 60.0) -> tuple[float | None, str]:
        monkeypatch.setattr("oc_gpu.bench.workloads.timing.time.perf_counter", card.clock)
        return timing.energy(card.group, card.read, until)

    return call


@pytest.mark.parametrize("seconds", [0.0101, 0.0237, 0.13, 0.9])
def test_energy_is_right_whatever_the_counters_pace(
    measured: Callable[..., tuple[float | None, str]], seconds: float
) -> None:
    joules, why = measured(Card(seconds))
    assert joules == pytest.approx(WATTS * seconds, rel=0.12)
    assert why == ""


def test_short_groups_are_measured_to_a_hundredth(
    measured: Callable[..., tuple[float | None, str]],
) -> None:
    joules, _ = measured(Card(0.001))
    assert joules == pytest.approx(WATTS * 0.001, rel=0.01)


def test_a_counter_that_never_moves_is_given_up(
    measured: Callable[..., tuple[float | None, str]],
) -> None:
    card = Card(0.01, dead=True)
    joules, why = measured(card)
    assert joules is None
    assert why
    assert card.now < 1


def test_a_budget_that_ends_leaves_the_energy_unmeasured(
    measured: Callable[..., tuple[float | None, str]],
) -> None:
    joules, why = measured(Card(0.01), until=0.15)
    assert joules is None
    assert "budget" in why


def test_without_a_counter_nothing_is_run() -> None:
    def fail() -> None:
        raise AssertionError

    assert timing.energy(fail, lambda: None, 1e9)[0] is None
