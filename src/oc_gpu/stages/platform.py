"""What a cluster is, and which releases and names follow from that: facts meet snapshot here."""

import json
from typing import Any

from msgspec import Struct

from oc_gpu import facts, manifests
from oc_gpu.config import GpuPlatform
from oc_gpu.kube import RawObject, Resource
from oc_gpu.snapshot.kinds import Node, Taint
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.packages import Channel, PackageManifest
from oc_gpu.stages import operators, tolerations
from oc_gpu.stages.model import Progress, State


class Install(Struct, frozen=True):
    """How one operator is installed through OLM.

    Attributes:
        package: Name of the package.
        catalog: CatalogSource that offers it.
        channel: Channel of the Subscription.
        csv: CSV to expect.
        namespace: Namespace of the Subscription.
        own_group: True when it needs an OperatorGroup for its own namespace; False when it
            lives in a namespace that has a global one.
        deployment: Name of the operator's Deployment.
        pinned: True when `csv` is not the head of its channel.
        reason: Why this release (one sentence).
        problem: Why it cannot be installed here, None when it can.
    """

    package: str
    catalog: str
    channel: str
    csv: str
    namespace: str
    own_group: bool
    deployment: str
    pinned: bool = False
    reason: str = ""
    problem: Progress | None = None

    @property
    def own_namespaces(self) -> tuple[str, ...]:
        """Return the namespace when it is one that we make."""
        return (self.namespace,) if self.own_group else ()
