"""Checks of what else is there: other installations of the same programs, and left-overs."""

from collections.abc import Iterator

from oc_gpu.checks import components
from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.components import GPU_STACK, NFD
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.kube import RawObject
from oc_gpu.snapshot.kinds import DaemonSet, Deployment, Meta
from oc_gpu.snapshot.sources import EVERY_DAEMONSET, EVERY_DEPLOYMENT

_OLM = "olm.owner"
_GROUPS = ("nvidia.com", "nfd.openshift.io")
_SHOWN = 6


def _others(inputs: Inputs) -> Results:
    found = tuple(_of_others(inputs))
    good = Result(Severity.OK, "no other installation of NFD or of NVIDIA's programs is here")
    return found[:_SHOWN] or (good,)


def _of_others(inputs: Inputs) -> Iterator[Result]:
    ours = {operator.namespace for operator in inputs.operators} | {inputs.operand_namespace}
    subscribed = {
        raw["metadata"]["namespace"]
        for raw in inputs.snapshot.table("subscriptions")
        if raw["spec"].get("name") in {operator.package for operator in inputs.operators}
    }
    for source, kind in ((EVERY_DAEMONSET, "DaemonSet"), (EVERY_DEPLOYMENT, "Deployment")):
        for item in inputs.snapshot.table(source):
            part, meta = components.of_set(item), item.metadata
            foreign = meta.namespace not in ours | subscribed and _OLM not in meta.labels
            if part in GPU_STACK | NFD and foreign and not _by_operator(inputs, meta):
                yield _other(item, kind, part)


def _by_operator(inputs: Inputs, meta: Meta) -> bool:
    """Tell whether a custom resource that is here made an object."""
    made = {
        raw["metadata"].get("uid")
        for source in ("clusterpolicies", "nodefeaturediscoveries")
        for raw in inputs.snapshot.table(source)
    }
    return any(owner.uid in made for owner in meta.owner_references if owner.uid)


def _other(item: DaemonSet | Deployment, kind: str, part: str) -> Result:
    meta = item.metadata
    name = f"{kind}/{meta.name}"
    manager = meta.labels.get("app.kubernetes.io/managed-by", "")
    by = f" of {manager}" if manager else ""
    title = f"{name} in {meta.namespace} runs {part}{by} already; two of it fight over the nodes"
    cause = "nfd-duplicate" if part in NFD else None
    chart = meta.annotations.get("meta.helm.sh/release-name", "")
    away = (
        f"helm uninstall -n {meta.namespace} {chart}"
        if chart
        else f"oc delete {kind.lower()} -n {meta.namespace} {meta.name}"
    )
    seen = (Evidence(name, f"namespace {meta.namespace}, labels {_labels(meta)}"),)
    return Result(Severity.ERROR, title, cause, (name,), seen, (f"take it away: {away}",))


def _labels(meta: Meta) -> str:
    shown = (f"{k}={v}" for k, v in sorted(meta.labels.items()) if k.startswith(("app", "helm")))
    return ", ".join(shown) or "none"


def _left(inputs: Inputs) -> Results:
    found = (*_ending(inputs), *_orphans(inputs), *_definitions(inputs))
    return found or (Result(Severity.OK, "nothing of an earlier installation is left"),)


def _ending(inputs: Inputs) -> Iterator[Result]:
    wanted = {operator.namespace for operator in inputs.operators} | {inputs.operand_namespace}
    for raw in inputs.snapshot.table("namespaces"):
        meta = raw["metadata"]
        if meta["name"] in wanted and meta.get("deletionTimestamp"):
            conditions = (raw.get("status") or {}).get("conditions") or ()
            why = [c.get("message", "") for c in conditions if c.get("status") == "True"]
            seen = tuple(Evidence(f"Namespace/{meta['name']}", text) for text in why if text)
            title = f"namespace {meta['name']} is being deleted, so nothing can be made in it"
            look = f"oc get namespace {meta['name']} -o yaml   # status tells what it waits for"
            yield Result(
                Severity.WARNING, title, None, (f"Namespace/{meta['name']}",), seen, (look,)
            )


def _orphans(inputs: Inputs) -> Iterator[Result]:
    """Yield ClusterServiceVersions that no Subscription owns: they block OLM's resolution."""
    subscriptions = inputs.snapshot.table("subscriptions")
    packages = {operator.package for operator in inputs.operators}
    subscribed = {(s["metadata"]["namespace"], s["spec"].get("name")) for s in subscriptions}
    for raw in inputs.snapshot.table("csvs"):
        meta = raw["metadata"]
        package = _package(raw, packages)
        copied = "olm.copiedFrom" in (meta.get("labels") or {})
        if package and not copied and (meta["namespace"], package) not in subscribed:
            name = f"ClusterServiceVersion/{meta['name']}"
            title = f"{name} in {meta['namespace']} is left from an earlier installation"
            away = f"oc delete csv -n {meta['namespace']} {meta['name']}"
            yield Result(Severity.ERROR, title, "olm-orphan-csv", (name,), (), (away,))


def _package(raw: RawObject, packages: set[str]) -> str:
    name = str(raw["metadata"]["name"])
    return next((package for package in packages if name.startswith(f"{package}.")), "")


def _definitions(inputs: Inputs) -> Iterator[Result]:
    for name, item in inputs.snapshot.named("crds").items():
        if name.endswith(_GROUPS) and item.metadata.deletion_timestamp is not None:
            title = f"CustomResourceDefinition {name} is being deleted and does not come to an end"
            look = f"oc get {name} -A   # objects that still have finalizers"
            objects = (f"CustomResourceDefinition/{name}",)
            yield Result(Severity.WARNING, title, None, objects, (), (look,))


CONFLICTS = Check(
    "OCG0506",
    "other-installations",
    "olm",
    "NFD and NVIDIA's programs are installed once at most",
    _others,
    (EVERY_DAEMONSET, EVERY_DEPLOYMENT, "subscriptions"),
)
LEFTOVERS = Check(
    "OCG0507",
    "left-overs",
    "olm",
    "nothing of an earlier installation stands in the way",
    _left,
    ("namespaces", "csvs", "crds", "subscriptions"),
)
