"""What all controllers that own pods share: building a pod from a template, counting."""

from collections.abc import Iterable

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.objects import is_terminating, is_true, labels_of, owner_reference

ENDED = {"Succeeded", "Failed"}


def pod_from(owner: RawObject, template: RawObject, labels: dict[str, str]) -> RawObject:
    """Return a pod of an owner's template, with more labels, still without a name."""
    meta = template.get("metadata") or {}
    metadata: RawObject = {
        "generateName": f"{owner['metadata']['name']}-",
        "namespace": owner["metadata"]["namespace"],
        "labels": {**(meta.get("labels") or {}), **labels},
        "ownerReferences": [owner_reference(owner)],
    }
    if meta.get("annotations"):
        metadata["annotations"] = meta["annotations"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def is_ready(pod: RawObject) -> bool:
    """Tell whether a pod is ready and not on its way out."""
    return is_true(pod, "Ready") and not is_terminating(pod)


def phase(pod: RawObject) -> str:
    """Return the pod's phase, Pending when it has none yet."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def active(pods: Iterable[RawObject]) -> list[RawObject]:
    """Return pods that neither ended nor are going away."""
    return [p for p in pods if phase(p) not in ENDED and not is_terminating(p)]


def hash_of(pod: RawObject, label: str) -> str:
    """Return the template hash that a pod carries."""
    return labels_of(pod).get(label, "")
