"""Layer olm: Subscriptions that do not become installed operators, and why."""

from collections.abc import Collection, Iterator

from oc_gpu.checks import components
from oc_gpu.checks.case import Case, conditions, name_of, namespace_of, spec, status
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import cause, find, holds, result, shown
from oc_gpu.kube import RawObject

_FAMILY = "olm"
_MARKETPLACE = "openshift-marketplace"


def _unmet(case: Case) -> list[RawObject]:
    """Return the Subscriptions of which nothing works yet."""
    return [raw for raw in case.snapshot.table("subscriptions") if not _served(case, raw)]


def _served(case: Case, raw: RawObject) -> bool:
    installed = status(raw).get("installedCSV")
    for csv in case.snapshot.table("csvs"):
        if csv["metadata"]["name"] == installed and namespace_of(csv) == namespace_of(raw):
            return status(csv).get("phase") == "Succeeded"
    return False


def _words(case: Case) -> Iterator[tuple[RawObject, Evidence]]:
    """Yield what Subscriptions, InstallPlans and CSVs say of trouble."""
    for table in ("subscriptions", "installplans", "csvs"):
        for raw in case.snapshot.table(table):
            where = f"{name_of(raw)} in {namespace_of(raw)}"
            for kind, one in conditions(raw).items():
                good = one.get("status") == "False" and kind not in ("Installed", "Resolved")
                reason = one.get("reason") or kind
                text = f"{reason}: {one.get('message') or ''}".strip(": ")
                if text and not good:
                    yield raw, Evidence(f"condition {kind} of {where}", text)
            now = status(raw)
            text = f"{now.get('reason') or ''}: {now.get('message') or ''}".strip(": ")
            if text and now.get("phase") not in ("Succeeded", "Complete"):
                yield raw, Evidence(f"status of {where}", text)


def _told(
    case: Case, says: str, phrases: Collection[str], at: float, *, logs: bool = True
) -> Results:
    found = [
        (raw, evidence)
        for raw, evidence in _words(case)
        if any(holds(evidence.quote, phrase) for phrase in phrases)
    ]
    if found:
        objects = tuple(dict.fromkeys(name_of(raw) for raw, _ in found))
        evidence = tuple(Evidence(one.where, shown(one.quote)) for _, one in found)[:3]
        about = {"namespace": namespace_of(found[0][0])}
        return (
            Result(Severity.ERROR, says, None, objects[:4], evidence, confidence=at, about=about),
        )
    if not logs or not _unmet(case):
        return ()
    quotes = [q for q in find(case, phrases, (components.OLM,), ("log", "event")) if q.live]
    quotes += find(case, phrases, None, ("event", "client")) if not quotes else []
    return (result(says, quotes, at=at - 0.04),) if quotes else ()


_UNPACK = (
    "bundleunpackfailed",
    "bundle unpacking failed",
    "bundle unpack failed",
    "job was active longer than specified deadline",
    "unpack job*failed",
    "failed to unpack bundle",
    "error unpacking bundle",
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
    found = _told(case, says, _UNPACK, 0.95)
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
    if not _unmet(case):
        return ()
    for one in case.troubles:
        bundle = any(c.name in ("extract", "util", "pull") for c in one.pod.spec.every)
        if bundle and one.pod.metadata.namespace == _MARKETPLACE:
            where = f"status of Pod/{one.pod.metadata.name}, {one.container}"
            evidence = (Evidence(where, shown(f"{one.state} {one.message}")),)
            pods = (f"Pod/{one.pod.metadata.name}",)
            return (Result(Severity.ERROR, says, None, pods, evidence, confidence=0.93),)
    return ()


def _groups(case: Case) -> dict[str, list[RawObject]]:
    found: dict[str, list[RawObject]] = {}
    for raw in case.snapshot.table("operatorgroups"):
        found.setdefault(namespace_of(raw), []).append(raw)
    return found


def _many(case: Case, says: str) -> Results:
    groups = _groups(case)
    waiting = {namespace_of(raw) for raw in _unmet(case)}
    failed = {
        namespace_of(raw)
        for raw in case.snapshot.table("csvs")
        if status(raw).get("reason") == "TooManyOperatorGroups"
    }
    for namespace, here in groups.items():
        if len(here) > 1 and namespace in waiting | failed:
            names = tuple(f"OperatorGroup/{raw['metadata']['name']}" for raw in here)
            evidence = (Evidence(f"namespace {namespace}", f"{len(here)} OperatorGroups"),)
            told = _told(case, says, ("toomanyoperatorgroups", "multiple operatorgroups"), 0.95)
            more = told[0].evidence if told else ()
            about = {"namespace": namespace}
            every = (*evidence, *more)
            return (Result(Severity.ERROR, says, None, names, every, confidence=0.95, about=about),)
    phrases = ("toomanyoperatorgroups", "multiple operatorgroups", "more than one operatorgroup")
    return _told(case, says, phrases, 0.95)


def _none(case: Case, says: str) -> Results:
    found = _told(
        case,
        says,
        ("nooperatorgroup", "no operatorgroup", "no operator group found", "expected 1, found 0"),
        0.94,
    )
    if found or not case.snapshot.known("operatorgroups"):
        return found
    groups = _groups(case)
    for raw in _unmet(case):
        namespace = namespace_of(raw)
        if namespace and groups and not groups.get(namespace):
            evidence = (
                Evidence(f"{name_of(raw)} in {namespace}", "no CSV is installed from it"),
                Evidence(f"namespace {namespace}", "no OperatorGroup"),
            )
            about = {"namespace": namespace}
            objects = (name_of(raw),)
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=0.9, about=about),
            )
    return ()


