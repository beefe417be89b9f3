"""The kinds that the server knows without a CustomResourceDefinition, as one table.

OpenShift's and OLM's own kinds are custom resources in life; here they are served from the start
with an open schema, because a simulated installation of their definitions would only cost time.
"""

from typing import Protocol

from msgspec import Struct

from oc_gpu.kube.objects import RawObject, Resource
from oc_gpu.sim.api.errors import Cause
from oc_gpu.sim.api.shapes import NATIVE, OPEN, Shape
from oc_gpu.sim.api.store import KindKey

ALL_VERBS = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)
_CREATED_BY_UPDATE = {("", "events"), ("coordination.k8s.io", "leases")}
PART_VERBS: dict[str, tuple[str, ...]] = {
    "status": ("get", "patch", "update"),
    "log": ("get",),
    "exec": ("create", "get"),
    "eviction": ("create",),
    "binding": ("create",),
    "finalize": ("update",),
    "proxy": ("get",),
}
_RBAC = "rbac.authorization.k8s.io"
_MCO = "machineconfiguration.openshift.io"
_CONFIG = "config.openshift.io"
_OLM = "operators.coreos.com"
_AUTHORIZATION = "authorization.k8s.io"
_AUTHENTICATION = "authentication.k8s.io"


class ObjectSchema(Protocol):
    """What the definition of a custom resource says of its objects."""

    @property
    def shape(self) -> Shape:
        """Return how lists and maps merge."""

    def prune(self, obj: RawObject) -> list[str]:
        """Take out what the schema does not know; return the paths."""

    def complete(self, obj: RawObject) -> None:
        """Fill in the defaults."""

    def validate(self, obj: RawObject) -> list[Cause]:
        """Return what is wrong."""


class ServedKind(Struct, frozen=True):
    """One kind in one version, as the server serves it.

    Attributes:
        resource: Group, version, plural, kind, scope.
        short_names: Such as `po`.
        categories: Such as `all`.
        subresources: Such as `status`, `log`.
        generation: Whether changes of the spec are counted.
        selectable: Dotted fields for field selectors besides name and namespace.
        verbs: What can be asked.
        storage_version: Version in which objects are kept.
        schema: What the definition of a custom resource says of its objects.
        native: Whether strategic merge patch and the built-in list semantics apply.
        singular: Singular name, by default the kind in lower case.
        columns: additionalPrinterColumns of the definition.
    """

    resource: Resource
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    generation: bool = False
    selectable: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    storage_version: str = ""
    schema: "ObjectSchema | None" = None
    native: bool = True
    singular: str = ""
    columns: tuple[RawObject, ...] = ()

    @property
    def created_by_update(self) -> bool:
        """Tell whether a replace makes an object that is not there."""
        return self.resource.group == _RBAC or self.key in _CREATED_BY_UPDATE

    @property
    def key(self) -> KindKey:
        """Return what the objects are stored under."""
        return (self.resource.group, self.resource.plural)

    @property
    def shape(self) -> Shape:
        """Return how the kind's lists and maps merge."""
        if self.schema is not None:
            return self.schema.shape
        return NATIVE if self.native else OPEN

    @property
    def has_status(self) -> bool:
        """Tell whether status is written apart from the rest."""
        return "status" in self.subresources

    @property
    def head(self) -> RawObject:
        """Return what every stored object begins with."""
        return {"apiVersion": self.storage_api_version, "kind": self.resource.kind}

    @property
    def storage_api_version(self) -> str:
        """Return the apiVersion in which objects are kept."""
        if not self.storage_version:
            return self.resource.api_version
        group = self.resource.group
        return f"{group}/{self.storage_version}" if group else self.storage_version


_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)
_EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)
_POD_PARTS = ("status", "log", "exec", "eviction", "binding")
_STATUS = ("status",)


def _core(
    plural: str,
    kind: str,
    short: str = "",
    parts: tuple[str, ...] = (),
    fields: tuple[str, ...] = (),
) -> ServedKind:
    namespaced = plural not in {"nodes", "namespaces"}
    resource = Resource("", "v1", plural, kind, namespaced)
    categories = ("all",) if plural in {"pods", "services"} else ()
    # A namespace takes so much along that nobody can ask for all of them to go.
    verbs = tuple(v for v in ALL_VERBS if v != "deletecollection" or plural != "namespaces")
    return ServedKind(
        resource,
        short_names=tuple(short.split()),
        categories=categories,
        subresources=parts,
        selectable=fields,
        verbs=verbs,
    )


def _group(
    api: str, plural: str, kind: str, short: str = "", *, parts: tuple[str, ...] = (), all_: bool
) -> ServedKind:
    group, _, version = api.partition("/")
    return ServedKind(
        Resource(group, version, plural, kind),
        short_names=tuple(short.split()),
        categories=("all",) if all_ else (),
        subresources=parts,
        generation=bool(parts),
        selectable=("status.successful",) if kind == "Job" else (),
    )


def _cluster(api: str, plural: str, kind: str, short: str = "") -> ServedKind:
    group, _, version = api.partition("/")
    return ServedKind(
        Resource(group, version, plural, kind, namespaced=False), tuple(short.split())
    )


