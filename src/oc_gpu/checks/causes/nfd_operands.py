"""Layer nfd: its own programs that do not run."""

import re

from oc_gpu.checks.ages import START, age
from oc_gpu.checks.case import (
    Case,
    key,
    namespace_of,
    offers_gpu,
    short,
    spec,
    status,
    version,
)
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.control_plane import crash_together
from oc_gpu.checks.causes.nfd import FAMILY
from oc_gpu.checks.components import (
    GFD,
    NFD,
    NFD_MASTER,
    NFD_OPERATOR,
    NFD_WORKER,
    OPERATOR,
)
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import about, any_of, cause, find, of_pod, result, said
from oc_gpu.checks.troubles import PULLING
from oc_gpu.snapshot.kinds import Pod

_TAG = re.compile(r"v?(\d+\.\d+)")


_NOT_KNOWN = (
    "flag provided but not defined: -",
    "unknown flag: --",
    'exec: "nfd-*": executable file not found',
    "version `glibc_*not found",
    "cpu does not support x86-64-v",
)
"""How a program of another release answers to the arguments that its operator gives it.

And what the loader says of one that was built for another system.
"""


def _image(case: Case, says: str) -> Results:
    openshift = case.openshift
    for raw in case.snapshot.table("nodefeaturediscoveries"):
        image = str((spec(raw).get("operand") or {}).get("image") or "")
        tag = image.rpartition(":")[2] if ":" in image.rpartition("/")[2] else ""
        match = _TAG.match(tag)
        wrong = (
            match is not None
            and bool(openshift)
            and tag.lstrip("v").startswith(("4.", "5."))
            and version(match[1]) != openshift[:2]
        )
        troubled = case.troubles_of(NFD_WORKER, NFD_MASTER)
        upstream = match is not None and "ose-" not in image and "origin" not in image
        if wrong or (upstream and troubled):
            name = raw["metadata"]["name"]
            release = ".".join(map(str, openshift[:2]))
            evidence = (
                Evidence(f"NodeFeatureDiscovery/{name}", f"spec.operand.image: {image}"),
                Evidence("ClusterVersion/version", f"OpenShift {release}"),
            )
            if not (troubled or case.unwell):
                continue
            about_it = {"namespace": namespace_of(raw)}
            objects = (f"NodeFeatureDiscovery/{name}",)
            at = 0.93 if wrong else 0.8
            return (
                Result(
                    Severity.ERROR, says, None, objects, evidence, confidence=at, about=about_it
                ),
            )
    return _unpulled(case, says) or _old_image(case, says) or _of_others(case, says)


_COMMUNITY, _PRODUCT = "quay.io/openshift/origin-", "registry.redhat.io/"
"""Builds of OKD, whose tags stay as they were, and those that OpenShift's operator is made for."""


def _of_others(case: Case, says: str) -> Results:
    """Find operands that fail with a build of OKD under the operator of OpenShift."""
    if not case.openshift or _is_community(case):
        return ()
    for one in case.troubles_of(NFD_WORKER, NFD_MASTER, fails=True):
        if one.state in PULLING:
            continue
        if one.image.startswith(_COMMUNITY) or _is_pinned(case, _COMMUNITY):
            evidence = (
                Evidence(f"status of Pod/{one.pod.metadata.name}", one.state),
                Evidence("spec.operand.image", f"{_COMMUNITY}*, a build of OKD"),
            )
            return (of_pod(one.pod, says, evidence, 0.74),)
    return ()


def _is_community(case: Case) -> bool:
    images = [c.image for pod in case.pods_of(NFD_OPERATOR) for c in pod.spec.containers]
    return bool(images) and not any(image.startswith(_PRODUCT) for image in images)


def _is_pinned(case: Case, start: str) -> bool:
    every = case.snapshot.table("nodefeaturediscoveries")
    return any(str((spec(r).get("operand") or {}).get("image")).startswith(start) for r in every)


def _unpulled(case: Case, says: str) -> Results:
    """Find operands of NFD whose pinned image cannot be pulled."""
    pinned = [
        str((spec(raw).get("operand") or {}).get("image") or "")
        for raw in case.snapshot.table("nodefeaturediscoveries")
    ]
    for one in case.troubles_of(NFD_WORKER, NFD_MASTER):
        if one.state in _PULLS and one.image and one.image in pinned:
            where = f"status of Pod/{one.pod.metadata.name}, {one.container}"
            evidence = (
                Evidence(where, f"{one.state} {one.image}"),
                Evidence("NodeFeatureDiscovery", f"spec.operand.image: {one.image}"),
            )
            return (of_pod(one.pod, says, evidence, 0.8),)
    return ()


