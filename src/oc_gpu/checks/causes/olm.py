"""Layer olm: Subscriptions that do not become installed operators, and why."""

from collections.abc import Collection, Iterator

from msgspec import structs

from oc_gpu.checks import components
from oc_gpu.checks.ages import is_installing
from oc_gpu.checks.case import Case, conditions, name_of, namespace_of, spec, status
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import cause, find, holds, result, shown
from oc_gpu.kube import RawObject

FAMILY = "olm"


MARKETPLACE = "openshift-marketplace"


def unmet(case: Case) -> list[RawObject]:
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


def told_of(
    case: Case, says: str, phrases: Collection[str], at: float, *, logs: bool = True
) -> Results:
    """Return a finding of what OLM says of some phrases, in objects and in its logs."""
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
    if not logs or not unmet(case):
        return ()
    quotes = [q for q in find(case, phrases, (components.OLM,), ("log", "event")) if q.live]
    quotes += find(case, phrases, None, ("event", "client")) if not quotes else []
    return (result(says, quotes, at=at - 0.04),) if quotes else ()


def _groups(case: Case) -> dict[str, list[RawObject]]:
    found: dict[str, list[RawObject]] = {}
    for raw in case.snapshot.table("operatorgroups"):
        found.setdefault(namespace_of(raw), []).append(raw)
    return found


_MANY_GROUPS = (
    "toomanyoperatorgroups",
    "multiple operatorgroups",
    "more than one operatorgroup",
    "more than one operator group",
)


def _many(case: Case, says: str) -> Results:
    groups = _groups(case)
    waiting = {namespace_of(raw) for raw in unmet(case)}
    failed = {
        namespace_of(raw)
        for raw in case.snapshot.table("csvs")
        if status(raw).get("reason") == "TooManyOperatorGroups"
    }
    for namespace, here in groups.items():
        if len(here) > 1 and namespace in waiting | failed:
            names = tuple(f"OperatorGroup/{raw['metadata']['name']}" for raw in here)
            evidence = (Evidence(f"namespace {namespace}", f"{len(here)} OperatorGroups"),)
            told = told_of(case, says, _MANY_GROUPS, 0.95)
            more = told[0].evidence if told else ()
            about = {"namespace": namespace}
            every = (*evidence, *more)
            return (Result(Severity.ERROR, says, None, names, every, confidence=0.95, about=about),)
    return told_of(case, says, _MANY_GROUPS, 0.95)


_NO_GROUP = (
    "nooperatorgroup",
    "no operatorgroup",
    "no operator group found",
    "expected 1, found 0",
    "found 0 operatorgroups",
    "expected 1 operatorgroup in the namespace, found 0",
)


def _none(case: Case, says: str) -> Results:
    found = told_of(
        case,
        says,
        _NO_GROUP,
        0.94,
    )
    if found or not case.snapshot.known("operatorgroups"):
        return found
    groups = _groups(case)
    for raw in unmet(case):
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


_ORPHAN = ("exists and is not referenced by a subscription", "not referenced by a subscription")


def _orphan(case: Case, says: str) -> Results:
    return told_of(case, says, _ORPHAN, 0.95) or told_of(
        case, says, ("constraints not satisfiable*@existing/",), 0.72
    )


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
        plan = _failed_plan(case, raw)
        if plan is None and is_installing(case, raw):
            continue
        where = f"status of {name_of(raw)} in {namespace_of(raw)}"
        lines = missing or [str(now.get("message") or "RequirementsNotMet")]
        evidence = tuple(Evidence(where, shown(line)) for line in lines[:3])
        return (_not_met(raw, plan, says, evidence),)
    return ()


def _failed_plan(case: Case, csv: RawObject) -> RawObject | None:
    """Return the InstallPlan that should have made what a CSV requires, and has given up."""
    plan: RawObject
    for plan in case.snapshot.table("installplans"):
        names = spec(plan).get("clusterServiceVersionNames") or []
        ours = namespace_of(plan) == namespace_of(csv) and csv["metadata"]["name"] in names
        if ours and status(plan).get("phase") == "Failed":
            return plan
    return None


def _not_met(
    csv: RawObject, plan: RawObject | None, says: str, evidence: tuple[Evidence, ...]
) -> Result:
    """Return that a CSV lacks something, and first of all why its InstallPlan has not made it."""
    namespace = namespace_of(csv)
    found = Result(
        Severity.ERROR,
        says,
        objects=(name_of(csv),),
        evidence=evidence,
        confidence=0.93,
        about={"namespace": namespace},
    )
    if plan is None:
        return found
    name, said = plan["metadata"]["name"], str(status(plan).get("message") or "Failed")
    anew = (
        f"oc delete csv {csv['metadata']['name']} -n {namespace}; "
        f"oc delete installplan {name} -n {namespace}   # OLM makes a new one"
    )
    return structs.replace(
        found,
        title="OLM gave an InstallPlan up, so an object that its CSV requires is absent",
        objects=(name_of(plan), *found.objects),
        evidence=(Evidence(f"status of {name_of(plan)} in {namespace}", shown(said)), *evidence),
        remedy=(
            f"oc get installplan {name} -n {namespace} -o yaml",
            "put right what its message names; OLM does not try a failed plan again",
            anew,
        ),
        confidence=0.94,
    )


def _approval(case: Case, says: str) -> Results:
    waiting = {namespace_of(raw): raw for raw in unmet(case)}
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
    return _waits(case, says)


def _waits(case: Case, says: str) -> Results:
    """Find Subscriptions that say that their plan waits; the plan itself was not read."""
    for raw in unmet(case):
        one = conditions(raw).get("InstallPlanPending", {})
        asks = one.get("status") == "True" and one.get("reason") == "RequiresApproval"
        if not asks or spec(raw).get("installPlanApproval") == "Automatic":
            continue
        plan = str((status(raw).get("installPlanRef") or {}).get("name") or "NAME")
        evidence = (Evidence(f"condition of {name_of(raw)}", f"RequiresApproval, plan {plan}"),)
        about = {"namespace": namespace_of(raw), "pod": plan}
        objects = (name_of(raw),)
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.9, about=about),)
    return ()


_SUBSCRIPTIONS = "oc get subscription,installplan,csv,operatorgroup -n {namespace}"


MANY = cause(
    "OCG0521",
    "olm-multiple-operatorgroups",
    FAMILY,
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
    FAMILY,
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


ORPHAN = cause(
    "OCG0525",
    "olm-orphan-csv",
    FAMILY,
    "olm",
    title="every CSV belongs to a Subscription",
    says="a ClusterServiceVersion of an earlier install belongs to no Subscription and blocks "
    "resolution",
    means="The Subscription was deleted and made anew, the CSV was left. OLM will neither adopt "
    "nor replace it.",
    remedy=(_SUBSCRIPTIONS, "oc delete csv NAME -n {namespace}   # the one that the message names"),
    look=_orphan,
)


REQUIREMENTS = cause(
    "OCG0527",
    "olm-csv-requirements-not-met",
    FAMILY,
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
    FAMILY,
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


CAUSES = (MANY, NONE, ORPHAN, REQUIREMENTS, APPROVAL)
