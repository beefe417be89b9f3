"""Layer network: names, routes and certificate authorities."""

import re

from oc_gpu.checks.case import Case, key, spec
from oc_gpu.checks.catalogue import Results
from oc_gpu.checks.components import DRIVER, ON_NODE, OTHER, WORKLOAD
from oc_gpu.checks.model import Evidence
from oc_gpu.checks.quotes import (
    Quote,
    any_of,
    cause,
    find,
    is_aside,
    note,
    of_pod,
    of_pulls,
    result,
    said,
)
from oc_gpu.checks.troubles import PULLING
from oc_gpu.snapshot.kinds import Pod
from oc_gpu.snapshot.texts import TextRef

FAMILY = "network-proxy-ca"
PULLS = "failed to pull image*"

UNREACHABLE = (
    "curl error (7)",
    "curl error (28)",
    "connection timed out",
    "failed to connect to",
    "could not connect to",
    "unable to connect to",
    "network is unreachable",
    "no route to host",
    "connection refused",
    "operation timed out",
    "i/o timeout",
    "timeout was reached",
    "failed to reach rhel package repositories",
    "cannot initiate the connection to",
)
"""How dnf, yum, apt, zypper and curl say that a repository does not answer."""
NO_METADATA = (
    "failed to download metadata for repo",
    "cannot download repomd.xml",
    "all mirrors were tried",
    "failed to retrieve new repository metadata",
    "cannot find a valid baseurl",
    "failed to fetch http",
    "no urls in mirrorlist",
    "could not retrieve mirrorlist",
    "some index files failed to download",
    "failed to update the dnf metadata cache",
    "does not have a release file",
    "valid metadata not found at",
)
"""How they say that they have nothing of a repository, without a reason."""
UNRESOLVED = (
    "could not resolve host",
    "couldn't resolve host",
    "temporary failure in name resolution",
    "temporary failure resolving",
    "could not resolve 'http",
    "could not resolve '",
    "name or service not known",
    "curl error (6)",
    "server misbehaving",
    "resolving timed out",
    "unable to resolve host",
    "no such host",
    "bad address '",
)
"""How they say that a name has no address."""
UNTRUSTED = (
    "ssl certificate problem",
    "self signed certificate",
    "self-signed certificate",
    "unable to get local issuer certificate",
    "certificate verify failed",
    "certificate verification failed",
    "x509: certificate signed by unknown authority",
    "peer's certificate issuer",
    "curl error (60)",
    "curl error (77)",
    "error:0a000086",
    "ssl: certificate_verify_failed",
    "no system certificates available",
    "the certificate is not trusted",
)


def by_build(quote: Quote) -> bool:
    """Tell whether whoever builds the driver said it, not the manager that speaks to the API."""
    return "manager" not in quote.container


def build_logs(case: Case) -> list[TextRef]:
    """Return the logs of whoever builds the driver."""
    return [r for r, _, part in case.logs if part == DRIVER and "manager" not in r.container]


def _unresolved(case: Case, says: str) -> Results:
    quotes = [q for q in find(case, UNRESOLVED, (DRIVER,), ("log", "client")) if q.live]
    return (result(says, quotes, at=0.91),) if quotes else ()


def _while_pulling(case: Case, says: str) -> Results:
    """Find what is said of certificates, and not of what, to pods that wait for an image."""
    quotes = [
        q
        for q in find(case, ("x509:", "certificate signed by unknown"), None, ("event", "state"))
        if q.live and q.pod is not None and _waits_for_image(case, q.pod)
    ]
    if quotes and is_aside(case, quotes):
        return (note(result(says, quotes, at=0.45)),)
    return (result(says, quotes, at=0.9),) if quotes else ()


def _waits_for_image(case: Case, pod: Pod) -> bool:
    one = case.trouble.get(key(pod))
    return one is not None and one.state in PULLING


_TELLS = re.compile(r"(?i)error|fail|fatal|unable|cannot|could not")
"""Words without which a log does not say why its program ended."""


def _own_authority(case: Case, says: str) -> Results:
    """Guess why a driver fails without a reason where a site has an authority of its own."""
    silent = [one for one in case.troubles_of(DRIVER, fails=True) if one.state not in PULLING]
    told = (text for ref in build_logs(case) for text in case.snapshot.texts[ref])
    marks = _authorities(case)
    if not silent or not marks or any(_TELLS.search(text.content) for text in told):
        return ()
    one = silent[0]
    state = Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.container} {one.state}")
    return (of_pod(one.pod, says, (*marks[:2], state), 0.4, one.container),)


def _authorities(case: Case) -> list[Evidence]:
    """Return what says that packages come over connections that a site's authority signs."""
    found = [
        Evidence("Proxy/cluster", "spec.trustedCA is set")
        for raw in case.snapshot.table("proxies")
        if (spec(raw).get("trustedCA") or {}).get("name")
    ]
    name = (case.setting("driver", "certConfig") or {}).get("name")
    return found + ([Evidence("ClusterPolicy", f"spec.driver.certConfig: {name}")] if name else [])