def _source_of(raw: RawObject) -> tuple[str, str]:
    wanted = spec(raw)
    return str(wanted.get("sourceNamespace") or ""), str(wanted.get("source") or "")


def _no_catalog(case: Case, says: str) -> Results:
    here = {
        (namespace_of(raw), str(raw["metadata"]["name"]))
        for raw in case.snapshot.table("catalogsources")
    }
    if here:
        for raw in _unmet(case):
            source = _source_of(raw)
            if source[1] and source not in here:
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
    )
    return _told(case, says, phrases, 0.9)


def _listed(here: set[tuple[str, str]], namespace: str) -> str:
    return ", ".join(sorted(name for where, name in here if where == namespace)) or "none"


def _unhealthy(case: Case, says: str) -> Results:
    used = {_source_of(raw) for raw in _unmet(case)}
    every = case.snapshot.table("catalogsources")
    for raw in every:
        state = str((status(raw).get("connectionState") or {}).get("lastObservedState") or "")
        key = (namespace_of(raw), str(raw["metadata"]["name"]))
        pods = [
            one
            for one in case.troubles
            if one.pod.metadata.namespace == key[0]
            and (
                one.pod.metadata.labels.get("olm.catalogSource") == key[1]
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
        at = 0.92 if needed else 0.8
        about = {"namespace": key[0]}
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=about),)
    phrases = (
        "failed to populate resolver cache from source",
        "failed to list bundles",
        "unhealthycatalogsource",
        "catalogsourcesunhealthy*unhealthy",
        "error using catalogsource",
        "targeted catalogsource*unhealthy",
    )
    return _told(case, says, phrases, 0.91)


_ORPHAN = ("exists and is not referenced by a subscription", "not referenced by a subscription")
_NO_PACKAGE = (
    "no operators found in package",
    "no operators found in channel",
    "no operators found with name",
    "no operators found matching",
    "package*not found in catalog",
    "channel*not found in package",
)


def _orphan(case: Case, says: str) -> Results:
    return _told(case, says, _ORPHAN, 0.95) or _told(
        case, says, ("constraints not satisfiable*@existing/",), 0.72
    )


def _package(case: Case, says: str) -> Results:
    return _told(case, says, _NO_PACKAGE, 0.93)


def _requirements(case: Case, says: str) -> Results:
    for raw in case.snapshot.table("csvs"):
        now = status(raw)
        if now.get("reason") != "RequirementsNotMet" and now.get("phase") != "Pending":
            continue
        missing = [
            f"{one.get('kind')} {one.get('name')}: {one.get('message') or one.get('status')}"
            for one in now.get("requirementStatus") or []
            if str(one.get("status")) not in ("Present", "Satisfied")
        ]
        if not missing and now.get("reason") != "RequirementsNotMet":
            continue
        where = f"status of {name_of(raw)} in {namespace_of(raw)}"
        lines = missing or [str(now.get("message") or "RequirementsNotMet")]
        evidence = tuple(Evidence(where, shown(line)) for line in lines[:3])
        about = {"namespace": namespace_of(raw)}
        objects = (name_of(raw),)
        return (
            Result(Severity.ERROR, says, None, objects, evidence, confidence=0.93, about=about),
        )
    return ()


