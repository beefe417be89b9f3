"""What the checks look at, as one value: the snapshot and what was concluded from it."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.snapshot.kinds import Node, Taint
from oc_gpu.snapshot.model import Snapshot


class Problem(Struct, frozen=True):
    """Why something cannot be done here, what to do about it, and the cause's slug."""

    detail: str
    hints: tuple[str, ...] = ()
    cause: str | None = None


class Release(Struct, frozen=True):
    """The OpenShift of the cluster (`4.20.4`, empty when unknown) and the minors that we know."""

    version: str
    known: tuple[str, ...]


class Operator(Struct, frozen=True, kw_only=True):
    """An operator of the road and what was chosen to install.

    Attributes:
        title: Its name in words.
        package: Its package.
        csv: The release chosen.
        channel: The channel it is taken from.
        catalog: The CatalogSource that offers it.
        namespace: Where its Subscription goes.
        own_group: True when it watches its own namespace only.
        reason: Why this release (one sentence), may be empty.
        problem: Why nothing could be chosen.
    """

    title: str
    package: str
    csv: str = ""
    channel: str = ""
    catalog: str = ""
    namespace: str = ""
    own_group: bool = False
    reason: str = ""
    problem: Problem | None = None


class Certificate(Struct, frozen=True):
    """The entitlement certificate that the user gave: validity in epoch seconds."""

    not_before: float
    not_after: float


class Entitlement(Struct, frozen=True, kw_only=True):
    """Whether the nodes need a subscription, and what there is of one.

    Attributes:
        needed: Whether the driver build needs packages from RHEL repositories.
        reason: Why, or why not (one sentence).
        mode: What the configuration says.
        certificate: What the user gave, None when nothing.
        on_nodes: True when the MachineConfigs with a certificate are there already.
        warning: What is wrong with the Driver Toolkit that is used instead, empty when nothing.
    """

    needed: bool
    reason: str = ""
    mode: Literal["auto", "require", "skip"] = "auto"
    certificate: Certificate | None = None
    on_nodes: bool = False
    warning: str = ""

    @property
    def rolls_out(self) -> bool:
        """Tell whether worker nodes are to get a certificate, and reboot for it."""
        wanted = self.mode == "require" or (self.needed and self.mode != "skip")
        return wanted and not self.on_nodes


class Rights(Struct, frozen=True, kw_only=True):
    """What the server says of this user's rights; a right is such as `patch nodes`.

    Attributes:
        asked: How many were asked for.
        missing: Those that are denied.
        unasked: Those that the server refused to be asked for.
        commands: Commands that ask for the first of those.
        others: Those that are missing for other commands, such as `verify: get nodes/proxy`.
    """

    asked: int
    others: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


class Software(Struct, frozen=True, kw_only=True):
    """What is to run on the GPU nodes, as far as it is decided.

    Attributes:
        operator: Release of the GPU Operator that is there, or is to be installed.
        avoid: What is known against that release, empty when nothing is.
        driver: Version of the driver.
        modules: Which kernel modules it builds.
        tolerations: What the operator's pods tolerate.
        nfd_tolerates: Effects of taints that NFD's worker tolerates.
    """

    operator: str = ""
    avoid: str = ""
    driver: str = ""
    modules: Literal["auto", "open", "proprietary"] = "auto"
    tolerations: tuple[RawObject, ...] = ()
    nfd_tolerates: tuple[str, ...] = ("NoSchedule", "PreferNoSchedule")


class Inputs(Struct, frozen=True, kw_only=True):
    """Everything that a preflight check may look at, and verify besides what it collects.

    Attributes:
        snapshot: What is known of the cluster.
        release: Its OpenShift.
        workers: Its worker nodes.
        gpu_nodes: Names of the nodes that Node Feature Discovery labelled as GPU nodes.
        operators: The operators of the road, Node Feature Discovery first.
        entitlement: What is known of the subscription.
        operand_namespace: Where the GPU Operator's operands are.
        operands: DaemonSets of which each GPU node runs one pod, by name or start of the name.
        taint: The taint that GPU nodes are to have, None for none.
        rights: What the user may do, None where it was not asked for.
        software: What is to run on the GPU nodes.
        virtual: Why virtual GPUs would not work, None where there are none or they would.
        probes: What a probe printed on a node, by name, where nodes were probed.
        unprobed: Why a probe told nothing, by name of the node.
    """

    snapshot: Snapshot
    release: Release
    workers: tuple[Node, ...] = ()
    gpu_nodes: tuple[str, ...] = ()
    operators: tuple[Operator, ...] = ()
    entitlement: Entitlement
    operand_namespace: str = ""
    operands: tuple[str, ...] = ()
    taint: Taint | None = None
    rights: Rights | None = None
    software: Software = Software()
    virtual: Problem | None = None
    probes: Mapping[str, str] = {}
    unprobed: Mapping[str, str] = {}
