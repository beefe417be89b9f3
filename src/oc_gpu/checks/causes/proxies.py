"""Layer network: proxies that are not told of, and proxies that get too much."""

import re
from ipaddress import ip_network
from typing import Any

from oc_gpu.checks.ages import START, age, is_starting
from oc_gpu.checks.case import Case, key, spec, status
from oc_gpu.checks.catalogue import Results
from oc_gpu.checks.causes.network import (
    FAMILY,
    UNREACHABLE,
    UNRESOLVED,
    build_logs,
    by_build,
)
from oc_gpu.checks.components import (
    DRIVER,
    GFD,
    GPU_STACK,
    MIG,
    NFD,
    ON_NODE,
    OPERATOR,
    OTHER,
    builds_modules,
)
from oc_gpu.checks.model import Evidence
from oc_gpu.checks.quotes import (
    Quote,
    any_of,
    cause,
    find,
    holds,
    note,
    of_pod,
    of_pulls,
    result,
    said,
)
from oc_gpu.checks.troubles import PULLING, Trouble
from oc_gpu.snapshot.kinds import ContainerSpec

_PROXY_NAMES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
_NO_PROXY = ("NO_PROXY", "no_proxy")


def needs_proxy(case: Case) -> list[Evidence]:
    """Return what says that the cluster reaches the outside through a proxy only."""
    found = []
    for raw in case.snapshot.table("proxies"):
        for field in ("httpsProxy", "httpProxy"):
            value = spec(raw).get(field) or status(raw).get(field)
            if value:
                found.append(Evidence("Proxy/cluster", f"{field} is set"))
                break
    found += [
        Evidence(f"Pod/{pod.metadata.name}", "its environment names a proxy")
        for pod in case.pods_of("gpu-operator", *NFD)
        if any(container.variable(name) for container in pod.spec.every for name in _PROXY_NAMES)
    ]
    return found + _set_elsewhere(case) + _set_on_hosts(case)


def _set_elsewhere(case: Case) -> list[Evidence]:
    """Return where proxies are set for other programs than the one that downloads packages."""
    places = [(f"spec.{part}.env", case.setting(part, "env")) for part in case.policy]
    places.append(("spec.driver.manager.env", case.setting("driver", "manager", "env")))
    found = [
        Evidence("ClusterPolicy", f"{where} names a proxy")
        for where, env in places
        if where != "spec.driver.env" and _names_proxy(env)
    ]
    return found + [
        Evidence(f"Subscription/{raw['metadata']['name']}", "spec.config.env names a proxy")
        for raw in case.gpu_subscriptions
        if _names_proxy((spec(raw).get("config") or {}).get("env"))
    ]


_HOST_FILES = (
    "proxy.conf",
    "default-env.conf",
    "-environment.conf",
    "containerd-env",
    "01proxy",
    "02proxy",
    "99proxy",
    "etc/apt/apt.conf",
    "etc/environment",
    "etc/dnf/dnf.conf",
    "etc/yum.conf",
    "sysconfig/docker",
    "sysconfig/crio",
)
"""Files by which hosts tell their runtime, shells or package managers of a proxy."""
_OF_RUNTIMES = ("proxy.conf", "-environment.conf", "containerd-env", "default-env.conf")
"""Those of them that set the environment of a container runtime, or of all services."""
_HOST_PROXY = re.compile(r"(?im)^[^#\n]*?(?:https?_proxy|acquire::https?::proxy|^proxy)\b.*$")


def _set_on_hosts(case: Case) -> list[Evidence]:
    return [
        Evidence(ref.where, "names a proxy")
        for ref, texts in case.texts_of_nodes(*_HOST_FILES)
        if any(_HOST_PROXY.search(text.content) for text in texts)
    ]


def _names_proxy(env: Any) -> bool:
    every = env if isinstance(env, list) else []
    return any(one.get("name") in _PROXY_NAMES for one in every if isinstance(one, dict))


