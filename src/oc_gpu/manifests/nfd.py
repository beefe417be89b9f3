"""NodeFeatureDiscovery out of the example of the CSV that will be installed."""

from oc_gpu.facts import NfdRelease
from oc_gpu.kube import RawObject
from oc_gpu.manifests.labels import labels
from oc_gpu.manifests.merging import at, put, without

STAGE = "nfd"
KIND = "NodeFeatureDiscovery"


def node_feature_discovery(
    example: RawObject,
    nfd: NfdRelease,
    namespace: str,
    tolerations: tuple[RawObject, ...] = (),
) -> RawObject:
    """Return the NodeFeatureDiscovery for a release.

    Args:
        example: The one of the CSV (`examples.find_example`).
        nfd: Facts of the release: what of the example is refused, whether its image stays.
        namespace: Where it goes, and its pods.
        tolerations: For nfd-worker, where the release can take them and needs them: it tolerates
            NoSchedule by itself.
    """
    spec = dict(example.get("spec") or {})
    for path in nfd.refused:
        spec = without(spec, path)
    if nfd.operand_image == "omit":
        spec = without(spec, ("operand", "image"))
    if nfd.namespace_field and at(spec, ("operand", "namespace")) is not None:
        spec = put(spec, ("operand", "namespace"), namespace)
    needed = [t for t in tolerations if t.get("effect") not in nfd.worker_tolerates]
    if needed and nfd.tolerations_field:
        spec = put(spec, nfd.tolerations_field, needed)
    return {
        "apiVersion": example["apiVersion"],
        "kind": KIND,
        "metadata": {
            "name": example["metadata"]["name"],
            "namespace": namespace,
            "labels": labels(STAGE),
        },
        "spec": spec,
    }
