"""What holds the licence of virtual GPUs: a Secret, or a ConfigMap for older operators."""

import base64
from typing import Literal

from oc_gpu.config.licences import Licence
from oc_gpu.kube import RawObject
from oc_gpu.manifests.labels import labels

STAGE = "gpu-operator"
NAME = "oc-gpu-vgpu-licence"
GRIDD_CONF, TOKEN = "gridd.conf", "client_configuration_token.tok"


def holder(licence: Licence, namespace: str, kind: Literal["ConfigMap", "Secret"]) -> RawObject:
    """Return the object with a licence, as the operator mounts it into the driver's pods."""
    files = {GRIDD_CONF: bytes(licence.gridd_conf), TOKEN: bytes(licence.token)}
    made: RawObject = {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": NAME, "namespace": namespace, "labels": labels(STAGE)},
    }
    if kind == "Secret":
        encoded = {name: base64.b64encode(content).decode() for name, content in files.items()}
        return {**made, "type": "Opaque", "data": encoded}
    return {**made, "data": {name: content.decode() for name, content in files.items()}}
