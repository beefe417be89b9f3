"""Layer container-toolkit: a toolkit that restarts the container runtime."""

from oc_gpu.checks.ages import stack_is_starting
from oc_gpu.checks.case import Case, key
from oc_gpu.checks.catalogue import Results
from oc_gpu.checks.causes.toolkit import FAMILY
from oc_gpu.checks.components import GPU_STACK, NFD, ON_NODE, TOOLKIT
from oc_gpu.checks.model import Evidence
from oc_gpu.checks.quotes import any_of, cause, find, of_pod
from oc_gpu.snapshot.kinds import Pod


def _restarts(case: Case, says: str) -> Results:
    """Find a toolkit that starts often, and other pods on its node that go down with it."""
    quotes = [
        q
        for q in find(
            case,
            (
                "sending sighup signal to containerd",
                "successfully signaled containerd",
                "restarting containerd",
                "restarting crio",
                "restarting docker",
                "systemctl restart containerd",
                "restarting runtime",
            ),
            (TOOLKIT,),
            ("log",),
        )
        if q.live
    ]
    for pod in case.pods_of(TOOLKIT):
        count = _restart_count(pod)
        if not count or (count < 3 and not quotes):  # noqa: PLR2004
            continue
        shaken = [
            other
            for other in case.pods_on(pod.spec.node_name)
            if case.component[key(other)] not in GPU_STACK | NFD
            and sum(c.restart_count for c in other.status.container_statuses)
            >= max(count * (1 - _ABOUT), 3)
        ]
        here = {one.metadata.name for one in case.pods_on(pod.spec.node_name)}
        gone = [
            e
            for e in case.snapshot.events
            if e.involved_object.name in here
            and (
                e.reason in ("SandboxChanged", "FailedKillPod")
                or ("connection refused" in e.message and ".sock" in e.message)
            )
        ]
        with_it = shaken or gone or key(pod) in case.trouble
        if (quotes and with_it) or (shaken and gone):
            name = pod.metadata.name
            evidence = (
                Evidence(f"status of Pod/{name}", f"{count} restarts"),
                *(quote.evidence for quote in quotes[:1]),
                *(
                    Evidence(f"Pod/{o.metadata.name}", f"{_restart_count(o)} restarts")
                    for o in shaken[:1]
                ),
            )
            return (of_pod(pod, says, evidence, 0.75 if quotes else 0.6),)
    return _restarted_together(case, says)


_OFTEN = 5
"""Restarts from which a toolkit that runs is not steady."""
_ABOUT = 0.2
"""Share by which the restarts of pods that go down together differ."""


def _restarted_together(case: Case, says: str) -> Results:
    """Find operands that restarted as often as the toolkit did, where the others were left alone.

    A reboot counts for all pods of a node alike.
    """
    for pod in case.pods_of(TOOLKIT):
        count = _restart_count(pod)
        here = [one for one in case.pods_on(pod.spec.node_name) if one is not pod]
        ours = [one for one in here if case.component[key(one)] in GPU_STACK - {TOOLKIT}]
        others = [one for one in here if case.component[key(one)] not in GPU_STACK]
        alike = [one for one in ours if abs(_restart_count(one) - count) <= count * _ABOUT]
        steady = [one for one in others if _restart_count(one) < count / 3]
        if count >= _OFTEN and len(alike) > 1 and len(steady) > len(others) / 2:
            evidence = (
                Evidence(f"status of Pod/{pod.metadata.name}", f"{count} restarts"),
                *(
                    Evidence(
                        f"status of Pod/{one.metadata.name}", f"{_restart_count(one)} restarts"
                    )
                    for one in alike[:2]
                ),
            )
            return (of_pod(pod, says, evidence, 0.55),)
    return ()


def _restart_count(pod: Pod) -> int:
    return max((one.restart_count for one in pod.status.container_statuses), default=0)


def _left_behind(case: Case, says: str) -> Results:
    """Guess why pods stay between two containers of their initialisation, where nothing fails.

    A runtime that is started anew loses what it was asked for just then, and the kubelet waits.
    """
    for pod in case.pods_of(TOOLKIT):
        here = case.pods_on(pod.spec.node_name, *(ON_NODE - {TOOLKIT}))
        between = [one for one in here if _is_between(case, one)]
        if key(pod) in case.trouble or len(between) < _SEVERAL or stack_is_starting(case):
            continue
        where = f"status of Pod/{between[0].metadata.name}"
        evidence = Evidence(where, "an initialisation is done, and the next one does not begin")
        return (of_pod(between[0], says, (evidence,), 0.4),)
    return ()


_SEVERAL = 2
"""Pods of a node that stay so: one alone may wait for its image."""


def _is_between(case: Case, pod: Pod) -> bool:
    """Tell whether one container of the initialisation has ended well and the next never began."""
    trouble = case.trouble.get(key(pod))
    every = pod.status.init_container_statuses
    done = [one for one in every if one.state.terminated is not None]
    left = [one for one in every if one.state.waiting is not None]
    running = any(one.state.running is not None for one in every)
    return bool(trouble and not trouble.fails and done and left and not running)


RESTARTS = cause(
    "OCG0928",
    "toolkit-restarts-runtime",
    FAMILY,
    "container-toolkit",
    title="the toolkit leaves the container runtime alone",
    says="the toolkit restarts the container runtime each time it starts, and so disturbs other "
    "pods",
    means="It signals or restarts containerd after it wrote its configuration. Where it starts "
    "over and over, everything "
    "on the node suffers.",
    remedy=(
        "oc logs -n {namespace} {pod} --previous",
        "oc get pods -A -o wide --field-selector spec.nodeName={node}",
        "oc adm node-logs {node} -u containerd | grep -iE 'starting|stopping'",
    ),
    look=any_of(_restarts, _left_behind),
)

CAUSES = (RESTARTS,)
