"""Where a text gives the value of something with a secret's name.

A name is looked for by the few letters that every such name holds, then its ends, then what comes
after it: `name=value`, `name: value`, `"name": "value"`, a block of YAML, `--name value`, and
`name: NAME, value: value` as containers list their variables.
"""

import re
from collections.abc import Iterator

from oc_gpu.snapshot.redaction.names import PARTS, is_likely, is_secret

_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_LONGEST = 100
"""Characters of a name on either side of the letters that it is found by."""
_BEFORE = re.compile(r"[\w.-]*\Z")
_AFTER = re.compile(r"[\w.-]{0,100}")
_SIGN = re.compile(r"\\*[\"']?[ \t]*(=>|[:=])\s*")
_SPACE = re.compile(r"\s+(?=[^\s-])")
_BESIDE = re.compile(r"\\*[\"']?[\s,]+\\*[\"']?value\\*[\"']?\s*:\s*")
_LISTED = re.compile(r"name\\*[\"']?\s*:\s*\\*[\"']?\Z")
_QUOTED = re.compile(r"(\\*[\"'])(.{0,65536}?)(?<!\\)\1")
_BARE = re.compile(r"[^\s;&\"'\\]+")
_BLOCK = re.compile(r"[|>][-+]?[ \t]*\n")
_LINE = re.compile(r"([ \t]*)([^\n]*)(?:\n|\Z)")
_LEAD = re.compile(r"(?:\d\S*Z)?[ \t-]*[\"']?\Z")
"""What stands before a name at the beginning of a line, with the time that logs put there."""
_END = re.compile(r"[ \t\r]*(?:\n|\Z)")
_QUOTES = ('"', "'", "\\")

Span = tuple[int, int]


def values_in(text: str) -> Iterator[Span]:
    """Yield where the values of secret names are, from first to last."""
    done = 0
    for hit in PARTS.finditer(text.translate(_LOWER)):
        if hit.start() < done:
            continue
        name = _name(text, hit.start(), hit.end())
        span = _value(text, *name) if name is not None else None
        if span is not None:
            yield span
            done = span[1]


def _name(text: str, start: int, end: int) -> Span | None:
    """Return the whole name around some letters, None when it is no secret's."""
    after = _AFTER.match(text, end)
    end = after.end() if after is not None else end
    floor = max(0, start - _LONGEST)
    before = _BEFORE.search(text[floor:start])
    start = floor + before.start() if before is not None else start
    return (start, end) if is_secret(text[start:end]) else None


def _value(text: str, start: int, end: int) -> Span | None:
    sign = _SIGN.match(text, end)
    if sign is not None:
        return _after_sign(text, start, sign)
    beside = _BESIDE.match(text, end)
    if beside is not None and _LISTED.search(text[max(0, start - 20) : start]):
        return _any(text, beside.end())
    space = _SPACE.match(text, end)
    if space is not None and text.startswith("-", start):
        return _any(text, space.end())
    return None


def _after_sign(text: str, start: int, sign: re.Match[str]) -> Span | None:
    before = text[max(0, start - _LONGEST) : start]
    line = before[before.rfind("\n") + 1 :]
    block = _BLOCK.match(text, sign.end())
    if block is not None:
        return _lines(text, block.end(), len(line) - len(line.lstrip(" \t-")))
    found = _any(text, sign.end())
    if found is None or sign[1] != ":" or text.startswith(_QUOTES, found[1]):
        return found
    alone = _LEAD.match(line) is not None and _END.match(text, found[1]) is not None
    return found if alone or is_likely(text[slice(*found)]) else None


def _any(text: str, at: int) -> Span | None:
    """Return a value in quotes, or up to what ends one."""
    quoted = _QUOTED.match(text, at)
    if quoted is not None:
        return quoted.span(2)
    bare = _BARE.match(text, at)
    return bare.span() if bare is not None else None


def _lines(text: str, at: int, indent: int) -> Span:
    """Return the lines of a block: those that are indented more than its name, and empty ones."""
    end = at
    for match in _LINE.finditer(text, at):
        if match[2] and len(match[1]) <= indent:
            break
        end = match.end()
    return at + len(text[at:end]) - len(text[at:end].lstrip()), at + len(text[at:end].rstrip())