def _custom(  # noqa: PLR0913  # one row of the table
    api: str,
    plural: str,
    kind: str,
    short: str = "",
    *,
    namespaced: bool = True,
    status: bool = True,
    categories: tuple[str, ...] = (),
) -> ServedKind:
    group, _, version = api.partition("/")
    return ServedKind(
        Resource(group, version, plural, kind, namespaced),
        short_names=tuple(short.split()),
        categories=categories,
        subresources=_STATUS if status else (),
        generation=True,
        native=False,
    )


def _review(group: str, plural: str, kind: str) -> ServedKind:
    resource = Resource(group, "v1", plural, kind, namespaced=False)
    return ServedKind(resource, verbs=("create",))


BUILT_IN: tuple[ServedKind, ...] = (
    _core("pods", "Pod", "po", _POD_PARTS, _POD_FIELDS),
    _core("nodes", "Node", "no", ("status", "proxy"), ("spec.unschedulable",)),
    _core("namespaces", "Namespace", "ns", ("status", "finalize"), ("status.phase",)),
    _core("secrets", "Secret", fields=("type",)),
    _core("configmaps", "ConfigMap", "cm"),
    _core("resourcequotas", "ResourceQuota", "quota", _STATUS),
    _core("events", "Event", "ev", fields=_EVENT_FIELDS),
    _core("serviceaccounts", "ServiceAccount", "sa"),
    _core("services", "Service", "svc", _STATUS),
    _group("apps/v1", "daemonsets", "DaemonSet", "ds", parts=_STATUS, all_=True),
    _group("apps/v1", "deployments", "Deployment", "deploy", parts=_STATUS, all_=True),
    _group("apps/v1", "replicasets", "ReplicaSet", "rs", parts=_STATUS, all_=True),
    _group("apps/v1", "controllerrevisions", "ControllerRevision", all_=False),
    _group("batch/v1", "jobs", "Job", parts=_STATUS, all_=True),
    _group(
        "policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb", parts=_STATUS, all_=False
    ),
    _group("coordination.k8s.io/v1", "leases", "Lease", all_=False),
    _group(f"{_RBAC}/v1", "roles", "Role", all_=False),
    _group(f"{_RBAC}/v1", "rolebindings", "RoleBinding", all_=False),
    _cluster(f"{_RBAC}/v1", "clusterroles", "ClusterRole"),
    _cluster(f"{_RBAC}/v1", "clusterrolebindings", "ClusterRoleBinding"),
    _cluster("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", "pc"),
    _cluster("node.k8s.io/v1", "runtimeclasses", "RuntimeClass"),
    ServedKind(
        Resource(
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            "CustomResourceDefinition",
            namespaced=False,
        ),
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources=_STATUS,
        generation=True,
    ),
    _cluster(
        "admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
    ),
    _review(_AUTHORIZATION, "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    _review(_AUTHORIZATION, "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    _review(_AUTHENTICATION, "selfsubjectreviews", "SelfSubjectReview"),
    _custom(f"{_MCO}/v1", "machineconfigs", "MachineConfig", "mc", namespaced=False, status=False),
    _custom(f"{_MCO}/v1", "machineconfigpools", "MachineConfigPool", "mcp", namespaced=False),
    _custom(f"{_CONFIG}/v1", "clusterversions", "ClusterVersion", namespaced=False),
    _custom(f"{_CONFIG}/v1", "clusteroperators", "ClusterOperator", "co", namespaced=False),
    _custom(f"{_CONFIG}/v1", "infrastructures", "Infrastructure", namespaced=False),
    _custom(f"{_CONFIG}/v1", "proxies", "Proxy", namespaced=False),
    *(
        _custom(
            f"{_CONFIG}/v1",
            f"image{by}mirrorsets",
            f"Image{by.title()}MirrorSet",
            short,
            namespaced=False,
        )
        for by, short in (("digest", "idms"), ("tag", "itms"))
    ),
    _custom("image.openshift.io/v1", "imagestreams", "ImageStream", "is"),
    _custom(
        "security.openshift.io/v1",
        "securitycontextconstraints",
        "SecurityContextConstraints",
        "scc",
        namespaced=False,
        status=False,
    ),
    _custom(f"{_OLM}/v1alpha1", "catalogsources", "CatalogSource", "catsrc", categories=("olm",)),
    _custom(f"{_OLM}/v1alpha1", "subscriptions", "Subscription", "sub subs", categories=("olm",)),
    _custom(f"{_OLM}/v1alpha1", "installplans", "InstallPlan", "ip", categories=("olm",)),
    _custom(
        f"{_OLM}/v1alpha1",
        "clusterserviceversions",
        "ClusterServiceVersion",
        "csv csvs",
        categories=("olm",),
    ),
    _custom(f"{_OLM}/v1", "operatorgroups", "OperatorGroup", "og", categories=("olm",)),
    _custom(f"{_OLM}/v1", "operators", "Operator", namespaced=False, categories=("olm",)),
    _custom(
        "packages.operators.coreos.com/v1", "packagemanifests", "PackageManifest", status=False
    ),
    _custom("monitoring.coreos.com/v1", "servicemonitors", "ServiceMonitor", "smon", status=False),
    _custom(
        "monitoring.coreos.com/v1", "prometheusrules", "PrometheusRule", "promrule", status=False
    ),
)
