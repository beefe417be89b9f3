"""Layer network: images that cannot be pulled, and why."""

import re
from collections.abc import Iterator

from oc_gpu.checks.case import Case, key, spec
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.network import UNRESOLVED
from oc_gpu.checks.components import GPU_STACK, NFD
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import (
    ASIDE,
    Look,
    Quote,
    about,
    any_of,
    cause,
    find,
    holds,
    is_aside,
    of_pod,
    result,
)
from oc_gpu.checks.troubles import PULLING, Trouble

_FAMILY = "image-pull"
_SOURCES = ("event", "state")

NOT_THERE = (
    "manifest unknown",
    "manifest for*not found",
    "name unknown",
    "failed to resolve reference*not found",
    "failed to resolve image*not found",
    "reading manifest*not found",
    "code = notfound",
    "no such manifest",
    "does not exist or no pull access",
    "tag does not exist",
)
"""How registries and runtimes say that there is no such image."""
_REFUSED = (
    "unauthorized",
    "authentication required",
    "401 unauthorized",
    "403 forbidden",
    "status code 403",
    "402 payment required",
    "402 (payment required)",
    "status code 401",
    "status code from registry 401",
    "status code from registry 403",
    "401 (unauthorized)",
    "403 (forbidden)",
    "pull access denied",
    "access to the requested resource is not authorized",
    "requested access to the resource is denied",
    "denied: ",
    "access denied",
    "insufficient_scope",
    "invalid username/password",
    "no basic auth credentials",
    "failed to fetch anonymous token",
    "failed to fetch oauth token",
    "unable to retrieve auth token",
)
_LIMITED = (
    "toomanyrequests",
    "too many requests",
    "pull rate limit",
    "rate limit exceeded",
    "pull qps exceeded",
)
"""How registries say it, and the kubelet of the limit that it keeps to itself (registryPullQPS)."""
_BY_REGISTRY = ("toomanyrequests", "pull rate limit")
"""Words of a registry's refusal that no API server uses for its own."""
_TRANSPORT = (
    "failed to do request: head",
    "failed to do request: get",
    "pinging container registry",
    "pinging docker registry",
    "error response from daemon: get",
)
"""How runtimes begin to tell of a registry that did not answer them, where the reason is cut."""
_NOT_SILENT = ("proxyconnect", "x509", "certificate", "not allowed", "unauthorized", "denied")
_SILENT = (
    "i/o timeout",
    "connection refused",
    "no route to host",
    "context deadline exceeded",
    "tls handshake timeout",
    "network is unreachable",
    "no such host",
    "client.timeout exceeded",
    "connection reset by peer",
    "request canceled",
    "connection timed out",
    "server misbehaving",
    "deadline exceeded",
    "context canceled",
    "unexpected eof",
    "failed to do request*: eof",
    "pinging container registry*: eof",
    "error response from daemon: get*: eof",
    "503 service unavailable",
    "502 bad gateway",
    "500 internal server error",
    "server gave http response to https client",
)


def pulls(case: Case, *wanted: str) -> list[Trouble]:
    """Return the pods that wait for an image."""
    every = [one for one in case.troubles if one.state in PULLING]
    return [t for t in every if not wanted or case.component[key(t.pod)] in wanted]


def about_pulls(case: Case, phrases: tuple[str, ...]) -> list[Quote]:
    """Return what was said of pulls that fail now."""
    quotes = find(case, phrases, None, _SOURCES)
    return [q for q in quotes if q.live and _is_pull(q)]


def _is_pull(quote: Quote) -> bool:
    text = quote.evidence.quote.lower()
    return any(
        word in text for word in ("pull", "image", "registry", "manifest", "reference", "/v2/")
    )


def _says(*phrases: str, at: float, unless: tuple[str, ...] = ()) -> Look:
    def look(case: Case, says: str) -> Results:
        quotes = about_pulls(case, phrases)
        quotes = [q for q in quotes if not any(u in q.evidence.quote.lower() for u in unless)]
        if quotes and is_aside(case, quotes):
            return (result(says, quotes, at=ASIDE, severity=Severity.WARNING),)
        return (result(says, quotes, at=at),) if quotes else ()

    return look


_NO_REASON = re.compile(
    r"(?i)(error: )?(errimagepull|imagepullbackoff)|back-?off pulling image \S+|"
    r"(pulling|successfully pulled) image .*"
)
"""What the kubelet says of a pull without telling why it fails."""


