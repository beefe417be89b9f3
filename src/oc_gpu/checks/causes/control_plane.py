"""Layer access: whether the API server, its webhooks and the pod network work."""

import re
from collections.abc import Collection
from itertools import islice
from typing import Any

from oc_gpu.checks import components
from oc_gpu.checks.ages import age
from oc_gpu.checks.case import Case, conditions, key, name_of, short, status
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.network import UNRESOLVED
from oc_gpu.checks.causes.nodes import cut_off
from oc_gpu.checks.causes.pools import unsettled
from oc_gpu.checks.causes.proxies import leaves_api_out
from oc_gpu.checks.components import GPU_STACK, ON_NODE
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import (
    Quote,
    any_of,
    cause,
    find,
    holds,
    note,
    of_node,
    of_pod,
    result,
    said,
    shown,
    split,
)
from oc_gpu.checks.troubles import PULLING, Trouble
from oc_gpu.snapshot.kinds import Pod

FAMILY = "control-plane-and-webhooks"


_API_GONE = (
    "dial tcp*:443: connect: connection refused",
    "dial tcp*:443: connect: no route to host",
    "dial tcp*:443*i/o timeout",
    "dial tcp*:443: connect: connection timed out",
    "dial tcp*:6443: connect: connection refused",
    "dial tcp*:6443*i/o timeout",
    "the connection to the server*was refused",
    "unable to connect to the server: dial tcp",
    "failed to get api group resources*dial tcp",
    "error retrieving resource lock*dial tcp",
    "failed to get server groups*dial tcp",
    "http2: client connection lost",
    "net/http: tls handshake timeout",
    "client.timeout exceeded while awaiting headers",
    "dial tcp*:443: connect: network is unreachable",
    "read tcp*:443: read: connection reset by peer",
    "etcdserver: request timed out",
    "etcdserver: leader changed",
    "etcdserver: no leader",
    "etcdserver: mvcc: database space exceeded",
    "get server groups*: eof",
    'get "https://*:443/api*": eof',
    'get "https://*:6443/api*": eof',
)


_NETWORK = (
    "network plugin is not ready",
    "networkpluginnotready",
    "cni plugin not initialized",
    "cni config uninitialized",
    "failed to setup network for sandbox",
    "failed to set up sandbox container*network",
    "failed to create pod network sandbox",
    "error adding container to network",
    "error adding pod*to network",
    "has no assigned ip",
    "no podcidr",
    "failed to allocate for range",
)


def _network(case: Case, says: str) -> Results:
    quotes = [q for q in find(case, _NETWORK, None, ("event", "state", "log")) if q.live]
    if quotes:
        return (result(says, quotes, at=0.9),)
    if waits := _node_without(case, says) or _told_by_operator(case, says):
        return waits
    silent = [
        q
        for q in find(case, _API_GONE, None, ("log",))
        if q.live and q.pod is not None and _to_server(q)
    ]
    sets = {(q.component, q.pod.metadata.namespace) for q in silent if q.pod is not None}
    crashed = {
        one.pod.metadata.namespace
        for one in case.troubles
        if one.fails and one.state not in ("ImagePullBackOff", "ErrImagePull")
    }
    spread = len({namespace for _, namespace in sets}) > 1 or (bool(sets) and len(crashed) > 1)
    broken = (one for one in case.troubles if one.fails and one.state not in PULLING)
    outside = [one for one in broken if _is_network(one.pod)]
    if silent and (spread or outside):
        return (result(says, silent, at=0.9),)
    if outside and case.unwell:
        return (of_pod(outside[0].pod, says, (_seen(outside[0]),), 0.7),)
    return ()


def _aside(case: Case, says: str) -> Results:
    """Note parts of the network that crash where the GPU stack is well so far."""
    del says
    outside = [one for one in case.troubles if one.fails and _is_network(one.pod)]
    crashing = next((one for one in outside if one.state == "CrashLoopBackOff"), None)
    if crashing is None:
        return ()
    found = of_pod(crashing.pod, _PART, (_seen(crashing),), 0.45)
    return (note(found),)


def _unready_beside(case: Case, says: str) -> Results:
    """Find nodes whose part of the network runs and is not ready, where what asks for it fails."""
    asking = case.troubles_of(*components.NFD, components.GFD, components.OPERATOR, fails=True)
    nodes = {one.pod.spec.node_name for one in asking if one.state not in PULLING}
    for one in case.troubles if nodes else ():
        here = one.pod.spec.node_name in nodes and one.state == "not ready"
        if here and _is_network(one.pod):
            return (of_pod(one.pod, says, (_seen(one),), 0.6),)
    return ()


