"""Resolution: which bundle a Subscription leads to, or why there is none. Pure."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.sim import bundles
from oc_gpu.sim.actors.objects import name_of, namespace_of
from oc_gpu.sim.bundles import Bundle
from oc_gpu.sim.scenario import Scenario

AUTOMATIC, MANUAL = "Automatic", "Manual"


class ResolutionError(Exception):
    """A Subscription that nothing in the catalogs satisfies; the text is OLM's."""


class CatalogDownError(ResolutionError):
    """A catalog that does not answer, which OLM tries again and again."""


class Choice(Struct, frozen=True):
    """A Subscription and the bundle that it leads to."""

    subscription: RawObject
    bundle: Bundle


def resolve(scenario: Scenario, subscription: RawObject) -> Choice:
    """Return the bundle that a Subscription asks for.

    Raises:
        ResolutionError: The catalog, the package or the channel is not there.
    """
    spec, name = subscription["spec"], name_of(subscription)
    package, channel = spec["name"], spec.get("channel", "")
    source = spec.get("source", "")
    if any(catalog.down for catalog in scenario.catalogs if catalog.name == source):
        raise CatalogDownError(_unavailable(source, spec.get("sourceNamespace", "")))
    found = bundles.package_of(scenario, source, package)
    if found is None:
        raise ResolutionError(_unsatisfied(f"in package {package}", name))
    entries = found[1].channels.get(channel or found[1].default_channel)
    if not entries:
        raise ResolutionError(_unsatisfied(f"in channel {channel} of package {package}", name))
    wanted = spec.get("startingCSV")
    choices = [bundles.load(entry) for entry in entries]
    return Choice(subscription, next((b for b in choices if b.name == wanted), choices[-1]))


def _unavailable(source: str, namespace: str) -> str:
    return (
        f"failed to populate resolver cache from source {source}/{namespace}: failed to list "
        "bundles: rpc error: code = Unavailable desc = connection error: desc = "
        f'"transport: Error while dialing: dial tcp {source}.{namespace}.svc:50051: '
        'connect: connection refused"'
    )


def _unsatisfied(where: str, subscription: str) -> str:
    return (
        f"constraints not satisfiable: no operators found {where} in the catalog "
        f"referenced by subscription {subscription}, subscription {subscription} exists"
    )


def approval_of(choices: Iterable[Choice]) -> str:
    """Return how a shared InstallPlan is approved: one Manual Subscription makes it Manual."""
    modes = {c.subscription["spec"].get("installPlanApproval", AUTOMATIC) for c in choices}
    return MANUAL if MANUAL in modes else AUTOMATIC


class Target(Struct, frozen=True):
    """The namespaces that an operator is to watch, or why it must not."""

    namespaces: tuple[str, ...] = ()
    reason: str = ""
    message: str = ""


_TOO_MANY = "csv created in namespace with multiple operatorgroups, can't pick one automatically"
_MODES = {
    "AllNamespaces": "all namespaces",
    "OwnNamespace": "own namespace",
    "SingleNamespace": "single namespace",
    "MultiNamespace": "multiple namespaces",
}


def target_of(bundle: Bundle, namespace: str, groups: Sequence[RawObject]) -> Target:
    """Return what the OperatorGroups of a namespace let an operator watch."""
    mine = [g for g in groups if namespace_of(g) == namespace]
    if not mine:
        return Target((), "NoOperatorGroup", "csv in namespace with no operatorgroups")
    if len(mine) > 1:
        return Target((), "TooManyOperatorGroups", _TOO_MANY)
    names = target_namespaces(mine[0])
    mode = _mode(names, namespace)
    if mode in bundle.install_modes:
        return Target(tuple(names))
    text = f"{mode} InstallModeType not supported, cannot configure to watch {_MODES[mode]}"
    return Target((), "UnsupportedOperatorGroup", text)


def target_namespaces(group: RawObject) -> list[str]:
    """Return the namespaces that an OperatorGroup selects; one empty name means all."""
    return list((group.get("spec") or {}).get("targetNamespaces") or [""])


def manages(group: RawObject) -> bool:
    """Tell whether OLM has taken an OperatorGroup up: its status names namespaces."""
    return bool((group.get("status") or {}).get("namespaces"))


def _mode(names: Sequence[str], namespace: str) -> str:
    if list(names) == [""]:
        return "AllNamespaces"
    if len(names) > 1:
        return "MultiNamespace"
    return "OwnNamespace" if names[0] == namespace else "SingleNamespace"
