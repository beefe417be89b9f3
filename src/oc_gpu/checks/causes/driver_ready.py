"""Layer driver: a driver that is not ready, where nothing tells why."""

import re

from oc_gpu.checks.ages import is_starting
from oc_gpu.checks.case import Case, key, status
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.components import DRIVER, ON_NODE, OPERATOR
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import about, any_of, cause, find, has_passed, of_pod, result, shown
from oc_gpu.checks.troubles import PULLING

_STATE = re.compile(r"not ready:? .*\bstate-driver(?![\w-])")
"""How the operator says which of its states are not ready, the driver's among them."""


def _unseen(case: Case, says: str) -> Results:
    """Guess where the driver's pod is ready, and the validation has not seen it for long."""
    for one in case.troubles_of(*ON_NODE):
        name = one.pod.spec.node_name
        waits = one.container == "driver-validation" and not one.fails
        ready = [p for p in case.pods_on(name, DRIVER) if key(p) not in case.trouble]
        if waits and ready and not is_starting(case, one):
            evidence = (
                Evidence(f"status of Pod/{ready[0].metadata.name}", "ready"),
                Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.container} waits"),
            )
            return (of_pod(one.pod, says, evidence, 0.4, one.container),)
    return ()


def _told(case: Case, says: str) -> Results:
    """Guess where the operator alone says that the driver is not ready."""
    for raw in case.policies:
        for condition in status(raw).get("conditions") or ():
            text = str(condition.get("message") or "")
            if _STATE.search(text) and not case.troubles_of(DRIVER):
                where = f"status of ClusterPolicy/{raw['metadata']['name']}"
                evidence = (Evidence(where, shown(text)),)
                return (Result(Severity.ERROR, says, evidence=evidence, confidence=0.4),)
    return _logged(case, says)


_NOT_YET = ("state-driver*notready",)
_BY_NOW = ('state-driver*"ready"',)
"""What the operator writes of the driver's state each time that it looks."""


def _logged(case: Case, says: str) -> Results:
    told = find(case, _NOT_YET, (OPERATOR,), ("log",)) if not case.troubles_of(DRIVER) else []
    last = [q for q in told if q.live and not has_passed(case, q, _NOT_YET, _BY_NOW)]
    return (result(says, last, at=0.35),) if last else ()


def _not_ready(case: Case, says: str) -> Results:
    for one in case.troubles_of(DRIVER):
        if one.state in PULLING:
            continue
        name = one.pod.metadata.name
        text = f"{one.container} {one.state}, {one.restarts} restarts"
        objects = (f"Pod/{name}",)
        told = about(one.pod, one.container)
        evidence = (Evidence(f"status of Pod/{name}", text),)
        at = 0.45 if one.fails else 0.35
        if is_starting(case, one):
            says, severity = "the driver pod is still starting", Severity.WARNING
        else:
            severity = Severity.ERROR
        return (Result(severity, says, None, objects, evidence, confidence=at, about=told),)
    return ()


NOT_READY = cause(
    "OCG0855",
    "driver-not-ready-generic",
    "driver-upgrade",
    "driver",
    title="the driver is ready",
    says="the driver pod is not ready, and what was gathered does not say why",
    means="Everything on the node waits for the driver. Its log and the kernel's messages name "
    "the reason.",
    remedy=(
        "oc logs -n {namespace} {pod} --all-containers --previous",
        "oc debug node/{node} -- chroot /host dmesg | grep -iE 'nvrm|nvidia|nouveau|lockdown'",
    ),
    look=any_of(_not_ready, _unseen, _told),
)

CAUSES = (NOT_READY,)
