"""The facts of one simulated cluster: model, loader, JSON Schema.

A scenario is one YAML document. Everything that the simulator shows is derived from it: labels,
logs, tables, statuses. Durations are seconds of simulated time.
"""

import re
import uuid
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from oc_gpu.kube.errors import ConfigError
from oc_gpu.sim import yamltext
from oc_gpu.sim.groups import COUNT, COUNT_SCHEMA, GroupError, expanded, without_counts
from oc_gpu.sim.machine_facts import (
    DRIVER,
    Facts,
    NodeFacts,
    PciDevice,
    fits,
)

RawObject = dict[str, Any]

_CUDA = re.compile(r"\d+\.\d+")
_RELEASE = re.compile(r"\d+\.\d+\.\d+(-[-.\w]+)?")
_KUBERNETES = re.compile(r"v?\d+\.\d+\.\d+([-+][-+.\w]+)?")

Seconds = Annotated[float, Meta(ge=0, le=30 * 86400)]


class ScenarioError(ConfigError):
    """A scenario that cannot be found, read or understood."""


class Ignition(Facts, frozen=True, kw_only=True):
    """Ignition specifications that the machine-config-operator knows."""

    native: str
    accepted: tuple[str, ...]


class DriverToolkit(Facts, frozen=True, kw_only=True):
    """One tag of ImageStream openshift/driver-toolkit: an image with the kernel's build files."""

    ostree_version: str
    kernel: str
    image: str


class OpenShift(Facts, frozen=True, kw_only=True):
    """The release and identity of the cluster."""

    version: str
    kubernetes: str
    channel: str
    platform: str = "None"
    cluster_id: str = field(name="clusterID")
    infrastructure_name: str = "sim"
    cluster_name: str = "sim"
    base_domain: str = "example.com"
    release_image: str = "quay.io/openshift-release-dev/ocp-release:unknown"
    container_runtime: str
    ignition: Ignition
    drained_by: Literal["daemon", "controller"] = "controller"
    driver_toolkit: tuple[DriverToolkit, ...] = ()
    updating_to: str | None = None
    """Release that the cluster is being updated to at the moment."""
    paused_pools: tuple[str, ...] = ()
    """MachineConfigPools that an administrator has paused."""
    registry_storage: bool = True
    """Whether the internal image registry has a place to store images."""

    def __post_init__(self) -> None:
        fits("release", self.version, _RELEASE, "4.20.4")
        fits("Kubernetes release", self.kubernetes, _KUBERNETES, "v1.33.5")

    @property
    def minor(self) -> tuple[int, int]:
        """Return the release as numbers, for instance (4, 20)."""
        first, second = self.version.split(".")[:2]
        return int(first), int(second)


class ProxyFacts(Facts, frozen=True, kw_only=True):
    """The corporate proxy: the only way out when there is no direct internet."""

    http_proxy: str
    https_proxy: str
    no_proxy: str = ""
    configured: bool = True
    """Whether the cluster's Proxy object names it."""
    reachable: bool = True
    """Whether it takes connections."""


class Mirror(Facts, frozen=True, kw_only=True):
    """A repository that is pulled from elsewhere: by digest, by tag, or both, never from afar."""

    source: str
    mirrors: Annotated[tuple[str, ...], Meta(min_length=1)]
    pulled_by: Annotated[tuple[Literal["digest", "tag"], ...], Meta(min_length=1)] = ("digest",)


