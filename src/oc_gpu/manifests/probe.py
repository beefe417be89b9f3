"""Short-lived privileged pods that read what only the machine itself knows."""

from collections.abc import Iterable

from oc_gpu.kube import RawObject
from oc_gpu.manifests.labels import labels
from oc_gpu.manifests.pods import on_node
from oc_gpu.manifests.verify import RUN, UNTIL, Place, pod_name

STAGE = "probe"
CONTAINER = "probe"
_SECURE_BOOT = "firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_READ = (
    "/proc/modules",
    "/proc/cmdline",
    "/proc/driver/nvidia/version",
    f"/host/sys/{_SECURE_BOOT}",
    "/host/sys/kernel/iommu_groups/*/type",
    *(f"/host/sys/bus/pci/devices/*/{name}" for name in ("vendor", "device", "class", "resource")),
)
_SECONDS = 120
"""Seconds after which the kubelet ends a pod that nobody removed."""


def probe_pod(place: Place) -> RawObject:
    """Return a pod that prints files of the kernel, each line with its path, and changes nothing.

    It is privileged, because efivars and the resources of PCI devices are readable by root of the
    machine only; the machine's /sys is mounted read-only.

    Args:
        place: Node, namespace, image, run.
    """
    script = f"grep -sHa '' {' '.join(_READ)}; true"
    container: RawObject = {
        "name": CONTAINER,
        "image": place.image,
        "command": ["sh", "-c", script],
        "securityContext": {"privileged": True, "runAsUser": 0, "readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "sys", "mountPath": "/host/sys", "readOnly": True}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(STAGE, place.node, place.run),
            "namespace": place.namespace,
            "labels": labels(STAGE, {RUN: place.run}),
            "annotations": {UNTIL: str(int(place.until))},
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "activeDeadlineSeconds": _SECONDS,
            "affinity": on_node(place.node),
            "tolerations": [{"operator": "Exists"}],
            "volumes": [{"name": "sys", "hostPath": {"path": "/sys"}}],
            "containers": [container],
        },
    }


def summary(pods: Iterable[RawObject]) -> tuple[str, ...]:
    """Return one line a pod, for whoever is asked whether they may be made."""
    return tuple(
        f"Pod/{pod['metadata']['name']} in {pod['metadata']['namespace']}: privileged, "
        f"{pod['spec']['containers'][0]['image']}, reads /proc and /sys, removed afterwards"
        for pod in pods
    )