def _old_image(case: Case, says: str) -> Results:
    """Find operands of NFD whose image is of another release than the operator's."""
    operators = [c.image for p in case.pods_of(NFD_OPERATOR) for c in p.spec.containers]
    wanted = {version(i.rpartition(":")[2])[:2] for i in operators if version(i.rpartition(":")[2])}
    for one in case.troubles_of(NFD_WORKER, NFD_MASTER):
        for container in one.pod.spec.containers:
            has = version(container.image.rpartition(":")[2])[:2]
            if has and wanted and has not in wanted and has[0] == next(iter(wanted))[0]:
                where = f"Pod/{one.pod.metadata.name}, {container.name}"
                evidence = (
                    Evidence(where, f"image {container.image}"),
                    Evidence("the operator's image", operators[0]),
                )
                return (of_pod(one.pod, says, evidence, 0.88),)
    return ()


def _master(case: Case, says: str) -> Results:
    bad = case.troubles_of(NFD_MASTER)
    lacking = [i for n, i in case.deployments if n == NFD_MASTER and short(i)]
    if not bad and not lacking:
        return ()
    quotes = find(
        case,
        ("address already in use", "failed to create listener", "panic:", "failed to listen"),
        (NFD_MASTER,),
        ("log",),
    )
    if [q for q in quotes if q.live]:
        return (result(says, [q for q in quotes if q.live], at=0.88),)
    if bad:
        one = bad[0]
        text = f"{one.state} {one.message}".strip()
        evidence = (Evidence(f"status of Pod/{one.pod.metadata.name}", text),)
        ended = f"{one.ended} exit code {one.exit_code}, {one.restarts} restarts".strip()
        more = (Evidence(f"status of Pod/{one.pod.metadata.name}", ended),) if one.restarts else ()
        at = 0.9 if one.ended == "OOMKilled" else 0.46 if crash_together(case) else 0.72
        at = at if one.state not in _PULLS else 0.3
        return (of_pod(one.pod, says, (*evidence, *more), at),)
    name = lacking[0].metadata.name
    evidence = (Evidence(f"status of Deployment/{name}", "no ready pod"),)
    return (Result(Severity.ERROR, says, None, (f"Deployment/{name}",), evidence, confidence=0.7),)


def _defect(case: Case, says: str) -> Results:
    for raw in case.snapshot.table("csvs"):
        name = str(raw["metadata"]["name"])
        reason = str(status(raw).get("reason") or "")
        if name.startswith("nfd") and reason == "UnsupportedOperatorGroup":
            evidence = (Evidence(f"status of ClusterServiceVersion/{name}", reason),)
            return (Result(Severity.ERROR, says, evidence=evidence, confidence=0.88),)
    crashing = [t for t in case.troubles_of(NFD_OPERATOR, fails=True) if t.state not in _PULLS]
    if not crashing:
        return ()
    one = crashing[0]
    text = f"{one.container} {one.state}, exit code {one.exit_code}, {one.restarts} restarts"
    evidence = (Evidence(f"status of Pod/{one.pod.metadata.name}", text),)
    quotes = find(
        case, ("panic:", "fatal error", "invalid memory address"), (NFD_OPERATOR,), ("log",)
    )
    every = (*evidence, *(quote.evidence for quote in quotes[:1]))
    return (of_pod(one.pod, says, every, 0.86 if quotes else 0.76),)


_PULLS = ("ImagePullBackOff", "ErrImagePull")


