"""Layer machine-config: pools that do not take their configuration."""

from oc_gpu.checks.ages import is_rolling
from oc_gpu.checks.case import Case, conditions, spec, status
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.pools import (
    FAMILY,
    NOTE,
    behind,
    degraded,
    matching,
    settled,
    told_of,
    unsettled,
    words,
)
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import cause, of_node, shown
from oc_gpu.kube import RawObject


def _paused(case: Case, says: str) -> Results:
    for pool in case.snapshot.table("machineconfigpools"):
        if not spec(pool).get("paused"):
            continue
        name = pool["metadata"]["name"]
        if settled(pool) and conditions(pool).get("Updated", {}).get("status") != "False":
            continue
        evidence = (Evidence(f"MachineConfigPool/{name}", "spec.paused: true"),)
        objects = (f"MachineConfigPool/{name}",)
        told = {"pool": name}
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.93, about=told),)
    return ()


_DRIFT = (
    "content mismatch for file",
    "content mismatch",
    "unexpected on-disk state",
    "config drift detected",
    "configdriftdetected",
    "mode mismatch for file",
    "expected target osimageurl",
    "missing expected kernel arguments",
    "invalid unit masked setting",
    "unexpected*on disk",
    "permission mismatch",
)


def _drift(case: Case, says: str) -> Results:
    return told_of(case, says, _DRIFT, 0.94)


_NO_RENDERED = (
    'machineconfig.machineconfiguration.openshift.io "rendered-*not found',
    'machineconfig.machineconfiguration.openshift.io \\"rendered-*not found',
    "machineconfigs.machineconfiguration.openshift.io*rendered-*not found",
    "missing machineconfig rendered-",
    "could not find rendered",
)


def _rendered(case: Case, says: str) -> Results:
    found = told_of(case, says, _NO_RENDERED, 0.95)
    at = 0.8 if matching(case, (*_BAD, *_DRIFT)) else 0.9
    known = {raw["metadata"]["name"] for raw in case.snapshot.table("machineconfigs")}
    if found or not any(name.startswith("rendered-") for name in known):
        return found
    for node in case.snapshot.nodes:
        for field in ("desiredConfig", "currentConfig"):
            wanted = node.metadata.annotations.get(NOTE + field, "")
            if wanted and wanted not in known and (degraded(case) or behind(case)):
                where = f"annotation {NOTE}{field} of Node/{node.metadata.name}"
                evidence = (
                    Evidence(where, wanted),
                    Evidence("MachineConfigs", "it does not exist"),
                )
                objects = (f"Node/{node.metadata.name}",)
                missed = _named(case, wanted) or (degraded(case) and field == "desiredConfig")
                at = at if missed else min(at, 0.6)
                return (Result(Severity.ERROR, says, None, objects, evidence, confidence=at),)
    return ()


def _named(case: Case, rendered: str) -> bool:
    """Tell whether pools, nodes or the operator speak of a rendered configuration.

    Objects are left out of some bundles: what nobody misses says little by itself, and a pool on
    its way names where it goes.
    """
    return any(rendered in one.quote for one in words(case) if " Updating of " not in one.where)


_BAD = (
    "failed to create directory",
    "not a directory",
    "can't reconcile config",
    "cannot reconcile",
    "not reconcilable",
    "unreconcilable",
    "parsing ignition config",
    "could not parse ignition",
    "failed to parse ignition",
    "failed to parse machineconfig",
    "unknown version. supported",
    "error: ignition",
    "passwd section contains unsupported changes",
    "ignition*section contains",
    "failed to write file",
    "failed to run*systemctl",
    "unit*does not exist",
    "error enabling unit",
    "error disabling unit",
    "error running preset on unit",
    "error trying to enable unit",
    "failed to write systemd unit",
    "could not write systemd units",
    "could not write ignition config files",
    "append is not supported",
    "unsupported compression type",
    "failed decoding data url",
    "failed to enable",
    "error merging",
    "could not generate rendered",
    "failed to apply*kernel argument",
    "updating kargs failed",
    "failed adding karg",
    "failed deleting karg",
    "kernelarguments.shouldnotexist is not supported",
    "refusing to modify fips",
    "invalid kernel argument",
    "unsupported kerneltype",
    "unhandled kernel type",
    "no such file or directory*writing",
    "error installing extensions",
    "invalid extensions",
    "read-only file system",
)


