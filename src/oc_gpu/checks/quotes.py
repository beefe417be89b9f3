"""Looking for what programs say: in logs, events, states of containers and kernel messages.

A phrase is a text with `*` for anything between; case does not matter. What is found counts as live
when whoever said it is in trouble now: a healthy cluster is full of errors that have passed.
"""

from collections.abc import Callable, Collection, Iterator
from functools import lru_cache, partial
from itertools import chain
from typing import Protocol

from msgspec import Struct, structs

from oc_gpu.checks import components
from oc_gpu.checks.case import Case, key, short, short_of_pods
from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.components import GPU_STACK, MCO, NFD, ON_NODE, WORKLOAD
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.troubles import PULLING
from oc_gpu.kube.errors import clean
from oc_gpu.snapshot.kinds import Event, Node, Pod
from oc_gpu.snapshot.texts import Text

KERNEL = (
    "dmesg",
    "nvidia-bug-report",
    "journal",
    "_--dmesg",
    "var/log/messages",
    "var/log/syslog",
    "var/log/kern.log",
    "audit.log",
)
"""Files of nodes that hold kernel messages."""
JOURNAL = ("logs/journalctl_--no-pager", "logs/journalctl_--no-pager_--boot")
"""Files of nodes with what all their services said, of boots before this one, too."""
SURE = 0.9
"""Confidence of a message that names its cause."""
_FOREIGN = 0.82
"""Confidence that is left where only programs outside the GPU stack speak."""
ASIDE = 0.45
"""Confidence where only pods beside the GPU stack wait for images, and the stack's do not."""
_MOST = 3
"""Pieces of evidence that are shown."""


class Quote(Struct, frozen=True):
    """Something that was said.

    Attributes:
        evidence: The line and where it was read.
        live: Whether whoever said it is in trouble now.
        component: Who said it.
        pod: The pod, where there is one.
        container: Its container, where that is known.
        node: The node.
        source: `log`, `event`, `state`, `kernel`, `client`, `alert`.
    """

    evidence: Evidence
    live: bool
    component: str
    pod: Pod | None = None
    container: str = ""
    node: str = ""
    source: str = "log"


@lru_cache(maxsize=2048)
def split(phrase: str) -> tuple[str, ...]:
    """Return the pieces of a phrase in lower case."""
    return tuple(part for part in phrase.lower().split("*") if part)


def holds(text: str, phrase: str) -> bool:
    """Tell whether a text holds a phrase."""
    lowered, at = text.lower(), 0
    for part in split(phrase):
        at = lowered.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def find(
    case: Case,
    phrases: Collection[str],
    by: Collection[str] | None = None,
    sources: Collection[str] = ("log", "event", "state", "client"),
) -> list[Quote]:
    """Return what was said of some phrases, what is live first.

    Quotation marks in a phrase stand for those of a line in JSON, too, which have a backslash.

    Args:
        case: The cluster.
        phrases: Any of these.
        by: Components that count; None means all.
        sources: Where to look; `journal` is what the services of a node said.
    """
    found: list[Quote] = []
    escaped = [phrase.replace('"', '\\"') for phrase in phrases if '"' in phrase]
    for phrase in (*phrases, *escaped):
        for source in sources:
            found += _LOOK[source](case, phrase, by)
    return sorted(found, key=lambda quote: not quote.live)


def _logs(case: Case, phrase: str, by: Collection[str] | None) -> Iterator[Quote]:
    parts = split(phrase)
    if not all(map(case.words_of_logs.may_hold, parts)):
        return
    for ref, pod, component in case.logs:
        if by is not None and component not in by:
            continue
        for text in case.snapshot.texts[ref]:
            line = next(text.find(parts), None)
            if line is not None:
                where = Evidence(f"{ref.where}:{line.number}", shown(line.text))
                node = pod.spec.node_name if pod is not None else ""
                live = is_live(case, pod, component)
                yield Quote(where, live, component, pod, ref.container, node, "log")
                break


def is_live(case: Case, pod: Pod | None, component: str) -> bool:
    """Tell whether a log's words are about trouble that lasts."""
    if pod is None or key(pod) in case.trouble:
        return True
    if component == WORKLOAD:
        return pod.spec.node_name in case.unwell_nodes
    if component in ON_NODE or component == components.NFD_WORKER:
        return pod.spec.node_name in case.unwell_nodes or (component not in ON_NODE and case.unwell)
    if component in GPU_STACK | NFD:
        return case.unwell
    if component == components.PACKAGE_PROOF:
        return case.unwell or not case.installed
    return component in (MCO, components.OLM)


def _events(case: Case, phrase: str, by: Collection[str] | None) -> Iterator[Quote]:
    for line in case.events_text.find(split(phrase)):
        event = case.snapshot.events[line.number - 1]
        about = event.involved_object
        pod = next(
            (
                one
                for one in case.pods_by_name.get(about.name, [])
                if about.namespace in ("", one.metadata.namespace)
            ),
            None,
        )
        component = case.component[key(pod)] if pod is not None else _component(case, event)
        if by is not None and component not in by:
            continue
        where = Evidence(f"event {event.reason} of {about.kind}/{about.name}", shown(event.message))
        node = pod.spec.node_name if pod is not None else ""
        live = key(pod) in case.trouble if pod is not None else _lasts(case, event)
        yield Quote(where, live, component, pod, "", node, "event")


