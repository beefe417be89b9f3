"""The kinds that this program reads and writes, as constants.

A kind whose version depends on the release, such as NodeFeatureDiscovery, is built by the caller.
"""

from oc_gpu.kube.objects import Resource

PODS = Resource("", "v1", "pods", "Pod")
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
SECRETS = Resource("", "v1", "secrets", "Secret")
CONFIGMAPS = Resource("", "v1", "configmaps", "ConfigMap")
EVENTS = Resource("", "v1", "events", "Event")
SERVICES = Resource("", "v1", "services", "Service")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")

DAEMONSETS = Resource("apps", "v1", "daemonsets", "DaemonSet")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
REPLICASETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
JOBS = Resource("batch", "v1", "jobs", "Job")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")

_RBAC = "rbac.authorization.k8s.io"
CLUSTER_ROLES = Resource(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = Resource(
    _RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)
ROLES = Resource(_RBAC, "v1", "roles", "Role")
ROLE_BINDINGS = Resource(_RBAC, "v1", "rolebindings", "RoleBinding")
SELF_SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    namespaced=False,
)
CRDS = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
)

_MCO = "machineconfiguration.openshift.io"
MACHINE_CONFIGS = Resource(_MCO, "v1", "machineconfigs", "MachineConfig", namespaced=False)
MACHINE_CONFIG_POOLS = Resource(
    _MCO, "v1", "machineconfigpools", "MachineConfigPool", namespaced=False
)
_CONFIG = "config.openshift.io"
CLUSTER_VERSIONS = Resource(_CONFIG, "v1", "clusterversions", "ClusterVersion", namespaced=False)
INFRASTRUCTURES = Resource(_CONFIG, "v1", "infrastructures", "Infrastructure", namespaced=False)
PROXIES = Resource(_CONFIG, "v1", "proxies", "Proxy", namespaced=False)
IMAGE_STREAMS = Resource("image.openshift.io", "v1", "imagestreams", "ImageStream")

_OLM = "operators.coreos.com"
CATALOG_SOURCES = Resource(_OLM, "v1alpha1", "catalogsources", "CatalogSource")
SUBSCRIPTIONS = Resource(_OLM, "v1alpha1", "subscriptions", "Subscription")
INSTALL_PLANS = Resource(_OLM, "v1alpha1", "installplans", "InstallPlan")
CSVS = Resource(_OLM, "v1alpha1", "clusterserviceversions", "ClusterServiceVersion")
OPERATOR_GROUPS = Resource(_OLM, "v1", "operatorgroups", "OperatorGroup")
OPERATORS = Resource(_OLM, "v1", "operators", "Operator", namespaced=False)
PACKAGE_MANIFESTS = Resource(
    "packages.operators.coreos.com", "v1", "packagemanifests", "PackageManifest"
)

CLUSTER_POLICIES = Resource(
    "nvidia.com", "v1", "clusterpolicies", "ClusterPolicy", namespaced=False
)

KUEUE_QUEUES = Resource("kueue.x-k8s.io", "v1beta1", "localqueues", "LocalQueue")
