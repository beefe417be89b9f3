"""Shapes of the facts: frozen values, each with the source and the date of what it says."""

from typing import Literal

from msgspec import Struct, field

Path = tuple[str, ...]
"""Keys that lead to a field of a custom resource's spec."""


class Entry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of facts that were looked up.

    Attributes:
        source: Repositories and documents that say so.
        date: Day on which they were read.
    """

    source: str
    date: str


class EntitlementRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When the driver build of an OpenShift release needs a subscription.

    Attributes:
        needed: `yes`, `no`, or `without-toolkit`: only where the Driver Toolkit cannot build.
        operator_since: First GPU Operator that builds with the Driver Toolkit.
        patch_since: First patch release whose Driver Toolkit works.
        broken: Patch releases whose Driver Toolkit is known to be broken.
        proof: The Driver Toolkit counts only where it was seen in the cluster.
    """

    needed: Literal["yes", "no", "without-toolkit"]
    operator_since: str = ""
    patch_since: str = ""
    broken: tuple[str, ...] = ()
    proof: bool = False


class NfdOperand(Struct, frozen=True, forbid_unknown_fields=True):
    """A workload that the NFD operator makes: where `on` is `any`, one pod somewhere."""

    kind: Literal["DaemonSet", "Deployment"]
    name: str
    on: Literal["masters", "workers", "any"]


class NfdRelease(Entry, frozen=True, kw_only=True):
    """Node Feature Discovery from one OpenShift release on.

    Attributes:
        since: First OpenShift release.
        package: Package of the catalog.
        catalog: CatalogSource that offers it.
        channels: Channels, preferred first; `{version}` stands for the OpenShift release.
        install: `global`: in the namespace of the cluster-wide OperatorGroup; `own`: in a
            namespace with an OperatorGroup of its own.
        namespace: Namespace of the operator.
        operand_namespace: Namespace of the NodeFeatureDiscovery and of its pods.
        api_version: `apiVersion` of NodeFeatureDiscovery.
        name: Name of the one in the CSV's example.
        deployment: Deployment of the operator.
        operand_image: `keep` the image of the CSV's example, or `omit` it.
        operands: What the operator makes.
        worker_tolerates: Effects of taints that nfd-worker tolerates by itself.
        tolerations_field: Where more tolerations go, empty where they cannot be given.
        namespace_field: The example names the namespace in `spec.operand.namespace` too.
        refused: Fields of the CSV's example that the CSV's own CRD refuses.
    """

    since: str
    package: str
    catalog: str
    channels: tuple[str, ...]
    install: Literal["global", "own"]
    namespace: str
    operand_namespace: str
    api_version: str
    name: str
    deployment: str
    operand_image: Literal["keep", "omit"]
    operands: tuple[NfdOperand, ...]
    worker_tolerates: tuple[str, ...]
    tolerations_field: Path = ()
    namespace_field: bool = False
    refused: tuple[Path, ...] = ()


class OpenShiftRelease(Entry, frozen=True, kw_only=True):
    """A minor release of OpenShift.

    Attributes:
        version: Such as `4.20`.
        kubernetes: Its Kubernetes.
        rhel: RHEL that the nodes are built from.
        kernels: Starts of the kernel versions of its nodes.
        os_release_ids: `ID` of /etc/os-release on the nodes.
        ignition: Ignition version to write MachineConfigs in.
        ubi: UBI image whose package manager fits the nodes' packages.
        entitlement: When the driver build needs a subscription.
        nfd: Node Feature Discovery there.
        exact: False when the release asked for is not known and this is the nearest one.
    """

    version: str
    kubernetes: str
    rhel: str
    kernels: tuple[str, ...]
    os_release_ids: tuple[str, ...]
    ignition: str
    ubi: str
    entitlement: EntitlementRule
    nfd: NfdRelease
    exact: bool = True


class GpuLabels(Entry, frozen=True, kw_only=True):
    """Names of node labels around GPUs.

    Attributes:
        cards: Labels of NFD for a node with an NVIDIA card, in all forms that count.
        present: What the GPU Operator makes of them.
        product: Name of the card, by GPU Feature Discovery.
        count: Number of cards.
        memory: Memory of a card in MiB.
        deploy: Prefix of the switches for single operands.
        ostree: Version of the node's operating system, which the Driver Toolkit needs.
        upgrade_state: How far the operator's upgrade controller is with a node's driver.
        switched_off: Labels, with their values, of nodes without operands.
        virtual: Labels, with their values, of nodes whose cards are for virtual machines.
        mig_capable: Whether the cards of a node can be divided.
        mig_layout: Which layout of MIG devices a node is to have.
        mig_state: How far the MIG manager is with it.
        vgpu: Whether a node's card is a virtual one.
    """

    cards: tuple[str, ...]
    present: str
    product: str
    count: str
    memory: str
    deploy: str
    ostree: str
    upgrade_state: str
    switched_off: dict[str, tuple[str, ...]]
    virtual: dict[str, tuple[str, ...]]
    mig_capable: str
    mig_layout: str
    mig_state: str
    vgpu: str


class Operand(Struct, frozen=True, forbid_unknown_fields=True):
    """A DaemonSet of the GPU Operator.

    Attributes:
        name: Name of the DaemonSet; the driver's gets a suffix with the Driver Toolkit.
        key: Its part of the ClusterPolicy's spec.
        container: Its main container.
        only: It runs only on GPU nodes where this label is `true`; empty: on every one.
    """

    name: str
    key: str
    container: str
    only: str = ""


