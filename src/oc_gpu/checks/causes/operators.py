"""Layer access: operators that do not keep running."""

import re

from oc_gpu.checks import components
from oc_gpu.checks.case import Case, key
from oc_gpu.checks.catalogue import Results
from oc_gpu.checks.causes.control_plane import FAMILY
from oc_gpu.checks.components import OPERATOR
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import any_of, cause, find, note, of_pod, result, said, shown, split
from oc_gpu.checks.troubles import PULLING
from oc_gpu.snapshot.kinds import Pod

_OPERATORS = (OPERATOR, components.NFD_OPERATOR)
_ELECTED = (*_OPERATORS, components.NFD_MASTER, components.NFD_OTHER, components.OLM)
"""Programs that hold a lease, or end without one."""


def _operates(pod: Pod) -> bool:
    """Tell whether a pod of others is an operator, by what such pods and containers are named."""
    name = pod.metadata.name
    named = "operator" in name or "controller-manager" in name
    return named or any(one.name == "manager" for one in pod.spec.containers)


def _killed(case: Case, says: str) -> Results:
    for pod in case.pods_of(*_OPERATORS):
        killed = _out_of_memory(pod)
        if killed is not None and (key(pod) in case.trouble or case.unwell):
            return (of_pod(pod, says, (killed,), 0.95),)
    quotes = [q for q in find(case, ("oomkilled",), _OPERATORS) if q.live]
    return (result(says, quotes, at=0.9),) if quotes else _killed_beside(case)


_BESIDE = "an operator beside the GPU stack is killed because its memory limit is too low"


def _killed_beside(case: Case) -> Results:
    """Note operators of others that are killed for their memory: GPUs may be well without them."""
    for one in case.troubles_of(components.OTHER, fails=True):
        killed = _out_of_memory(one.pod) if _operates(one.pod) else None
        if killed is not None:
            found = of_pod(one.pod, _BESIDE, (killed,), 0.45, one.container)
            return (note(found),)
    return ()


def _out_of_memory(pod: Pod) -> Evidence | None:
    """Return which container of a pod was killed for its memory, None where none was."""
    for one in pod.status.container_statuses:
        for state in (one.state, one.last_state):
            ended = state.terminated
            if ended is not None and ended.reason == "OOMKilled":
                where = f"status of Pod/{pod.metadata.name}, {one.name}"
                code = f"OOMKilled, exit code {ended.exit_code}, {one.restart_count} restarts"
                return Evidence(where, code)
    return None


_LEASE = (
    "leader election lost",
    "failed to renew lease",
    "error*leader election*lost",
    "failed to update lock*timed out",
    "failed to update lock*deadline exceeded",
    "error retrieving resource lock*deadline exceeded",
    "error retrieving resource lock*client.timeout",
    "lost leader",
)
_LOCK = ("failed to update lock", "error retrieving resource lock", "failed to renew lea")
"""How a program begins to tell that it could not keep its lease, where the reason is cut."""


def _lock(case: Case, says: str) -> Results:
    told = find(case, _LOCK, (*_ELECTED, components.OTHER), ("log",))
    quotes = [q for q in told if q.live and "forbidden" not in q.evidence.quote]
    return (result(says, quotes, at=0.7),) if quotes else ()


_OFTEN = 3
"""Restarts from which an operator that runs is not steady."""


def _started_anew(case: Case, says: str) -> Results:
    """Find operators that run, after they ended for want of their lease time and again."""
    quotes = [
        q
        for q in find(case, (*_LEASE, *_LOCK), _ELECTED, ("log",))
        if q.pod is not None
        and "forbidden" not in q.evidence.quote
        and max((s.restart_count for s in q.pod.status.container_statuses), default=0) >= _OFTEN
    ]
    return (result(says, quotes, at=0.7, severity=Severity.WARNING),) if quotes else ()


_STATE_ONLY = 5
"""Restarts from which an operator that runs, and of which no log tells why, is not steady."""
_TELLS = re.compile(r"(?i)error|panic|fatal|failed|exception")
"""Words without which the log of a program that ended does not say why."""


def _tells(case: Case, pod: Pod, *, previous: bool = False) -> bool:
    """Tell whether a log of a pod says why it ended, or one of its earlier instance."""
    return any(
        _TELLS.search(text.content)
        for ref, one, _ in case.logs
        if one is pod and (ref.previous or not previous)
        for text in case.snapshot.texts[ref]
    )


