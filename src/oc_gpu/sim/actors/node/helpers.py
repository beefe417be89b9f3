"""The pods that NVIDIA's validator starts beside itself, and waits for."""

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.objects import namespace_of

GPU_RESOURCE = "nvidia.com/gpu"
_STEPS = {
    "nvidia-cuda-validator": ("cuda-validation", {}),
    "nvidia-device-plugin-validator": ("plugin-validation", {"limits": {GPU_RESOURCE: 1}}),
}


def helper_pod(validator: RawObject, prefix: str, owners: list[RawObject]) -> RawObject:
    """Return the pod that a validator pod starts for one of its steps.

    Args:
        validator: The validator's pod, whose image, node and tolerations it takes over.
        prefix: Name of the step's pod, for instance nvidia-cuda-validator.
        owners: Owner references of the validator's DaemonSet, which the pod shares.
    """
    step, resources = _STEPS[prefix]
    spec = validator["spec"]
    image = next(
        (c["image"] for c in spec.get("initContainers") or [] if c["name"] == step),
        spec["containers"][0]["image"],
    )
    work = {
        "name": step,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c"],
        "args": ["vectorAdd"],
        "securityContext": {"privileged": True},
        "env": [] if resources else [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}],
        "resources": resources,
    }
    word = "cuda" if step == "cuda-validation" else "device-plugin"
    done = {
        "name": prefix,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c"],
        "args": [f"echo {word} workload validation is successful"],
    }
    pod_spec = {
        "restartPolicy": "OnFailure",
        "nodeName": spec["nodeName"],
        "tolerations": spec.get("tolerations") or [],
        "initContainers": [work],
        "containers": [done],
    }
    if spec.get("runtimeClassName"):
        pod_spec["runtimeClassName"] = spec["runtimeClassName"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{prefix}-",
            "namespace": namespace_of(validator),
            "labels": {"app": prefix},
            "ownerReferences": owners,
        },
        "spec": pod_spec,
    }