def _component(case: Case, event: Event) -> str:
    """Return the component of a workload that an event is about."""
    name = event.involved_object.name
    for component, item in case.workloads:
        if name == item.metadata.name or name.startswith(f"{item.metadata.name}-"):
            return component
    return components.OTHER


def _lasts(case: Case, event: Event) -> bool:
    """Tell whether the object of an event is still short of what it wants."""
    about = event.involved_object
    for item in case.snapshot.daemon_sets:
        if item.metadata.name == about.name:
            return short_of_pods(item) or not item.status.current_number_scheduled
    for one in case.snapshot.deployments:
        if about.name == one.metadata.name or about.name.startswith(f"{one.metadata.name}-"):
            return short(one)
    refused = case.is_beside and event.reason == "FailedCreate"
    return refused or case.unwell or about.kind in ("Job", "Node")


def has_passed(case: Case, quote: Quote, phrases: Collection[str], end: Collection[str]) -> bool:
    """Tell whether the text that a quote is of says at last that its trouble has an end.

    Of a long text lines that differ in digits only are kept once (`oc_gpu.snapshot.texts`), where
    they come first: there the last of many such lines cannot be told.

    Args:
        case: The cluster.
        quote: What was said of the trouble, anywhere in the text.
        phrases: What it was found by.
        end: What is said when it has passed.
    """
    where = quote.evidence.where.rpartition(":")[0]
    ref = next((ref for ref in case.snapshot.texts if ref.where == where), None)
    texts = case.snapshot.texts[ref] if ref is not None else ()
    return _last(texts, phrases) < _last(texts, end)


def _last(texts: Collection[Text], phrases: Collection[str]) -> int:
    lines = (line for one in phrases for text in texts for line in text.find(split(one)))
    return max((line.number for line in lines), default=0)


def _states(case: Case, phrase: str, by: Collection[str] | None) -> Iterator[Quote]:
    for line in case.troubles_text.find(split(phrase)):
        one = case.troubles[line.number - 1]
        component = case.component[key(one.pod)]
        if by is None or component in by:
            pod = one.pod
            where = f"status of Pod/{pod.metadata.name}"
            evidence = Evidence(f"{where}, {one.container or 'pod'}", shown(one.message))
            node = pod.spec.node_name
            yield Quote(
                evidence,
                live=True,
                component=component,
                pod=pod,
                container=one.container,
                node=node,
                source="state",
            )


def _refusals(case: Case, phrase: str, by: Collection[str] | None) -> Iterator[Quote]:
    """Yield why Deployments get no pods: a condition stays where events are gone after an hour."""
    for component, item in case.deployments:
        if by is not None and component not in by:
            continue
        for one in item.status.conditions:
            if one.type == "ReplicaFailure" and one.status == "True" and holds(one.message, phrase):
                where = f"condition ReplicaFailure of Deployment/{item.metadata.name}"
                evidence = Evidence(where, shown(one.message))
                yield Quote(evidence, live=short(item), component=component, source="state")


def _kernel(
    case: Case, phrase: str, by: Collection[str] | None, files: tuple[str, ...] = KERNEL
) -> Iterator[Quote]:
    del by
    parts = split(phrase)
    for ref, texts in case.texts_of_nodes(*files):
        for text in texts:
            line = next(text.find(parts), None)
            if line is not None:
                evidence = Evidence(f"{ref.where}:{line.number}", shown(line.text))
                ill = ref.node in case.unwell_nodes or case.node(ref.node) is None
                live = ill or (case.is_beside and ref.name.endswith("dmesg"))
                yield Quote(evidence, live, "kernel", None, "", ref.node, "kernel")
                break


def _clients(case: Case, phrase: str, by: Collection[str] | None) -> Iterator[Quote]:
    del by
    parts = split(phrase)
    for ref in case.texts_of_clients:
        for text in case.snapshot.texts[ref]:
            line = next(text.find(parts), None)
            if line is not None:
                evidence = Evidence(f"{ref.where}:{line.number}", shown(line.text))
                yield Quote(evidence, live=True, component="client", source="client")
                break


def _alerts(case: Case, phrase: str, by: Collection[str] | None) -> Iterator[Quote]:
    if by is not None and "alert" not in by:
        return
    for alert in case.snapshot.alerts:
        if holds(f"{alert.name} {alert.message}", phrase):
            evidence = Evidence(f"alert {alert.name}", shown(alert.message or "firing"))
            node = alert.labels.get("node", "")
            yield Quote(evidence, live=True, component="alert", node=node, source="alert")


_LOOK: dict[str, Callable[[Case, str, Collection[str] | None], Iterator[Quote]]] = {
    "log": _logs,
    "event": _events,
    "state": lambda case, phrase, by: chain(_states(case, phrase, by), _refusals(case, phrase, by)),
    "kernel": _kernel,
    "journal": partial(_kernel, files=JOURNAL),
    "client": _clients,
    "alert": _alerts,
}


