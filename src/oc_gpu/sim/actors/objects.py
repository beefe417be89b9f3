"""Small readers and builders for raw cluster objects, shared by the actors."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from oc_gpu.kube import RawObject

_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def name_of(obj: RawObject) -> str:
    """Return metadata.name."""
    return str(obj["metadata"]["name"])


def namespace_of(obj: RawObject) -> str | None:
    """Return metadata.namespace, None for cluster-scoped objects."""
    namespace: str | None = obj["metadata"].get("namespace")
    return namespace


def uid_of(obj: RawObject) -> str:
    """Return metadata.uid."""
    return str(obj["metadata"].get("uid", ""))


def labels_of(obj: RawObject) -> dict[str, str]:
    """Return metadata.labels, empty when there are none."""
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: RawObject) -> dict[str, str]:
    """Return metadata.annotations, empty when there are none."""
    return obj["metadata"].get("annotations") or {}


def is_terminating(obj: RawObject) -> bool:
    """Tell whether deletion has been asked for."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def version_of(obj: RawObject) -> int:
    """Return metadata.resourceVersion as a number, to tell the newer of two copies."""
    text = obj["metadata"].get("resourceVersion") or "0"
    return int(text) if str(text).isdigit() else 0


def timestamp(seconds: float) -> str:
    """Format epoch seconds as the API does, for instance 2021-03-01T08:00:00Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_timestamp(text: str | None) -> float:
    """Return epoch seconds of an API time; 0 for none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def owner_reference(owner: RawObject, *, controller: bool = True) -> RawObject:
    """Return the reference that makes `owner` own another object."""
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
    }
    return reference | ({"controller": True, "blockOwnerDeletion": True} if controller else {})


def controller_of(obj: RawObject) -> RawObject | None:
    """Return the owner reference of the controller, if there is one."""
    references: list[RawObject] = obj["metadata"].get("ownerReferences") or []
    return next((r for r in references if r.get("controller")), None)


def owned_by(objects: Iterable[RawObject], owner: RawObject) -> list[RawObject]:
    """Return the objects whose controller is `owner`."""
    uid = uid_of(owner)
    return [o for o in objects if (controller_of(o) or {}).get("uid") == uid]


def by_node(pod: RawObject) -> str | None:
    """Return the node that a pod is on: an index of caches."""
    node: str | None = pod["spec"].get("nodeName")
    return node


def by_app(obj: RawObject) -> str | None:
    """Return the value of label app: an index of caches."""
    return labels_of(obj).get("app")


def by_controller(obj: RawObject) -> str | None:
    """Return the uid of the object that controls this one: an index of caches."""
    return (controller_of(obj) or {}).get("uid")


def condition(obj: RawObject, kind: str) -> RawObject | None:
    """Return the condition of this type from status.conditions."""
    conditions: list[RawObject] = (obj.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c.get("type") == kind), None)


def is_true(obj: RawObject, kind: str) -> bool:
    """Tell whether the condition of this type is True."""
    return (condition(obj, kind) or {}).get("status") == "True"


def with_condition(
    conditions: Iterable[RawObject] | None, new: RawObject, now: float
) -> list[RawObject]:
    """Return conditions with one replaced; its transition time moves only with its status."""
    kept = list(conditions or [])
    old = next((c for c in kept if c["type"] == new["type"]), None)
    same = old is not None and old.get("status") == new.get("status")
    since = old.get("lastTransitionTime") if old and same else timestamp(now)
    entry = {**new, "lastTransitionTime": since}
    if old is None:
        return [*kept, entry]
    return [entry if c is old else c for c in kept]


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Tell whether a LabelSelector (matchLabels, matchExpressions) accepts labels."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(k) != v for k, v in wanted.items()):
        return False
    return all(expression_holds(e, labels) for e in selector.get("matchExpressions") or [])


def expression_holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether one selector requirement (In, NotIn, Exists, ...) holds for labels."""
    value = labels.get(expression["key"])
    values: list[str] = expression.get("values") or []
    operator = str(expression["operator"])
    if operator == "NotIn":
        return value not in values
    if operator in {"Exists", "DoesNotExist"}:
        return (value is not None) == (operator == "Exists")
    if value is None:
        return False
    if operator == "In":
        return value in values
    try:
        return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])
    except ValueError:
        return False


def stable_hash(value: Any, length: int = 10) -> str:
    """Return a short name part that depends only on `value`, in the API's safe alphabet."""
    packed = msgspec.json.encode(value, order="sorted")
    digest = hashlib.sha256(packed).digest()
    return "".join(_SAFE[b % len(_SAFE)] for b in digest[:length])
