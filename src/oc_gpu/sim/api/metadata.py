"""What the server checks of every object's metadata."""

import re
from collections.abc import Iterator
from typing import Any

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.errors import Cause
from oc_gpu.sim.api.kinds import ServedKind
from oc_gpu.sim.api.native import news

_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_LONGEST_NAME = 253
_LONGEST_LABEL = 63
_LONGEST_ANNOTATIONS = 256 * 1024
_ALPHANUMERIC = (
    "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character"
)
_NO_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_SUBDOMAIN}')"
)
_NO_NAME_PART = (
    f"name part must {_ALPHANUMERIC} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    f"validation is '{_QUALIFIED}')"
)
_NO_LABEL = (
    f"a valid label must be an empty string or {_ALPHANUMERIC} (e.g. 'MyValue',  or 'my_value',  "
    f"or '12345', regex used for validation is '{_LABEL}')"
)
_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})


def problems(kind: ServedKind, old: RawObject | None, new: RawObject) -> list[Cause]:
    """Return what is wrong with an object's metadata.

    Args:
        kind: Its kind.
        old: The object as it was; None for a new one.
        new: What it is to be.
    """
    meta = new["metadata"]
    changed = news(meta, old and old["metadata"])
    return [
        *([] if old else _name(kind, meta)),
        *_labels(changed.get("labels") or {}),
        *_annotations(changed.get("annotations") or {}),
        *_owners(changed.get("ownerReferences") or []),
        *_finalizers(kind, changed.get("finalizers") or []),
        *(_new_finalizers(old["metadata"], meta) if old else []),
    ]


def _invalid(field: str, value: str, why: str) -> Cause:
    return Cause(field, f'Invalid value: "{value}": {why}')


def _name(kind: ServedKind, meta: RawObject) -> Iterator[Cause]:
    name = meta.get("name") or ""
    if not name:
        message = "Required value: name or generateName is required"
        yield Cause("metadata.name", message, "FieldValueRequired")
    elif kind.resource.group == "rbac.authorization.k8s.io":
        if name in {".", ".."} or re.search("[/%]", name):
            yield _invalid("metadata.name", name, "may not contain '/' or '%'")
    else:
        if len(name) > _LONGEST_NAME:
            yield _invalid("metadata.name", name, _too_long(_LONGEST_NAME))
        if not re.fullmatch(_SUBDOMAIN, name):
            yield _invalid("metadata.name", name, _NO_SUBDOMAIN)


def _too_long(most: int) -> str:
    return f"must be no more than {most} bytes"


def _labels(labels: RawObject) -> Iterator[Cause]:
    for key, value in labels.items():
        yield from _keys("metadata.labels", key)
        if len(value) > _LONGEST_LABEL:
            yield _invalid("metadata.labels", value, _too_long(_LONGEST_LABEL))
        if not re.fullmatch(_LABEL, value):
            yield _invalid("metadata.labels", value, _NO_LABEL)


def _annotations(annotations: RawObject) -> Iterator[Cause]:
    for key in annotations:
        yield from _keys("metadata.annotations", key)
    size = sum(len(text.encode()) for pair in annotations.items() for text in pair)
    if size > _LONGEST_ANNOTATIONS:
        message = f"Too long: may not be more than {_LONGEST_ANNOTATIONS} bytes"
        yield Cause("metadata.annotations", message, "FieldValueTooLong")


def _keys(field: str, key: str) -> Iterator[Cause]:
    for why in _unqualified(key):
        yield _invalid(field, key, why)


def _unqualified(name: str) -> Iterator[str]:
    """Give what keeps a text from being `name` or `domain/name`."""
    prefix, slash, part = name.rpartition("/")
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif prefix and not re.fullmatch(_SUBDOMAIN, prefix):
        yield f"prefix part {_NO_SUBDOMAIN}"
    if not part:
        yield "name part must be non-empty"
    elif len(part) > _LONGEST_LABEL:
        yield f"name part {_too_long(_LONGEST_LABEL)}"
    if not re.fullmatch(_QUALIFIED, part):
        yield _NO_NAME_PART


def _owners(references: list[RawObject]) -> Iterator[Cause]:
    field = "metadata.ownerReferences"
    for reference in references:
        if not reference.get("apiVersion"):
            yield _invalid(f"{field}.apiVersion", "", "version must not be empty")
        for part in ("kind", "name", "uid"):
            if not reference.get(part):
                yield _invalid(f"{field}.{part}", "", "must not be empty")
    controllers = [r.get("name", "") for r in references if r.get("controller")]
    if len(controllers) > 1:
        message = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0]} and {controllers[1]}"
        )
        yield Cause(field, f"Invalid value: {message}")


def _finalizers(kind: ServedKind, finalizers: list[Any]) -> Iterator[Cause]:
    field = "metadata.finalizers"
    for name in finalizers:
        for why in _unqualified(name):
            yield _invalid(field, name, why)
        if kind.native and "/" not in name and name not in _STANDARD_FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield _invalid(field, name, why)


def _new_finalizers(was: RawObject, meta: RawObject) -> Iterator[Cause]:
    if not was.get("deletionTimestamp"):
        return
    known = was.get("finalizers") or []
    added = sorted({f for f in meta.get("finalizers") or [] if f not in known})
    if added:
        shown = ", ".join(f'"{name}"' for name in added)
        message = (
            "Forbidden: no new finalizers can be added if the object is being deleted, found new "
            f"finalizers []string{{{shown}}}"
        )
        yield Cause("metadata.finalizers", message, "FieldValueForbidden")