def shown(text: str) -> str:
    """Return a line as evidence: without the time that the gathering put before it, and cut."""
    head, _, rest = text.partition(" ")
    stamped = len(head) > 20 and head[4:5] == "-" and head.endswith("Z") and "T" in head  # noqa: PLR2004
    return clean(rest if stamped else text)


def result(
    says: str,
    quotes: list[Quote],
    *,
    at: float = SURE,
    severity: Severity = Severity.ERROR,
    more: tuple[Evidence, ...] = (),
) -> Result:
    """Return a finding of what was said.

    Args:
        says: The cause in one sentence.
        quotes: What was said, the best first; at least one.
        at: Confidence.
        severity: How bad it is.
        more: Evidence of other kinds.
    """
    best = quotes[0]
    if all(quote.component == components.OTHER for quote in quotes):
        at = min(at, _FOREIGN)
    evidence = {quote.evidence.quote: quote.evidence for quote in reversed(quotes)}
    pods = dict.fromkeys(f"Pod/{q.pod.metadata.name}" for q in quotes if q.pod is not None)
    nodes = dict.fromkeys(f"Node/{q.node}" for q in quotes if q.node)
    return Result(
        severity,
        says,
        objects=(*pods, *nodes)[: 2 * _MOST],
        evidence=(*tuple(reversed(evidence.values()))[:_MOST], *more),
        confidence=at,
        about=about(best.pod, best.container, best.node),
    )


def about(pod: Pod | None, container: str = "", node: str = "") -> dict[str, str]:
    """Return the names that a remedy speaks of."""
    if pod is None:
        return {"node": node, "container": container}
    return {
        "namespace": pod.metadata.namespace,
        "pod": pod.metadata.name,
        "container": container,
        "node": node or pod.spec.node_name,
    }


def of_pod(
    pod: Pod, says: str, evidence: tuple[Evidence, ...], at: float, container: str = ""
) -> Result:
    """Return a finding about one pod.

    Args:
        pod: It.
        says: The cause in one sentence.
        evidence: By what it was seen.
        at: Confidence.
        container: The container that a remedy speaks of.
    """
    objects, told = (f"Pod/{pod.metadata.name}",), about(pod, container)
    return Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told)


def of_node(node: Node, says: str, evidence: tuple[Evidence, ...], at: float) -> Result:
    """Return a finding about one node; the arguments are those of `of_pod`."""
    name = node.metadata.name
    objects, told = (f"Node/{name}",), {"node": name}
    return Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told)


def note(found: Result) -> Result:
    """Return a finding as one that is worth a look and stops nothing."""
    return structs.replace(found, severity=Severity.WARNING)


class Look(Protocol):
    """Function of a check of one cause: it gets the cause's sentence."""

    def __call__(self, case: Case, says: str) -> Results:
        """Return what was found."""


def said(
    *phrases: str,
    by: Collection[str] | None = None,
    sources: Collection[str] = ("log", "event", "state", "client"),
    at: float = SURE,
    always: bool = False,
) -> Look:
    """Return the function of a check that a program's words are proof of.

    Args:
        phrases: Any of these.
        by: Components that count; None means all.
        sources: Where to look.
        at: Confidence.
        always: Whether it counts, too, where nothing is in trouble.
    """

    def look(case: Case, says: str) -> Results:
        quotes = [q for q in find(case, phrases, by, sources) if always or q.live]
        return (result(says, quotes, at=at),) if quotes else ()

    return look


def is_aside(case: Case, quotes: list[Quote]) -> bool:
    """Tell whether only pods beside the GPU stack wait for the images that quotes are about."""
    foreign = all(quote.component == components.OTHER for quote in quotes)
    own = (t for t in case.troubles_of(*GPU_STACK) if t.state in PULLING)
    return case.managed and foreign and not any(own)


def of_pulls(*phrases: str, at: float) -> Look:
    """Return the function of a check that what is said of failing pulls is proof of."""

    def look(case: Case, says: str) -> Results:
        quotes = [q for q in find(case, phrases, None, ("event", "state")) if q.live]
        if quotes and is_aside(case, quotes):
            return (result(says, quotes, at=ASIDE, severity=Severity.WARNING),)
        return (result(says, quotes, at=at),) if quotes else ()

    return look


def any_of(*looks: Look) -> Look:
    """Return a function that takes the first of several ways in which a cause shows itself."""

    def look(case: Case, says: str) -> Results:
        return next((found for one in looks if (found := one(case, says))), ())

    return look


def cause(  # noqa: PLR0913  (a record has as many fields as it has)
    code: str,
    slug: str,
    family: str,
    layer: str,
    *,
    title: str,
    says: str,
    means: str,
    remedy: tuple[str, ...],
    look: Look,
) -> Check[Case]:
    """Return the check of one cause; see `Check` for the fields."""
    return Check(
        code=code,
        name=slug,
        layer=layer,
        title=title,
        run=partial(look, says=says),
        cause=slug,
        family=family,
        says=says,
        means=means,
        remedy=remedy,
    )