class Network(Facts, frozen=True, kw_only=True):
    """Ways to the outside and the cluster's own ranges."""

    direct_internet: bool = True
    proxy: ProxyFacts | None = None
    unreachable_registries: tuple[str, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    refusing_registries: tuple[str, ...] = ()
    """Registries that want other credentials than those of the cluster's pull secret."""
    resigned_tls: bool = False
    """Whether the site opens TLS and signs it with an authority that the cluster does not know."""
    machine_cidr: str = field(name="machineCIDR", default="10.0.0.0/16")
    cluster_cidr: str = field(name="clusterCIDR", default="10.128.0.0/14")
    service_cidr: str = field(name="serviceCIDR", default="172.30.0.0/16")


class Repository(Facts, frozen=True, kw_only=True):
    """An RPM repository of the entitlement server."""

    id: str
    title: str
    entitled: bool = True
    kernel_devel: tuple[str, ...] = ()


class SubscriptionFacts(Facts, frozen=True, kw_only=True):
    """What the entitlement server offers, and which certificates it refuses."""

    repositories: tuple[Repository, ...] = ()
    revoked_serials: tuple[str, ...] = ()
    ended: bool = False
    """Whether the subscription is over, so that no certificate of it is valid any more."""


class Package(Facts, frozen=True, kw_only=True):
    """A package of a catalogue; bundles per channel, oldest first (the last is the head)."""

    name: str
    default_channel: str
    channels: dict[str, tuple[str, ...]]


class Catalog(Facts, frozen=True, kw_only=True):
    """A CatalogSource in openshift-marketplace."""

    name: str
    display_name: str
    publisher: str
    packages: tuple[Package, ...] = ()
    down: bool = False
    """Whether the pod that serves it does not answer."""


class ImageFacts(Facts, frozen=True, kw_only=True):
    """What an image holds that its reference, or a shell pattern of references, does not tell."""

    reference: str
    driver: str | None = None
    digest: str | None = None
    pull_seconds: Seconds | None = None
    guest: bool = False
    """Whether its driver is the one for guests with a virtual GPU."""
    missing: bool = False

    def __post_init__(self) -> None:
        fits("driver", self.driver, DRIVER, "580.105.08")


class Driver(Facts, frozen=True, kw_only=True):
    """The NVIDIA driver in the default driver image of the catalogue's GPU Operator.

    Bundles take their default driver version from here; an image by digest holds this driver
    unless `images` says otherwise.
    """

    version: str
    cuda: str | None = None

    def __post_init__(self) -> None:
        fits("driver", self.version, DRIVER, "580.105.08")
        fits("CUDA version", self.cuda, _CUDA, "13.0")


class Latencies(Facts, frozen=True, kw_only=True):
    """How long things take, in simulated seconds."""

    image_pull: Seconds = 8.0
    container_start: Seconds = 1.0
    container_stop: Seconds = 1.0
    probe: Seconds = 2.0
    render: Seconds = 5.0
    config_pick_up: Seconds = 3.0
    drain: Seconds = 20.0
    write_files: Seconds = 5.0
    reboot: Seconds = 180.0
    uncordon: Seconds = 2.0
    catalog_ready: Seconds = 5.0
    resolve: Seconds = 3.0
    install_plan: Seconds = 5.0
    operator_reconcile: Seconds = 1.0
    nfd_scan: Seconds = 10.0
    dnf_search: Seconds = 15.0
    driver_build: Seconds = 180.0
    driver_load: Seconds = 10.0
    mig_change: Seconds = 8.0
    toolkit: Seconds = 3.0
    device_plugin: Seconds = 2.0
    feature_discovery: Seconds = 3.0
    validation: Seconds = 5.0
    cuda_sample: Seconds = 3.0


class Licensing(Facts, frozen=True, kw_only=True):
    """The licence system of virtual GPUs.

    Attributes:
        reachable: Whether its servers answer.
        grace_seconds: How long a guest without licence works as if it had one.
    """

    reachable: bool = True
    grace_seconds: Seconds = 1200.0


class DenyRule(Facts, frozen=True, kw_only=True):
    """Requests that the server answers with 403; an empty list means any."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class WebhookFacts(Facts, frozen=True, kw_only=True):
    """An admission webhook of somebody's policy engine, and what comes of asking it.

    Attributes:
        name: Name of the webhook, a domain name.
        service: Service that answers, as namespace/name.
        resources: Kinds, in the plural, whose creation it is asked about.
        namespaces: Namespaces that it looks at; empty means all.
        privileged: Whether it minds privileged pods only.
        denies: Why it denies, in its own words; empty where its service does not answer.
    """

    name: str
    service: str
    resources: tuple[str, ...]
    namespaces: tuple[str, ...] = ()
    privileged: bool = False
    denies: str = ""


class Scenario(Facts, frozen=True, kw_only=True, dict=True):
    """One simulated cluster."""

    name: str
    description: str = ""
    starts_at: str | None = None
    openshift: OpenShift
    nodes: Annotated[tuple[NodeFacts, ...], Meta(min_length=1)]
    network: Network = Network()
    subscription: SubscriptionFacts = SubscriptionFacts()
    catalogs: tuple[Catalog, ...] = ()
    driver: Driver
    images: tuple[ImageFacts, ...] = ()
    licensing: Licensing = Licensing()
    latencies: Latencies = Latencies()
    denied: tuple[DenyRule, ...] = ()
    webhooks: tuple[WebhookFacts, ...] = ()
    preexisting: tuple[RawObject, ...] = ()
    faults: tuple[str, ...] = ()
    """Names of faults that the cluster has from the start (`oc_gpu.sim.faults`)."""

    def __post_init__(self) -> None:
        for what, values in (
            ("node name", [n.name for n in self.nodes]),
            ("node address", [n.address for n in self.nodes]),
        ):
            twice = sorted(v for v, times in Counter(values).items() if times > 1)
            if twice:
                msg = f"{what} {twice[0]!r} is used twice"
                raise ValueError(msg)

    @property
    def single_node(self) -> bool:
        """Tell whether one machine is all that there is, the control plane included."""
        return len(self.nodes) == 1

    def node(self, name: str) -> NodeFacts | None:
        """Return the facts of the node with this name."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, NodeFacts]:
        return {n.name: n for n in self.nodes}


def gpu_uuid(scenario: Scenario, node: NodeFacts, device: PciDevice) -> str:
    """Return the card's UUID: the one given, else one derived from cluster, node and slot."""
    if device.gpu and device.gpu.uuid:
        return device.gpu.uuid
    seed = f"{scenario.openshift.cluster_id}/{node.name}/{device.address}"
    return f"GPU-{uuid.uuid5(uuid.NAMESPACE_URL, seed)}"


def names() -> tuple[str, ...]:
    """Return the names of the scenarios that are part of the program."""
    folder = resources.files("oc_gpu.sim") / "scenarios"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".yaml")))


