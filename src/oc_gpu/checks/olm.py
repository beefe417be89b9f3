"""Checks of OLM: are the operators offered, may they be installed, and are they here already."""

from collections.abc import Callable

from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.inputs import Inputs, Operator
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.kube import RawObject
from oc_gpu.kube.errors import clean
from oc_gpu.snapshot.model import spec_of
from oc_gpu.stages import operators
from oc_gpu.stages.ownership import is_ours, owner_of

_MARKETPLACE = "openshift-marketplace"


def _subscribed(inputs: Inputs, operator: Operator) -> bool:
    """Tell whether the operator has a Subscription of somebody else, which is used as it is."""
    found = operators.subscription(inputs.snapshot, operator.package)
    return found is not None and not is_ours(found)


def _each(inputs: Inputs, judge: Callable[[Inputs, Operator], Results]) -> Results:
    return tuple(result for operator in inputs.operators for result in judge(inputs, operator))


def _offered(inputs: Inputs) -> Results:
    return _each(inputs, _offer)


def _offer(inputs: Inputs, operator: Operator) -> Results:
    if _subscribed(inputs, operator):
        return ()
    if operator.problem is not None:
        problem = operator.problem
        look = f"oc get packagemanifests -n {_MARKETPLACE} | grep {operator.package}"
        title = f"{operator.title} cannot be installed: {clean(problem.detail)}"
        remedy = (*problem.hints, look)
        objects = (f"PackageManifest/{operator.package}",)
        seen = (Evidence(f"PackageManifests in {_MARKETPLACE}", clean(problem.detail)),)
        return (Result(Severity.ERROR, title, problem.cause, objects, seen, remedy),)
    title = f"{operator.catalog} offers {operator.csv} in channel {operator.channel}"
    evidence = (Evidence("choice of the release", operator.reason),) if operator.reason else ()
    objects = (f"PackageManifest/{operator.package}",)
    return (Result(Severity.OK, title, objects=objects, evidence=evidence),)


def _groups(inputs: Inputs) -> Results:
    """Look at each namespace once: two operators may share one and say the same of it."""
    return tuple({result.title: result for result in _each(inputs, _group)}.values())


def _group(inputs: Inputs, operator: Operator) -> Results:
    namespace = operator.namespace
    if not namespace:
        return ()
    here = [
        group
        for group in inputs.snapshot.table("operatorgroups")
        if group["metadata"]["namespace"] == namespace
    ]
    names = tuple(f"OperatorGroup/{group['metadata']['name']}" for group in here)
    if len(here) > 1:
        title = f"{namespace} has {len(here)} OperatorGroups, so OLM installs nothing there"
        remedy = (f"oc delete operatorgroup -n {namespace} NAME   # all but one",)
        cause = "olm-multiple-operatorgroups"
        evidence = (Evidence(f"OperatorGroups in {namespace}", ", ".join(names)),)
        return (Result(Severity.ERROR, title, cause, names, evidence, remedy),)
    if _subscribed(inputs, operator):
        return ()
    if here:
        return (_fitting(operator, here[0]),)
    if not operator.own_group:
        title = f"{namespace} has no OperatorGroup, so OLM installs nothing there"
        remedy = (f"oc get operatorgroups -n {namespace}",)
        return (Result(Severity.ERROR, title, "olm-no-operatorgroup", remedy=remedy),)
    title = f"{namespace} has no OperatorGroup yet; {operator.title} gets one"
    return (Result(Severity.OK, title),)


def _fitting(operator: Operator, group: RawObject) -> Result:
    name = f"OperatorGroup/{group['metadata']['name']}"
    targets = (group.get("spec") or {}).get("targetNamespaces") or []
    if operator.own_group and targets != [operator.namespace]:
        shown = ", ".join(targets) or "all namespaces"
        title = (
            f"{name} in {operator.namespace} targets {shown}, "
            f"and {operator.title} supports its own namespace only"
        )
        remedy = (f"oc edit operatorgroup -n {operator.namespace} {group['metadata']['name']}",)
        evidence = (Evidence(name, f"spec.targetNamespaces: {targets}"),)
        return Result(Severity.ERROR, title, None, (name,), evidence, remedy)
    return Result(Severity.OK, f"{name} in {operator.namespace} fits", objects=(name,))


_CUSTOM = {
    "nodefeaturediscoveries": "NodeFeatureDiscovery",
    "clusterpolicies": "ClusterPolicy",
}


def _existing(inputs: Inputs) -> Results:
    packages = {operator.package for operator in inputs.operators}
    found = [
        ("Subscription", raw)
        for raw in inputs.snapshot.table("subscriptions")
        if spec_of(raw).get("name") in packages
    ]
    for source, kind in _CUSTOM.items():
        found += [(kind, raw) for raw in inputs.snapshot.table(source)]
    results = tuple(_belongs(kind, raw) for kind, raw in found if not is_ours(raw))
    return results or (Result(Severity.OK, "NFD and the GPU Operator belong to nobody else here"),)


def _belongs(kind: str, raw: RawObject) -> Result:
    meta = raw["metadata"]
    where = f" in {meta['namespace']}" if meta.get("namespace") else ""
    name = f"{kind}/{meta['name']}"
    title = f"{name}{where} belongs to {owner_of(raw)}; it is used as it is and stays"
    return Result(Severity.INFO, title, objects=(name,))


OFFERED = Check(
    "OCG0501",
    "operators-offered",
    "olm",
    "the catalogs offer operators that fit this cluster",
    _offered,
    ("packagemanifests", "subscriptions"),
)
GROUPS = Check(
    "OCG0502",
    "operator-groups",
    "olm",
    "the namespaces of the operators have the OperatorGroups that OLM wants",
    _groups,
    ("operatorgroups", "subscriptions"),
)
EXISTING = Check(
    "OCG0503",
    "existing-operators",
    "olm",
    "NFD and the GPU Operator belong to nobody else here",
    _existing,
    ("subscriptions", "nodefeaturediscoveries", "clusterpolicies"),
)