def _unpublished(case: Case, says: str) -> Results:
    """Find GFD that publishes where this NFD does not look: it runs, and its labels never come."""
    works = bool(case.pods_of(NFD_WORKER))
    for pod in case.pods_of(GFD):
        node = case.node(pod.spec.node_name)
        api = any(
            one.variable("USE_NODE_FEATURE_API").lower() == "true"
            or "--use-node-feature-api=true" in one.args
            or "--use-node-feature-api" in one.args
            for one in pod.spec.containers
        )
        if node is None or key(pod) in case.trouble:
            continue
        idle = works and offers_gpu(node) and not _is_young(case, pod)
        if not api and not idle:
            continue
        if any(name.startswith("nvidia.com/gpu.product") for name in node.metadata.labels):
            continue
        name = node.metadata.name
        evidence = (
            Evidence(
                f"Pod/{pod.metadata.name}",
                "publishes through NodeFeature objects" if api else "runs, and fails in nothing",
            ),
            Evidence(f"labels of Node/{name}", "no nvidia.com/gpu.product"),
        )
        return (of_pod(pod, says, evidence, 0.88 if api else 0.66),)
    return ()


def _is_young(case: Case, pod: Pod) -> bool:
    since = age(case, pod.metadata.creation_timestamp)
    return since is not None and since < START


def _no_crd(case: Case, says: str) -> Results:
    quotes = find(
        case,
        (
            'no matches for kind "nodefeature',
            "could not find the requested resource*nodefeature",
            "nodefeature*could not find the requested resource",
            "nodefeatures.nfd.k8s-sigs.io*not found",
            "nodefeaturerules*could not find the requested resource",
            "customresourcedefinition*nfd*not found",
            "no kind is registered for the type*nodefeature",
            "no matches for nfd.",
        ),
        tuple(NFD | {OPERATOR}),
    )
    quotes = [q for q in quotes if q.live]
    return (result(says, quotes, at=0.94),) if quotes else ()


_WATCHES = (0, 10)
"""First release of NFD whose master watches NodeFeatureRules, and does not start without them."""


def _absent_crd(case: Case, says: str) -> Results:
    """Find masters that fail where their CRD is not among those that were read."""
    wanted = "nodefeaturerules.nfd.k8s-sigs.io"
    names = case.snapshot.named("crds")
    if case.on_openshift or not names or wanted in names:
        return ()
    for one in case.troubles_of(NFD_MASTER, fails=True):
        begins = one.state not in _PULLS
        if begins and version(one.image.rpartition(":")[2]) >= _WATCHES:
            evidence = (
                Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.state} {one.image}"),
                Evidence("CustomResourceDefinitions", f"no {wanted}"),
            )
            return (of_pod(one.pod, says, evidence, 0.8),)
    return ()


NO_CRD = cause(
    "OCG0623",
    "nfd-crd-missing",
    FAMILY,
    "nfd",
    title="the CustomResourceDefinitions of NFD are installed",
    says="a CustomResourceDefinition that NFD needs is not installed",
    means="Helm does not update CRDs on an upgrade; NFD 0.12 and later wants NodeFeature and "
    "NodeFeatureRule.",
    remedy=("oc get crd | grep nfd", "oc apply -f CRDS-OF-THE-CHART"),
    look=any_of(_no_crd, _absent_crd),
)


_NOT_CREATED = (
    "failed to create node feature object",
    "error creating nodefeature object",
    "failed to create nodefeature",
    "could not find the requested resource*nodefeature",
    "nodefeatures.nfd.k8s-sigs.io*is forbidden",
    'nodefeatures.nfd.k8s-sigs.io "*" not found',
    "nodefeature*unable to",
)


def _not_created(case: Case, says: str) -> Results:
    """Find what GPU Feature Discovery could not publish, unless for want of the API server."""
    told = find(case, _NOT_CREATED, (GFD,))
    quotes = [q for q in told if q.live and "://" not in q.evidence.quote]
    return (result(says, quotes, at=0.95),) if quotes else ()


API = cause(
    "OCG0624",
    "gfd-nodefeature-api-mismatch",
    FAMILY,
    "nfd",
    title="GPU Feature Discovery publishes where NFD looks",
    says="GPU Feature Discovery publishes through an NFD interface that the installed NFD does "
    "not read",
    means="GFD writes NodeFeature objects, and this NFD reads files only (before 0.14), or the "
    "reverse.",
    remedy=(
        "oc get crd nodefeatures.nfd.k8s-sigs.io",
        "oc get pods -A -o yaml | grep -i node-feature-discovery: # its version",
        "set nfd.enabled=true with the chart's own NFD, or gfd.env USE_NODE_FEATURE_API=false",
    ),
    look=any_of(
        _not_created,
        _unpublished,
    ),
)


_NO_CALLS = (0, 14)
"""First release of NFD whose workers do not call the master any more."""
_NO_CALLS_OPENSHIFT = (4, 14)
"""The same of OpenShift, whose images bear its own release."""