def _ends_now_and_then(case: Case, says: str) -> Results:
    """Guess why operators that run ended with an error so often: most lose their lease."""
    for pod in case.pods_of(*_OPERATORS):
        for one in pod.status.container_statuses:
            ended = one.last_state.terminated
            often = one.restart_count >= _STATE_ONLY and one.ready
            if not often or ended is None or ended.reason != "Error":
                continue
            if _tells(case, pod, previous=True):
                continue
            text = f"Error, exit code {ended.exit_code}, {one.restart_count} restarts, ready now"
            where = f"status of Pod/{pod.metadata.name}, {one.name}"
            found = of_pod(pod, says, (Evidence(where, text),), 0.4, one.name)
            return (note(found),)
    return ()


def _crashes(case: Case, says: str) -> Results:
    """Guess why an operator crashes without a word, where others ended that ask the API server."""
    others = [pod for pod in case.pods_of(*_ASKING) if key(pod) not in case.trouble]
    ended = [pod for pod in others if _has_ended(pod)]
    nodes = {pod.spec.node_name for pod in ended}
    for one in case.troubles_of(*_OPERATORS, fails=True) if len(nodes) > 1 else []:
        if one.state in PULLING or one.ended != "Error" or _tells(case, one.pod):
            continue
        name, other = one.pod.metadata.name, ended[0].metadata.name
        evidence = (
            Evidence(f"status of Pod/{name}, {one.container}", f"{one.state}, Error"),
            Evidence(f"status of Pod/{other}", "ended with an error, too, and runs again"),
        )
        return (of_pod(one.pod, says, evidence, 0.4, one.container),)
    return ()


_FOR_LONG = 10
"""Restarts from which an operator has crashed for most of an hour."""


def _worked(case: Case, says: str) -> Results:
    """Guess why an operator crashes without a word that has done its work, and all of it well."""
    made = case.sets_of(*components.ON_NODE)
    if not made or case.troubles_of(*components.ON_NODE, *components.NFD):
        return ()
    for one in case.troubles_of(OPERATOR, fails=True):
        often = one.restarts >= _FOR_LONG and one.ended == "Error"
        if often and one.state not in PULLING and not _tells(case, one.pod):
            evidence = (
                Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.restarts} restarts"),
                Evidence("operands", "are there, and well"),
            )
            return (of_pod(one.pod, says, evidence, 0.42, one.container),)
    return ()


_ASKING = (components.NFD_MASTER, components.NFD_WORKER, components.GFD)
"""Programs on the nodes that end where the API server does not answer."""


def _has_ended(pod: Pod) -> bool:
    ended = (one.last_state.terminated for one in pod.status.container_statuses)
    return any(one is not None and one.reason == "Error" for one in ended)


def _lost_by_others(case: Case, says: str) -> Results:
    """Find programs of others that end for want of their lease time and again, and run now."""
    for ref in case.snapshot.texts:  # their content is read only where it may tell
        pod = case.pod(ref) if ref.previous else None
        if pod is None or case.component[key(pod)] != components.OTHER:
            continue
        counts = [one.restart_count for one in pod.status.container_statuses]
        if max(counts, default=0) < _OFTEN:
            continue
        texts = case.snapshot.texts[ref]
        lines = (line for text in texts for phrase in _LEASE for line in text.find(split(phrase)))
        line = next(lines, None)
        if line is not None:
            evidence = Evidence(f"{ref.where}:{line.number}", shown(line.text))
            found = of_pod(pod, says, (evidence,), 0.45, ref.container)
            return (note(found),)
    return ()


LEADER = cause(
    "OCG0130",
    "leader-election-lost-apiserver",
    FAMILY,
    "access",
    title="the operators keep their leader lease",
    says="the operator restarts because a slow API server kept it from renewing its leader lease",
    means="An operator that cannot renew its lease in time ends itself. The API server or etcd is "
    "slow, or "
    "cannot be reached now and then; the operator is only the first to say so.",
    remedy=(
        "oc get --raw /readyz?verbose",
        "oc get clusteroperators etcd kube-apiserver",
        "oc logs -n {namespace} {pod} --previous",
    ),
    look=any_of(
        said(*_LEASE, by=(*_ELECTED, components.OTHER), at=0.93),
        _lock,
        _started_anew,
        _ends_now_and_then,
        _crashes,
        _worked,
        _lost_by_others,
    ),
)


KILLED = cause(
    "OCG0131",
    "operator-oomkilled",
    FAMILY,
    "access",
    title="the operators have enough memory",
    says="the operator is killed because its memory limit is too low for this cluster",
    means="Operators cache objects of the whole cluster; what they need grows with it.",
    remedy=(
        "oc get subscription -n {namespace} -o name",
        (
            "oc patch subscription NAME -n {namespace} --type merge -p "
            '\'{"spec":{"config":{"resources":{"limits":{"memory":"2Gi"}}}}}\''
        ),
    ),
    look=_killed,
)


CAUSES = (KILLED, LEADER)