_CALLERS = (components.OPERATOR, *sorted(components.NFD))
_MANY = 3


def crash_together(case: Case) -> list[Trouble]:
    """Return the operator and the parts of NFD that end together, where none of them says why.

    They are of different owners and need different things, but for the API server.
    """
    if any(part in _CALLERS for _, _, part in case.logs):
        return []
    ended = case.troubles_of(*_CALLERS, fails=True)
    alike = [one for one in ended if one.state not in PULLING and one.ended != "OOMKilled"]
    parts = {case.component[key(one.pod)]: one for one in alike}
    return list(parts.values()) if len(parts) >= _MANY and components.OPERATOR in parts else []


def _together(case: Case, says: str) -> Results:
    """Guess it where what has nothing else in common ends together."""
    ended = crash_together(case)
    return (of_pod(ended[0].pod, says, tuple(map(_seen, ended)), 0.48),) if ended else ()


def _node_without(case: Case, says: str) -> Results:
    """Find GPU nodes whose kubelet waits for the network, as it says itself.

    It says so of each node that joins, too, until the network's own pod has come up there.
    """
    for node in case.gpu_nodes:
        for one in node.status.conditions:
            waits = one.type == "Ready" and one.status != "True"
            waits = waits and any(holds(one.message, phrase) for phrase in _NETWORK)
            cut = one.type == "NetworkUnavailable" and one.status == "True"
            cut = cut and node.metadata.name in case.unwell_nodes
            since = age(case, one.last_transition_time)
            if (waits or cut) and (since is None or since >= _JOINS):
                where = f"condition {one.type} of Node/{node.metadata.name}"
                return (of_node(node, says, (Evidence(where, shown(one.message)),), 0.88),)
    return ()


def _told_by_operator(case: Case, says: str) -> Results:
    """Find a network of which its operator says that it is not well, and programs that fail."""
    told = _degraded(case, ("network",))
    if not told or not _asking(case):
        return ()
    evidence = (told[0], *_asking(case)[:1])
    return (Result(Severity.ERROR, says, evidence=evidence, confidence=_BESIDE),)


def _degraded(case: Case, names: Collection[str]) -> list[Evidence]:
    """Return what operators of the platform say of themselves that are not well."""
    return [
        Evidence(
            f"condition {kind} of ClusterOperator/{raw['metadata']['name']}",
            shown(f"{one.get('reason') or ''}: {one.get('message') or ''}"),
        )
        for raw in case.snapshot.table("clusteroperators")
        if raw["metadata"]["name"] in names
        for kind, one in conditions(raw).items()
        if one.get("status") == {"Available": "False", "Degraded": "True"}.get(kind)
    ]


def _asking(case: Case) -> list[Evidence]:
    """Return programs that need the API server and fail."""
    ended = case.troubles_of(*_CALLERS, fails=True)
    return [_seen(one) for one in ended if one.state not in PULLING]


_CALLS = tuple(
    f"{verb} {mark}https://" for verb in ("get", "put", "post", "patch") for mark in ('"', "")
)
"""How Go's HTTP client begins to tell of a call that got no answer; a refusal has other words."""
_ANSWERED = ("x509", "certificate", "forbidden", "unauthorized")


def _in_vain(case: Case, says: str) -> Results:
    """Find calls to the API server that failed, by programs that fail, where the reason is cut."""
    quotes = [q for q in find(case, _CALLS, None, ("log",)) if q.live and _to_server(q)]
    quotes = [
        q
        for q in quotes
        if q.pod is not None
        and key(q.pod) in case.trouble
        and not any(word in q.evidence.quote.lower() for word in _ANSWERED)
    ]
    return (result(says, quotes, at=0.6),) if quotes else ()


_BESIDE = 0.66
"""Confidence where two things are ill at once, and only the one may be why the other is."""
_SERVER_PODS = re.compile(r"^(kube-apiserver|etcd)-")
_SERVER_SPACES = ("kube-system", "openshift-kube-apiserver", "openshift-etcd")


def _down(case: Case, says: str) -> Results:
    """Find an API server, or its store, that fails itself, where programs fail that ask it."""
    asking = _asking(case)
    if not asking:
        return ()
    told = _degraded(case, ("kube-apiserver", "etcd"))
    ended = [
        one
        for one in case.troubles
        if one.pod.metadata.namespace in _SERVER_SPACES
        and _SERVER_PODS.match(one.pod.metadata.name)
        and one.fails
    ]
    evidence = (*map(_seen, ended[:2]), *told[:1], *asking[:1])
    if not ended and not told:
        return ()
    at = 0.86 if ended else _BESIDE
    return (Result(Severity.ERROR, says, evidence=evidence, confidence=at),)