def _driver_containers(case: Case) -> list[ContainerSpec]:
    return [
        one
        for pod in case.pods_of(DRIVER)
        for one in pod.spec.containers
        if "driver" in one.name and "toolkit" not in one.name
    ]


def _proxy_missing(case: Case, says: str) -> Results:
    wanted = needs_proxy(case)
    mine = _driver_containers(case)
    if not wanted or not mine or any(o.variable(n) for o in mine for n in _PROXY_NAMES):
        return ()
    quotes = [
        q for q in find(case, (*UNRESOLVED, *UNREACHABLE), (DRIVER,)) if q.live and by_build(q)
    ]
    lacks = Evidence(
        f"environment of container {mine[0].name}", "neither HTTPS_PROXY nor HTTP_PROXY"
    )
    if quotes:
        return (result(says, quotes, at=0.92, more=(*wanted[:1], lacks)),)
    silent = [one for one in case.troubles_of(DRIVER, fails=True) if one.state not in PULLING]
    silent += [one for one in case.troubles_of(DRIVER, fails=False) if _loads(case, one)]
    if not silent or not _says_nothing(case):
        return ()
    at = 0.48 if wanted[0].where.startswith("Pod") else 0.68 if silent[0].fails else 0.6
    return (of_pod(silent[0].pod, says, (*wanted[:1], lacks), at),)


def _loads(case: Case, one: Trouble) -> bool:
    """Tell whether a driver has been at the loading of packages for longer than that takes."""
    heard = any(ref.pod == one.pod.metadata.name for ref in build_logs(case))
    return heard and one.state == "not ready" and not is_starting(case, one)


def _other_builder(case: Case, says: str) -> Results:
    """Note what builds other modules, fails, and lacks the proxy that programs beside it have."""
    wanted = needs_proxy(case) + _drivers_proxy(case)
    for one in case.troubles_of(OTHER, fails=True) if wanted else []:
        has = any(each.variable(n) for each in one.pod.spec.every for n in _PROXY_NAMES)
        if not builds_modules(one.pod) or has or one.state in PULLING:
            continue
        where = f"environment of {one.container} of Pod/{one.pod.metadata.name}"
        evidence = (wanted[0], Evidence(where, "neither HTTPS_PROXY nor HTTP_PROXY"))
        return (note(of_pod(one.pod, f"{_BESIDE}: {says}", evidence, 0.45, one.container)),)
    return ()


_BESIDE = "seen of another driver than the GPU's"


def _drivers_proxy(case: Case) -> list[Evidence]:
    env = case.setting("driver", "env")
    return [Evidence("ClusterPolicy", "spec.driver.env names a proxy")] if _names_proxy(env) else []


_LOADS = re.compile(r"(?i)updating the package cache|makecache|apt-get( -\w+)* update")


def _says_nothing(case: Case) -> bool:
    """Tell whether the driver's log is not there, or ends where packages are to be loaded."""
    logs = (case.snapshot.texts[ref] for ref in build_logs(case))
    lines = ([line for t in texts for line in t.content.splitlines() if line] for texts in logs)
    return all(_LOADS.search(each[-1]) for each in lines if each)


_API = re.compile(
    r"https?://(10|172|192\.168|\[?fd)[\d.:a-f]*[.:]\d+\]?(:\d+)?/|kubernetes\.default|api-int\.|"
    r"unable to connect to the server|the server is currently unable",
    re.IGNORECASE,
)
_PROXY_SAYS = (
    "proxyconnect tcp",
    "service unavailable",
    "bad gateway",
    "gateway timeout",
    "gateway time-out",
    "proxy authentication required",
    "unable to connect to the server*forbidden",
    'get "https://*": forbidden',
    "from proxy after connect",
    "tunnel connection failed",
    "squid",
    "tunnel or ssl forbidden",
)


