"""Installing and removing one operator through OLM, the same for NFD and the GPU Operator."""

from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube.resources import CSVS, NAMESPACES, OPERATOR_GROUPS, SUBSCRIPTIONS
from oc_gpu.manifests import namespaces
from oc_gpu.manifests import olm as manifests
from oc_gpu.stages import leftovers, operators
from oc_gpu.stages.context import Context
from oc_gpu.stages.model import Action, Apply, Delete, Milestone, ObjectRef, Progress, State
from oc_gpu.stages.ownership import is_ours
from oc_gpu.stages.platform import Install
from oc_gpu.stages.record import csv_key


def apply(resource: Resource, manifest: RawObject, reboots: str | None = None) -> Apply:
    """Return the action that applies a manifest."""
    meta = manifest["metadata"]
    return Apply(
        ObjectRef(resource, meta["name"], meta.get("namespace")), manifest, reboots=reboots
    )


def namespace(name: str, stage: str) -> Apply:
    """Return the action that makes a namespace; one that exists is used as it is."""
    return Apply(ObjectRef(NAMESPACES, name), namespaces.namespace(name, stage), adopt=True)


def installation(context: Context, install: Install, stage: str) -> Milestone:
    """Return the milestone "the operator runs".

    A Subscription of somebody else is used as it is: then there is nothing to apply.
    """
    snapshot = context.snapshot
    title = f"operator {install.package} runs"
    if install.problem is not None:
        return Milestone(title, progress=install.problem)
    sub = operators.subscription(snapshot, install.package)
    actions: tuple[Action, ...] = ()
    if sub is None or is_ours(sub):
        approval = operators.approvals(snapshot, install.package)
        actions = (*_wanted(context, install, stage), *approval)
    return Milestone(title, actions, operators.installed(snapshot, install.package), ("record",))


def _wanted(context: Context, install: Install, stage: str) -> tuple[Apply, ...]:
    wanted = [apply(SUBSCRIPTIONS, manifests.subscription(_wanted_operator(install), stage))]
    if install.own_group:
        if not _foreign_group(context, install.namespace):
            group = manifests.operator_group(install.namespace, stage)
            wanted.insert(0, apply(OPERATOR_GROUPS, group))
        wanted.insert(0, namespace(install.namespace, stage))
    return tuple(wanted)


def _wanted_operator(install: Install) -> manifests.Wanted:
    return manifests.Wanted(
        package=install.package,
        channel=install.channel,
        csv=install.csv,
        namespace=install.namespace,
        catalog=install.catalog,
        catalog_namespace=install.catalog_namespace,
        pinned=install.pinned,
    )


def _foreign_group(context: Context, name: str) -> bool:
    return any(
        group["metadata"]["namespace"] == name and not is_ours(group)
        for group in context.snapshot.table("operatorgroups")
    )


def removal(context: Context, install: Install) -> tuple[Milestone, ...]:
    """Return the milestones that take our operator away; none when it is not ours."""
    sub = operators.subscription(context.snapshot, install.package)
    stays = any(csv_key(csv) in context.before.csvs for csv in _all_csvs(context, install))
    if (sub is not None and not is_ours(sub)) or (sub is None and stays):
        return ()
    return (
        Milestone(
            f"operator {install.package} is gone",
            (*_subscription(sub), *_csvs(context, install)),
            _deployment_gone(context, install),
        ),
    )


def _subscription(sub: RawObject | None) -> tuple[Delete, ...]:
    if sub is None:
        return ()
    meta = sub["metadata"]
    return (Delete(ObjectRef(SUBSCRIPTIONS, meta["name"], meta["namespace"])),)


def _csvs(context: Context, install: Install) -> tuple[Delete, ...]:
    """Return the deletion of the package's CSVs that were not there before us, copies aside.

    They go even when the Subscription is already gone, as after a kill between the two. Their
    names start with the package's; only newer releases of OLM label them.
    """
    return tuple(
        Delete(ObjectRef(CSVS, csv["metadata"]["name"], csv["metadata"]["namespace"]))
        for csv in _all_csvs(context, install)
        if csv_key(csv) not in context.before.csvs
    )


def _all_csvs(context: Context, install: Install) -> list[RawObject]:
    return [
        csv
        for csv in context.snapshot.table("csvs")
        if (meta := csv["metadata"])["namespace"] == install.namespace
        and meta["name"].startswith(f"{install.package}.")
        and "olm.copiedFrom" not in (meta.get("labels") or {})
    ]


def _deployment_gone(context: Context, install: Install) -> Progress:
    for deployment in context.snapshot.deployments:
        meta = deployment.metadata
        if meta.namespace == install.namespace and meta.name == install.deployment:
            return Progress(State.WAITING, f"until Deployment {meta.name} is gone")
    return Progress(State.DONE)


def remains(context: Context, install: Install, groups: tuple[str, ...]) -> tuple[Milestone, ...]:
    """Return the milestones that take away what OLM leaves of a package: CRDs, then the rest."""
    snapshot, before = context.snapshot, context.before
    name = f"{install.package}.{install.namespace}"
    own = leftovers.group_roles(snapshot, before, install.namespace) if install.own_group else ()
    operator, seen = leftovers.operator(snapshot, before, name)
    return (
        Milestone(
            f"the APIs of {install.package} are gone",
            (
                *leftovers.shared_plans(snapshot, name),  # OLM looks again when a CRD goes
                *leftovers.crds(snapshot, before, groups, name),
            ),
        ),
        Milestone(
            f"what OLM leaves of {install.package} is gone",
            (
                *leftovers.crd_roles(snapshot, before, groups),
                *leftovers.bundle_roles(snapshot, before, install.package),
                *own,
                *operator,
            ),
            seen,
        ),
    )


def group_and_namespace(context: Context, names: tuple[str, ...]) -> Milestone:
    """Return the milestone that takes away our OperatorGroups and namespaces."""
    groups = tuple(
        Delete(ObjectRef(OPERATOR_GROUPS, meta["name"], meta["namespace"]))
        for group in context.snapshot.table("operatorgroups")
        if (meta := group["metadata"])["namespace"] in names and is_ours(group)
    )
    spaces = tuple(
        Delete(ObjectRef(NAMESPACES, name))
        for name in dict.fromkeys(names)
        if (live := context.snapshot.raw("namespaces", name)) is not None and is_ours(live)
    )
    return Milestone("our namespaces are gone", (*groups, *spaces))
