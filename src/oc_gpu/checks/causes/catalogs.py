"""Layer olm: catalogs that do not serve, packages that they lack, bundles that are not unpacked."""

from oc_gpu.checks.case import Case, conditions, name_of, namespace_of, spec, status
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.olm import FAMILY, MARKETPLACE, told_of, unmet
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import cause, note, shown
from oc_gpu.kube import RawObject

_UNPACK = (
    "bundleunpackfailed",
    "bundle unpacking failed",
    "bundle unpack failed",
    "job was active longer than specified deadline",
    "unpack job*failed",
    "failed to unpack bundle",
    "error unpacking bundle",
    "unpack pod*is pending*errimagepull",
    "unpack pod*is pending*imagepullbackoff",
)


def _is_unpack_job(raw: RawObject) -> bool:
    labels = raw["metadata"].get("labels") or {}
    name = str(raw["metadata"]["name"])
    owners = [str(o.get("kind")) for o in raw["metadata"].get("ownerReferences") or []]
    hexadecimal = len(name) >= 16 and all(c in "0123456789abcdef" for c in name)  # noqa: PLR2004
    return (
        "operatorframework.io/bundle-unpack-ref" in labels or "ConfigMap" in owners or hexadecimal
    )


def _unpack(case: Case, says: str) -> Results:
    found = told_of(case, says, _UNPACK, 0.95)
    if found:
        return found
    for raw in case.snapshot.table("jobs"):
        failed = conditions(raw).get("Failed", {})
        if _is_unpack_job(raw) and (failed.get("status") == "True" or status(raw).get("failed")):
            text = f"{failed.get('reason') or 'failed'}: {failed.get('message') or ''}"
            evidence = (Evidence(f"{name_of(raw)} in {namespace_of(raw)}", shown(text)),)
            about = {"namespace": namespace_of(raw)}
            objects = (name_of(raw),)
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=0.9, about=about),
            )
    waiting = {namespace_of(raw) for raw in unmet(case)}
    if not waiting:
        return ()
    for raw in case.snapshot.table("installplans"):
        why = _lookup_failed(raw)
        if why and namespace_of(raw) in waiting:
            evidence = (Evidence(f"status of {name_of(raw)} in {namespace_of(raw)}", shown(why)),)
            told = {"namespace": namespace_of(raw)}
            plan = (name_of(raw),)
            return (
                Result(Severity.ERROR, says, None, plan, evidence, confidence=0.92, about=told),
            )
    for one in case.troubles:
        bundle = any(c.name in ("extract", "util", "pull") for c in one.pod.spec.every)
        if bundle and one.pod.metadata.namespace == MARKETPLACE:
            where = f"status of Pod/{one.pod.metadata.name}, {one.container}"
            evidence = (Evidence(where, shown(f"{one.state} {one.message}")),)
            pods = (f"Pod/{one.pod.metadata.name}",)
            return (Result(Severity.ERROR, says, None, pods, evidence, confidence=0.93),)
    return ()


def _lookup_failed(plan: RawObject) -> str:
    """Return why an InstallPlan gave up looking into a bundle, empty where it did not."""
    for lookup in status(plan).get("bundleLookups") or []:
        for one in lookup.get("conditions") or []:
            if one.get("type") == "BundleLookupFailed" and one.get("status") == "True":
                return f"{one['type']}: {one.get('reason', '')}: {one.get('message', '')}"
    return ""


def _source_of(raw: RawObject) -> tuple[str, str]:
    wanted = spec(raw)
    return str(wanted.get("sourceNamespace") or ""), str(wanted.get("source") or "")


def _no_catalog(case: Case, says: str) -> Results:
    here = {
        (namespace_of(raw), str(raw["metadata"]["name"]))
        for raw in case.snapshot.table("catalogsources")
    }
    if here:
        for raw in unmet(case):
            source = _source_of(raw)
            if source[1] and source not in here and not _is_resolved(case, raw):
                where = f"{name_of(raw)} in {namespace_of(raw)}"
                evidence = (
                    Evidence(where, f"spec.source: {source[1]} in {source[0]}"),
                    Evidence(f"CatalogSources of {source[0]}", _listed(here, source[0])),
                )
                about = {"namespace": namespace_of(raw)}
                objects = (name_of(raw),)
                return (
                    Result(
                        Severity.ERROR, says, None, objects, evidence, confidence=0.94, about=about
                    ),
                )
    phrases = (
        "no operators found from catalog",
        "catalogsource*not found",
        "catalog source*not found",
        "unknown catalogsource",
        "requires at least one catalogsource",
        "nocatalogsourcesfound",
    )
    return told_of(case, says, phrases, 0.9) or (() if here else _none_at_all(case, says))


