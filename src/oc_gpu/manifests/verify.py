"""Short-lived pods that prove what a GPU node does: compute for those who ask, refuse others."""

from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.manifests.labels import PROOF, labels
from oc_gpu.manifests.pods import on_node, security
from oc_gpu.snapshot.kinds import GPU

STAGE = "verify"
SAMPLE = "cuda-sample"
STAY_OFF = "stay-off"
RUN = "oc-gpu.io/run"
"""Label of a test pod: the run of verify that made it."""
UNTIL = "oc-gpu.io/until"
"""Annotation of a test pod: epoch seconds until which its run may need it."""


class Place(Struct, frozen=True):
    """Where a run puts its test pods of one node.

    Attributes:
        node: Node to run on.
        namespace: Where they go.
        image: CUDA sample image (`facts.cuda_sample`).
        run: A short text that no other run has; runs side by side do not meet.
        until: Epoch seconds until which the run may need them.
    """

    node: str
    namespace: str
    image: str
    run: str
    until: float = 0.0


def sample_pod(
    place: Place, program: str, tolerations: tuple[RawObject, ...] = (), resource: str = GPU
) -> RawObject:
    """Return a pod that names its GPU and computes on it, on one node.

    Args:
        place: Node, namespace, image, run.
        program: Path of vectorAdd in the image.
        tolerations: For the taints of the node.
        resource: What it asks for: a GPU, or a part of one.
    """
    part = resource.rpartition("/")[2]
    pod = _pod(SAMPLE, place, "" if resource == GPU else f"-{part}")
    container = pod["spec"]["containers"][0]
    container["command"] = ["sh", "-c", f"nvidia-smi -L && {program}"]
    container["resources"] = {"limits": {resource: "1"}}
    if tolerations:
        pod["spec"]["tolerations"] = list(tolerations)
    return pod


def stay_off_pod(place: Place) -> RawObject:
    """Return a pod that asks for no GPU and may run on one GPU node only: a taint keeps it off."""
    pod = _pod(STAY_OFF, place)
    pod["spec"]["containers"][0]["command"] = ["true"]
    return pod


def pod_name(proof: str, node: str, run: str) -> str:
    """Return the name of the pod that proves something about a node.

    Node names may be as long as pod names; the end of a long one is cut and marked.
    """
    name, room = f"oc-gpu-{proof}-{node}", _MAX_NAME - len(run) - 1
    short = name if len(name) <= room else f"{name[: room - 9].rstrip('.-')}-{_mark(node)}"
    return f"{short}-{run}"


_MAX_NAME = 253


def _mark(text: str) -> str:
    from zlib import crc32  # noqa: PLC0415  # only for names that hardly anybody has

    return f"{crc32(text.encode()):08x}"


def _pod(proof: str, place: Place, part: str = "") -> RawObject:
    container: RawObject = {"name": proof, "image": place.image, "securityContext": security()}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(f"{proof}{part}", place.node, place.run),
            "namespace": place.namespace,
            "labels": labels(STAGE, {PROOF: proof, RUN: place.run}),
            "annotations": {UNTIL: str(int(place.until))},
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "affinity": on_node(place.node),
            "containers": [container],
        },
    }