def _api_through_proxy(case: Case, says: str) -> Results:
    quotes = [
        quote
        for quote in find(case, _PROXY_SAYS, (*GPU_STACK, *NFD), ("log", "event"))
        if quote.live and _API.search(quote.evidence.quote)
    ]
    if not quotes:
        quotes = _timeouts_with_proxy(case)
    if quotes:
        return (result(says, quotes, at=0.92),)
    refused = [
        quote
        for quote in find(case, _PROXY_SAYS, (*ON_NODE, *NFD), ("log",))
        if quote.live and leaves_api_out(quote) and _calls_api(case, quote)
    ]
    return (result(says, refused, at=0.94),) if refused else _silent_with_proxy(case, says)


_CALLERS = (GFD, MIG, OPERATOR, *NFD)
"""Programs that speak to the API server and, but for it, to nobody outside of their node."""


def _silent_with_proxy(case: Case, says: str) -> Results:
    """Find programs that fail without a word, and whose proxy gets what is for the API server."""
    for one in case.troubles_of(DRIVER, *_CALLERS, fails=True):
        asks = case.component[key(one.pod)] != DRIVER or "manager" in one.container
        mine = next((each for each in one.pod.spec.every if each.name == one.container), None)
        if mine is None or not asks or one.state in PULLING or not _proxies_api(mine):
            continue
        if any(pod is one.pod and ref.container == one.container for ref, pod, _ in case.logs):
            continue
        where = f"status of Pod/{one.pod.metadata.name}, {one.container}"
        evidence = (
            Evidence(f"environment of {one.container}", "a proxy, and NO_PROXY without the API"),
            Evidence(where, f"{one.state}, {one.restarts} restarts"),
        )
        return (of_pod(one.pod, says, evidence, 0.48, one.container),)
    return _beside_with_proxy(case, says) or _held_at_hosts(case, says)


def _beside_with_proxy(case: Case, says: str) -> Results:
    """Note operators of others that fail without a word, and whose proxy gets the API's calls."""
    for one in case.troubles_of(OTHER, fails=True):
        mine = next((each for each in one.pod.spec.every if each.name == one.container), None)
        silent = not any(pod is one.pod for _, pod, _ in case.logs)
        operates = "operator" in one.pod.metadata.name or "controller" in one.pod.metadata.name
        if mine is None or not operates or not silent or not _proxies_api(mine):
            continue
        where = f"environment of {one.container} of Pod/{one.pod.metadata.name}"
        evidence = (Evidence(where, "a proxy, and NO_PROXY without the API"),)
        return (note(of_pod(one.pod, says, evidence, 0.45, one.container)),)
    return ()


_EXCEPTIONS = re.compile(r"(?im)^[^#\n]*?no_proxy=[\"']?([^\s\"']*)")


def _held_at_hosts(case: Case, says: str) -> Results:
    """Find pods that wait for their network where the runtime's proxy gets what is for the API."""
    waits = [one for one in case.troubles if _is_silent(case, one)]
    if len({one.pod.metadata.name for one in waits}) < _SEVERAL:
        return ()
    for ref, texts in case.texts_of_nodes(*_OF_RUNTIMES):
        found = [m[1] for text in texts for m in _EXCEPTIONS.finditer(text.content)]
        proxied = any(_HOST_PROXY.search(text.content) for text in texts)
        here = [one for one in waits if one.pod.spec.node_name == ref.node]
        if here and proxied and not any(map(_covers_api, found)):
            state = f"status of Pod/{here[0].pod.metadata.name}"
            evidence = (
                Evidence(ref.where, "a proxy, and NO_PROXY without the cluster's addresses"),
                Evidence(state, here[0].state),
            )
            ours = [one for one in here if case.component[key(one.pod)] != OTHER]
            at = 0.6 if all(one.state == _CREATES for one in here) else 0.45
            made = of_pod((ours or here)[0].pod, says, evidence, at if ours else 0.45)
            return (made if ours else note(made),)
    return ()


