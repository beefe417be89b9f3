"""Which lists make up a snapshot, as data: one record a source."""

from typing import Any, Literal

from msgspec import Struct

from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube import resources as known
from oc_gpu.snapshot.kinds import (
    DaemonSet,
    Deployment,
    Event,
    Named,
    Node,
    Operator,
    Pod,
    Tenant,
)

Purpose = Literal["status", "road", "undo", "check"]


class Source(Struct, frozen=True):
    """One table of the snapshot.

    Attributes:
        name: Key in `Snapshot.tables`.
        resource: What is listed.
        type: `RawObject`, or the partial view that the objects are decoded to.
        namespaces: Namespaces to list, one request each; empty means the whole cluster.
        label_selector: Selector on labels.
        field_selector: Selector on fields.
    """

    name: str
    resource: Resource
    type: Any = RawObject
    namespaces: tuple[str, ...] = ()
    label_selector: str | None = None
    field_selector: str | None = None

    @property
    def only_metadata(self) -> bool:
        """Tell whether the metadata of its objects is enough, so that no more is asked for."""
        return self.type is Named and not (self.label_selector or self.field_selector)


class Scope(Struct, frozen=True):
    """What the sources depend on: it follows from the release and the configuration.

    Attributes:
        namespaces: Namespaces of the road (operators, operands, proof pods).
        nfd: The NodeFeatureDiscovery resource in the version that this release serves.
        secret_namespace: Where the entitlement Secret is.
        record_namespace: Where the record of what was made is.
        record_name: The ConfigMap that it is.
        budgets: Version in which PodDisruptionBudgets are served.
        licence: Kind of what holds the licence of virtual GPUs.
        licence_namespace: Where that is.
        licence_name: Its name.
        licensed: Whether the road gives a licence; the way back looks for it in any case.
    """

    namespaces: tuple[str, ...]
    nfd: Resource
    secret_namespace: str
    record_namespace: str
    record_name: str
    budgets: str = "v1"
    licence: Resource = known.SECRETS
    licence_namespace: str = ""
    licence_name: str = ""
    licensed: bool = False


_STATUS = frozenset(
    {
        "nodes",
        "pods",
        "machineconfigpools",
        "machineconfigs",
        "subscriptions",
        "csvs",
        "nodefeaturediscoveries",
        "clusterpolicies",
        "daemonsets",
        "deployments",
        "clusterversions",
        "configmaps",
        "secrets",
        "namespaces",
        "installplans",
        "operatorgroups",
        "proxies",
        "imagestreams",
    }
)

IDENTITY: tuple[Source, ...] = (
    Source("clusterversions", known.CLUSTER_VERSIONS),
    Source("proxies", known.PROXIES),
    Source("infrastructures", known.INFRASTRUCTURES),
    Source(
        "imagestreams",
        known.IMAGE_STREAMS,
        namespaces=("openshift",),
        field_selector="metadata.name=driver-toolkit",
    ),
)


def _custom(group: str, kind: str, *, namespaced: bool, version: str = "v1alpha1") -> Source:
    plural = f"{kind.lower()}s".replace("ys", "ies")
    resource = Resource(group, version, plural, kind, namespaced)
    return Source(f"{plural}.{group}", resource, Named)


_NFD_GROUPS = ("nfd.openshift.io", "nfd.k8s-sigs.io")
CUSTOM_OBJECTS: tuple[Source, ...] = (
    *(_custom(group, "NodeFeature", namespaced=True) for group in _NFD_GROUPS),
    *(_custom(group, "NodeFeatureRule", namespaced=False) for group in _NFD_GROUPS),
    *(_custom(group, "NodeFeatureGroup", namespaced=True) for group in _NFD_GROUPS),
    _custom("topology.node.k8s.io", "NodeResourceTopology", namespaced=False, version="v1alpha2"),
    _custom("nvidia.com", "NVIDIADriver", namespaced=False),
    _custom("nvidia.com", "GPUCluster", namespaced=False),
    _custom("resource.nvidia.com", "ComputeDomain", namespaced=True, version="v1beta1"),
    _custom("resource.nvidia.com", "ComputeDomainClique", namespaced=True, version="v1beta1"),
)
"""Objects of the operators' CRDs; a CRD with objects of somebody else stays."""


