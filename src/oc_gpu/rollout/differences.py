"""What differs between two states of an object, as a user may be shown it.

Keys and certificates never are: the content of Secrets, of the files in MachineConfigs and of a
licence's token is told apart by its presence only, and what looks like a secret is cut out of
every other value.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube.errors import clean
from oc_gpu.kube.resources import CONFIGMAPS, MACHINE_CONFIGS, SECRETS
from oc_gpu.manifests.licence import TOKEN

NOT_SHOWN = "(not shown)"
_HIDDEN = {
    CONFIGMAPS.plural: (f"data.{TOKEN}",),
    SECRETS.plural: ("data", "stringData"),
    MACHINE_CONFIGS.plural: ("spec.config",),
}
"""Paths below which there are keys, certificates or files of nodes."""
_SERVER_OWNED = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"}
)
_ABSENT: Any = None


class Difference(Struct, frozen=True):
    """One field that changes: its path, and its value before and after; None where absent."""

    path: str
    before: str | None = None
    after: str | None = None


def differences(resource: Resource, before: Any, after: Any) -> Iterator[Difference]:
    """Yield the fields in which two states of an object differ, what the server owns left out.

    Args:
        resource: Its kind: it says which values may be shown.
        before: The object as it is, None when it is not there.
        after: The object as it would be.
    """
    for path, old, new in _leaves(before if before is not None else {}, after):
        hidden = any(
            path == root or path.startswith((f"{root}.", f"{root}["))
            for root in _HIDDEN.get(resource.plural, ())
        )
        yield Difference(path, _shown(old, hidden=hidden), _shown(new, hidden=hidden))


def _shown(value: Any, *, hidden: bool) -> str | None:
    if value is None:
        return None
    if hidden:
        return NOT_SHOWN
    return clean(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def _leaves(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield path and both values of what differs, as deep as what is there goes."""
    if _is_branch(before, after):
        for key in sorted({*(before or ()), *(after or ())}):
            if (path == "" and key == "status") or (path == "metadata" and key in _SERVER_OWNED):
                continue
            below = f"{path}.{key}" if path else str(key)
            yield from _leaves((before or {}).get(key), (after or {}).get(key), below)
    elif isinstance(before, list) and isinstance(after, list):
        for number in range(max(len(before), len(after))):
            one = before[number] if number < len(before) else _ABSENT
            other = after[number] if number < len(after) else _ABSENT
            yield from _leaves(one, other, f"{path}[{number}]")
    elif before != after:
        # A text that is a document itself, such as the record, is told by what changes in it.
        inside = (
            list(_leaves(*documents, path)) if (documents := _read(before, after, path)) else []
        )
        yield from inside or [(path, before, after)]


def _read(before: Any, after: Any, path: str) -> tuple[RawObject, RawObject] | None:
    """Return both sides decoded where they are the text of a JSON document."""
    if not (path.endswith(".json") and isinstance(before, str) and isinstance(after, str)):
        return None
    try:
        return msgspec.json.decode(before, type=dict), msgspec.json.decode(after, type=dict)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def _is_branch(before: Any, after: Any) -> bool:
    """Tell whether there is something below on a side, and no other value on the other."""
    sides = [side for side in (before, after) if side is not None]
    return any(sides) and all(isinstance(side, dict) for side in sides)