_CREATES = "ContainerCreating"


def _is_silent(case: Case, one: Trouble) -> bool:
    """Tell whether a pod waits for its network, or fails, and says nothing of why."""
    heard = {pod.metadata.name for _, pod, _ in case.logs if pod is not None}
    since = age(case, one.pod.metadata.creation_timestamp)
    creates = one.state == _CREATES and (since is None or since > START)
    asks = one.fails and case.component[key(one.pod)] in _CALLERS
    unheard = one.pod.metadata.name not in heard and one.state not in PULLING
    return not one.message and (creates or (asks and unheard))


_SEVERAL = 2
"""Pods that wait from which it is not about one of them."""


def _calls_api(case: Case, quote: Quote) -> bool:
    """Tell whether the container that said something speaks of an address of the cluster."""
    calls = find(case, ("https://172.", "https://10.", "https://192.168."), (quote.component,))
    return any(one.pod is quote.pod and _API.search(one.evidence.quote) for one in calls)


def leaves_api_out(quote: Quote) -> bool:
    """Tell whether a pod has a proxy, and a list of exceptions without the API server."""
    if quote.pod is None:
        return False
    return any(map(_proxies_api, quote.pod.spec.every))


def _proxies_api(one: ContainerSpec) -> bool:
    exceptions = next((value for name in _NO_PROXY if (value := one.variable(name))), "")
    return any(map(one.variable, _PROXY_NAMES)) and not _covers_api(exceptions)


def _timeouts_with_proxy(case: Case) -> list[Quote]:
    """Return what cannot reach the API from containers whose NO_PROXY leaves the API out."""
    phrases = ("unable to connect to the server", "dial tcp*:443:*timeout", "unexpected eof")
    quotes = find(case, phrases, (*ON_NODE, *NFD), ("log",))
    cut = find(case, _CUT_BY_PROXY, (*GPU_STACK, *NFD), ("log",))
    quotes += [quote for quote in cut if _API.search(quote.evidence.quote)]
    return [quote for quote in quotes if quote.live and leaves_api_out(quote)]


_CUT_BY_PROXY = ('get "https://*": eof', "tls handshake timeout", "malformed http response")
"""How calls end at a proxy that does not know whom they are for."""


def _covers_api(no_proxy: str) -> bool:
    """Tell whether a list holds a network of cluster addresses; their names are not enough."""
    return any(_is_network(part.strip()) for part in re.split(r"[,\s]", no_proxy))


def _is_network(part: str) -> bool:
    if part == "*":
        return True
    try:
        network = ip_network(part, strict=False)
    except ValueError:
        return False
    return not network.is_loopback and not network.is_link_local


_REFUSED_BY_PROXY = tuple(
    f"{start}https://*{end}: {word}"
    for start, end in (('get "', '"'), ('head "', '"'), ("get ", "/v2/"))
    for word in (
        "forbidden",
        "proxy authentication required",
        "service unavailable",
        "bad gateway",
        "gateway timeout",
        "method not allowed",
    )
)


def _proxy_host(case: Case, says: str) -> Results:
    """Find connections that fail at the proxy's own address."""
    hosts = set()
    for raw in case.snapshot.table("proxies"):
        hosts |= {str(spec(raw).get(name) or "") for name in ("httpProxy", "httpsProxy")}
    for one in _driver_containers(case):
        hosts |= {one.variable(name) for name in _PROXY_NAMES}
    for host in filter(None, (re.sub(r"^\w+://([^@/]*@)?|[:/].*$", "", h) for h in hosts)):
        phrases = tuple(f"{word}*{host}" for word in ("connect", "failed", "refused", "timed out"))
        quotes = [
            q
            for q in find(case, phrases, None, ("log", "event", "state"))
            if q.live and any(holds(q.evidence.quote, w) for w in UNREACHABLE)
        ]
        if quotes:
            return (result(says, quotes, at=0.93),)
    return ()


