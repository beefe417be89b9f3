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
    spec = validator["spec"]
    pod_spec = {
        "restartPolicy": "OnFailure",
        "nodeName": spec["nodeName"],
        "tolerations": spec.get("tolerations") or [],
        **_containers(spec, prefix),
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


def _containers(spec: RawObject, prefix: str) -> RawObject:
    """Return the container that does the step, and the one that says so afterwards."""
    step, resources = _STEPS[prefix]
    image = next(
        (c["image"] for c in spec.get("initContainers") or [] if c["name"] == step),
        spec["containers"][0]["image"],
    )
    word = "cuda" if step == "cuda-validation" else "device-plugin"
    both = {"image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c"]}
    work = {
        "name": step,
        "args": ["vectorAdd"],
        "securityContext": {"privileged": True},
        "env": [] if resources else [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}],
        "resources": resources,
    }
    done = {"name": prefix, "args": [f"echo {word} workload validation is successful"]}
    return {"initContainers": [both | work], "containers": [both | done]}
