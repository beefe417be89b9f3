"""What an API server would prune of what the builders make."""

from collections.abc import Mapping
from typing import Any

from oc_gpu.kube import RawObject


def drop_unknown(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return a value without the fields that a structural schema does not have.

    This is what an API server prunes: fields that it would drop must not be sent, or the object
    would never look as it was asked for.

    Args:
        value: A custom resource, or a part of one.
        schema: Its `openAPIV3Schema`, or the schema of that part.
    """
    if isinstance(value, list):
        return [drop_unknown(inner, schema.get("items") or {}) for inner in value]
    if not isinstance(value, dict):
        return value
    known: Mapping[str, Any] = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    keeps = bool(schema.get("x-kubernetes-preserve-unknown-fields")) or others is True
    is_free = schema.get("type") != "object" and not known
    kept = {}
    for key, inner in value.items():
        if key in known:
            kept[key] = drop_unknown(inner, known[key])
        elif isinstance(others, Mapping):
            kept[key] = drop_unknown(inner, others)
        elif keeps or is_free:
            kept[key] = inner
    return kept


def drop_unknown_fields(resource: RawObject, schema: Mapping[str, Any]) -> RawObject:
    """Return a custom resource without spec fields that its CRD's schema does not have."""
    spec = (schema.get("properties") or {}).get("spec")
    if spec is None or "spec" not in resource:
        return resource
    return {**resource, "spec": drop_unknown(resource["spec"], spec)}
