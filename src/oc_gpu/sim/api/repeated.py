"""Fields that stand twice in a JSON text: decoders take the last one, strict ones complain."""

import json
from collections.abc import Iterator
from typing import Any


class _Pairs(list[tuple[str, Any]]):
    """An object as it stands in the text, with every field."""


def repeated(text: bytes) -> list[str]:
    """Return the paths of fields that stand there more than once; the text must be JSON."""
    return list(_walk(json.loads(text, object_pairs_hook=_Pairs), ""))


def _walk(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, item in value:
            here = f"{path}.{key}" if path else key
            if key in seen:
                yield here
            seen.add(key)
            yield from _walk(item, here)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]")
