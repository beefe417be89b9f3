"""Layer workload: users' pods with GPUs that no node takes, while the GPU stack is well."""

from collections.abc import Iterator

from oc_gpu.checks.case import Case, key
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.components import WORKLOAD
from oc_gpu.checks.fitting import asked, barred, holders, selects, waiting
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import about, any_of, cause, find, result
from oc_gpu.snapshot.kinds import Pod

_FAMILY = "scheduling"
_SHOWN = 3
"""Holders of GPUs that are shown."""


def _unplaced(case: Case) -> Iterator[Pod]:
    """Yield the waiting pods whose reason is their own: the stack is well, and no taint bars."""
    if not case.unwell:
        yield from (pod for pod in waiting(case) if barred(case, pod) is None)


def _made(
    case: Case, pod: Pod, says: str, evidence: tuple[Evidence, ...], severity: Severity
) -> Results:
    trouble = case.trouble[key(pod)]
    told = Evidence(f"status of Pod/{pod.metadata.name}", trouble.message or trouble.state)
    objects = (f"Pod/{pod.metadata.name}",)
    return (
        Result(
            severity,
            says,
            None,
            objects,
            (*evidence, told),
            confidence=0.84,
            about=about(pod),
        ),
    )


def _too_much(case: Case, says: str) -> Results:
    for pod in _unplaced(case):
        for name, count in asked(pod).items():
            having = (str(node.status.capacity.get(name, "0")) for node in case.snapshot.nodes)
            most = max((int(amount) for amount in having if amount.isdigit()), default=0)
            if count > most:
                where = f"Pod/{pod.metadata.name} in {pod.metadata.namespace}"
                evidence = (
                    Evidence(where, f"asks for {count} {name}"),
                    Evidence("status of the nodes", f"the most that one has of {name} is {most}"),
                )
                return _made(case, pod, says, evidence, Severity.ERROR)
    return ()


_NOT_SO_MANY = ("too large: maximum request size for shared resources",)
"""How the device plugin refuses pods that want more than one replica of a shared GPU."""


def _refused(case: Case, says: str) -> Results:
    quotes = [q for q in find(case, _NOT_SO_MANY, (WORKLOAD,), ("event", "state")) if q.live]
    return (result(says, quotes, at=0.92),) if quotes else ()


def _nowhere(case: Case, says: str) -> Results:
    for pod in _unplaced(case):
        wanted = pod.spec.node_selector
        if wanted and not any(selects(pod, node) for node in case.snapshot.nodes):
            text = ", ".join(f"{name}={value}" for name, value in sorted(wanted.items()))
            lacking = [
                f"{name}={value}"
                for name, value in sorted(wanted.items())
                if not any(n.metadata.labels.get(name) == value for n in case.snapshot.nodes)
            ]
            where = f"Pod/{pod.metadata.name} in {pod.metadata.namespace}"
            no_node = f"no node has {', '.join(lacking)}" if lacking else "no node has all of these"
            evidence = (
                Evidence(where, f"nodeSelector: {text}"),
                Evidence("labels of the nodes", no_node),
            )
            return _made(case, pod, says, evidence, Severity.ERROR)
    return ()


def _taken(case: Case, says: str) -> Results:
    for pod in _unplaced(case):
        for name, count in asked(pod).items():
            fitting = [n for n in case.snapshot.nodes if selects(pod, n) and n.offers(name)]
            held: dict[str, int] = {}
            users = []
            for other, amount in holders(case, name):
                held[other.spec.node_name] = held.get(other.spec.node_name, 0) + amount
                users.append((other, amount))
            free = [n.offers(name) - held.get(n.metadata.name, 0) for n in fitting]
            if not users or any(left >= count for left in free):
                continue
            users.sort(key=lambda pair: -pair[1])
            evidence = tuple(
                Evidence(
                    f"Pod/{one.metadata.name} in {one.metadata.namespace}",
                    f"holds {amount} {name} of {one.spec.node_name}",
                )
                for one, amount in users[:_SHOWN]
            )
            return _made(case, pod, says, evidence, Severity.WARNING)
    return ()


TOO_MUCH = cause(
    "OCG1420",
    "workload-asks-too-much",
    _FAMILY,
    "workload",
    title="no pod asks for more GPUs than a node has",
    says="a pod asks for more GPUs, or for other parts of GPUs, than any node has",
    means="One pod runs on one node, so it can have what one node has at the most; and the name of "
    "a part (nvidia.com/mig-1g.5gb) exists only where a node's GPUs are divided so.",
    remedy=(
        (
            "oc get nodes -o custom-columns='NAME:.metadata.name,"
            "GPUS:.status.allocatable.nvidia\\.com/gpu'"
        ),
        "ask for fewer in the workload of {pod} in {namespace}, or spread it over several pods",
    ),
    look=any_of(_too_much, _refused),
)
NOWHERE = cause(
    "OCG1421",
    "workload-selects-no-node",
    _FAMILY,
    "workload",
    title="the node selectors of pods with GPUs match a node",
    says="the node selector of a pod with GPUs matches no node",
    means="A label of another cluster, or of a card that is not here, is asked for; the labels of "
    "GPU feature discovery are spelled as nvidia-smi names the card, with dashes.",
    remedy=(
        "oc get nodes -L nvidia.com/gpu.product",
        "change the node selector in the workload of {pod} in {namespace}",
    ),
    look=_nowhere,
)
TAKEN = cause(
    "OCG1422",
    "gpus-all-taken",
    _FAMILY,
    "workload",
    title="pods with GPUs find free ones",
    says="a pod waits for GPUs, because others hold those that it could have",
    means="Nothing is broken: the pod starts when one of the holders ends.",
    remedy=(
        "oc get pods -A -o wide --field-selector=status.phase=Running",
        "wait, end a holder, add GPU nodes, or share GPUs (time-slicing, MIG)",
    ),
    look=_taken,
)

CAUSES = (TOO_MUCH, NOWHERE, TAKEN)
