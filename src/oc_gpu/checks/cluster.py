"""Checks of the cluster itself: what could be read, its release, nodes, pools and proxy."""

import re

from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.kube import RawObject
from oc_gpu.kube.errors import clean, without_credentials
from oc_gpu.kube.words import counted
from oc_gpu.snapshot.kinds import Node
from oc_gpu.stages import operators, pools

ROLE = "worker"
_PARTIAL = "Partial"
_SHOWN = 6


def _sources(inputs: Inputs) -> Results:
    bad = {
        name: why for name, why in inputs.snapshot.unread.items() if not inputs.snapshot.known(name)
    }
    if not bad:
        return (Result(Severity.OK, "everything that the checks look at could be read"),)
    return tuple(
        Result(
            Severity.UNKNOWN,
            f"{name} could not be read ({why.reason})",
            evidence=(Evidence(f"list of {name}", clean(why.detail)),) if why.detail else (),
            remedy=(_asking(name),),
        )
        for name, why in sorted(bad.items())
    )


def _asking(source: str) -> str:
    """Return the command that asks for the right to list a source."""
    kind, _, space = source.partition("/")
    where = f"-n {space}" if space else "--all-namespaces"
    return f"oc auth can-i list {kind} {where}"


def _rights(inputs: Inputs) -> Results:
    given = inputs.rights
    if given is None:
        return ()
    results = []
    if given.missing:
        title = f"{len(given.missing)} of {given.asked} rights that enable needs are missing"
        remedy = (*given.commands[:1], _GRANT)
        results.append(_about_rights(Severity.ERROR, title, given.missing, remedy))
    if given.unasked:
        rights = counted(len(given.unasked), "right")
        title = f"it is not known whether you have {rights} that enable needs"
        remedy = given.commands[:1]
        results.append(_about_rights(Severity.UNKNOWN, title, given.unasked, remedy))
    if not results:
        good = f"you have the {given.asked} rights that enable needs"
        results.append(Result(Severity.OK, good))
    if given.others:
        title = "rights that other commands need are missing"
        seen = tuple(Evidence("SelfSubjectAccessReview", line) for line in given.others)
        results.append(Result(Severity.WARNING, title, evidence=seen, remedy=(_GRANT,)))
    return tuple(results)


_GRANT = "a cluster administrator can grant them all: oc-gpu rbac | oc apply -f -"


def _about_rights(
    severity: Severity, title: str, rights: tuple[str, ...], remedy: tuple[str, ...]
) -> Result:
    where = "SelfSubjectAccessReview"
    quotes = (", ".join(rights[start : start + 5]) for start in range(0, len(rights), 5))
    evidence = tuple(Evidence(where, quote) for quote in quotes)
    return Result(severity, title, evidence=evidence, remedy=remedy)


def _release(inputs: Inputs) -> Results:
    version, known = inputs.release.version, inputs.release.known
    if not inputs.snapshot.table("clusterversions"):
        title = "this is not an OpenShift cluster: it has no ClusterVersion"
        return (Result(Severity.ERROR, title, cause="unsupported-version-matrix"),)
    objects = ("ClusterVersion/version",)
    if not version:
        title = "it is not known which OpenShift this is: its ClusterVersion names no release"
        return (Result(Severity.UNKNOWN, title, objects=objects),)
    if _minor(version) in {_minor(name) for name in known}:
        return (Result(Severity.OK, f"OpenShift {version} is known", objects=objects),)
    span = f"{known[0]} to {known[-1]}" if known else "no release"
    title = f"OpenShift {version} is not among the releases that are known here ({span})"
    newer = bool(known) and _minor(version) > _newest_beside(version, known)
    return (
        Result(
            Severity.WARNING if newer else Severity.ERROR,
            title,
            cause="unsupported-version-matrix",
            objects=objects,
            remedy=("use a newer oc-gpu",) if newer else ("update the cluster",),
        ),
    )


def _newest_beside(version: str, known: tuple[str, ...]) -> tuple[int, ...]:
    """Return the newest known release of the same major one: 4.x goes on beside 5.0."""
    major = _minor(version)[:1]
    beside = [_minor(name) for name in known if _minor(name)[:1] == major]
    return max(beside, default=_minor(known[-1]))