_BAD_IN_SHORT = ("invalid config", "is not valid", "could not convert", "illegal file", "data url")
"""Words that count where a pool or node gives them as its reason; a log holds them anyhow."""


def _bad(case: Case, says: str) -> Results:
    found = told_of(case, says, _BAD, 0.88)
    if found:
        return found
    short = matching(case, _BAD_IN_SHORT)
    if short:
        pools = tuple(f"MachineConfigPool/{p['metadata']['name']}" for p in degraded(case))
        evidence = tuple(short[:3])
        return (Result(Severity.ERROR, says, None, pools, evidence, confidence=0.86),)
    for pool in case.snapshot.table("machineconfigpools"):
        one = conditions(pool).get("RenderDegraded", {})
        if one.get("status") == "True":
            name = pool["metadata"]["name"]
            where = f"condition RenderDegraded of MachineConfigPool/{name}"
            evidence = (Evidence(where, shown(str(one.get("message") or "True"))),)
            objects = (f"MachineConfigPool/{name}",)
            return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.86),)
    return ()


_WAITS = "is not ready, retrying"
"""How the operator says that it waits for a pool, which need not be degraded itself."""


def _other(case: Case, says: str) -> Results:
    for pool in degraded(case):
        name = pool["metadata"]["name"]
        evidence = tuple(
            Evidence(one.where, shown(one.quote)) for one in words(case) if one.quote.strip()
        )[:3]
        objects = (f"MachineConfigPool/{name}",)
        shown_or = evidence or (Evidence(f"MachineConfigPool/{name}", "Degraded"),)
        return (Result(Severity.ERROR, says, None, objects, shown_or, confidence=0.7),)
    if by_node := _by_node(case, says):
        return by_node
    for raw in case.snapshot.table("clusteroperators"):
        one = conditions(raw).get("Degraded", {})
        if raw["metadata"]["name"] == "machine-config" and one.get("status") == "True":
            where = "condition Degraded of ClusterOperator/machine-config"
            told = str(one.get("message") or "")
            at = 0.6 if _WAITS in told else 0.68
            evidence = (Evidence(where, shown(told)),)
            return (Result(Severity.ERROR, says, evidence=evidence, confidence=at),)
    return ()


_ENDED = ("Degraded", "Unreconcilable")
"""States of a node in which its daemon goes no further (machine-config-operator, constants.go)."""


def _by_node(case: Case, says: str) -> Results:
    """Find nodes that call themselves degraded, which their pool need not have taken up yet."""
    for node in case.snapshot.nodes:
        notes = node.metadata.annotations
        state = notes.get(f"{NOTE}state", "")
        if state in _ENDED:
            where = f"annotations of Node/{node.metadata.name}"
            seen = Evidence(where, f"{NOTE}state: {state}")
            reason = shown(notes.get(f"{NOTE}reason", "")).strip()
            more = (Evidence(where, f"{NOTE}reason: {reason}"),) if reason else ()
            return (of_node(node, says, (seen, *more), 0.68),)
    return ()


def _says_updated(pool: RawObject) -> bool:
    """Tell whether a pool calls itself updated: it has not begun yet with what it is to bring."""
    made = conditions(pool)
    told = {name: made.get(name, {}).get("status") for name in ("Updated", "Updating")}
    return told["Updated"] == "True" and told["Updating"] != "True"


