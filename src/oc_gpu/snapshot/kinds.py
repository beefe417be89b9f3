"""Partial typed views of the cluster objects that decisions look at.

Only the fields that are used are decoded; everything else in an object is skipped by the
decoder. Field names follow the Kubernetes API (camelCase on the wire).
"""

from collections.abc import Mapping
from functools import cached_property

from msgspec import Struct, field

from oc_gpu.config.taints import Taint as WrittenTaint

GPU = "nvidia.com/gpu"
"""Extended resource that NVIDIA's device plugin offers, and the taint key it is known by."""


def is_gpu(resource: str) -> bool:
    """Tell whether an extended resource stands for a card or a part of it."""
    return resource.startswith((GPU, "nvidia.com/mig-"))


_PLATFORM = ("node.kubernetes.io/", "node-role.kubernetes.io/")
"""Taints of the platform itself: passing states of a node, or its role."""


class _Wire(Struct, frozen=True, rename="camel", gc=False):
    """Base of all views: camelCase on the wire, immutable."""


class OwnerReference(_Wire, frozen=True):
    """Who owns an object."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class ManagedFields(_Wire, frozen=True):
    """Who manages fields of an object, the fields themselves aside."""

    manager: str = ""
    subresource: str = ""


class Meta(_Wire, frozen=True):
    """Object metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    finalizers: list[str] = field(default_factory=list)
    owner_references: list[OwnerReference] = field(default_factory=list)
    managed_fields: list[ManagedFields] = field(default_factory=list)


class Condition(_Wire, frozen=True):
    """A status condition; `last_transition_time` is RFC 3339."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class Taint(_Wire, frozen=True):
    """A node taint as the API has it."""

    key: str = ""
    value: str = ""
    effect: str = ""
    time_added: str | None = None

    def __eq__(self, other: object) -> bool:
        """Compare what the scheduler looks at; when a taint was added is no part of that."""
        if not isinstance(other, Taint):
            return NotImplemented
        mine = (self.key, self.value, self.effect)
        return mine == (other.key, other.value, other.effect)

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash((self.key, self.value, self.effect))

    def __str__(self) -> str:
        """Return it as kubectl writes it, such as `nodetype=gpu:NoSchedule`."""
        return str(WrittenTaint(self.key, self.value, self.effect))

    @property
    def repels(self) -> bool:
        """Tell whether the scheduler places no pod in spite of it, rather than trying not to."""
        return self.effect != "PreferNoSchedule"

    @property
    def keeps_off(self) -> bool:
        """Tell whether somebody set it to keep pods without a toleration off for good."""
        return self.repels and not self.key.startswith(_PLATFORM)


class Toleration(_Wire, frozen=True):
    """A pod toleration."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class NodeSpec(_Wire, frozen=True):
    """Scheduling side of a node."""

    taints: list[Taint] = field(default_factory=list)
    unschedulable: bool = False
    provider_id: str = field(default="", name="providerID")


class NodeInfo(_Wire, frozen=True):
    """What the kubelet says of its machine."""

    kernel_version: str = ""
    os_image: str = ""
    kubelet_version: str = ""
    container_runtime_version: str = ""
    architecture: str = ""


class NodeStatus(_Wire, frozen=True):
    """Capacity (quantities as text) and health of a node."""

    capacity: dict[str, str] = field(default_factory=dict)
    allocatable: dict[str, str] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    node_info: NodeInfo = field(default_factory=NodeInfo)


class Node(_Wire, frozen=True, dict=True, gc=True):
    """A node; what follows from it is kept with it (`oc_gpu.snapshot.kept`)."""

    metadata: Meta = field(default_factory=Meta)
    spec: NodeSpec = field(default_factory=NodeSpec)
    status: NodeStatus = field(default_factory=NodeStatus)

    @cached_property
    def ready(self) -> Condition | None:
        """Return its condition `Ready`, None when its kubelet never told."""
        return next((c for c in self.status.conditions if c.type == "Ready"), None)

    @property
    def is_ready(self) -> bool:
        """Tell whether its kubelet is ready to run pods."""
        return self.ready is not None and self.ready.status == "True"

    @cached_property
    def is_silent(self) -> bool:
        """Tell whether the control plane has heard nothing of its kubelet for a while."""
        return self.ready is not None and self.ready.status == "Unknown"

    @property
    def keeping_off(self) -> tuple[Taint, ...]:
        """Return the taints by which somebody keeps pods off it; the platform's come and go."""
        return tuple(taint for taint in self.spec.taints if taint.keeps_off)

    @property
    def gpus(self) -> int:
        """Return how many GPUs it offers to pods."""
        return self.offers(GPU)

    @cached_property
    def devices(self) -> Mapping[str, int]:
        """Return what it offers to pods of GPUs and their parts, by the name to ask for."""
        names = filter(is_gpu, self.status.allocatable)
        return {name: count for name in sorted(names) if (count := self.offers(name))}

    def offers(self, resource: str) -> int:
        """Return how much of an extended resource it offers to pods."""
        return int(self.status.allocatable.get(resource, "0"))


