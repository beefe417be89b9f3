"""Installing and removing one operator through OLM, the same for NFD and the GPU Operator."""

from collections.abc import Mapping

from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube.resources import CSVS, NAMESPACES, OPERATOR_GROUPS, SUBSCRIPTIONS
from oc_gpu.manifests import namespaces
from oc_gpu.manifests import olm as manifests
from oc_gpu.stages import leftovers, operators
from oc_gpu.stages.context import Context
from oc_gpu.stages.model import Action, Apply, Delete, Milestone, ObjectRef, Patch, Progress, State
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


def stuck(
    context: Context, install: Install, resource: Resource, ours: list[RawObject]
) -> Milestone | None:
    """Return the milestone that frees custom resources whose operator is gone before them.

    Nobody is left to do what their finalizers stand for; they are taken off where the user
    allows that. None where nothing hangs.
    """
    hanging = [
        obj
        for obj in ours
        if "deletionTimestamp" in obj["metadata"] and obj["metadata"].get("finalizers")
    ]
    if not hanging or _operator_runs(context, install):
        return None
    title = "finalizers without a controller are taken off"
    patches = tuple(_freed(resource, obj) for obj in hanging)
    if context.allowed.remove_finalizers:
        return Milestone(title, patches)
    named = "; ".join(
        f"{patch.ref} waits for {', '.join(obj['metadata']['finalizers'])}"
        for patch, obj in zip(patches, hanging, strict=True)
    )
    return Milestone(
        title,
        progress=Progress(
            State.BLOCKED,
            f"{named}, and Deployment/{install.deployment} in {install.namespace}, whose work "
            "that is, is gone",
            hints=("oc-gpu disable --remove-finalizers takes them off",),
            objects=tuple(str(patch.ref) for patch in patches),
        ),
    )


def _operator_runs(context: Context, install: Install) -> bool:
    return any(
        (d.metadata.namespace, d.metadata.name) == (install.namespace, install.deployment)
        for d in context.snapshot.deployments
    )


def _freed(resource: Resource, obj: RawObject) -> Patch:
    meta = obj["metadata"]
    change = {"finalizers": None, "resourceVersion": meta["resourceVersion"]}
    ref = ObjectRef(resource, meta["name"], meta.get("namespace"))
    return Patch(ref, {"metadata": change}, holds=False, why="nobody does what they stand for")


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
    ours = [
        name
        for name in dict.fromkeys(names)
        if (live := context.snapshot.raw("namespaces", name)) is not None and is_ours(live)
    ]
    guests = {name: found for name in ours if (found := _guests(context, name))}
    spaces = tuple(Delete(ObjectRef(NAMESPACES, name)) for name in ours if name not in guests)
    progress = _occupied(guests) if guests else Progress(State.DONE)
    return Milestone("our namespaces are gone", (*groups, *spaces), progress)


def _guests(context: Context, namespace: str) -> list[str]:
    """Return what others put into a namespace of ours: nothing made it, so nothing removes it."""
    looked = (("Deployment", "deployments"), ("DaemonSet", "daemonsets"), ("Pod", "pods"))
    return [
        f"{kind}/{item.metadata.name}"
        for kind, source in looked
        for item in context.snapshot.table(source)
        if item.metadata.namespace == namespace
        and item.metadata.deletion_timestamp is None
        and not item.metadata.owner_references
        and not is_ours(item)
    ]


def _occupied(guests: Mapping[str, list[str]]) -> Progress:
    name, found = next(iter(guests.items()))
    return Progress(
        State.BLOCKED,
        f"Namespace/{name} is ours and not empty: others put {', '.join(found[:3])} into it",
        hints=(
            f"move it elsewhere, then run the command again: oc get all -n {name}",
            f"or keep the namespace: oc label namespace {name} app.kubernetes.io/managed-by-",
        ),
        objects=(f"Namespace/{name}", *found),
    )
