"""Everything a stage may look at: what the user wants, what is true, what is known."""

from msgspec import Struct

from oc_gpu.config import Entitlement, GpuPlatform, Licence, chosen
from oc_gpu.kube import RawObject
from oc_gpu.snapshot.kinds import Taint
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages import record as records
from oc_gpu.stages import recovery, tolerations
from oc_gpu.stages.model import Allowed
from oc_gpu.stages.ownership import is_ours
from oc_gpu.stages.platform import Platform, identify


class Context(Struct, frozen=True):
    """The input of every stage.

    Attributes:
        config: The GpuPlatform document.
        snapshot: The cluster at this moment.
        platform: What the cluster is and which releases fit it.
        entitlement: The certificate that the user gave.
        before: What was there before us: the record, else what can be told without one.
        record: The record that the cluster holds, None when it holds none.
        taint: The taint that GPU nodes are to have, None for none.
        allowed: What may be done to what is somebody else's.
        licence: The licence of virtual GPUs that the user gave.
    """

    config: GpuPlatform
    snapshot: Snapshot
    platform: Platform
    before: records.Record
    entitlement: Entitlement | None = None
    record: records.Record | None = None
    taint: Taint | None = None
    allowed: Allowed = Allowed()
    licence: Licence | None = None

    @property
    def lost(self) -> bool:
        """Tell whether something here is ours, and the record of what was there before is gone."""
        return self.record is None and self.before.rebuilt

    @property
    def ubi(self) -> str:
        """Return the UBI image that fits the nodes' packages."""
        return chosen(self.config.spec.images.ubi, self.platform.release.ubi)

    @staticmethod
    def is_ours(raw: RawObject) -> bool:
        """Tell whether an object was made by us."""
        return is_ours(raw)


def build(
    config: GpuPlatform,
    snapshot: Snapshot,
    entitlement: Entitlement | None = None,
    allowed: Allowed | None = None,
    licence: Licence | None = None,
) -> Context:
    """Return the context of one moment.

    A taint that an earlier run set stays wanted until `isolate --remove` or `disable`.
    """
    record = records.from_snapshot(snapshot)
    before = record or recovery.rebuild(snapshot) or records.take(snapshot)
    taint = config.spec.isolation.taint or before.taint
    return Context(
        config=config,
        snapshot=snapshot,
        platform=identify(config, snapshot),
        before=before,
        entitlement=entitlement,
        record=record,
        taint=tolerations.parse(taint) if taint else None,
        allowed=allowed or Allowed(),
        licence=licence,
    )