class WaitingState(_Wire, frozen=True):
    """Why a container waits."""

    reason: str = ""
    message: str = ""


class TerminatedState(_Wire, frozen=True):
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""
    started_at: str | None = None
    finished_at: str | None = None


class RunningState(_Wire, frozen=True):
    """Since when a container runs."""

    started_at: str | None = None


class ContainerState(_Wire, frozen=True):
    """Exactly one of the three is set."""

    waiting: WaitingState | None = None
    running: RunningState | None = None
    terminated: TerminatedState | None = None


class ContainerStatus(_Wire, frozen=True):
    """State of one container."""

    name: str = ""
    image: str = ""
    image_id: str = field(default="", name="imageID")
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = field(default_factory=ContainerState)
    last_state: ContainerState = field(default_factory=ContainerState)


class EnvVar(_Wire, frozen=True):
    """An environment variable with its value as text; empty when it comes from elsewhere."""

    name: str = ""
    value: str = ""


class Resources(_Wire, frozen=True):
    """What a container may use (quantities as text, or as numbers where somebody wrote so)."""

    limits: dict[str, str | int | float] = field(default_factory=dict)
    requests: dict[str, str | int | float] = field(default_factory=dict)


class VolumeMount(_Wire, frozen=True):
    """Where a container sees a volume."""

    name: str = ""
    mount_path: str = ""


class ContainerSpec(_Wire, frozen=True):
    """A container as specified."""

    name: str = ""
    image: str = ""
    env: list[EnvVar] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    args: list[str] = field(default_factory=list)
    resources: Resources = field(default_factory=Resources)
    volume_mounts: list[VolumeMount] = field(default_factory=list)

    def variable(self, name: str) -> str:
        """Return the value of an environment variable, empty when it is not set here."""
        return next((one.value for one in self.env if one.name == name), "")


class ConfigMapSource(_Wire, frozen=True):
    """The ConfigMap that a volume shows."""

    name: str = ""


class Volume(_Wire, frozen=True):
    """A volume; only ConfigMaps are told apart."""

    name: str = ""
    config_map: ConfigMapSource | None = None


class PodSpec(_Wire, frozen=True):
    """The part of a pod's spec, or of a pod template's, that checks look at."""

    node_name: str = ""
    containers: list[ContainerSpec] = field(default_factory=list)
    init_containers: list[ContainerSpec] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[Toleration] = field(default_factory=list)
    runtime_class_name: str = ""
    service_account_name: str = ""
    priority_class_name: str = ""

    @property
    def every(self) -> list[ContainerSpec]:
        """Return all containers, those of the initialisation first."""
        return [*self.init_containers, *self.containers]


class PodStatus(_Wire, frozen=True):
    """Where a pod stands."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: list[Condition] = field(default_factory=list)
    container_statuses: list[ContainerStatus] = field(default_factory=list)
    init_container_statuses: list[ContainerStatus] = field(default_factory=list)


class Pod(_Wire, frozen=True, dict=True, gc=True):
    """A pod; what follows from it is kept with it (`oc_gpu.snapshot.kept`)."""

    metadata: Meta = field(default_factory=Meta)
    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus = field(default_factory=PodStatus)

    @cached_property
    def controller(self) -> str:
        """Return the name of what made it and keeps it, empty for a pod by itself."""
        return next((one.name for one in self.metadata.owner_references if one.controller), "")

    @property
    def has_ended(self) -> bool:
        """Tell whether its containers have all ended for good."""
        return self.status.phase in ("Succeeded", "Failed")

    @property
    def gpus(self) -> int:
        """Return how many GPUs its containers ask for."""
        return self.asks(GPU)

    def asks(self, resource: str) -> int:
        """Return how much of an extended resource its containers ask for."""
        return sum(int(c.resources.limits.get(resource, 0)) for c in self.spec.containers)


class TenantMeta(_Wire, frozen=True):
    """Which pod it is, whose, and whether it is leaving."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    deletion_timestamp: str | None = None


