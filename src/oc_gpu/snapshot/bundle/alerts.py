"""Firing alerts out of what gather_monitoring saves of Prometheus (its rules API)."""

from typing import Any

import msgspec
from msgspec import Struct, field

from oc_gpu.snapshot.bundle.files import Notes, whole
from oc_gpu.snapshot.bundle.index import Index
from oc_gpu.snapshot.model import Alert


class _Rule(Struct):
    state: str = ""
    name: str = ""
    labels: dict[str, Any] = field(default_factory=dict)
    annotations: dict[str, Any] = field(default_factory=dict)


class _Group(Struct):
    rules: list[_Rule] = field(default_factory=list)


class _Data(Struct):
    groups: list[_Group] = field(default_factory=list)


class _Answer(Struct):
    data: _Data = field(default_factory=_Data)


def firing(index: Index, notes: Notes) -> tuple[Alert, ...]:
    """Return the alerts that were firing when the bundle was made."""
    found = []
    for _, file in index.named.get("rules", []):
        raw = whole(file, notes)
        if not raw.strip():
            continue
        try:
            answer = msgspec.json.decode(raw, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            notes.add(f"{file.path}: broken JSON")
            continue
        rules = (rule for group in answer.data.groups for rule in group.rules)
        found += [_alert(rule) for rule in rules if rule.state == "firing"]
    return tuple(found)


def _alert(rule: _Rule) -> Alert:
    told = rule.annotations
    message = next((told[k] for k in ("message", "description", "summary") if told.get(k)), "")
    labels = {str(k): str(v) for k, v in rule.labels.items()}
    return Alert(rule.name, str(message), labels)
