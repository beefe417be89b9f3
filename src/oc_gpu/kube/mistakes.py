"""All mistakes of a document at once, each with its path and, where it helps, a suggestion.

msgspec stops at the first mistake, and says it in a decoder's words; this walks the same types
beside the value.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct, ValidationError, inspect

from oc_gpu.kube.errors import clean

_SHOWN = 20
"""Mistakes that are named."""


class Mistake(Struct, frozen=True):
    """One mistake: where, and what is wrong (one clause)."""

    path: str
    problem: str

    def __str__(self) -> str:
        """Return both."""
        return f"{self.path}: {self.problem}" if self.path else self.problem


def find_mistakes(value: Any, kind: type) -> tuple[Mistake, ...]:
    """Return every mistake of a value of YAML or JSON against a type."""
    return tuple(_walk(value, inspect.type_info(kind), ""))


def explain(value: Any, kind: type, error: ValidationError) -> tuple[Mistake, ...]:
    """Return the mistakes of a value that could not be converted.

    Args:
        value: The value.
        kind: What it was to become.
        error: What the conversion said: it alone knows of checks that types do not show.
    """
    return find_mistakes(value, kind) or (_told(error),)


def _told(error: ValidationError) -> Mistake:
    found = re.fullmatch(r"(.*?)(?: - at `\$\.?(.*)`)?", str(error), re.DOTALL)
    return Mistake(found[2] or "", found[1]) if found else Mistake("", str(error))


def listed(mistakes: Sequence[Mistake]) -> str:
    """Return mistakes as one text, the first ones where there are very many."""
    text = "; ".join(clean(str(mistake)) for mistake in mistakes[:_SHOWN])
    if len(mistakes) > _SHOWN:
        text += f"; and {len(mistakes) - _SHOWN} more"
    count = f"{len(mistakes)} mistakes: " if len(mistakes) > 1 else ""
    return f"{count}{text}"


def _walk(value: Any, kind: inspect.Type, path: str) -> Iterator[Mistake]:
    if isinstance(kind, inspect.Metadata):
        for mistake in _walk(value, kind.type, path):
            yield _with_example(mistake, kind, path)
        return
    for type_, check in _CHECKS.items():
        if isinstance(kind, type_):
            yield from check(value, kind, path)
            return


_FORM = "is not of the right form"


def _with_example(mistake: Mistake, kind: inspect.Metadata, path: str) -> Mistake:
    examples = (kind.extra_json_schema or {}).get("examples")
    if not examples or mistake.path != path or not mistake.problem.endswith(_FORM):
        return mistake
    return Mistake(path, f"{mistake.problem}, such as {examples[0]}")


def _struct(value: Any, kind: inspect.StructType, path: str) -> Iterator[Mistake]:
    if not isinstance(value, dict):
        yield Mistake(path, f"must be a mapping, not {_what(value)}")
        return
    fields = {item.encode_name: item for item in kind.fields}
    for key, inner in value.items():
        where = f"{path}.{key}" if path else str(key)
        if key in fields:
            yield from _walk(inner, fields[key].type, where)
        elif kind.forbid_unknown_fields:
            yield Mistake(where, f"is not a known field{_suggest(str(key), fields)}")
    for name, item in fields.items():
        if item.required and name not in value:
            yield Mistake(f"{path}.{name}" if path else name, "is missing")


def _union(value: Any, kind: inspect.UnionType, path: str) -> Iterator[Mistake]:
    attempts = [list(_walk(value, option, path)) for option in kind.types]
    if [] in attempts:
        return
    alike = (i for i, option in enumerate(kind.types) if _wanted(option) == _what(value))
    if not isinstance(value, str) and (index := next(alike, None)) is not None:
        yield from attempts[index]
        return
    if value is None or len(attempts) == 1 or not isinstance(value, str):
        wanted = " or ".join(_wanted(option) for option in kind.types)
        yield Mistake(path, f"must be {wanted}, not {_what(value)}")
        return
    yield from min(attempts, key=lambda mistakes: mistakes[0].problem.startswith("must be a map"))


def _bare(kind: inspect.Type) -> inspect.Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _literal(value: Any, kind: inspect.LiteralType, path: str) -> Iterator[Mistake]:
    if not isinstance(value, (str, int)) or value not in kind.values:
        allowed = [str(v) for v in kind.values]
        hint = _suggest(value, allowed) if isinstance(value, str) else ""
        shown = f"{value!r}" if isinstance(value, str) else _what(value)
        yield Mistake(path, f"must be {_one_of(allowed)}, not {shown}{hint}")


def _one_of(allowed: list[str]) -> str:
    named = [value or "empty" for value in allowed]
    return named[0] if len(named) == 1 else f"one of {', '.join(named)}"


def _text(value: Any, kind: inspect.StrType, path: str) -> Iterator[Mistake]:
    if not isinstance(value, str):
        quotes = "" if isinstance(value, (dict, list)) else "; put it in quotes"
        yield Mistake(path, f"must be text, not {_what(value)}{quotes}")
    elif kind.pattern and not re.search(kind.pattern, value):
        yield Mistake(path, f"{value!r} {_FORM}")


def _number(value: Any, kind: inspect.IntType | inspect.FloatType, path: str) -> Iterator[Mistake]:
    whole = isinstance(kind, inspect.IntType)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        yield Mistake(path, f"must be a number, not {_what(value)}")
    elif whole and not float(value).is_integer():
        yield Mistake(path, "must be a whole number")
    elif kind.ge is not None and not value >= kind.ge:
        yield Mistake(path, f"must be at least {kind.ge:g}")
    elif kind.le is not None and not value <= kind.le:
        yield Mistake(path, f"must be at most {kind.le:g}")


def _flag(value: Any, _kind: inspect.BoolType, path: str) -> Iterator[Mistake]:
    if not isinstance(value, bool):
        yield Mistake(path, f"must be true or false, not {_what(value)}")


def _sequence(
    value: Any, kind: inspect.VarTupleType | inspect.ListType, path: str
) -> Iterator[Mistake]:
    if not isinstance(value, list):
        yield Mistake(path, f"must be a list, not {_what(value)}")
        return
    if len(value) < (kind.min_length or 0):
        yield Mistake(path, f"has too few entries: at least {kind.min_length}")
    for number, inner in enumerate(value):
        yield from _walk(inner, kind.item_type, f"{path}[{number}]")


def _mapping(value: Any, kind: inspect.DictType, path: str) -> Iterator[Mistake]:
    if not isinstance(value, dict):
        yield Mistake(path, f"must be a mapping, not {_what(value)}")
        return
    for key, inner in value.items():
        where = f"{path}.{key}" if path else str(key)
        if isinstance(key, str):
            yield from _walk(inner, kind.value_type, where)
        else:
            yield Mistake(where, "must be text as a key; put it in quotes")


def _nothing(value: Any, _kind: inspect.NoneType, path: str) -> Iterator[Mistake]:
    if value is not None:
        yield Mistake(path, f"must be empty, not {_what(value)}")


_CHECKS: dict[type, Callable[[Any, Any, str], Iterator[Mistake]]] = {
    inspect.StructType: _struct,
    inspect.UnionType: _union,
    inspect.LiteralType: _literal,
    inspect.StrType: _text,
    inspect.IntType: _number,
    inspect.FloatType: _number,
    inspect.BoolType: _flag,
    inspect.VarTupleType: _sequence,
    inspect.ListType: _sequence,
    inspect.DictType: _mapping,
    inspect.NoneType: _nothing,
}


def _suggest(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


_WORDS = (
    (type(None), "empty"),
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a mapping"),
)


def _what(value: Any) -> str:
    return next((word for kind, word in _WORDS if isinstance(value, kind)), type(value).__name__)


def _wanted(kind: inspect.Type) -> str:
    bare = _bare(kind)
    if isinstance(bare, inspect.LiteralType):
        return _one_of([str(v) for v in bare.values])
    return _NAMES.get(type(bare), "something else")


_NAMES: dict[type, str] = {
    inspect.StructType: "a mapping",
    inspect.DictType: "a mapping",
    inspect.NoneType: "empty",
    inspect.StrType: "text",
    inspect.IntType: "a number",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.VarTupleType: "a list",
    inspect.ListType: "a list",
}