_JOINS = 5 * 60.0
"""Seconds that the network may take on a node that joins: its images come first."""
_PART = "a part of the pod network crashes; the GPU stack is well so far"


def _seen(one: Trouble) -> Evidence:
    return Evidence(f"status of Pod/{one.pod.metadata.name}", one.state)


_CNI = ("calico", "cilium", "flannel", "weave", "multus", "ovnkube", "sdn-", "kube-proxy", "canal")


def _is_network(pod: Pod) -> bool:
    return any(name in pod.metadata.name for name in _CNI)


_NOT_CALLED = (
    "failed calling webhook",
    "failed calling admission webhook",
    "failed to call webhook",
    "conversion webhook for*failed",
)
"""How the API server refuses what a webhook does not answer for; older servers name admission."""


def _refused_aside(case: Case, says: str) -> Results:
    """Note Deployments of others that get no pods, for a webhook that does not answer."""
    del says
    for item in case.snapshot.deployments:
        for one in item.status.conditions if short(item) else ():
            told = one.type == "ReplicaFailure" and one.status == "True"
            if told and any(holds(one.message, phrase) for phrase in _NOT_CALLED):
                name = item.metadata.name
                where = f"condition ReplicaFailure of Deployment/{name}"
                evidence = (Evidence(where, shown(one.message)),)
                objects, told_of = (f"Deployment/{name}",), {"namespace": item.metadata.namespace}
                return (
                    Result(
                        Severity.WARNING,
                        _ASIDE,
                        objects=objects,
                        evidence=evidence,
                        confidence=0.45,
                        about=told_of,
                    ),
                )
    return ()


TOO_LATE = "timeout: request did not complete within"
"""How the API server gives up on a pod: most often for a webhook that does not answer in time."""


def _not_in_time(case: Case, says: str) -> Results:
    """Find operands that get no pods in time, and a webhook in the log of the API server."""
    by = (*GPU_STACK, *components.NFD)
    late = [q for q in find(case, (TOO_LATE,), by, ("event", "state")) if q.live]
    late = [q for q in late if q.source == "state" or " FailedCreate " in q.evidence.where]
    if not late:
        return ()
    named = tuple(
        Evidence(f"{ref.where}:{line.number}", shown(line.text))
        for ref, texts in case.snapshot.texts.items()
        if ref.kind == "log" and ref.pod.startswith("kube-apiserver")
        for text in texts
        for line in islice(text.find(split(_NOT_CALLED[0])), 1)
    )[:1]
    return (result(says, late[:1], at=0.85 if named else 0.49, more=named),)


_TELLING = ("clusterpolicies", "nodefeaturediscoveries", "csvs")


def _in_status(case: Case, says: str) -> Results:
    """Find objects of the operators whose status says that a webhook was called in vain."""
    for raw in (one for name in _TELLING for one in case.snapshot.table(name)):
        now = status(raw)
        made = [one for one in conditions(raw).values() if _holds_now(one)]
        texts = [str(one.get("message") or "") for one in made]
        if now.get("phase") == "Failed":
            texts.append(str(now.get("message") or ""))
        for text in texts:
            if any(holds(text, phrase) for phrase in _NOT_CALLED):
                evidence = (Evidence(f"status of {name_of(raw)}", shown(text)),)
                objects = (name_of(raw),)
                return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.9),)
    return ()


def _holds_now(condition: dict[str, Any]) -> bool:
    """Tell whether a condition tells of trouble: readiness that lacks, or any other that holds."""
    good = condition.get("type") in ("Ready", "Available")
    return condition.get("status") == ("False" if good else "True")


_ADMITS = re.compile(r"gatekeeper|kyverno|webhook|istiod|sidecar-injector")
"""Programs that answer for admission webhooks, by what their pods are named."""


def _not_there(case: Case, says: str) -> Results:
    """Guess why operands get no pods, and no event says why, where a webhook's program fails."""
    fails = (one for one in case.troubles if one.fails and _ADMITS.search(one.pod.metadata.name))
    one = next(fails, None)
    empty = [
        item
        for item in case.sets_of(*ON_NODE)
        if item.status.current_number_scheduled < item.status.desired_number_scheduled
    ]
    if one is None or not empty:
        return ()
    lacks = Evidence(f"status of DaemonSet/{empty[0].metadata.name}", "has fewer pods than wanted")
    return (of_pod(one.pod, says, (lacks, _seen(one)), 0.48),)


