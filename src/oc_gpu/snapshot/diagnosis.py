"""Which lists the doctor may look at, live or in a bundle: one record a source."""

from typing import Any

from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube import resources as known
from oc_gpu.snapshot.kinds import DaemonSet, Deployment, Event, Named, Node, Pod
from oc_gpu.snapshot.sources import CUSTOM_OBJECTS, IDENTITY, Source


def _of(
    name: str, group: str, kind: str, *, version: str = "v1", namespaced: bool = True
) -> Source:
    return Source(name, Resource(group, version, name.split(".", maxsplit=1)[0], kind, namespaced))


def _known(name: str, resource: Resource, type_: Any = RawObject) -> Source:
    return Source(name, resource, type_)


_CONFIG = "config.openshift.io"

SOURCES: tuple[Source, ...] = (
    *(source for source in IDENTITY if source.name != "imagestreams"),
    _known("imagestreams", known.IMAGE_STREAMS),
    _known("nodes", known.NODES, Node),
    _known("namespaces", known.NAMESPACES),
    _known("pods", known.PODS, Pod),
    _known("daemonsets", known.DAEMONSETS, DaemonSet),
    _known("deployments", known.DEPLOYMENTS, Deployment),
    Source("events", Resource("", "v1", "events", "Event"), Event, field_selector="type=Warning"),
    _known("configmaps", known.CONFIGMAPS),
    _of("jobs", "batch", "Job"),
    _of("resourcequotas", "", "ResourceQuota"),
    _of("poddisruptionbudgets", "policy", "PodDisruptionBudget"),
    _known("subscriptions", known.SUBSCRIPTIONS),
    _known("installplans", known.INSTALL_PLANS),
    Source("csvs", known.CSVS),
    _known("operatorgroups", known.OPERATOR_GROUPS),
    _known("catalogsources", known.CATALOG_SOURCES),
    _known("clusterpolicies", known.CLUSTER_POLICIES),
    Source(
        "nodefeaturediscoveries",
        Resource("nfd.openshift.io", "v1", "nodefeaturediscoveries", "NodeFeatureDiscovery"),
    ),
    *(source for source in CUSTOM_OBJECTS if source.resource.kind == "NVIDIADriver"),
    _known("machineconfigpools", known.MACHINE_CONFIG_POOLS),
    _known("machineconfigs", known.MACHINE_CONFIGS),
    _of("clusteroperators", _CONFIG, "ClusterOperator", namespaced=False),
    _of("schedulers", _CONFIG, "Scheduler", namespaced=False),
    _of("imagedigestmirrorsets", _CONFIG, "ImageDigestMirrorSet", namespaced=False),
    _of("imagetagmirrorsets", _CONFIG, "ImageTagMirrorSet", namespaced=False),
    _of(
        "imagecontentsourcepolicies",
        "operator.openshift.io",
        "ImageContentSourcePolicy",
        version="v1alpha1",
        namespaced=False,
    ),
    _of(
        "securitycontextconstraints",
        "security.openshift.io",
        "SecurityContextConstraints",
        namespaced=False,
    ),
    _of("runtimeclasses", "node.k8s.io", "RuntimeClass", namespaced=False),
    _known("crds", known.CRDS, Named),
)
"""Everything that a check of the doctor may ask for."""