class TenantContainer(_Wire, frozen=True):
    """What a container asks for."""

    resources: Resources = field(default_factory=Resources)


class TenantSpec(_Wire, frozen=True):
    """Where a pod runs, and its containers."""

    node_name: str = ""
    containers: list[TenantContainer] = field(default_factory=list)


class TenantStatus(_Wire, frozen=True):
    """Whether a pod has ended."""

    phase: str = ""


class Tenant(_Wire, frozen=True):
    """A pod of anybody, as little of it as tells whether it uses a GPU."""

    metadata: TenantMeta = field(default_factory=TenantMeta)
    spec: TenantSpec = field(default_factory=TenantSpec)
    status: TenantStatus = field(default_factory=TenantStatus)

    @property
    def cards(self) -> int:
        """Return how many cards, or parts of them, it holds on its node."""
        if not self.spec.node_name or self.status.phase in ("Succeeded", "Failed"):
            return 0
        asked = (limit for c in self.spec.containers for limit in c.resources.limits.items())
        return sum(int(count) for name, count in asked if is_gpu(name))


class LabelSelector(_Wire, frozen=True):
    """An equality selector."""

    match_labels: dict[str, str] = field(default_factory=dict)


class Template(_Wire, frozen=True):
    """Pod template of a workload."""

    metadata: Meta = field(default_factory=Meta)
    spec: PodSpec = field(default_factory=PodSpec)


class UpdateStrategy(_Wire, frozen=True):
    """How a DaemonSet replaces its pods: RollingUpdate, or OnDelete by somebody else's hand."""

    type: str = "RollingUpdate"


class WorkloadSpec(_Wire, frozen=True):
    """Spec of a Deployment or DaemonSet."""

    replicas: int = 1
    selector: LabelSelector = field(default_factory=LabelSelector)
    template: Template = field(default_factory=Template)
    update_strategy: UpdateStrategy = field(default_factory=UpdateStrategy)


class DaemonSetStatus(_Wire, frozen=True):
    """Counts of a DaemonSet."""

    desired_number_scheduled: int = 0
    current_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_ready: int = 0
    number_available: int = 0
    observed_generation: int = 0


class DaemonSet(_Wire, frozen=True):
    """A DaemonSet."""

    metadata: Meta = field(default_factory=Meta)
    spec: WorkloadSpec = field(default_factory=WorkloadSpec)
    status: DaemonSetStatus = field(default_factory=DaemonSetStatus)


class DeploymentStatus(_Wire, frozen=True):
    """Counts of a Deployment."""

    replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    observed_generation: int = 0
    conditions: list[Condition] = field(default_factory=list)


class Deployment(_Wire, frozen=True):
    """A Deployment."""

    metadata: Meta = field(default_factory=Meta)
    spec: WorkloadSpec = field(default_factory=WorkloadSpec)
    status: DeploymentStatus = field(default_factory=DeploymentStatus)


class ObjectReference(_Wire, frozen=True):
    """The object that an event is about."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    field_path: str = ""


class Event(_Wire, frozen=True):
    """An event; times are RFC 3339."""

    metadata: Meta = field(default_factory=Meta)
    involved_object: ObjectReference = field(default_factory=ObjectReference)
    type: str = ""
    reason: str = ""
    message: str = ""
    count: int = 0
    last_timestamp: str | None = None
    event_time: str | None = None


class Component(_Wire, frozen=True):
    """An object that OLM counts as a part of an operator."""

    kind: str = ""
    name: str = ""
    namespace: str = ""


class Components(_Wire, frozen=True):
    """What OLM sees of an operator."""

    refs: list[Component] = field(default_factory=list)


class OperatorStatus(_Wire, frozen=True):
    """What OLM says of an operator."""

    components: Components = field(default_factory=Components)


class Operator(_Wire, frozen=True):
    """OLM's Operator: made by itself for as long as a part of an installed operator exists."""

    metadata: Meta = field(default_factory=Meta)
    status: OperatorStatus = field(default_factory=OperatorStatus)


class Named(_Wire, frozen=True):
    """Any object of which only the metadata matters."""

    metadata: Meta = field(default_factory=Meta)
