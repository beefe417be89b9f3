"""What all controllers that own pods share: building a pod from a template, counting."""

from collections.abc import Hashable, Iterable

from oc_gpu.kube import ForbiddenError, OcGpuError, RawObject, ServerError
from oc_gpu.sim.actors.framework import Controller, EventSource
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


REFUSED = (ForbiddenError, ServerError)
"""What the server answers where a quota or somebody's policy keeps a pod from being made."""
_TRIES, _FIRST = 6, 1.0


class Refusals:
    """Tells of pods that may not be made, and tries again, longer every time, some times.

    One that is refused for ever would otherwise keep simulated time running for ever: later tries
    come with changes of what is watched, or of the cluster's facts.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._tries: dict[Hashable, int] = {}

    async def note(self, owner: RawObject, error: OcGpuError, key: Hashable) -> None:
        """Report a refused pod of an owner."""
        said = getattr(error, "server_message", "") or str(error)
        source = EventSource(self._controller.name, warning=True)
        text = f"Error creating: {said}"
        await self._controller.context.event(owner, "FailedCreate", text, source=source)
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        if tries <= _TRIES:
            self._controller.enqueue_after(key, _FIRST * 2 ** (tries - 1))

    def forget(self, key: Hashable) -> None:
        """Begin anew with short pauses: a pod was made."""
        self._tries.pop(key, None)


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