def _has_reason(text: str) -> bool:
    """Tell whether what is said of a pull gives a reason; a cut message ends within quotes."""
    if _NO_REASON.fullmatch(text.strip()):
        return False
    known = (*NOT_THERE, *_REFUSED, *_LIMITED, *_SILENT, *UNRESOLVED, *_NOT_SILENT)
    return text.count('"') % 2 == 0 or any(holds(text, phrase) for phrase in known)


_LIMITING = ("nvcr.io", "docker.io", "quay.io", "ghcr.io", "registry.gitlab.com")
"""Registries that everybody pulls from, and that limit how often."""
_GUESS = 0.4
"""Confidence of the usual reason of a pull of which no reason is told."""


def _without_reason(case: Case) -> list[tuple[Trouble, str]]:
    """Return the pulls of the stack that fail and of which nobody says why, with their images."""
    found = []
    for one in pulls(case, *GPU_STACK, *NFD):
        meta = one.pod.metadata
        texts = [
            e.message
            for e in case.snapshot.events
            if e.involved_object.name == meta.name
            and e.involved_object.namespace in ("", meta.namespace)
        ]
        of_pulls = (t for t in (one.message, *texts) if "pull" in t.lower() or t == one.message)
        said = [text for text in of_pulls if text and _has_reason(text)]
        of_spec = {c.name: c.image for c in one.pod.spec.every}
        if not said:
            found.append((one, of_spec.get(one.container) or one.image))
    return found


def _runs(case: Case, image: str) -> bool:
    """Tell whether a container of this image runs, or ran, anywhere in the cluster."""
    return any(
        container.image == image and key(pod) not in case.trouble
        for pod in case.snapshot.pods
        for container in pod.spec.every
    )


def _is_limiting(image: str) -> bool:
    host, slash, _ = image.partition("/")
    return host in _LIMITING or not slash or ("." not in host and ":" not in host)


def _unsaid(case: Case, says: str, *, limited: bool) -> Results:
    """Guess why a pull fails; what others have from a public registry is there, and allowed."""
    for one, image in _without_reason(case):
        if (_runs(case, image) and _is_limiting(image)) != limited:
            continue
        evidence = [Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.state} {image}")]
        if _runs(case, image):
            evidence.append(Evidence("other pods", "run containers of this image"))
        at = _GUESS if limited or not lacks_several(case) else _SEVERAL
        return (of_pod(one.pod, says, tuple(evidence), at, one.container),)
    return ()


_SEVERAL = 0.5
"""Confidence where several images fail at once: then it is no single tag, and no account of one."""


def lacks_several(case: Case) -> bool:
    """Tell whether the stack waits for several images and nobody says why for any of them."""
    return len({image for _, image in _without_reason(case)}) > 1


def _unsaid_limit(case: Case, says: str) -> Results:
    return _unsaid(case, says, limited=True)


def _unsaid_silence(case: Case, says: str) -> Results:
    return _unsaid(case, says, limited=False)


_WITH_ACCOUNT = ("registry.redhat.io", "registry.connect.redhat.com")
"""Registries that let nobody pull without an account."""


def _unsaid_account(case: Case, says: str) -> Results:
    """Guess that the account is missing on clusters that come without Red Hat's pull secret."""
    systems = [node.status.node_info.os_image for node in case.snapshot.nodes]
    if not systems or any("Red Hat" in system for system in systems):
        return ()
    for one, image in _without_reason(case):
        if image.startswith(_WITH_ACCOUNT) and not _runs(case, image):
            evidence = (
                Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.state} {image}"),
                Evidence("nodes", f"no system of Red Hat's: {systems[0]}"),
            )
            return (of_pod(one.pod, says, evidence, 0.48, one.container),)
    return ()


def _limited_before(case: Case, says: str) -> Results:
    """Find refusals of earlier pulls, or in logs, where pulls fail now without a reason."""
    hosts = {image.partition("/")[0] for _, image in _without_reason(case)}
    quotes = find(case, _BY_REGISTRY, None, ("event", "log", "kernel")) if hosts else []
    same = [q for q in quotes if any(host and host in q.evidence.quote for host in hosts)]
    if same:
        return (result(says, same, at=0.7),)
    return (result(says, quotes, at=_GUESS),) if quotes else ()


_TAGGED = re.compile(r"^(?P<repository>[^@\s]+?):(?P<tag>[\w][\w.+-]*)$")


