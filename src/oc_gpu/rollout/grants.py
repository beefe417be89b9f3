"""Every right that any command may need, as one table.

What a command asks for before it writes (`oc_gpu.rollout.rights`) and the ClusterRole that is
shipped (`oc-gpu rbac`) are both made from it, so that neither has a right that the other lacks.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, structs

from oc_gpu import facts
from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube.resources import (
    CLUSTER_POLICIES,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIGMAPS,
    CRDS,
    CSVS,
    EVENTS,
    INSTALL_PLANS,
    JOBS,
    KUEUE_QUEUES,
    LEASES,
    MACHINE_CONFIGS,
    NAMESPACES,
    NODES,
    OPERATOR_GROUPS,
    OPERATORS,
    PACKAGE_MANIFESTS,
    PODS,
    SECRETS,
    SELF_SUBJECT_ACCESS_REVIEWS,
    SUBSCRIPTIONS,
)
from oc_gpu.manifests.entitlement import SECRET
from oc_gpu.manifests.labels import NAME
from oc_gpu.manifests.licence import NAME as LICENCE
from oc_gpu.rollout import lease
from oc_gpu.snapshot import diagnosis
from oc_gpu.snapshot.sources import CUSTOM_OBJECTS, Scope, Source, sources
from oc_gpu.stages import record as records
from oc_gpu.stages.platform import nfd_resource


class Grant(Struct, frozen=True):
    """Verbs on one kind, as RBAC words it.

    Attributes:
        resource: The kind; RBAC looks at its group and plural.
        verbs: Such as `get`, `patch`.
        names: Names of the objects that are meant, empty for all of the kind.
        subresource: Such as `log`, None for the objects themselves.
    """

    resource: Resource
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()
    subresource: str | None = None


LOG = Grant(PODS, ("get",), subresource="log")
"""Logs of proof pods: only they prove."""
OFFERS = Grant(PACKAGE_MANIFESTS, ("get", "list"))
APPROVAL = Grant(INSTALL_PLANS, ("patch",))
"""Approving one, and taking a removed operator's label off one that others were installed with."""
TAINTING = Grant(NODES, ("patch",))
ASKING = Grant(SELF_SUBJECT_ACCESS_REVIEWS, ("create",))
CLAIMING = (
    Grant(LEASES, ("create",)),
    Grant(LEASES, ("get", "list", "watch", "update", "delete"), (lease.NAME,)),
)
"""The Lease that keeps two runs from writing at once."""
EVICTING = Grant(PODS, ("create",), subresource="eviction")
"""For `disable --evict-workloads`."""
LEFTOVERS = (
    TAINTING,
    APPROVAL,
    *(
        Grant(kind, ("delete",))
        for kind in (CRDS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, OPERATORS, MACHINE_CONFIGS)
    ),
    *(
        Grant(source.resource, ("delete",))
        for source in CUSTOM_OBJECTS
        if source.resource.kind == "NodeFeature"
    ),
)
"""What the operators leave and `disable` takes away; none of it is known before they are gone."""
ENTERING = Grant(PODS, ("create", "get"), subresource="exec")
"""Commands in containers, a WebSocket being asked for with either verb."""
RUNNING = (
    Grant(JOBS, ("create", "delete", "list", "watch")),
    Grant(CONFIGMAPS, ("create",)),
    Grant(PODS, ("list", "watch")),
    LOG,
)
"""For `run` and `bench` in the cluster: a Job with its script, its pod, its log; with `ENTERING`
where files go in or out."""
EXPLAINING = (Grant(EVENTS, ("list", "watch")), Grant(KUEUE_QUEUES, ("list",)))
"""Of which `run` only tells less without the right."""
PROVING = (
    LOG,
    ENTERING,
    Grant(NODES, ("get",), subresource="proxy"),
)
"""For `verify`: nvidia-smi in the driver's pod, logs; and kernel messages, of which only `check`
and `verify` tell less without the right."""
_MAKE = ("create", "patch", "delete")


