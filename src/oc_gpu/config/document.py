"""The GpuPlatform document: what the user wants. Every field has a default, most of them `auto`."""

import re
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, Struct, field

T = TypeVar("T")

API_VERSION = "oc-gpu.io/v1alpha1"
KIND = "GpuPlatform"
AUTO = "auto"

TAINT_PATTERN = r"^[A-Za-z0-9./_-]+(=[A-Za-z0-9._-]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$"
LAYOUT_PATTERN = r"^(auto|[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)$"
"""What may stand in a label's value: a layout is asked for by a label."""
_DURATION: dict[str, Any] = {
    "pattern": r"^(auto|(?=.)([0-9]+h)?([0-9]+m)?([0-9]+s)?)$",
    "examples": ["90m"],
}
_UNITS = {"h": 3600, "m": 60, "s": 1}


def chosen(value: T, default: T) -> T:
    """Return a value of the document, or the default where it says `auto` or nothing.

    >>> chosen("auto", "stable")
    'stable'
    """
    return default if value in (AUTO, None, "") else value


def _about(text: str, **extra: Any) -> Meta:
    return Meta(description=text, **extra)


class _Part(
    Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """Base of all parts: camelCase in the document, unknown fields are mistakes."""


class Metadata(_Part, frozen=True, kw_only=True):
    """Name of the document."""

    name: Annotated[str, _about("Name of this document; it has no effect.")] = "gpu"


class EntitlementSpec(_Part, frozen=True, kw_only=True):
    """Subscription certificate for clusters that build the driver from packages."""

    file: Annotated[
        str | None,
        _about("The portal's download (ZIP) or the PEM in it; a relative path starts here."),
    ] = None
    mode: Annotated[
        Literal["auto", "require", "skip"],
        _about("auto: as the releases need it; require: always; skip: never."),
    ] = "auto"


class NfdSpec(_Part, frozen=True, kw_only=True):
    """Node Feature Discovery."""

    channel: Annotated[str, _about("Channel of the package.")] = AUTO
    namespace: Annotated[str, _about("Namespace of NodeFeatureDiscovery and its pods.")] = AUTO


class DriverSpec(_Part, frozen=True, kw_only=True):
    """The driver image; repository, image and version count only together."""

    repository: Annotated[str, _about("Such as nvcr.io/nvidia.")] = AUTO
    image: Annotated[str, _about("Such as driver.")] = AUTO
    version: Annotated[str, _about("Such as 580.105.08, or a digest sha256:...")] = AUTO
    pull_secrets: Annotated[
        tuple[str, ...],
        _about("Names of Secrets in the operator's namespace with which it is pulled."),
    ] = ()

    @property
    def given(self) -> bool:
        """Tell whether all three are given."""
        return AUTO not in (self.repository, self.image, self.version)


Layout = Annotated[str, Meta(extra_json_schema={"pattern": LAYOUT_PATTERN})]


class MigSpec(_Part, frozen=True, kw_only=True):
    """Cards that are divided (MIG)."""

    strategy: Annotated[
        Literal["auto", "none", "single", "mixed"],
        _about("none: whole cards; single: nvidia.com/gpu is a part; mixed: nvidia.com/mig-..."),
    ] = "auto"
    layout: Annotated[
        Layout,
        _about("Layout of all nodes, such as all-1g.5gb or all-disabled; auto: not asked for."),
    ] = AUTO
    nodes: Annotated[dict[str, Layout], _about("Another layout for some nodes, by name.")] = field(
        default_factory=dict
    )
    config_map: Annotated[
        str, _about("ConfigMap in the operator's namespace with layouts of your own.")
    ] = AUTO

    @property
    def given(self) -> bool:
        """Tell whether a layout is asked for."""
        return self.layout != AUTO or bool(self.nodes)


class VgpuSpec(_Part, frozen=True, kw_only=True):
    """Nodes that have a virtual GPU: their driver wants a licence."""

    token: Annotated[
        str | None,
        _about("File of the client configuration token; a relative path starts here."),
    ] = None
    gridd_conf: Annotated[
        str | None, _about("File gridd.conf for the licence's client; none: an empty one.")
    ] = None
    secret: Annotated[
        str,
        _about("Or a Secret that is there (before GPU Operator 25.10: ConfigMap) with both."),
    ] = AUTO

    @property
    def given(self) -> bool:
        """Tell whether a licence is given."""
        return any(value not in (None, AUTO) for value in (*self.files, self.secret))

    @property
    def files(self) -> tuple[str | None, str | None]:
        """Return the files of the licence: its token, and the client's configuration."""
        return self.token, self.gridd_conf


class GpuOperatorSpec(_Part, frozen=True, kw_only=True):
    """The NVIDIA GPU Operator."""

    channel: Annotated[str, _about("Channel of the package.")] = AUTO
    version: Annotated[str, _about("Release, such as 25.10.1, instead of the channel's head.")] = (
        AUTO
    )
    namespace: Annotated[str, _about("Namespace of the operator.")] = AUTO
    driver: Annotated[DriverSpec, _about("Another driver image than the operator's.")] = field(
        default_factory=DriverSpec
    )
    mig: Annotated[MigSpec, _about("Cards that are divided (MIG).")] = field(
        default_factory=MigSpec
    )
    vgpu: Annotated[VgpuSpec, _about("The licence of virtual GPUs.")] = field(
        default_factory=VgpuSpec
    )
    cluster_policy: Annotated[
        dict[str, Any],
        _about("Fields to merge over the ClusterPolicy's spec; null takes a field away."),
    ] = field(default_factory=dict)


class Toleration(_Part, frozen=True, kw_only=True):
    """A toleration as pods have it."""

    key: str = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""


class IsolationSpec(_Part, frozen=True, kw_only=True):
    """Keeping pods that ask for no GPU off the GPU nodes."""

    taint: Annotated[
        str | None,
        _about(
            "Taint for GPU nodes, such as nodetype=gpu:NoSchedule.",
            extra_json_schema={"pattern": TAINT_PATTERN},
        ),
    ] = None
    tolerations: Annotated[
        tuple[Toleration, ...], _about("More tolerations for the GPU Operator's pods.")
    ] = ()


class ProxySpec(_Part, frozen=True, kw_only=True):
    """A proxy for what is downloaded while the driver is built."""

    http: Annotated[str, _about("URL for http.")] = ""
    https: Annotated[str, _about("URL for https.")] = ""
    no_proxy: Annotated[str, _about("Hosts that are reached without it, comma-separated.")] = ""


class ImagesSpec(_Part, frozen=True, kw_only=True):
    """Images of the pods that prove something."""

    ubi: Annotated[str, _about("UBI image with dnf, for the entitlement's proof.")] = AUTO
    cuda_sample: Annotated[str, _about("CUDA sample image with vectorAdd.")] = AUTO


class TimeoutsSpec(_Part, frozen=True, kw_only=True):
    """How long commands wait, such as 90m or 1h30m."""

    enable: Annotated[str, _about("For enable.", **_DURATION)] = AUTO
    verify: Annotated[str, _about("For verify.", **_DURATION)] = AUTO
    disable: Annotated[str, _about("For disable.", **_DURATION)] = AUTO


class Spec(_Part, frozen=True, kw_only=True):
    """Everything that can be chosen."""

    entitlement: Annotated[EntitlementSpec, _about("Subscription certificate.")] = field(
        default_factory=EntitlementSpec
    )
    nfd: Annotated[NfdSpec, _about("Node Feature Discovery.")] = field(default_factory=NfdSpec)
    gpu_operator: Annotated[GpuOperatorSpec, _about("The NVIDIA GPU Operator.")] = field(
        default_factory=GpuOperatorSpec
    )
    isolation: Annotated[IsolationSpec, _about("Keeping other pods off GPU nodes.")] = field(
        default_factory=IsolationSpec
    )
    proxy: Annotated[
        ProxySpec | Literal["auto", "none"],
        _about("auto: the cluster's own proxy; none; or http, https and noProxy."),
    ] = "auto"
    images: Annotated[ImagesSpec, _about("Images of proof pods.")] = field(
        default_factory=ImagesSpec
    )
    timeouts: Annotated[TimeoutsSpec, _about("How long commands wait.")] = field(
        default_factory=TimeoutsSpec
    )


class GpuPlatform(_Part, frozen=True, kw_only=True):
    """What the user wants of a cluster."""

    api_version: Literal["oc-gpu.io/v1alpha1"] = "oc-gpu.io/v1alpha1"
    kind: Literal["GpuPlatform"] = "GpuPlatform"
    metadata: Metadata = field(default_factory=Metadata)
    spec: Spec = field(default_factory=Spec)


def seconds(duration: str, default: float) -> float:
    """Return a duration of the document in seconds.

    >>> seconds("1h30m", 0)
    5400.0
    """
    if chosen(duration, "") == "":
        return default
    parts = re.findall(r"(\d+)([hms])", duration)
    return float(sum(int(number) * _UNITS[unit] for number, unit in parts))