def _update(inputs: Inputs) -> Results:
    for raw in inputs.snapshot.table("clusterversions"):
        newest: RawObject = next(iter((raw.get("status") or {}).get("history") or ()), {})
        progressing = operators.conditions(raw).get("Progressing") or {}
        if newest.get("state") == _PARTIAL and progressing.get("status") == "True":
            title = (
                f"the cluster is being updated to {newest.get('version')}: its nodes get another "
                "system and reboot for it, so drivers would be built twice"
            )
            objects = ("ClusterVersion/version",)
            where = "condition Progressing of ClusterVersion/version"
            evidence = (Evidence(where, clean(str(progressing.get("message") or ""))),)
            remedy = ("wait until it has ended: oc get clusterversion", "oc get mcp")
            return (Result(Severity.ERROR, title, None, objects, evidence, remedy),)
    return (Result(Severity.OK, "no update of the cluster is under way"),)


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _nodes(inputs: Inputs) -> Results:
    nodes = inputs.snapshot.nodes
    bad = [node for node in nodes if not node.is_ready]
    ready = [node for node in inputs.workers if node.is_ready]
    results = [_not_ready(node) for node in bad[:_SHOWN]]
    if len(bad) > _SHOWN:
        title = f"{counted(len(bad) - _SHOWN, 'more node is', 'more nodes are')} not ready"
        results.append(Result(Severity.WARNING, title, remedy=("oc get nodes",)))
    if not ready:
        title = "no worker node is ready"
        results.insert(0, Result(Severity.ERROR, title, remedy=("oc get nodes",)))
    good = "the node is ready" if len(nodes) == 1 else f"all {len(nodes)} nodes are ready"
    return tuple(results) or (Result(Severity.OK, good),)


def _not_ready(node: Node) -> Result:
    name = node.metadata.name
    condition = node.ready
    said = clean(f"{condition.reason}: {condition.message}") if condition else "no condition"
    return Result(
        Severity.WARNING,
        f"{name} is not ready",
        objects=(f"Node/{name}",),
        evidence=(Evidence(f"condition Ready of Node/{name}", said),),
        remedy=(f"oc describe node {name}",),
    )


def _pools(inputs: Inputs) -> Results:
    found = pools.of_role(inputs.snapshot, ROLE)
    if not found:
        title = "no MachineConfigPool with machines takes the MachineConfigs of workers"
        severity = Severity.ERROR if inputs.entitlement.rolls_out else Severity.INFO
        return (Result(severity, title, remedy=("oc get mcp",)),)
    return tuple(_pool(inputs, pool) for pool in found)


def _pool(inputs: Inputs, pool: RawObject) -> Result:
    bad = Severity.ERROR if inputs.entitlement.rolls_out else Severity.WARNING
    name = pool["metadata"]["name"]
    objects = (f"MachineConfigPool/{name}",)
    why = pools.degraded(pool)
    if why is not None:
        evidence = (Evidence(f"condition {why.condition} of {objects[0]}", why.said),)
        title = f"pool {name} is degraded"
        return Result(bad, title, why.cause, objects, evidence, (f"oc describe mcp/{name}",))
    if pools.is_paused(pool):
        title = f"pool {name} is paused, so its nodes take no new configuration"
        evidence = (Evidence(objects[0], "spec.paused: true"),)
        return Result(bad, title, "mcp-paused", objects, evidence, (pools.unpausing(pool),))
    if (operators.conditions(pool).get("Updating") or {}).get("status") == "True":
        return Result(Severity.INFO, f"pool {name} is updating its nodes", objects=objects)
    count = (pool.get("status") or {}).get("machineCount")
    return Result(Severity.OK, f"pool {name} ({count} nodes) takes changes", objects=objects)


def _proxy(inputs: Inputs) -> Results:
    proxy = inputs.snapshot.raw("proxies", "cluster") or {}
    spec = proxy.get("spec") or {}
    told = {key: without_credentials(spec[key]) for key in _PROXY_FIELDS if spec.get(key)}
    seen = [f"spec.{key}: {value}" for key, value in told.items()]
    authority = (spec.get("trustedCA") or {}).get("name")
    if authority:
        seen.append(f"spec.trustedCA.name: {authority}")
    url = spec.get("httpsProxy") or spec.get("httpProxy")
    if not url:
        return (Result(Severity.OK, "the cluster has no proxy"),)
    title = f"the cluster reaches the internet through the proxy {without_credentials(url)}"
    evidence = tuple(Evidence("Proxy/cluster", line) for line in seen)
    return (Result(Severity.INFO, title, objects=("Proxy/cluster",), evidence=evidence),)


_PROXY_FIELDS = ("httpProxy", "httpsProxy", "noProxy")


SOURCES = Check(
    "OCG0101", "sources", "access", "everything that the checks look at can be read", _sources
)
RELEASE = Check(
    "OCG0102",
    "release",
    "access",
    "the cluster is an OpenShift release that is known here",
    _release,
    ("clusterversions",),
)
UPDATE = Check(
    "OCG0106",
    "update",
    "access",
    "no update of the cluster is under way",
    _update,
    ("clusterversions",),
)
RIGHTS = Check("OCG0104", "rights", "access", "you have every right that enable needs", _rights)
NODES = Check("OCG0103", "nodes", "access", "every node is ready", _nodes, ("nodes",))
PROXY = Check(
    "OCG0201",
    "proxy",
    "network",
    "the cluster reaches the internet without a proxy",
    _proxy,
    ("proxies",),
)
POOLS = Check(
    "OCG0401",
    "pools",
    "machine-config",
    "every pool of workers takes changes",
    _pools,
    ("machineconfigpools",),
)
