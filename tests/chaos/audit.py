"""What the server took, as it answered: whether anything was written twice."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_NO_OBJECTS = ("accessreviews", "/leases")
"""Reviews ask, and a Lease only says who is about to write."""


@dataclass(frozen=True)
class Took:
    """One write that changed something: what it was, and on which object."""

    method: str
    path: str
    content: str
    uid: str


@dataclass
class Audit:
    """The writes that a server took from one program.

    Attributes:
        took: Every write that changed something.
    """

    took: list[Took] = field(default_factory=list)
    _marks: set[tuple[str, str]] = field(default_factory=set)

    def note(self, method: str, target: str, sent: bytes, answer: bytes) -> None:
        """Note a write that was answered with success.

        An apply that changes nothing leaves the mark of its manager as it was: it is none.
        """
        parts = urlsplit(target)
        dry = "dryRun" in parse_qs(parts.query) or b'"dryRun"' in sent
        if method not in _CHANGES or dry or any(part in parts.path for part in _NO_OBJECTS):
            return
        uid, mark = _mark(method, answer)
        if (parts.path, mark) in self._marks:
            return
        self._marks.add((parts.path, mark))
        content = hashlib.sha256(_unguarded(sent)).hexdigest()
        self.took.append(Took(method, parts.path, content, uid))

    def twice(self) -> list[str]:
        """Return what one object was sent again, such as `PATCH /api/v1/... (2)`."""
        counts = Counter(self.took)
        return [f"{took.method} {took.path} ({n})" for took, n in counts.items() if n > 1]


def _mark(method: str, answer: bytes) -> tuple[str, str]:
    """Return the uid of the object, and what tells that it was changed by this program."""
    obj: dict[str, Any] = json.loads(answer)
    meta = obj.get("metadata") or {}
    uid = str(meta.get("uid") or (obj.get("details") or {}).get("uid"))
    if method == "DELETE":
        return uid, f"deleted {uid}"
    ours = [e for e in meta.get("managedFields") or () if e.get("manager") == "oc-gpu"]
    return uid, json.dumps([uid, ours])


def _unguarded(sent: bytes) -> bytes:
    """Return a body without the version that guards it: it differs each time."""
    try:
        body = json.loads(sent)
    except ValueError:
        return sent
    if isinstance(body, dict) and isinstance(body.get("metadata"), dict):
        body["metadata"].pop("resourceVersion", None)
    return json.dumps(body, sort_keys=True).encode()
