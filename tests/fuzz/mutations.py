"""Mutations of what comes from outside: bytes that are cut and turned, values of the wrong kind."""

import random
from collections.abc import Callable, Iterator
from typing import Any

LONG = 10_000_000
"""Characters of a very long string."""
DEEP = 100_000
"""Levels of a very deep value."""
_WRONG: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    "",
    "x",
    "\x00",
    "😀",
    [],
    [None],
    [[]],
    {},
    {"": None},
    {"x": {"y": []}},
)


def structured(dice: random.Random, value: Any) -> Any:
    """Return a value in which one place, or a few, are of another kind, gone or doubled."""
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        value = _at(dice, value)
    return value


def _at(dice: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and dice.random() < 0.85:
        return _in_object(dice, value)
    if isinstance(value, list) and value and dice.random() < 0.85:
        return _in_list(dice, value)
    return dice.choice(_WRONG)


def _in_object(dice: random.Random, value: dict[str, Any]) -> dict[str, Any]:
    key, change = dice.choice(list(value)), dice.random()
    if change < 0.15:
        return {k: v for k, v in value.items() if k != key}
    if change < 0.2:
        return {**value, dice.choice(("", "x" * 300, "metadata", "\n")): value[key]}
    return {**value, key: _at(dice, value[key])}


def _in_list(dice: random.Random, value: list[Any]) -> list[Any]:
    place, change = dice.randrange(len(value)), dice.random()
    if change < 0.15:
        return [v for number, v in enumerate(value) if number != place]
    if change < 0.25:
        return [*value, *value]
    return [_at(dice, v) if number == place else v for number, v in enumerate(value)]


def turned(dice: random.Random, raw: bytes) -> bytes:
    """Return bytes of which some are cut, turned, doubled or put in between."""
    where = dice.randrange(len(raw) + 1)
    more = bytes(dice.randrange(256) for _ in range(dice.choice((1, 4, 64))))
    end = min(len(raw), where + dice.choice((1, 8, 200)))
    match dice.randrange(6):
        case 0:
            return raw[:where]
        case 1:
            return raw[:where] + more + raw[where:]
        case 2:
            return raw[:where] + more + raw[end:]
        case 3:
            return raw[:where] + raw[end:]
        case 4:
            return raw[:where] + raw[where:end] * 3 + raw[end:]
        case _:
            return bytes(
                b ^ (1 << dice.randrange(8)) if i == where else b for i, b in enumerate(raw)
            )


def extremes(raw: bytes) -> Iterator[bytes]:
    """Yield what is far too long, far too deep, or something else altogether."""
    yield b""
    yield b"\xff\xfe\x00"
    yield b"<html><body>503 Service Unavailable</body></html>"
    yield b"null"
    yield b"[" * DEEP
    yield b"[" * DEEP + b"]" * DEEP
    yield b'{"a":' * DEEP + b"1" + b"}" * DEEP
    yield b'"' + b"x" * LONG + b'"'
    yield b'{"' + b"x" * LONG + b'": 1}'
    yield b'{"metadata": {"name": "' + b"x" * LONG + b'"}}'
    yield b"1" * 100_000
    yield raw + raw
    yield raw * 3


def series(
    seed: int, count: int, value: Any, encode: Callable[[Any], bytes]
) -> Iterator[tuple[int, bytes]]:
    """Yield mutations of a document, each with the number by which it is made again."""
    raw = encode(value)
    for number in range(count):
        dice = random.Random(f"{seed}/{number}")  # noqa: S311 - it is to be repeatable
        kind = dice.random()
        if kind < 0.6:
            yield number, encode(structured(dice, value))
        else:
            yield number, turned(dice, raw)
