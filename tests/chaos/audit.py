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
    """One write that changed something: what it was, and the mark that it left on the object."""

    method: str
    path: str
    content: str
    mark: str


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
        mark = _mark(method, answer)
        if (parts.path, mark) in self._marks:
            return
        self._marks.add((parts.path, mark))
        content = hashlib.sha256(_unguarded(sent)).hexdigest()
        self.took.append(Took(method, parts.path, content, mark))

    def twice(self) -> list[str]:
        """Return what was written again with the same content, such as `PATCH /api/v1/... (2)`."""
        counts = Counter((took.method, took.path, took.content) for took in self.took)
        return [f"{method} {path} ({n})" for (method, path, _), n in counts.items() if n > 1]


def _mark(method: str, answer: bytes) -> str:
    obj: dict[str, Any] = json.loads(answer)
    meta = obj.get("metadata") or {}
    if method == "DELETE":  # a Status with the uid, or the object while it is leaving
        return f"deleted {meta.get('uid') or (obj.get('details') or {}).get('uid')}"
    ours = [e for e in meta.get("managedFields") or () if e.get("manager") == "oc-gpu"]
    return json.dumps([meta.get("uid"), ours])


def _unguarded(sent: bytes) -> bytes:
    """Return a body without the version that guards it: it differs each time."""
    try:
        body = json.loads(sent)
    except ValueError:
        return sent
    if isinstance(body, dict) and isinstance(body.get("metadata"), dict):
        body["metadata"].pop("resourceVersion", None)
    return json.dumps(body, sort_keys=True).encode()
