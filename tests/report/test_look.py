"""Widths, wrapping and durations."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oc_gpu.report import errors, when
from oc_gpu.report.look import Look, columns

WORDS = st.lists(st.text("abc-/", min_size=1, max_size=12), min_size=1, max_size=30)


@given(WORDS, st.integers(30, 100))
def test_folding_keeps_every_word_and_the_width(words: list[str], width: int) -> None:
    lines = Look(width=width).fold(" ".join(words), used=5)
    assert [word for line in lines for word in line.split()] == words
    assert all(columns(line) + 5 <= width for line in lines)


def test_words_longer_than_the_width_stay_whole() -> None:
    path = "x" * 90
    assert path in Look(width=40).hanging("seen  ", f"file {path}").split("\n")[1]


def test_wide_characters_count_as_two_columns() -> None:
    assert columns("節点a") == 5
    table = Look().table([("節点", "x"), ("node", "y")])
    assert table == ["節点  x", "node  y"]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.42, "0.4s"), (7, "7s"), (42.4, "42s"), (754, "12m 34s"), (3900, "1h 05m")],
)
def test_durations_are_told_as_people_say_them(seconds: float, told: str) -> None:
    assert when.duration(seconds) == told


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [(1500, 3900, "25 to 65 minutes"), (20, 40, "about 1 minute"), (600, 610, "about 10 minutes")],
)
def test_estimates_are_no_more_exact_than_minutes(low: float, high: float, told: str) -> None:
    assert when.span(low, high) == told


def test_errors_are_a_sentence_then_hints_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    errors.show("cannot read x", ("try y", "try y", "try z"), doc="docs/checks.md")
    assert stream.getvalue() == (
        "error: cannot read x\nhint: try y\nhint: try z\nhint: see docs/checks.md\n"
    )


def test_colour_is_left_out_when_the_user_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Look.of(Terminal()).color
    assert not Look.of(Terminal(), "never").color
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Look.of(Terminal()).color
    assert Look.of(io.StringIO(), "always").color


def test_a_command_stays_one_line_and_prose_does_not() -> None:
    look = Look(width=30)
    command = "oc debug node/a -- chroot /host mokutil --sb-state"
    assert look.todo("do  ", command) == f"do  {command}"
    assert "\n" in look.todo("do  ", "turn Secure Boot off in the firmware")
