"""Which pods hold the GPUs of a node: what a test pod that finds none free waits for."""

from oc_gpu.kube import Client, ForbiddenError
from oc_gpu.kube.resources import PODS
from oc_gpu.snapshot.kinds import GPU, Pod


def lacks_gpu(message: str, resource: str = GPU) -> bool:
    """Tell whether the scheduler says that a pod waits for a GPU, or for a part of one."""
    return f"Insufficient {resource}" in message


async def holders(client: Client, node: str, resource: str = GPU) -> tuple[str, ...]:
    """Return the pods that hold GPUs of a node, as `namespace/name (count)`.

    Where pods of all namespaces may not be listed, the one entry says so.
    """
    try:
        listed = await client.list(PODS, field_selector=f"spec.nodeName={node}", type=Pod)
    except ForbiddenError as error:
        return (f"pods of all namespaces may not be listed: {error}",)
    holding = ((pod, pod.asks(resource)) for pod in listed.items if not pod.has_ended)
    return tuple(
        f"{pod.metadata.namespace}/{pod.metadata.name} ({count})" for pod, count in holding if count
    )