def _made() -> Iterator[Grant]:
    """Yield what is made, changed and deleted by name."""
    yield Grant(NAMESPACES, ("create", "delete"))
    yield Grant(CONFIGMAPS, ("create",))
    yield Grant(CONFIGMAPS, ("patch", "delete"), (records.NAME, LICENCE))
    yield Grant(SECRETS, ("create",))
    yield Grant(SECRETS, ("patch", "delete"), (SECRET, LICENCE))
    for kind in (PODS, MACHINE_CONFIGS, SUBSCRIPTIONS, OPERATOR_GROUPS, CLUSTER_POLICIES):
        yield Grant(kind, _MAKE)
    yield Grant(_discovery(), _MAKE)
    yield Grant(CSVS, ("delete",))


def _discovery() -> Resource:
    return nfd_resource(facts.openshift_releases()[-1])


def _read() -> Iterator[Grant]:
    """Yield what is listed, watched, and read again before a write."""
    scope = Scope((), _discovery(), "", "", records.NAME, licence_name=LICENCE)
    older = structs.replace(scope, licence=CONFIGMAPS)
    for source in dict.fromkeys((*sources(scope, "undo"), *sources(older, "undo"))):
        yield Grant(source.resource, ("get", "list", "watch"), _only_names(source))
    for source in (*sources(scope, "check"), *diagnosis.SOURCES):
        yield Grant(source.resource, ("list",), _only_names(source))
    yield Grant(EVENTS, ("watch",))


def _only_names(source: Source) -> tuple[str, ...]:
    return (only,) if (only := only_name(source)) else ()


def only_name(source: Source) -> str | None:
    """Return the name of the one object that a source selects, None when it selects more."""
    key, _, value = (source.field_selector or "").partition("=")
    return value if key == "metadata.name" else None


def table() -> tuple[Grant, ...]:
    """Return every right that any command may need."""
    every = (*CLAIMING, EVICTING, *LEFTOVERS, *PROVING, *RUNNING, *EXPLAINING)
    rest = (OFFERS, ASKING, *every)
    return tuple(dict.fromkeys((*_read(), *_made(), *rest)))


def by_command() -> Mapping[str, tuple[Grant, ...]]:
    """Return the rights of the table by the command that needs them, where it is not `enable`.

    What is read is not told apart: every command reads much the same.
    """
    given = {
        "verify": PROVING,
        "run and bench": (*RUNNING, ENTERING, *EXPLAINING),
        "isolate": (TAINTING,),
        "disable": (*LEFTOVERS, EVICTING, *(g for g in _made() if "delete" in g.verbs)),
    }
    told = {grant for grants in given.values() for grant in grants}
    return {**given, "doctor and gather": tuple(g for g in table() if g not in told)}


def cluster_role() -> RawObject:
    """Return the ClusterRole with every right that any command may need.

    It carries none of our labels: `disable` must not take away the rights that it works with.
    """
    return {
        "apiVersion": CLUSTER_ROLES.api_version,
        "kind": CLUSTER_ROLES.kind,
        "metadata": {"name": NAME},
        "rules": list(_rules(table())),
    }


_Key = tuple[str, str, tuple[str, ...]]


def _rules(grants: Iterable[Grant]) -> Iterator[RawObject]:
    """Yield the fewest rules: verbs of one kind together, then kinds of a group with the same."""
    verbs: dict[_Key, list[str]] = {}
    for grant in grants:
        sub = f"/{grant.subresource}" if grant.subresource else ""
        key = (grant.resource.group, f"{grant.resource.plural}{sub}", grant.names)
        verbs.setdefault(key, []).extend(grant.verbs)
    kinds: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (group, plural, names), listed in verbs.items():
        kinds.setdefault((group, tuple(sorted(set(listed))), names), []).append(plural)
    for (group, same, names), plurals in sorted(kinds.items()):
        rule = {"apiGroups": [group], "resources": sorted(plurals), "verbs": list(same)}
        yield {**rule, "resourceNames": list(names)} if names else rule