def _none_at_all(case: Case, says: str) -> Results:
    """Find Subscriptions that wait where no catalog is, and no pod of one either."""
    pods = [pod for pod in case.snapshot.pods if pod.metadata.namespace == MARKETPLACE]
    if not pods or any(_OF_CATALOG in pod.metadata.labels for pod in pods):
        return ()
    for raw in unmet(case):
        if not _source_of(raw)[1] or _is_resolved(case, raw):
            continue
        where = f"{name_of(raw)} in {namespace_of(raw)}"
        evidence = (
            Evidence(where, f"spec.source: {_source_of(raw)[1]}"),
            Evidence(f"CatalogSources and pods of {MARKETPLACE}", "none of a catalog"),
        )
        about, objects = {"namespace": namespace_of(raw)}, (name_of(raw),)
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.7, about=about),)
    return ()


_OF_CATALOG = "olm.catalogSource"
"""Label by which OLM knows the pods of a catalog."""


def _is_resolved(case: Case, raw: RawObject) -> bool:
    """Tell whether a Subscription's CSV is there already: its catalog is not what it waits for."""
    wanted = (namespace_of(raw), status(raw).get("currentCSV"))
    every = case.snapshot.table("csvs")
    return any((namespace_of(csv), csv["metadata"]["name"]) == wanted for csv in every)


def _listed(here: set[tuple[str, str]], namespace: str) -> str:
    return ", ".join(sorted(name for where, name in here if where == namespace)) or "none"


def _unhealthy(case: Case, says: str) -> Results:
    used = {_source_of(raw) for raw in unmet(case)}
    every = case.snapshot.table("catalogsources")
    for raw in every:
        state = str((status(raw).get("connectionState") or {}).get("lastObservedState") or "")
        key = (namespace_of(raw), str(raw["metadata"]["name"]))
        pods = [
            one
            for one in case.troubles
            if one.pod.metadata.namespace == key[0]
            and (
                one.pod.metadata.labels.get(_OF_CATALOG) == key[1]
                or any(
                    o.kind == "CatalogSource" and o.name == key[1]
                    for o in one.pod.metadata.owner_references
                )
            )
        ]
        if state in ("", "READY") and not pods:
            continue
        needed = key in used or (not used and bool(pods))
        where = f"CatalogSource/{key[1]} in {key[0]}"
        evidence = (
            *((Evidence(f"status of {where}", f"lastObservedState: {state}"),) if state else ()),
            *(
                Evidence(f"status of Pod/{p.pod.metadata.name}", shown(f"{p.state} {p.message}"))
                for p in pods[:1]
            ),
        )
        objects = (f"CatalogSource/{key[1]}",)
        aside = not needed and not used and case.managed
        severity = Severity.WARNING if aside else Severity.ERROR
        at = 0.92 if needed else 0.45 if aside else 0.8
        about = {"namespace": key[0]}
        return (Result(severity, says, None, objects, evidence, confidence=at, about=about),)
    phrases = (
        "failed to populate resolver cache from source",
        "failed to list bundles",
        "unhealthycatalogsource",
        "catalogsourcesunhealthy*unhealthy",
        "error using catalogsource",
        "connection never satisfied predicate",
        "couldn't connect to registry",
        "couldn't ensure registry server",
        "targeted catalogsource*unhealthy",
    )
    return told_of(case, says, phrases, 0.91) or _called_unhealthy(case, says)


def _called_unhealthy(case: Case, says: str) -> Results:
    """Find Subscriptions that call their catalogs unhealthy, and say no more."""
    for raw in unmet(case):
        one = conditions(raw).get("CatalogSourcesUnhealthy", {})
        if one.get("status") != "True" or one.get("reason") == "NoCatalogSourcesFound":
            continue
        where = f"Subscription/{raw['metadata']['name']}"
        told = f"CatalogSourcesUnhealthy: True {one.get('message') or ''}".strip()
        evidence = (Evidence(f"condition of {where}", shown(told)),)
        about = {"namespace": namespace_of(raw)}
        ours = raw in case.gpu_subscriptions or spec(raw).get("name") == "nfd"
        at = 0.7 if ours else 0.45
        found = Result(Severity.ERROR, says, None, (where,), evidence, confidence=at, about=about)
        return (found if ours else note(found),)
    return ()


