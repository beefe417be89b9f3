"""Everything a stage may look at: what the user wants, what is true, what is known."""

from msgspec import Struct

from oc_gpu.config import Entitlement, GpuPlatform, chosen
from oc_gpu.kube import RawObject
from oc_gpu.snapshot.kinds import Taint
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages import record as records
from oc_gpu.stages import tolerations
from oc_gpu.stages.engine import is_ours
from oc_gpu.stages.platform import Platform, identify


class Context(Struct, frozen=True):
    """The input of every stage.

    Attributes:
        config: The GpuPlatform document.
        snapshot: The cluster at this moment.
        platform: What the cluster is and which releases fit it.
        entitlement: The certificate that the user gave.
        record: What was there before us; None when nothing was made here yet.
        taint: The taint that GPU nodes are to have, None for none.
    """

    config: GpuPlatform
    snapshot: Snapshot
    platform: Platform
    entitlement: Entitlement | None = None
    record: records.Record | None = None
    taint: Taint | None = None

    @property
    def before(self) -> records.Record:
        """Return what was there before us; without a record, all of it was."""
        return self.record or records.take(self.snapshot)

    @property
    def ubi(self) -> str:
        """Return the UBI image that fits the nodes' packages."""
        return chosen(self.config.spec.images.ubi, self.platform.release.ubi)

    @staticmethod
    def is_ours(raw: RawObject) -> bool:
        """Tell whether an object was made by us."""
        return is_ours(raw)


def build(
    config: GpuPlatform, snapshot: Snapshot, entitlement: Entitlement | None = None
) -> Context:
    """Return the context of one moment.

    A taint that an earlier run set stays wanted until `isolate --remove` or `disable`.
    """
    record = records.from_snapshot(snapshot)
    taint = config.spec.isolation.taint or (record.taint if record else "")
    parsed = tolerations.parse(str(taint)) if taint else None
    platform = identify(config, snapshot)
    return Context(config, snapshot, platform, entitlement, record, parsed)
