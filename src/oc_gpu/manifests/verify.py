"""Short-lived pods that prove what a GPU node does: compute for those who ask, refuse others."""

from oc_gpu.kube import RawObject
from oc_gpu.manifests.labels import PROOF, labels
from oc_gpu.manifests.pods import on_node, security
from oc_gpu.snapshot.kinds import GPU

STAGE = "verify"
SAMPLE = "cuda-sample"
STAY_OFF = "stay-off"


def sample_pod(
    node: str,
    namespace: str,
    image: str,
    program: str,
    tolerations: tuple[RawObject, ...] = (),
) -> RawObject:
    """Return a pod that names its GPU and computes on it, on one node.

    Args:
        node: Node to run on.
        namespace: Where the pod goes.
        image: CUDA sample image (`facts.cuda_sample`).
        program: Path of vectorAdd in it.
        tolerations: For the taints of the node.
    """
    pod = _pod(SAMPLE, node, namespace, image)
    container = pod["spec"]["containers"][0]
    container["command"] = ["sh", "-c", f"nvidia-smi -L && {program}"]
    container["resources"] = {"limits": {GPU: "1"}}
    if tolerations:
        pod["spec"]["tolerations"] = list(tolerations)
    return pod


def stay_off_pod(node: str, namespace: str, image: str) -> RawObject:
    """Return a pod that asks for no GPU and may run on one GPU node only: a taint keeps it off."""
    pod = _pod(STAY_OFF, node, namespace, image)
    pod["spec"]["containers"][0]["command"] = ["true"]
    return pod


def pod_name(proof: str, node: str) -> str:
    """Return the name of the pod that proves something about a node.

    Node names may be as long as pod names; the end of a long one is cut and marked.
    """
    name = f"oc-gpu-{proof}-{node}"
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 9].rstrip('.-')}-{_mark(node)}"


_MAX_NAME = 253


def _mark(text: str) -> str:
    from zlib import crc32  # noqa: PLC0415  # only for names that hardly anybody has

    return f"{crc32(text.encode()):08x}"


def _pod(proof: str, node: str, namespace: str, image: str) -> RawObject:
    container: RawObject = {"name": proof, "image": image, "securityContext": security()}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(proof, node),
            "namespace": namespace,
            "labels": labels(STAGE, {PROOF: proof}),
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "affinity": on_node(node),
            "containers": [container],
        },
    }