def _stuck(case: Case, says: str) -> Results:
    for pool in unsettled(case):
        if spec(pool).get("paused") or pool in degraded(case) or _says_updated(pool):
            continue
        name = pool["metadata"]["name"]
        now = status(pool)
        counts = f"{now.get('updatedMachineCount')} of {now.get('machineCount')} machines updated"
        evidence = (Evidence(f"status of MachineConfigPool/{name}", counts),)
        moving = tuple(f"Node/{node.metadata.name}" for node in behind(case))
        objects = (f"MachineConfigPool/{name}", *moving[:3])
        if is_rolling(case, pool):
            under_way = f"MachineConfigPool {name} is updating, and not for long yet"
            return (Result(Severity.WARNING, under_way, None, objects, evidence, confidence=0.4),)
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.66),)
    return ()


_LOOK = (
    "oc get mcp",
    (
        "oc get nodes -o custom-columns=NAME:.metadata.name,"
        "STATE:.metadata.annotations.machineconfiguration\\.openshift\\.io/state,"
        "REASON:.metadata.annotations.machineconfiguration\\.openshift\\.io/reason"
    ),
)


PAUSED = cause(
    "OCG0422",
    "mcp-paused",
    FAMILY,
    "machine-config",
    title="no pool with changes ahead is paused",
    says="the MachineConfigPool is paused, so configuration does not reach its nodes",
    means="A paused pool never takes new configuration, such as a renewed entitlement or a new "
    "kernel argument.",
    remedy=(
        'oc patch mcp POOL --type merge -p \'{"spec":{"paused":false}}\'   # its nodes may reboot',
    ),
    look=_paused,
)


DRIFT = cause(
    "OCG0423",
    "mcp-config-drift",
    FAMILY,
    "machine-config",
    title="files that the MCO manages are as it left them",
    says="a file that the MCO manages was changed on the node, so that the pool is degraded",
    means="The daemon compares files with the configuration before each change, and stops where "
    "they differ.",
    remedy=(
        (
            "oc debug node/{node} -- chroot /host touch /run/machine-config-daemon-force   # takes "
            "the pool's version"
        ),
        *_LOOK,
    ),
    look=_drift,
)


RENDERED = cause(
    "OCG0424",
    "mcp-rendered-config-missing",
    FAMILY,
    "machine-config",
    title="every rendered configuration that nodes refer to exists",
    says="nodes refer to a rendered MachineConfig that does not exist",
    means="The rendered configuration was deleted, or the one made at installation differs from "
    "what the "
    "controller renders now.",
    remedy=("oc get machineconfigs | grep rendered-", *_LOOK),
    look=_rendered,
)


BAD = cause(
    "OCG0425",
    "mcp-bad-machineconfig",
    FAMILY,
    "machine-config",
    title="every MachineConfig can be applied",
    says="the content of a MachineConfig cannot be applied on the node",
    means="The controller cannot render it, or the daemon cannot write what it says.",
    remedy=(
        "oc get machineconfigs --sort-by=.metadata.creationTimestamp",
        "oc delete machineconfig NAME   # the one that was added last; the pool then goes back",
        *_LOOK,
    ),
    look=_bad,
)


OTHER = cause(
    "OCG0426",
    "mcp-degraded-other",
    FAMILY,
    "machine-config",
    title="no MachineConfigPool is degraded",
    says="the MachineConfigPool is degraded",
    means="A node of the pool could not take its configuration; the evidence shows what it says "
    "of it.",
    remedy=(
        *_LOOK,
        "oc logs -n openshift-machine-config-operator -l k8s-app=machine-config-daemon",
    ),
    look=_other,
)


STUCK = cause(
    "OCG0427",
    "mcp-stuck-updating",
    FAMILY,
    "machine-config",
    title="no MachineConfigPool keeps updating",
    says="the MachineConfigPool keeps updating, and nothing says why it does not end",
    means="A rollout takes 10 to 40 minutes a node. Where it takes much longer, a drain or a "
    "reboot hangs.",
    remedy=(
        *_LOOK,
        "oc logs -n openshift-machine-config-operator deployment/machine-config-controller",
    ),
    look=_stuck,
)


CAUSES = (PAUSED, DRIFT, RENDERED, BAD, OTHER, STUCK)