def _mirrors(case: Case) -> Iterator[tuple[str, str]]:
    """Yield the sources that are mirrored for digests only, with the object that says so."""
    for table, field in (
        ("imagedigestmirrorsets", "imageDigestMirrors"),
        ("imagecontentsourcepolicies", "repositoryDigestMirrors"),
    ):
        for raw in case.snapshot.table(table):
            for one in spec(raw).get(field) or []:
                yield str(one.get("source") or ""), f"{raw.get('kind')}/{raw['metadata']['name']}"


def _by_tag(case: Case) -> set[str]:
    found = set()
    for raw in case.snapshot.table("imagetagmirrorsets"):
        for one in spec(raw).get("imageTagMirrors") or []:
            found.add(str(one.get("source") or ""))
    return found


def _mirror(case: Case, says: str) -> Results:
    tagged = _by_tag(case)
    for one in pulls(case):
        match = _TAGGED.match(one.image)
        if match is None:
            continue
        for source, where in _mirrors(case):
            covered = match["repository"].startswith(source.removeprefix("*.")) and source
            if covered and not any(match["repository"].startswith(t) for t in tagged):
                evidence = (
                    Evidence(f"status of Pod/{one.pod.metadata.name}", f"image {one.image}"),
                    Evidence(where, f"mirrors {source} for digests only"),
                )
                pod = one.pod
                names = (f"Pod/{pod.metadata.name}",)
                told = about(pod, one.container)
                return (
                    Result(
                        Severity.ERROR, says, None, names, evidence, confidence=0.93, about=told
                    ),
                )
    return ()


MIRROR = cause(
    "OCG0227",
    "mirror-not-used-for-tag",
    _FAMILY,
    "network",
    title="images that are mirrored are referred to by digest",
    says="the mirror is used for digests only, so that this image, given by tag, is pulled from "
    "the "
    "public registry",
    means="ImageDigestMirrorSet and ImageContentSourcePolicy redirect pulls by digest only. An "
    "image with a "
    "tag goes to its own registry, which a disconnected cluster does not reach.",
    remedy=(
        "oc get imagedigestmirrorset,imagecontentsourcepolicy,imagetagmirrorset -o yaml",
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"version":"sha256:DIGEST"}}}\'   # or an ImageTagMirrorSet '
            "(4.13+)"
        ),
    ),
    look=_mirror,
)
LIMITED = cause(
    "OCG0228",
    "registry-rate-limited",
    _FAMILY,
    "network",
    title="the registry answers pulls",
    says="the registry limits the rate of pulls and refuses this one",
    means="Anonymous pulls share a limit by address, so a whole cluster behind one address uses "
    "it up.",
    remedy=(
        (
            "oc set data secret/pull-secret -n openshift-config "
            "--from-file=.dockerconfigjson=pull-secret.json"
        ),
        "oc get events -n {namespace} --field-selector reason=Failed",
    ),
    look=any_of(_says(*_LIMITED, at=0.94), _limited_before, _unsaid_limit),
)
FORBIDDEN = cause(
    "OCG0229",
    "registry-auth-forbidden",
    _FAMILY,
    "network",
    title="the registry lets this cluster pull",
    says="the registry refuses the pull for lack of credentials or permission",
    means="The registry answers, and wants credentials that this pull does not carry, or that "
    "have not the "
    "right. An image that needs an entitlement at its vendor is refused in the same way.",
    remedy=(
        "oc get events -n {namespace} --field-selector involvedObject.name={pod}",
        (
            "oc create secret generic SECRET -n {namespace} --type=kubernetes.io/dockerconfigjson "
            "--from-file=.dockerconfigjson=auth.json"
        ),
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"imagePullSecrets":["SECRET"]}}}\''
        ),
    ),
    look=any_of(_says(*_REFUSED, at=0.91), _unsaid_account),
)
UNREACHABLE = cause(
    "OCG0230",
    "registry-unreachable",
    _FAMILY,
    "network",
    title="the nodes reach the registry",
    says="the registry cannot be reached from the node",
    means="The node gets no answer from the registry: no route, a firewall, no name, or a "
    "registry that is "
    "down. A cluster without access to the outside needs a mirror.",
    remedy=(
        "oc debug node/{node} -- chroot /host curl -sv https://REGISTRY/v2/",
        "oc get events -n {namespace} --field-selector involvedObject.name={pod}",
    ),
    look=any_of(
        _says(*_SILENT, *UNRESOLVED, at=0.9, unless=("proxyconnect",)),
        _says(*_TRANSPORT, at=0.6, unless=_NOT_SILENT),
        _unsaid_silence,
    ),
)

CAUSES = (MIRROR, LIMITED, FORBIDDEN, UNREACHABLE)
