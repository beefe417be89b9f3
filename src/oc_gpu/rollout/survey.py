"""A look at a whole cluster before anything is done: what is there, and where each stage stands.

Which lists to read follows from the release and from where operators are installed, so a few lists
are read first and tell what the rest is.
"""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from oc_gpu import facts
from oc_gpu.config import Entitlement, GpuPlatform, Licence
from oc_gpu.config.document import chosen
from oc_gpu.kube import Client
from oc_gpu.kube.resources import SUBSCRIPTIONS
from oc_gpu.manifests.licence import NAME as LICENCE
from oc_gpu.snapshot.journals import with_journals
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.reading import read
from oc_gpu.snapshot.sources import IDENTITY, Purpose, Scope, Source, sources
from oc_gpu.stages import context as contexts
from oc_gpu.stages import licence
from oc_gpu.stages import record as records
from oc_gpu.stages.context import Context
from oc_gpu.stages.engine import assess, planned_actions
from oc_gpu.stages.model import Action, Allowed, Apply, Assessment, Milestone, StagePlan
from oc_gpu.stages.platform import identify, nfd_resource, openshift_version, release_of
from oc_gpu.stages.road import RECORD, gated, road, way_back

_FIRST = (*IDENTITY, Source("subscriptions", SUBSCRIPTIONS))
_PROOF_NAMESPACE = "default"
_BUDGETS_SINCE = 21
"""Minor release of Kubernetes from which on policy/v1 is served."""


class Wish(Struct, frozen=True):
    """What the user wants.

    Attributes:
        config: The document.
        entitlement: The certificate that it names.
        allowed: What may be done to what is somebody else's.
        licence: The licence of virtual GPUs that it names.
    """

    config: GpuPlatform
    entitlement: Entitlement | None = None
    allowed: Allowed = Allowed()
    licence: Licence | None = None


class Survey(Struct, frozen=True):
    """A cluster at one moment, seen with a wish.

    Attributes:
        wish: What is wanted.
        purpose: What it was read for; `undo` plans the way back.
        scope: What the sources of its road depend on.
        packages: Packages of the road, with the preferred catalog of each.
        context: What stages look at.
        plans: The stages of the road, or of the way back.
        assessments: Where each of them stands.
    """

    wish: Wish
    purpose: Purpose
    scope: Scope
    packages: Mapping[str, str]
    context: Context
    plans: tuple[StagePlan, ...]
    assessments: tuple[Assessment, ...]

    @property
    def snapshot(self) -> Snapshot:
        """Return what was read."""
        return self.context.snapshot

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return the sources of its snapshots."""
        return sources(self.scope, self.purpose)

    @property
    def walked(self) -> tuple[Source, ...]:
        """Return the sources that the road needs: a check looks at more than is on it."""
        return sources(self.scope, "road") if self.purpose == "check" else self.sources

    @property
    def actions(self) -> tuple[Action, ...]:
        """Return every write that is planned and not yet brought about."""
        return planned_actions(self.plans, self.snapshot)


async def survey(
    client: Client,
    wish: Wish,
    purpose: Purpose = "road",
    *,
    journal: str | None = None,
) -> Survey:
    """Read a cluster and say where each stage stands; nothing is written.

    Args:
        client: The cluster.
        wish: What is wanted.
        purpose: What for; `status` reads least.
        journal: Pattern of kernel messages to read from the workers.

    Raises:
        ApiError: The server refuses.
        ConnectionFailedError: The server cannot be reached.
    """
    first = await read(client, _FIRST)
    release = release_of(openshift_version(first))
    packages = {} if purpose == "status" else _packages(release)
    offered = await read(client, (), packages=packages)
    known = _joined(first, offered)
    scope = _scope(wish, known)
    have = {source.name for source in _FIRST}
    rest = await read(client, (s for s in sources(scope, purpose) if s.name not in have))
    snapshot = _joined(known, rest)
    if journal is not None:
        snapshot = await _with_journals(client, wish, snapshot, journal)
    return seen(wish, purpose, scope, packages, snapshot)


def seen(
    wish: Wish, purpose: Purpose, scope: Scope, packages: Mapping[str, str], snapshot: Snapshot
) -> Survey:
    """Return the survey of a snapshot."""
    context = contexts.build(wish.config, snapshot, wish.entitlement, wish.allowed, wish.licence)
    if purpose == "undo":
        plans = way_back(context)
    else:
        plans = _allowed(wish.allowed, guarded(context, road(context)))
    return Survey(wish, purpose, scope, packages, context, plans, assess(plans, snapshot))


def _allowed(allowed: Allowed, plans: tuple[StagePlan, ...]) -> tuple[StagePlan, ...]:
    """Return stages whose writes may do what the user allows them."""
    if not (allowed.adopt or allowed.force_conflicts):
        return plans
    return tuple(
        structs.replace(
            plan, milestones=tuple(_allowed_step(allowed, step) for step in plan.milestones)
        )
        for plan in plans
    )


def _allowed_step(allowed: Allowed, step: Milestone) -> Milestone:
    actions = tuple(
        structs.replace(action, takes_over=allowed.adopt, forces=allowed.force_conflicts)
        if isinstance(action, Apply)
        else action
        for action in step.actions
    )
    return structs.replace(step, actions=actions)


def guarded(context: Context, plans: Iterable[StagePlan]) -> tuple[StagePlan, ...]:
    """Return stages of which none writes before there is a record of what was here."""
    if context.record is not None:
        return tuple(plans)
    return gated(plans, RECORD)


def _packages(release: facts.OpenShiftRelease) -> dict[str, str]:
    gpu = facts.gpu_operator()
    return {release.nfd.package: release.nfd.catalog, gpu.package: gpu.catalog}


def _scope(wish: Wish, snapshot: Snapshot) -> Scope:
    platform = identify(wish.config, snapshot)
    namespaces = {
        _PROOF_NAMESPACE,
        records.NAMESPACE,
        platform.nfd.namespace,
        platform.nfd_namespace,
        platform.gpu.namespace,
        platform.operand_namespace,
    }
    return Scope(
        namespaces=tuple(sorted(namespace for namespace in namespaces if namespace)),
        nfd=nfd_resource(platform.release),
        secret_namespace=_PROOF_NAMESPACE,
        record_namespace=records.NAMESPACE,
        record_name=records.NAME,
        licence=licence.resource(platform.operator.era),
        licence_namespace=platform.operand_namespace,
        licence_name=chosen(wish.config.spec.gpu_operator.vgpu.secret, LICENCE),
        licensed=wish.config.spec.gpu_operator.vgpu.given,
        budgets="v1" if _minor(snapshot) >= _BUDGETS_SINCE else "v1beta1",
    )


def _minor(snapshot: Snapshot) -> int:
    found = re.match(r"v?1\.(\d+)", snapshot.git_version)
    return int(found[1]) if found else _BUDGETS_SINCE


def _joined(one: Snapshot, other: Snapshot) -> Snapshot:
    return structs.replace(
        other,
        tables={**one.tables, **other.tables},
        unread={**one.unread, **other.unread},
        logs={**one.logs, **other.logs},
        unlogged={**one.unlogged, **other.unlogged},
    )


async def _with_journals(client: Client, wish: Wish, snapshot: Snapshot, pattern: str) -> Snapshot:
    """Add kernel messages of the workers: they tell of cards and of Secure Boot."""
    platform = identify(wish.config, snapshot)
    names = [node.metadata.name for node in platform.workers]
    return await with_journals(client, snapshot, names, pattern)
