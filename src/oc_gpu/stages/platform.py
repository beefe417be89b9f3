"""What a cluster is, and which releases and names follow from that: facts meet snapshot here."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct

from oc_gpu import facts
from oc_gpu.config import GpuPlatform, ProxySpec
from oc_gpu.config.document import chosen
from oc_gpu.kube import RawObject, Resource
from oc_gpu.manifests import Proxy
from oc_gpu.manifests.examples import ANNOTATION, find_example
from oc_gpu.manifests.merging import at
from oc_gpu.snapshot.kept import kept
from oc_gpu.snapshot.kinds import Node
from oc_gpu.snapshot.model import Snapshot, spec_of
from oc_gpu.snapshot.packages import Channel, PackageManifest
from oc_gpu.stages import operators
from oc_gpu.stages.model import Progress, State

MASTER_ROLES = ("node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane")
WORKER_ROLE = "node-role.kubernetes.io/worker"


_ASSUMED = "4.20"
"""Release whose facts are used where a cluster does not tell its own."""


class Install(Struct, frozen=True):
    """How one operator is installed through OLM.

    Attributes:
        package: Name of the package.
        catalog: CatalogSource that offers it.
        catalog_namespace: Namespace of the CatalogSource.
        channel: Channel of the Subscription.
        csv: CSV to expect.
        namespace: Namespace of the Subscription.
        own_group: True when it needs an OperatorGroup for its own namespace; False when it
            lives in a namespace that has a global one.
        deployment: Name of the operator's Deployment.
        pinned: True when `csv` is not the head of its channel.
        reason: Why this release (one sentence).
        problem: Why it cannot be installed here, None when it can.
        example: The custom resource of the CSV's examples, None when there is none.
    """

    package: str
    catalog: str
    catalog_namespace: str
    channel: str
    csv: str
    namespace: str
    own_group: bool
    deployment: str
    pinned: bool = False
    reason: str = ""
    problem: Progress | None = None
    example: RawObject | None = None

    @property
    def own_namespaces(self) -> tuple[str, ...]:
        """Return the namespace when it is one that we make."""
        return (self.namespace,) if self.own_group else ()


class Platform(Struct, frozen=True):
    """One cluster with the releases that fit it.

    Attributes:
        version: Version of OpenShift, such as `4.20.4`; empty when it could not be read.
        release: What is known of that release.
        operator: What is known of the GPU Operator that is there or is to be installed.
        nfd: How Node Feature Discovery is installed.
        gpu: How the GPU Operator is installed.
        nfd_resource: NodeFeatureDiscovery in the version of this release.
        nfd_namespace: Namespace of NodeFeatureDiscovery and its pods.
        operand_namespace: Namespace of the GPU Operator's operands.
        proxy: The proxy for downloads; all fields empty when there is none.
        entitlement: Whether the driver build needs a subscription, and why.
        gpu_nodes: The nodes whose NVIDIA cards containers get, by name.
        workers: Nodes that run workloads.
    """

    version: str
    release: facts.OpenShiftRelease
    operator: facts.GpuOperatorRelease
    nfd: Install
    gpu: Install
    nfd_resource: Resource
    nfd_namespace: str
    operand_namespace: str
    proxy: Proxy
    entitlement: facts.Decision
    gpu_nodes: tuple[Node, ...]
    workers: tuple[Node, ...]


def openshift_version(snapshot: Snapshot) -> str:
    """Return the version that the cluster last completed an update to, empty when unknown."""
    for cluster_version in snapshot.table("clusterversions"):
        status = cluster_version.get("status") or {}
        done = [e for e in status.get("history") or () if e.get("state") == "Completed"]
        told = str((done[0] if done else status.get("desired") or {}).get("version", ""))
        return told if facts.is_version(told) else ""
    return ""


def release_of(version: str) -> facts.OpenShiftRelease:
    """Return the release of a version, one that is common where it is not known."""
    return facts.openshift_release(version or _ASSUMED)


def identify(config: GpuPlatform, snapshot: Snapshot) -> Platform:
    """Return what a cluster is and what fits it.

    Args:
        config: What the user wants; `auto` fields are decided here.
        snapshot: What is known of the cluster.
    """
    version = openshift_version(snapshot)
    release = release_of(version)
    nfd = _nfd(config, release, snapshot)
    gpu, operator = _gpu(config, version or release.version, snapshot)
    toolkit = _driver_toolkit(snapshot)
    return Platform(
        version=version,
        release=release,
        operator=operator,
        nfd=nfd,
        gpu=gpu,
        nfd_resource=nfd_resource(release),
        nfd_namespace=chosen(config.spec.nfd.namespace, release.nfd.operand_namespace),
        operand_namespace=operator.operand_namespace(gpu.namespace),
        proxy=_proxy(config, snapshot),
        entitlement=facts.entitlement_needed(
            version or release.version, operator, dtk_present=toolkit
        ),
        gpu_nodes=gpu_nodes(snapshot),
        workers=tuple(node for node in snapshot.nodes if _is_worker(node)),
    )


def nfd_resource(release: facts.OpenShiftRelease) -> Resource:
    """Return NodeFeatureDiscovery as this release serves it."""
    group, _, version = release.nfd.api_version.partition("/")
    return Resource(group, version, "nodefeaturediscoveries", "NodeFeatureDiscovery")


def gpu_nodes(snapshot: Snapshot) -> tuple[Node, ...]:
    """Return the nodes whose NVIDIA cards, as NFD labelled them, containers get, by name.

    Nodes that an administrator keeps for virtual machines, or has switched off, are not waited for.
    """
    names = facts.gpu_labels()
    virtual = any(map(_divides, snapshot.table("clusterpolicies")))
    off = {**names.switched_off, **(names.virtual if virtual else {})}
    found = (node for node in snapshot.nodes if has_card(node) and not _is_off(node, off))
    return tuple(sorted(found, key=lambda node: node.metadata.name))


def _is_off(node: Node, off: Mapping[str, Collection[str]]) -> bool:
    return any(node.metadata.labels.get(label) in values for label, values in off.items())


def _divides(policy: RawObject) -> bool:
    """Tell whether a ClusterPolicy lets labels decide between containers and virtual machines."""
    return at(policy.get("spec"), ("sandboxWorkloads", "enabled")) is True


@kept
def has_card(node: Node) -> bool:
    """Tell whether NFD labelled a node as having an NVIDIA card."""
    labels = node.metadata.labels
    return any(labels.get(label) == "true" for label in facts.gpu_labels().cards)


@kept
def _is_worker(node: Node) -> bool:
    labels = node.metadata.labels
    return WORKER_ROLE in labels or not any(role in labels for role in MASTER_ROLES)


def _driver_toolkit(snapshot: Snapshot) -> bool | None:
    if not snapshot.known("imagestreams"):
        return None
    return snapshot.raw("imagestreams", "driver-toolkit", "openshift") is not None


def _proxy(config: GpuPlatform, snapshot: Snapshot) -> Proxy:
    wanted = config.spec.proxy
    if isinstance(wanted, ProxySpec):
        return Proxy(wanted.http, wanted.https, wanted.no_proxy)
    return Proxy() if wanted == "none" else cluster_proxy(snapshot)


def cluster_proxy(snapshot: Snapshot) -> Proxy:
    """Return the proxy of the cluster itself; all fields empty when it has none."""
    for proxy in snapshot.table("proxies"):
        status = proxy.get("status") or {}
        return Proxy(
            http=status.get("httpProxy", ""),
            https=status.get("httpsProxy", ""),
            no_proxy=status.get("noProxy", ""),
        )
    return Proxy()


def _package(snapshot: Snapshot, name: str) -> PackageManifest | None:
    offers: Iterable[PackageManifest] = snapshot.table("packagemanifests")
    return next((offer for offer in offers if offer.metadata.name == name), None)


def _nfd(config: GpuPlatform, release: facts.OpenShiftRelease, snapshot: Snapshot) -> Install:
    about = release.nfd
    package = _package(snapshot, about.package)
    offered = [c.name for c in package.status.channels] if package else []
    default = package.status.default_channel if package else ""
    channel = chosen(config.spec.nfd.channel, "") or (
        facts.choose_nfd_channel(about, offered, default) or about.channels[0]
    )
    sub = operators.subscription(snapshot, about.package)
    channel = _channel_of(sub, config.spec.nfd.channel, channel)
    head = _head(package, channel)
    return Install(
        package=about.package,
        catalog=package.status.catalog_source if package else about.catalog,
        catalog_namespace=_catalog_namespace(package),
        channel=channel,
        csv=head.current_csv if head else "",
        namespace=sub["metadata"]["namespace"] if sub else about.namespace,
        own_group=about.install == "own",
        deployment=about.deployment,
        reason=f"{about.package} from channel {channel}",
        problem=None if sub else _not_offered(snapshot, about.package, channel, head),
        example=_example(snapshot, sub, head, "NodeFeatureDiscovery"),
    )


def _gpu(
    config: GpuPlatform, version: str, snapshot: Snapshot
) -> tuple[Install, facts.GpuOperatorRelease]:
    about = facts.gpu_operator()
    package = _package(snapshot, about.package)
    sub = operators.subscription(snapshot, about.package)
    choice = _choice(config, version, package)
    csv = (operators.csv_name(sub) if sub else "") or (choice.offer.csv if choice else "")
    release = facts.gpu_operator_release(csv) if csv else facts.gpu_operator_releases()[-1]
    channel = choice.offer.channel if choice else ""
    head = _head(package, channel)
    namespace = chosen(config.spec.gpu_operator.namespace, release.era.namespace)
    asked = chosen(config.spec.gpu_operator.version, "")
    install = Install(
        package=about.package,
        catalog=package.status.catalog_source if package else about.catalog,
        catalog_namespace=_catalog_namespace(package),
        channel=_channel_of(sub, config.spec.gpu_operator.channel, channel),
        csv=csv,
        namespace=sub["metadata"]["namespace"] if sub else namespace,
        own_group=release.era.install == "own",
        deployment=about.deployment,
        pinned=bool(choice and not choice.offer.head),
        reason=choice.reason if choice else f"{csv} is installed",
        problem=None if sub else _not_offered(snapshot, about.package, channel, head, asked),
        example=_example(snapshot, sub, head, "ClusterPolicy"),
    )
    return install, release


def _choice(
    config: GpuPlatform, version: str, package: PackageManifest | None
) -> facts.OperatorChoice | None:
    if package is None:
        return None
    offers = (
        facts.Offer(c.name, c.current_csv, c.name == package.status.default_channel)
        for c in package.status.channels
    )
    wanted = config.spec.gpu_operator
    return facts.choose_gpu_operator(
        version,
        offers,
        channel=chosen(wanted.channel, None),
        version=chosen(wanted.version, None),
    )


def _channel_of(sub: RawObject | None, wanted: str, best: str) -> str:
    """Return the channel to subscribe to: one that is subscribed to stays, unless told so."""
    subscribed = spec_of(sub).get("channel", best) if sub else best
    return str(chosen(wanted, subscribed))


def _head(package: PackageManifest | None, channel: str) -> Channel | None:
    channels = package.status.channels if package else ()
    return next((item for item in channels if item.name == channel), None)


def _catalog_namespace(package: PackageManifest | None) -> str:
    default = "openshift-marketplace"
    return (package.status.catalog_source_namespace or default) if package else default


def _not_offered(
    snapshot: Snapshot, package: str, channel: str, head: Channel | None, version: str = ""
) -> Progress | None:
    if head is not None:
        return None
    if "packagemanifests" not in {*snapshot.tables, *snapshot.unread}:
        return Progress(State.DUE, f"{package} is not installed")
    hints = (
        "oc get catalogsource -n openshift-marketplace",
        f"oc get packagemanifest {package} -n openshift-marketplace",
    )
    if "packagemanifests" in snapshot.unread:
        detail = f"what the catalogs offer could not be read, so {package} cannot be chosen"
        return Progress(State.BLOCKED, detail, hints)
    found = _package(snapshot, package)
    where = f" in channel {channel}" if channel and found else ""
    fitting = "a release that fits this cluster"
    what = f"version {version}, which was asked for" if version else fitting
    detail = f"no catalog offers {package}{where} in {what}"
    offered = _offered(found) if found else ()
    return Progress(State.BLOCKED, detail, (*offered, *hints), cause="olm-package-not-in-catalog")


def _offered(package: PackageManifest) -> tuple[str, ...]:
    """Return a hint with the channels of a package and the release at the head of each."""
    heads = (f"{c.name} ({c.head.version or c.current_csv})" for c in package.status.channels)
    told = ", ".join(sorted(heads))
    return (f"offered are {told}; oc-gpu chooses by itself where nothing is asked for",)


def _example(
    snapshot: Snapshot, sub: RawObject | None, head: Channel | None, kind: str
) -> RawObject | None:
    """Return the example of a kind: of the installed CSV, else of the one to be installed."""
    csv = operators.csv_of(snapshot, sub) if sub else None
    annotations: dict[str, Any] = (csv or {}).get("metadata", {}).get("annotations") or {}
    offered = head.head.annotations if head else {}
    return find_example(annotations.get(ANNOTATION) or offered.get(ANNOTATION) or "", kind)