PROXY_MISSING = cause(
    "OCG0221",
    "proxy-missing-driver",
    FAMILY,
    "network",
    title="the driver container has the proxy that the cluster needs",
    says="the cluster needs a proxy, but the driver container is not given its settings",
    means="The driver container downloads packages itself. GPU Operator 1.6 and later hands it the "
    "cluster's proxy on OpenShift; before that, and on plain Kubernetes, driver.env of the "
    "ClusterPolicy has to.",
    remedy=(
        "oc get proxy cluster -o yaml",
        (
            'oc patch clusterpolicy gpu-cluster-policy --type merge -p \'{"spec":{"driver":{"env":['
            '{"name":"HTTPS_PROXY","value":"http://PROXY:PORT"},'
            '{"name":"HTTP_PROXY","value":"http://PROXY:PORT"},'
            '{"name":"NO_PROXY","value":"LIST"}]}}}\''
        ),
    ),
    look=any_of(_proxy_missing, _other_builder),
)
NO_PROXY = cause(
    "OCG0222",
    "no-proxy-missing-cluster-ip",
    FAMILY,
    "network",
    title="calls to the API server do not go to the proxy",
    says="NO_PROXY lacks the addresses of the cluster, so that calls to the API server go to the "
    "proxy",
    means="A program that speaks to the API server through the service address asks the proxy for "
    "it, "
    "and the proxy does not know the cluster's network. The service network, the pod network and "
    "the address of the API server belong into the no-proxy list.",
    remedy=(
        (
            "oc get network.config cluster -o jsonpath='{.status.serviceNetwork} "
            "{.status.clusterNetwork}'"
        ),
        (
            "oc patch proxy cluster --type merge -p "
            '\'{"spec":{"noProxy":"LIST,SERVICE-NETWORK,POD-NETWORK"}}\''
        ),
    ),
    look=_api_through_proxy,
)
PROXY_UNREACHABLE = cause(
    "OCG0223",
    "proxy-unreachable",
    FAMILY,
    "network",
    title="the proxy takes connections",
    says="the configured proxy refuses or drops connections",
    means="Whoever uses the proxy gets no connection to it, or is turned away by it: the address "
    "or "
    "port is wrong, the proxy is down, or it does not allow this client.",
    remedy=(
        "oc get proxy cluster -o jsonpath='{.spec.httpsProxy}'",
        "oc debug node/{node} -- chroot /host curl -sv -x PROXY https://registry.redhat.io/v2/",
    ),
    look=any_of(
        _proxy_host,
        said(
            "proxyconnect tcp: dial tcp",
            "proxyconnect tcp: net/http",
            "proxyconnect tcp: eof",
            "proxyconnect tcp: tls",
            "could not resolve proxy",
            "unable to connect to proxy",
            "proxy connection failed",
            "cannot connect to proxy",
            "from proxy after connect",
            "response from proxy",
            "proxy tunneling failed",
            "proxy connect aborted",
            "tunnel connection failed",
            "407 proxy authentication required",
            "status code: 407",
            at=0.93,
        ),
    ),
)
CRIO_PROXY = cause(
    "OCG0224",
    "proxy-crio-blocks-registry",
    FAMILY,
    "network",
    title="the nodes' proxy lets the registry through",
    says="the proxy that the node's container runtime uses refuses access to the registry",
    means="The answer comes from the proxy, not from the registry: it carries no error of a "
    "registry, only "
    "the proxy's status. The proxy's rules have to allow the registry and the place of its blobs.",
    remedy=(
        "oc debug node/{node} -- chroot /host systemctl show crio -p Environment",
        "oc debug node/{node} -- chroot /host curl -sv -x PROXY https://REGISTRY/v2/",
    ),
    look=of_pulls(*_REFUSED_BY_PROXY, at=0.92),
)
CAUSES = (PROXY_UNREACHABLE, NO_PROXY, PROXY_MISSING, CRIO_PROXY)