def _silent_worker(case: Case, says: str) -> Results:
    """Find workers that call the master and end without a word, while the master is well."""
    if any(part == NFD_WORKER for _, _, part in case.logs) or case.troubles_of(NFD_MASTER):
        return ()
    for one in case.troubles_of(NFD_WORKER, fails=True):
        release = version(one.image.rpartition(":")[2])
        calls = () < release < _NO_CALLS or () < case.openshift < _NO_CALLS_OPENSHIFT
        if calls and one.state not in PULLING:
            name = one.pod.metadata.name
            evidence = (
                Evidence(f"status of Pod/{name}", f"{one.container} {one.state}"),
                Evidence(f"image of Pod/{name}", one.image),
            )
            objects, told = (f"Pod/{name}",), about(one.pod, one.container)
            at = 0.62 if () < release < _NO_CALLS else 0.52
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told),
            )
    return ()


NO_MASTER = cause(
    "OCG0625",
    "nfd-worker-cannot-reach-master",
    FAMILY,
    "nfd",
    title="nfd-worker reaches nfd-master",
    says="nfd-worker cannot connect to nfd-master over the network",
    means="Before NFD 0.14 the worker sends its labels to the master's service. A NetworkPolicy, "
    "a proxy or "
    "a broken pod network is in between.",
    remedy=(
        "oc get svc,endpoints -A | grep nfd-master",
        "oc get networkpolicy -A | grep -E 'nfd|node-feature'",
    ),
    look=any_of(
        said(
            "failed to connect*context deadline exceeded",
            "failed to connect: ",
            "failed to advertise labels",
            "failed to set node labels*rpc error",
            "grpc: addrconn.createtransport failed to connect",
            "rpc error: code = unavailable",
            "rpc error: code = deadlineexceeded",
            "connection error: desc = *transport: error while dialing",
            "dial tcp*:12000",
            by=(NFD_WORKER,),
            at=0.92,
        ),
        said(
            "connecting to nfd-master",
            "sending update to cc: {[{*master",
            by=(NFD_WORKER,),
            sources=("log",),
            at=0.66,
        ),
        _silent_worker,
    ),
)


IMAGE = cause(
    "OCG0628",
    "nfd-operand-image-mismatch",
    FAMILY,
    "nfd",
    title="NFD's operands are of the operator's release",
    says="the NFD instance pins an operand image that does not fit the installed operator or the "
    "system",
    means="spec.operand.image was written for another release and stays when the operator is "
    "updated.",
    remedy=(
        "oc get nodefeaturediscovery -n {namespace} -o jsonpath='{.items[*].spec.operand.image}'",
        (
            "take the image from the CSV's alm-examples, or remove the field where the release "
            "allows "
            "it"
        ),
    ),
    look=any_of(said(*_NOT_KNOWN, by=tuple(NFD - {NFD_OPERATOR}), at=0.9), _image),
)


DEFECT = cause(
    "OCG0629",
    "nfd-operator-defect",
    FAMILY,
    "nfd",
    title="the NFD operator runs",
    says="the NFD operator itself crashes",
    means="It ends again and again, and neither its image nor a right is what it lacks: a defect "
    "of this build, "
    "or an install mode that it does not support.",
    remedy=(
        "oc logs -n {namespace} {pod} --all-containers --previous",
        "oc get csv,subscription,operatorgroup -n {namespace}",
    ),
    look=_defect,
)


MASTER = cause(
    "OCG0630",
    "nfd-master-failing",
    FAMILY,
    "nfd",
    title="nfd-master is ready",
    says="nfd-master does not become ready, so labels are not written",
    means="Labels are written by nfd-master; workers only find out. What it keeps in memory grows "
    "with the cluster: killed for it (OOMKilled), it needs a higher limit.",
    remedy=(
        "oc describe pod -n {namespace} {pod}",
        "oc logs -n {namespace} {pod} --previous",
        (
            "helm upgrade ... --set node-feature-discovery.master.resources.limits.memory=4Gi"
            "   # where it was OOMKilled and came with the GPU Operator's chart"
        ),
    ),
    look=_master,
)

CAUSES = (
    NO_CRD,
    API,
    NO_MASTER,
    IMAGE,
    DEFECT,
    MASTER,
)