_NO_PACKAGE = (
    "no operators found in package",
    "no operators found in channel",
    "no operators found with name",
    "no operators found matching",
    "package*not found in catalog",
    "channel*not found in package",
)


def _package(case: Case, says: str) -> Results:
    return told_of(case, says, _NO_PACKAGE, 0.93) or _elsewhere(case, says)


_PUBLISHED = {"gpu-operator-certified": "certified-operators", "nfd": "redhat-operators"}
"""Catalog of OpenShift in which a package of ours is published."""
_DEFAULTS = ("redhat-operators", "certified-operators", "redhat-marketplace")
"""Catalogs of OpenShift whose contents their publishers decide, not the cluster's admins."""


def _elsewhere(case: Case, says: str) -> Results:
    """Find Subscriptions that came to nothing and look for our package in another catalog."""
    for raw in unmet(case):
        package, source = str(spec(raw).get("name")), _source_of(raw)[1]
        right = _PUBLISHED.get(package, source)
        if source == right or source not in _DEFAULTS or status(raw).get("currentCSV"):
            continue
        where = f"{name_of(raw)} in {namespace_of(raw)}"
        evidence = (
            Evidence(where, f"spec.source: {source}, without status.currentCSV"),
            Evidence(f"package {package}", f"published in {right}"),
        )
        about, objects = {"namespace": namespace_of(raw)}, (name_of(raw),)
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.8, about=about),)
    return ()


UNPACK = cause(
    "OCG0520",
    "olm-bundle-unpack-failed",
    FAMILY,
    "olm",
    title="OLM can unpack the operators' bundles",
    says="OLM cannot unpack the operator's bundle",
    means="OLM runs a job that pulls the bundle's image and reads it. The job ended without "
    "success, often "
    "because the image could not be pulled in time. OLM does not try again by itself.",
    remedy=(
        "oc get jobs,pods -n openshift-marketplace",
        (
            "oc delete job NAME -n openshift-marketplace; oc delete configmap NAME -n "
            "openshift-marketplace"
        ),
        "oc delete installplan --all -n {namespace}; then make the Subscription anew",
    ),
    look=_unpack,
)


NO_CATALOG = cause(
    "OCG0523",
    "olm-catalogsource-missing",
    FAMILY,
    "olm",
    title="every Subscription's CatalogSource exists",
    says="a Subscription refers to a CatalogSource that does not exist",
    means="The catalog has another name here (a mirrored one), or the default catalogs are "
    "disabled.",
    remedy=(
        "oc get catalogsources -A",
        (
            "oc patch operatorhub cluster --type merge -p "
            '\'{"spec":{"disableAllDefaultSources":false}}\''
        ),
    ),
    look=_no_catalog,
)


UNHEALTHY = cause(
    "OCG0524",
    "olm-catalogsource-unhealthy",
    FAMILY,
    "olm",
    title="the catalogs serve",
    says="the CatalogSource exists, but its registry pod does not serve",
    means="OLM asks a pod per catalog. Where it does not run or cannot be reached, nothing that "
    "depends on the "
    "catalog is resolved, in any namespace.",
    remedy=(
        "oc get pods -n openshift-marketplace",
        "oc get catalogsource -n openshift-marketplace -o yaml | grep -A4 connectionState",
        "oc delete pod -n openshift-marketplace -l olm.catalogSource=NAME",
    ),
    look=_unhealthy,
)


PACKAGE = cause(
    "OCG0526",
    "olm-package-not-in-catalog",
    FAMILY,
    "olm",
    title="every Subscription's package is in its catalog",
    says="a Subscription names a package or channel that its catalog does not contain, which "
    "blocks its "
    "whole namespace",
    means="OLM resolves a namespace as a whole: one Subscription that cannot be met stops all of "
    "them.",
    remedy=(
        "oc get packagemanifests | grep NAME",
        "oc delete subscription NAME -n {namespace}   # or correct its package, channel or source",
    ),
    look=_package,
)


CAUSES = (UNPACK, NO_CATALOG, UNHEALTHY, PACKAGE)