class OperatorEra(Entry, frozen=True, kw_only=True):
    """How the GPU Operator behaves from one release on.

    Attributes:
        since: First release.
        install: `global` or `own` OperatorGroup, as for NFD.
        namespace: Namespace of the operator.
        operand_namespace: Namespace of its pods, empty for the operator's own.
        namespace_maker: Who makes that namespace.
        required: Keys of the ClusterPolicy's spec that its CRD wants.
        tolerations: Paths of the lists of tolerations; a list replaces the built-in one.
        runtime: `spec.operator.defaultRuntime` must be given.
        driver_env: `spec.driver.env` exists.
        proxy: The operator hands the cluster's proxy to the driver by itself.
        operands: Its DaemonSets.
        validation_tolerates: Validation pods get the tolerations of the operands.
        smi_container: Container in which nvidia-smi works.
        refused: Fields of the CSV's example that the CSV's own CRD refuses.
        mig: `spec.mig.strategy` and `spec.migManager` exist.
        mig_layouts: `spec.migManager.config` exists.
        licence: Field of `spec.driver.licensingConfig` that names what holds the vGPU licence.
        licence_kind: What it names.
        licence_token: Licences come by a token, `spec.driver.licensingConfig.nlsEnabled`.
    """

    since: str
    install: Literal["global", "own"]
    namespace: str
    operand_namespace: str
    namespace_maker: Literal["administrator", "operator", "same"]
    required: tuple[str, ...]
    tolerations: tuple[Path, ...]
    runtime: bool
    driver_env: bool
    proxy: bool
    operands: tuple[Operand, ...]
    validation_tolerates: bool
    smi_container: str
    mig: bool
    mig_layouts: bool
    licence: str
    licence_kind: Literal["ConfigMap", "Secret"]
    licence_token: bool
    refused: tuple[Path, ...] = ()


class OperatorRow(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A release of the GPU Operator as the table has it."""

    version: str
    openshift: tuple[str, str]
    channels: tuple[str, ...]
    driver: str
    avoid: str = ""


class GpuOperatorFile(Entry, frozen=True, kw_only=True):
    """Everything that is known of the GPU Operator."""

    package: str
    catalog: str
    deployment: str
    labels: GpuLabels
    eras: tuple[OperatorEra, ...]
    releases: tuple[OperatorRow, ...]


class GpuOperatorRelease(Struct, frozen=True, kw_only=True):
    """A release of the GPU Operator with what holds for it.

    Attributes:
        version: Such as `25.10.1`.
        openshift: First and last OpenShift release that it is certified for.
        channels: Channels that it is published in.
        driver: Driver that it brings.
        era: How it behaves.
        avoid: What is wrong with it, empty when nothing is known.
        exact: False when the release asked for is not known and this is the nearest one.
        source: Where the row of the table comes from.
        date: Day on which that was read.
    """

    version: str
    openshift: tuple[str, str]
    channels: tuple[str, ...]
    driver: str
    era: OperatorEra
    avoid: str = ""
    exact: bool = True
    source: str = ""
    date: str = ""

    @property
    def toleration_paths(self) -> tuple[Path, ...]:
        """Return where tolerations of the operands go in the ClusterPolicy's spec."""
        return self.era.tolerations

    def operand_namespace(self, operator_namespace: str) -> str:
        """Return the namespace of the operands for an operator in some namespace."""
        return self.era.operand_namespace or operator_namespace


class DriverImage(Struct, frozen=True, forbid_unknown_fields=True):
    """A driver image; the operator takes it only when all three are given."""

    repository: str
    image: str
    version: str


class DriverBranch(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A branch of the NVIDIA driver and the range of architectures that it drives."""

    number: int
    cuda: str
    oldest: str
    newest: str


class KernelModules(Entry, frozen=True, kw_only=True):
    """Which kernel modules drive which generations of cards.

    Attributes:
        open_from: The oldest that the open ones drive.
        open_only_from: The oldest that nothing but the open ones drives.
        chosen_since: Release of the GPU Operator from which on the right ones are chosen.
    """

    open_from: str
    open_only_from: str
    chosen_since: str


class DriverPin(Entry, frozen=True, kw_only=True):
    """A combination where the operator's own driver does not work."""

    openshift: tuple[str, str]
    operator_since: str
    image: DriverImage
    reason: str


class PytorchImage(Entry, frozen=True, kw_only=True):
    """An image with PyTorch for CUDA.

    Attributes:
        driver: Oldest driver branch that runs it.
        image: Image reference.
    """

    driver: int
    image: str


class CudaSample(Entry, frozen=True, kw_only=True):
    """A CUDA sample image.

    Attributes:
        driver: Oldest driver branch that runs it.
        image: Image reference.
        program: Path of vectorAdd in the image.
    """

    driver: int
    image: str
    program: str


class DriversFile(Entry, frozen=True, kw_only=True):
    """Everything that is known of drivers."""

    architectures: tuple[str, ...]
    modules: KernelModules
    branches: tuple[DriverBranch, ...]
    pins: tuple[DriverPin, ...] = field(default_factory=tuple)
    samples: tuple[CudaSample, ...] = field(default_factory=tuple)
    pytorch: tuple[PytorchImage, ...] = field(default_factory=tuple)


class Owner(Entry, frozen=True, kw_only=True):
    """Somebody who manages objects, and the marks by which that shows.

    Attributes:
        name: How a user is told of it.
        annotations: Annotations that it sets.
        labels: Labels that it sets.
        owners: Kinds in the owner references of its objects.
        managers: Its field managers.
    """

    name: str
    annotations: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()


class Controllers(Entry, frozen=True, kw_only=True):
    """Field managers of the cluster's own controllers."""

    managers: frozenset[str]


class OwnersFile(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that is known of those who manage objects."""

    owners: tuple[Owner, ...]
    controllers: Controllers
