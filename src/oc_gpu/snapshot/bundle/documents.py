"""Objects out of YAML and JSON files that machines wrote, as fast as it goes.

py-yaml12 reads what `oc` writes 15 times faster than PyYAML. It is not given documents with
anchors: `oc` writes none, and a few of them can stand for gigabytes.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
import yaml12

from oc_gpu.kube import RawObject, yamlfile
from oc_gpu.snapshot.bundle.files import File, Notes, whole

_ANCHOR = re.compile(rb"(?m)^\s*(?:- )?(?:[\w.\"'-]+:\s+|- )&\w+")
_NUMBERLIKE = re.compile(rb"(?m)([:-] +)(0\d+|0o[0-7]+|\d+(?:\.\d+)?[eE][-+]?\d+)(?=\s*$)")
"""What is a number in YAML 1.2 only: writers of YAML 1.1 leave such labels and hashes unquoted."""
_MAX_NODES = 5_000_000
"""Values in one document with anchors; what is shared counts each time."""
SPLIT_FROM = 1 << 20
"""Bytes of a list from which items are looked at before they are parsed."""
_ITEM = re.compile(rb"(?m)^(?=( *)- )")


class _TooManyError(ValueError):
    """A document with anchors stands for more than it looks."""


def objects(file: File, notes: Notes, worth: tuple[bytes, ...] = ()) -> list[RawObject]:
    """Return the objects of a file: those of a list, or the one that it holds.

    Args:
        file: The file.
        notes: Takes why it cannot be read.
        worth: Of a long list, only items that hold one of these bytes; empty means all.
    """
    raw = whole(file, notes)
    if not raw.strip():
        return []
    if worth and len(raw) > SPLIT_FROM and not raw.lstrip().startswith(b"{"):
        raw = _worth(raw, worth)
    try:
        value = parse(raw)
    except ValueError as error:
        notes.add(f"{file.path}: broken YAML ({str(error)[:80]})")
        return []
    return [item for item in _items(value) if _is_object(item)]


def parse(raw: bytes) -> Any:
    """Return the value of a document.

    Raises:
        ValueError: It is neither YAML nor JSON, or stands for far more than it looks.
    """
    if raw.lstrip().startswith((b"{", b"[")):
        return msgspec.json.decode(raw)
    if _ANCHOR.search(raw):
        value = yamlfile.parse(raw)
        _count(value, [_MAX_NODES], 0)
        return value
    quoted = _NUMBERLIKE.sub(rb'\1"\2"', raw)
    return _plain(yaml12.parse_yaml(quoted.decode("utf-8", "replace").replace("\0", "")))


_DEEPEST = 200


def _count(value: Any, left: list[int], depth: int) -> None:
    left[0] -= 1
    if left[0] < 0 or depth > _DEEPEST:
        raise _TooManyError("anchors stand for too much")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        _count(item, left, depth + 1)


def _plain(value: Any) -> Any:
    """Return a value without the parser's wrappers for tags; most documents have none."""
    return value.value if isinstance(value, yaml12.Yaml) else value


def _items(value: Any) -> Iterable[Any]:
    if not isinstance(value, dict):
        return ()
    items = value.get("items")
    kind = str(value.get("kind", ""))
    if isinstance(items, list) and ("metadata" not in value or kind.endswith("List")):
        own = {k: value[k] for k in ("apiVersion",) if k in value}
        single = kind.removesuffix("List")
        return ({**own, "kind": single, **item} for item in items if isinstance(item, dict))
    return (value,)


def _is_object(value: Any) -> bool:
    meta = value.get("metadata") if isinstance(value, dict) else None
    return isinstance(meta, dict) and isinstance(meta.get("name"), str)


def _worth(raw: bytes, worth: tuple[bytes, ...]) -> bytes:
    """Return a list with those items only that hold one of some bytes."""
    begin = re.search(rb"(?m)^items:\s*\n", raw)
    if begin is None:
        return raw
    body = raw[begin.end() :]
    first = _ITEM.match(body)
    if first is None:
        return raw
    mark = b"\n" + first[1] + b"- "
    kept = [item for item in (b"\n" + body).split(mark) if any(w in item for w in worth)]
    return b"items:" + mark + mark.join(kept) + b"\n" if kept else b"items: []\n"