TENANTS = Source("tenants", known.PODS, Tenant)
"""Every pod of the cluster, as little of it as tells whether it uses a GPU."""


def sources(scope: Scope, purpose: Purpose = "road") -> tuple[Source, ...]:
    """Return the sources to read for a purpose.

    Args:
        scope: Namespaces and versions of this cluster's road.
        purpose: `status` leaves out what only planning looks at; `undo` adds the objects that
            tell whether a CRD is still in use, and the pods that may use a GPU; `check` adds what
            only the preflight looks at.
    """
    every = (*IDENTITY, *_cluster_wide(scope), *_of_the_road(scope))
    if purpose == "check":
        return (*every, *_around(scope), *((_licence(scope),) if scope.licensed else ()))
    if purpose == "status":
        return tuple(source for source in every if source.name in _STATUS)
    if purpose == "undo":
        return (*every, *CUSTOM_OBJECTS, TENANTS, _licence(scope))
    return (*every, _licence(scope)) if scope.licensed else every


def _licence(scope: Scope) -> Source:
    """Return the source of what holds the licence of virtual GPUs."""
    return Source(
        "licences",
        scope.licence,
        namespaces=(scope.licence_namespace,),
        field_selector=f"metadata.name={scope.licence_name}",
    )


def warnings(scope: Scope) -> Source:
    """Return the source of warnings in the namespaces of the road: they tell what is refused."""
    return Source("events", known.EVENTS, Event, scope.namespaces, field_selector="type=Warning")


def _cluster_wide(scope: Scope) -> tuple[Source, ...]:
    return (
        Source("nodes", known.NODES, Node),
        Source("namespaces", known.NAMESPACES),
        Source("machineconfigs", known.MACHINE_CONFIGS),
        Source("machineconfigpools", known.MACHINE_CONFIG_POOLS),
        Source("catalogsources", known.CATALOG_SOURCES, namespaces=("openshift-marketplace",)),
        Source("subscriptions", known.SUBSCRIPTIONS),
        Source("nodefeaturediscoveries", scope.nfd),
        Source("clusterpolicies", known.CLUSTER_POLICIES),
        Source("crds", known.CRDS, Named),
        Source("clusterroles", known.CLUSTER_ROLES, Named),
        Source("clusterrolebindings", known.CLUSTER_ROLE_BINDINGS, Named),
        Source("operators", known.OPERATORS, Operator),
    )


BUDGETS = "poddisruptionbudgets"
REGISTRIES = "configs.imageregistry.operator.openshift.io"
CONFIG_MAPS = "configmaps/openshift-config"
EVERY_DAEMONSET = "daemonsets.apps"
EVERY_DEPLOYMENT = "deployments.apps"


def _around(scope: Scope) -> tuple[Source, ...]:
    """Return what is not of the road and may stand in its way."""
    group = REGISTRIES.partition(".")[2]
    return (
        Source(BUDGETS, Resource("policy", scope.budgets, BUDGETS, "PodDisruptionBudget")),
        Source(REGISTRIES, Resource(group, "v1", "configs", "Config", namespaced=False)),
        Source(CONFIG_MAPS, known.CONFIGMAPS, namespaces=("openshift-config",)),
        Source(EVERY_DAEMONSET, known.DAEMONSETS, DaemonSet),
        Source(EVERY_DEPLOYMENT, known.DEPLOYMENTS, Deployment),
    )


def _of_the_road(scope: Scope) -> tuple[Source, ...]:
    where = scope.namespaces
    return (
        Source("pods", known.PODS, Pod, where),
        Source("daemonsets", known.DAEMONSETS, DaemonSet, where),
        Source("deployments", known.DEPLOYMENTS, Deployment, where),
        Source("installplans", known.INSTALL_PLANS, namespaces=where),
        Source("csvs", known.CSVS, namespaces=where),
        Source("operatorgroups", known.OPERATOR_GROUPS, namespaces=where),
        Source(
            "secrets",
            known.SECRETS,
            namespaces=(scope.secret_namespace,),
            field_selector="metadata.name=entitlement",
        ),
        Source(
            "configmaps",
            known.CONFIGMAPS,
            namespaces=(scope.record_namespace,),
            field_selector=f"metadata.name={scope.record_name}",
        ),
    )
