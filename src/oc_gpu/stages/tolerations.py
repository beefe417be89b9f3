"""Which tolerations let a pod onto a tainted node (Kubernetes, taints and tolerations)."""

from collections.abc import Iterable

from oc_gpu.config import parse_taint
from oc_gpu.kube import RawObject
from oc_gpu.manifests.clusterpolicy import BUILT_IN, toleration_of
from oc_gpu.snapshot.kinds import Taint


def parse(text: str) -> Taint:
    """Return the taint written as `key=value:Effect` or `key:Effect`.

    Raises:
        UsageError: The text is not a taint.
    """
    taint = parse_taint(text)
    return Taint(taint.key, taint.value, taint.effect)


def tolerates(tolerations: Iterable[RawObject], taint: Taint) -> bool:
    """Tell whether any of the tolerations matches a taint."""
    return any(_matches(toleration, taint) for toleration in tolerations)


def _matches(toleration: RawObject, taint: Taint) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.effect:
        return False
    key = toleration.get("key")
    if toleration.get("operator") == "Exists":
        return not key or bool(key == taint.key)
    return bool(key == taint.key and (toleration.get("value") or "") == taint.value)


def for_taint(taint: Taint) -> RawObject:
    """Return the toleration of exactly one taint."""
    return toleration_of(taint.key, taint.value, taint.effect)


def with_taint(present: list[RawObject] | None, taint: Taint) -> list[RawObject]:
    """Return tolerations extended by a taint; an empty list stands for the built-in one."""
    base = list(present) if present else [BUILT_IN]
    return base if tolerates(base, taint) else [*base, for_taint(taint)]
