"""Moments and durations as people read them."""

import time

_MINUTE = 60
_HOUR = 3600


def moment(at: float) -> str:
    """Return epoch seconds as `2026-11-24T02:13:45Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def duration(seconds: float) -> str:
    """Return a duration such as `0.4s`, `42s`, `12m 30s` or `1h 05m`."""
    if seconds < 9.95:  # noqa: PLR2004
        return f"{seconds:.1f}s" if seconds % 1 else f"{seconds:.0f}s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02}s"
    return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02}m"


def span(low: float, high: float) -> str:
    """Return a range of durations, rounded to what an estimate is worth."""
    small, large = _rounded(low), _rounded(high)
    if small == large:
        return f"about {_minutes(small)}"
    return f"{_minutes(small, unit=False)} to {_minutes(large)}"


def _rounded(seconds: float) -> int:
    return max(1, round(seconds / _MINUTE))


def _minutes(count: int, *, unit: bool = True) -> str:
    return f"{count} minutes" if unit and count != 1 else f"{count} minute" if unit else f"{count}"
