"""Namespaces."""

from oc_gpu.kube import RawObject
from oc_gpu.manifests.labels import labels

MONITORED = {"openshift.io/cluster-monitoring": "true"}
"""Lets the cluster's own Prometheus read the metrics of a namespace. The GPU Operator sets it by
itself only in the namespace `nvidia-gpu-operator`, and not at all before 1.7."""
_OF_OPERANDS = "gpu-operator"


def namespace(name: str, stage: str) -> RawObject:
    """Return a namespace for an operator or its operands; that of the GPU operands is monitored.

    An empty node selector keeps a cluster-wide one from keeping DaemonSets off the GPU nodes.
    """
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": labels(stage, MONITORED if stage == _OF_OPERANDS else None),
            "annotations": {"openshift.io/node-selector": ""},
        },
    }