def _approval(case: Case, says: str) -> Results:
    waiting = {namespace_of(raw): raw for raw in _unmet(case)}
    for raw in case.snapshot.table("installplans"):
        wanted = spec(raw)
        if wanted.get("approved") or wanted.get("approval") != "Manual":
            continue
        first = namespace_of(raw) in waiting
        where = f"{name_of(raw)} in {namespace_of(raw)}"
        names = ", ".join(map(str, wanted.get("clusterServiceVersionNames") or []))
        evidence = (Evidence(where, f"approval: Manual, approved: false, for {names}"),)
        about = {"namespace": namespace_of(raw), "pod": str(raw["metadata"]["name"])}
        severity = Severity.ERROR if first else Severity.INFO
        objects = (name_of(raw),)
        return (Result(severity, says, None, objects, evidence, confidence=0.94, about=about),)
    return ()


_SUBSCRIPTIONS = "oc get subscription,installplan,csv,operatorgroup -n {namespace}"

UNPACK = cause(
    "OCG0520",
    "olm-bundle-unpack-failed",
    _FAMILY,
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
MANY = cause(
    "OCG0521",
    "olm-multiple-operatorgroups",
    _FAMILY,
    "olm",
    title="no namespace holds more than one OperatorGroup",
    says="the namespace holds more than one OperatorGroup, so OLM refuses its CSVs",
    means="An OperatorGroup says which namespaces the operators of its namespace serve; OLM does "
    "not choose "
    "between two.",
    remedy=(
        "oc get operatorgroups -n {namespace}",
        "oc delete operatorgroup NAME -n {namespace}   # all but one",
    ),
    look=_many,
)
NONE = cause(
    "OCG0522",
    "olm-no-operatorgroup",
    _FAMILY,
    "olm",
    title="every namespace with a Subscription has an OperatorGroup",
    says="the namespace of the Subscription has no OperatorGroup, so OLM installs nothing there",
    means="The console makes an OperatorGroup on the way, the command line does not.",
    remedy=(
        "oc apply -n {namespace} -f operatorgroup.yaml   # spec.targetNamespaces: [{namespace}]",
        _SUBSCRIPTIONS,
    ),
    look=_none,
)
NO_CATALOG = cause(
    "OCG0523",
    "olm-catalogsource-missing",
    _FAMILY,
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
    _FAMILY,
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
ORPHAN = cause(
    "OCG0525",
    "olm-orphan-csv",
    _FAMILY,
    "olm",
    title="every CSV belongs to a Subscription",
    says="a ClusterServiceVersion of an earlier install belongs to no Subscription and blocks "
    "resolution",
    means="The Subscription was deleted and made anew, the CSV was left. OLM will neither adopt "
    "nor replace it.",
    remedy=(_SUBSCRIPTIONS, "oc delete csv NAME -n {namespace}   # the one that the message names"),
    look=_orphan,
)
PACKAGE = cause(
    "OCG0526",
    "olm-package-not-in-catalog",
    _FAMILY,
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
REQUIREMENTS = cause(
    "OCG0527",
    "olm-csv-requirements-not-met",
    _FAMILY,
    "olm",
    title="every CSV has what it requires",
    says="the CSV stays Pending, because an object that it requires is absent",
    means="A CustomResourceDefinition, a service account or a right that the CSV lists is not "
    "there.",
    remedy=(
        "oc get csv -n {namespace} -o jsonpath='{.items[*].status.requirementStatus}'",
        _SUBSCRIPTIONS,
    ),
    look=_requirements,
)
APPROVAL = cause(
    "OCG0528",
    "olm-installplan-awaiting-approval",
    _FAMILY,
    "olm",
    title="no first installation waits for approval",
    says="an InstallPlan with manual approval waits for somebody to approve it",
    means="With installPlanApproval Manual nothing is installed before the plan is approved.",
    remedy=(
        "oc get installplans -n {namespace}",
        'oc patch installplan {pod} -n {namespace} --type merge -p \'{"spec":{"approved":true}}\'',
    ),
    look=_approval,
)

CAUSES = (
    MANY,
    NONE,
    ORPHAN,
    NO_CATALOG,
    UNPACK,
    UNHEALTHY,
    PACKAGE,
    REQUIREMENTS,
    APPROVAL,
)