_BUNDLE = "gpu-operator-trusted-ca"
"""ConfigMap and volume with the cluster's authorities (gpu-operator, object_controls.go)."""
_LACKS = ("not found", "non-existent config key")
"""How the kubelet says that a ConfigMap, or what is wanted of it, is not there."""


def _unmounted(case: Case, says: str) -> Results:
    """Find drivers that wait for a ConfigMap with authorities, whose volume has the same name."""
    own = str(case.setting("driver", "certConfig", "name") or _BUNDLE)
    phrases = tuple(f'volume "{name}"*{lacks}' for name in {_BUNDLE, own} for lacks in _LACKS)
    quotes = [q for q in find(case, phrases, (*ON_NODE,), ("event", "state")) if q.live]
    return (result(says, quotes, at=0.93),) if quotes else ()


_BESIDE = "a program beside the GPU stack cannot resolve names"


def _unresolved_beside(case: Case, says: str) -> Results:
    """Note programs of others that fail for want of names, where the GPU stack is well."""
    by = (OTHER, WORKLOAD)
    quotes = [q for q in find(case, UNRESOLVED, by, ("log",)) if q.live and not case.unwell]
    del says
    return (note(result(_BESIDE, quotes, at=0.4)),) if quotes else ()


_DNS = re.compile(r"^(coredns|kube-dns|dns-default)-")


def _no_names(case: Case, says: str) -> Results:
    """Guess why a driver fails without a word where the cluster's own name service fails, too."""
    failing = [one for one in case.troubles_of(DRIVER, fails=True) if one.state not in PULLING]
    down = [one for one in case.troubles if one.fails and _DNS.match(one.pod.metadata.name)]
    told = [ref for ref, pod, _ in case.logs if failing and pod is failing[0].pod]
    if not failing or not down or any(ref.container == failing[0].container for ref in told):
        return ()
    evidence = tuple(
        Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.container} {one.state}")
        for one in (down[0], failing[0])
    )
    return (of_pod(down[0].pod, says, evidence, 0.46, down[0].container),)


DNS = cause(
    "OCG0220",
    "dns-resolution-failed",
    FAMILY,
    "network",
    title="names are resolved from the driver container",
    says="names cannot be resolved from the driver container",
    means="The driver container asks for packages by name and gets no address. Either the node's "
    "or "
    "cluster's DNS has no answer for outside names, or it must not be asked because a proxy is to "
    "be used.",
    remedy=(
        "oc debug node/{node} -- chroot /host getent hosts cdn.redhat.com",
        "oc get dns.operator/default -o yaml   # forwarders of the cluster's DNS",
        "oc get pods -n openshift-dns -o wide",
    ),
    look=any_of(_unresolved, _no_names, _unresolved_beside),
)
REGISTRY_CA = cause(
    "OCG0225",
    "registry-ca-untrusted",
    FAMILY,
    "network",
    title="the nodes trust the registry's certificate",
    says="the node's container runtime does not trust the certificate authority of the registry",
    means="The registry, or a proxy that looks into TLS, shows a certificate of an authority that "
    "the node "
    "does not know.",
    remedy=(
        "oc create configmap registry-ca -n openshift-config --from-file=REGISTRY..PORT=ca.crt",
        (
            "oc patch image.config cluster --type merge -p "
            '\'{"spec":{"additionalTrustedCA":{"name":"registry-ca"}}}\''
        ),
    ),
    look=any_of(
        of_pulls(
            f"{PULLS}x509:",
            f"{PULLS}certificate signed by unknown",
            "pinging container registry*x509:",
            "pinging docker registry*x509:",
            "failed to do request*x509:",
            "rpc error*https://*/v2/*x509:",
            at=0.93,
        ),
        _while_pulling,
    ),
)
DRIVER_CA = cause(
    "OCG0226",
    "trusted-ca-missing",
    FAMILY,
    "network",
    title="the driver container trusts the certificates that it meets",
    says="the driver container does not trust a certificate authority of this site",
    means="A proxy or mirror of the site signs with its own authority, and the driver container "
    "does not have "
    "it. GPU Operator 1.6 and later mounts the cluster's bundle when the Proxy names a trustedCA; "
    "from 1.9 on driver.certConfig names a ConfigMap.",
    remedy=(
        "oc get proxy cluster -o jsonpath='{.spec.trustedCA.name}'",
        "oc create configmap site-ca -n {namespace} --from-file=ca-bundle.crt",
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"certConfig":{"name":"site-ca"}}}}\''
        ),
    ),
    look=any_of(
        said(*UNTRUSTED, by=tuple(ON_NODE), sources=("log",), at=0.92),
        _unmounted,
        _own_authority,
    ),
)

CAUSES = (REGISTRY_CA, DRIVER_CA, DNS)