_ASIDE = "an admission webhook that does not answer keeps the pods of another program away"


def _gone(case: Case, says: str) -> Results:
    told = (q for q in find(case, _API_GONE) if q.live and _to_server(q))
    quotes = [quote for quote in told if not _went_on(case, quote)]
    return (result(says, quotes, at=0.88),) if quotes else ()


def _went_on(case: Case, quote: Quote) -> bool:
    """Tell whether a program of the platform only had to ask again, and is well."""
    well = quote.pod is not None and key(quote.pod) not in case.trouble
    settled = not case.unwell and not unsettled(case)
    return quote.component in (components.MCO, components.OLM) and well and settled


def _to_server(quote: Quote) -> bool:
    """Tell whether a connection was meant for the API server, not for a registry or repository."""
    text = quote.evidence.quote.lower()
    pulled = any(word in text for word in ("pull", "registry", "/v2/", "manifest", "image"))
    by_driver = quote.component == components.DRIVER
    built = by_driver and "manager" not in quote.container
    nameless = by_driver and any(holds(text, phrase) for phrase in UNRESOLVED)
    return not (pulled or built or nameless or _by_proxy(quote)) and bool(_SERVER.search(text))


def _by_proxy(quote: Quote) -> bool:
    """Tell whether a call went to a proxy first: what was dialled directly says so."""
    return leaves_api_out(quote) and "dial tcp" not in quote.evidence.quote.lower()


_SERVER = re.compile(
    r"(?:dial tcp|server|https?://)\W*(?:10|127|172|192\.168|\[?f[cde]\w*)[.:]|/apis?[/?\"]|"
    r"kubernetes\.default|api-int\.|etcdserver|resource lock|api group|server groups|"
    r"http2: client connection lost"
)
"""Signs of a call to the API server: an address of the cluster, a path of the API, or its words."""


NETWORK = cause(
    "OCG0132",
    "pod-network-broken",
    FAMILY,
    "access",
    title="the pod network works",
    says="the pod network is broken, so that several components fail together",
    means="Pods of different owners cannot reach the service network or get no address. The GPU "
    "stack is a "
    "victim among others.",
    remedy=(
        "oc get clusteroperator network dns",
        "oc get pods -n openshift-ovn-kubernetes -o wide",
        "oc get nodes -o wide",
    ),
    look=any_of(_network, _unready_beside, _aside, _together),
)


API_GONE = cause(
    "OCG0133",
    "apiserver-unreachable",
    FAMILY,
    "access",
    title="the API server answers",
    says="the API server refuses or drops connections",
    means="A program of the cluster gets no connection to the API server: it is down, overloaded, "
    "or the way "
    "to it is blocked.",
    remedy=("oc get --raw /readyz?verbose", "oc get pods -n openshift-kube-apiserver -o wide"),
    look=any_of(cut_off, _gone, _down, _in_vain),
)


WEBHOOK = cause(
    "OCG0134",
    "webhook-unreachable",
    FAMILY,
    "access",
    title="admission webhooks answer",
    says="an admission webhook cannot be reached and blocks requests",
    means="The API server asks a webhook before it admits an object. Where its service has no "
    "pod, or the "
    "way to it is blocked, every such request is refused.",
    remedy=(
        "oc get validatingwebhookconfigurations,mutatingwebhookconfigurations",
        "oc get endpoints -A | grep webhook",
    ),
    look=any_of(said(*_NOT_CALLED, at=0.94), _not_in_time, _in_status, _refused_aside, _not_there),
)


DENIED = cause(
    "OCG0138",
    "webhook-denied",
    FAMILY,
    "access",
    title="admission webhooks let the operators' pods pass",
    says="an admission webhook denies what the GPU stack needs",
    means="A policy engine of this cluster is asked before pods are admitted, and its rules forbid "
    "what the driver, the toolkit and the plugin have to be: privileged, with parts of the host.",
    remedy=(
        "oc get events -n {namespace} --field-selector reason=FailedCreate",
        "have the policy leave out the namespaces of the operators, {namespace} among them",
    ),
    look=said(
        'admission webhook "*denied the request',
        "validatingadmissionpolicy*denied request",
        by=(*GPU_STACK, *components.NFD, components.OTHER),
        sources=("event", "client"),
        at=0.95,
    ),
)


CAUSES = (
    WEBHOOK,
    DENIED,
    NETWORK,
    API_GONE,
)