def load(name_or_path: str | Path) -> Scenario:
    """Read a scenario by built-in name or from a file.

    Args:
        name_or_path: A name from `names()`, or the path of a YAML file. A number of nodes may
            follow a name whose scenario has groups of nodes: `big:1000`.

    Raises:
        ScenarioError: It does not exist, is not YAML, or does not fit the model.
    """
    label = str(name_or_path)
    stem, _, number = label.partition(":")
    if stem in names() and (number.isdecimal() or label == stem):
        text = (resources.files("oc_gpu.sim") / "scenarios" / f"{stem}.yaml").read_text("utf-8")
        return parse(text, label, nodes=int(number) if number else None)
    return parse(_read(Path(name_or_path)), label)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        msg = f"no scenario named {str(path)!r}, and no such file"
        known = ", ".join(names())
        raise ScenarioError(msg, hints=(f"built-in scenarios: {known}",)) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read scenario {path}: {error}"
        raise ScenarioError(msg) from error


def parse(text: str, label: str = "scenario", *, nodes: int | None = None) -> Scenario:
    """Turn YAML text into a Scenario.

    Args:
        text: The document.
        label: What to call it in errors.
        nodes: How many nodes its groups are to make; None for as many as they say.

    Raises:
        ScenarioError: Not YAML, or a field is unknown, missing or of the wrong type.
    """
    import yaml  # noqa: PLC0415  # slow to import, and only needed here

    try:
        document = yamltext.load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        place = f" at line {where.line + 1}" if where else ""
        msg = f"{label} is not YAML{place}"
        raise ScenarioError(msg) from error
    try:
        return from_document(expanded(document, nodes), label, written=document)
    except GroupError as error:
        msg = f"{label}: {error}"
        raise ScenarioError(msg) from error


def from_document(
    document: Mapping[str, Any], label: str = "scenario", *, written: Any = None
) -> Scenario:
    """Turn a parsed document into a Scenario.

    Args:
        document: The document, with each node written out.
        label: What to call it in errors.
        written: The document as its author wrote it, if that differs: errors name places in it.

    Raises:
        ScenarioError: A field is unknown, missing or of the wrong type.
    """
    try:
        return msgspec.convert(document, Scenario)
    except msgspec.ValidationError as error:
        from oc_gpu.kube.mistakes import (  # noqa: PLC0415  # only needed here
            explain,
            find_mistakes,
            listed,
        )

        found = find_mistakes(without_counts(written), Scenario) if written is not None else ()
        msg = f"{label}: {listed(found or explain(document, Scenario, error))}"
        raise ScenarioError(msg, hints=("`oc-gpu sim schema` prints every field",)) from error


def to_document(scenario: Scenario) -> RawObject:
    """Return the scenario as a plain document, to be changed and read again."""
    document: RawObject = msgspec.json.decode(msgspec.json.encode(scenario))
    return document


def schema() -> RawObject:
    """Return the JSON Schema of a scenario document."""
    document = msgspec.json.schema(Scenario)
    document["$defs"]["NodeFacts"]["properties"][COUNT] = COUNT_SCHEMA
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}
