"""Layer access: systems, runtimes and platforms that the GPU Operator is not made for."""

import re

from oc_gpu import facts
from oc_gpu.checks import components
from oc_gpu.checks.case import Case, conditions, key, name_of, version
from oc_gpu.checks.catalogue import SURE, Result, Results
from oc_gpu.checks.components import DRIVER, GPU_STACK, ON_NODE, OPERATOR
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import (
    any_of,
    cause,
    find,
    holds,
    of_pod,
    result,
    said,
    shown,
)
from oc_gpu.checks.troubles import PULLING
from oc_gpu.snapshot.kinds import Node

_NO_MORE_7 = (1, 10)
"""First release whose toolkit wants a newer C library than that of CentOS and RHEL 7."""
_NO_DEVICES = (
    "container error: cgroup subsystem devices not found",
    "failed to add device rules: unable to find any existing device filters",
)
"""What NVIDIA's hook says that does not know the node's control groups: they are of version 2, and
the hook is older, or the kernel lets it not look at their device filters."""
_OLD_LIBC = ("version `glibc_", "version 'glibc_", "glibc_* not found")
"""What the dynamic linker says of programs that are built for a newer system than the node's."""


_DOCKER = (18, 6)
"""First release of Docker that the GPU Operator was made for (its platform support page)."""
_NO_OPENSHIFT = (
    "failed to get openshift version*could not find the requested resource",
    "could not find the requested resource*clusterversions.config.openshift.io",
    'no matches for kind "clusterversion"',
)
"""How releases fail that take every system of Red Hat's for a part of an OpenShift."""


def _odd_pair(case: Case, says: str) -> Results:
    """Find systems and runtimes that were never supported together (platform support pages)."""
    words = (*_OLD_LIBC, *_NO_DEVICES)
    old = [q for q in find(case, words, (*GPU_STACK, components.WORKLOAD)) if q.live]
    if old:
        return (result(says, old, at=0.93),)
    taken = [q for q in find(case, _NO_OPENSHIFT, (OPERATOR,)) if q.live]
    if taken and not case.on_openshift:
        return (result(says, taken, at=0.9),)
    quotes = [
        q
        for q in find(
            case,
            (
                "unsupported container runtime",
                "runtime*is not supported on",
                "unsupported os",
                "distribution not supported",
                "unsupported runtime",
            ),
            tuple(GPU_STACK),
        )
        if q.live
    ]
    if quotes:
        return (result(says, quotes, at=0.85),)
    for node in case.gpu_nodes:
        info = node.status.node_info
        runtime = info.container_runtime_version.partition(":")[0]
        old_red_hat = re.search(r"(?i)(centos|red hat enterprise linux)[^\d]*7", info.os_image)
        new_red_hat = re.search(
            r"(?i)(centos|red hat enterprise linux|rocky|alma|oracle linux)[^\d]*[89]",
            info.os_image,
        )
        wants_libc = case.operator_version >= _NO_MORE_7
        odd = (
            (old_red_hat and (runtime in ("containerd", "cri-o") or wants_libc))
            or (new_red_hat and runtime == "docker")
            or (
                "CoreOS" not in info.os_image
                and runtime == "cri-o"
                and case.operator_version < (1, 9)
            )
            or (runtime == "docker" and version(info.container_runtime_version) < _DOCKER)
        )
        at = 0.62 if old_red_hat and wants_libc else 0.46
        if at < SURE and _fails_before(case, node):
            continue
        if odd and case.unwell and case.managed and "CoreOS" not in info.os_image:
            name = node.metadata.name
            text = f"{info.os_image}, {info.container_runtime_version}"
            evidence = (Evidence(f"status of Node/{name}", text),)
            objects, told = (f"Node/{name}",), {"node": name}
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told),
            )
    return ()


def _fails_before(case: Case, node: Node) -> bool:
    """Tell whether the driver of a node fails and says why: it needs no container runtime."""
    spoke = {(key(pod), ref.container) for ref, pod, _ in case.logs if pod is not None}
    return any(
        one.pod.spec.node_name == node.metadata.name and (key(one.pod), one.container) in spoke
        for one in case.troubles_of(DRIVER, fails=True)
    )


def _unsupported(case: Case, says: str) -> Results:
    """Compare the GPU Operator with the releases of OpenShift that it is made for."""
    operator, openshift = case.operator_version, case.openshift
    if not operator or not openshift:
        return ()
    shown = ".".join(map(str, operator))
    try:
        release = facts.gpu_operator_release(shown)
    except (ValueError, KeyError, LookupError):
        return ()
    here = ".".join(map(str, openshift[:2]))
    first, last = (version(bound) for bound in release.openshift)
    if first <= openshift[:2] <= last:
        return ()
    far = openshift[1] > last[1] + 1 or openshift[1] + 1 < first[1]
    shown_range = f"{release.openshift[0]} to {release.openshift[1]}"
    evidence = (
        Evidence("GPU Operator", f"version {shown} supports OpenShift {shown_range}"),
        Evidence("ClusterVersion/version", f"OpenShift {here}"),
    )
    if not case.unwell:
        # Where a platform has gone on without its operator, nothing need be broken yet.
        found = Result(Severity.WARNING, says, evidence=evidence, confidence=0.4)
        return (found,) if release.exact and openshift[:2] > last else ()
    at, severity = (0.6, Severity.ERROR) if far else (0.4, Severity.WARNING)
    return (Result(severity, says, evidence=evidence, confidence=at),)


_HOLDS_BACK = "is incompatible with openshift minor versions"


def _holds_back(case: Case, says: str) -> Results:
    """Note operators that keep the platform from its next release, as OLM says of them."""
    del says
    for raw in case.snapshot.table("clusteroperators"):
        told = str(conditions(raw).get("Upgradeable", {}).get("message") or "")
        if "gpu-operator" in told and holds(told, _HOLDS_BACK):
            where = f"condition Upgradeable of {name_of(raw)}"
            evidence = (Evidence(where, shown(told)),)
            return (Result(Severity.WARNING, _NOT_FOR_NEXT, evidence=evidence, confidence=0.4),)
    return ()


_NOT_FOR_NEXT = (
    "the installed operator is not made for the platform's next release, and keeps it from being "
    "updated"
)


_WITHOUT_POLICIES, _KNOWS = (1, 25), (22, 9)
"""Kubernetes 1.25 no longer serves PodSecurityPolicy and the beta of RuntimeClass (its guide of
deprecated APIs); the first release of the GPU Operator that does without."""


def _too_old(case: Case, says: str) -> Results:
    """Find operators that fail where the server no longer has the API that they ask for."""
    told = next((node.status.node_info.kubelet_version for node in case.snapshot.nodes), "")
    if version(told)[:2] < _WITHOUT_POLICIES or not () < case.operator_version < _KNOWS:
        return ()
    for one in case.troubles_of(OPERATOR, fails=True):
        if one.state in PULLING:
            continue
        shown = ".".join(map(str, case.operator_version))
        evidence = (
            Evidence("nodes", f"Kubernetes {told}"),
            Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.state}, version {shown}"),
        )
        return (of_pod(one.pod, says, evidence, 0.7),)
    if case.policies and case.unwell and case.labelled and not case.sets_of(*ON_NODE):
        shown = ".".join(map(str, case.operator_version))
        more = (
            Evidence("nodes", f"Kubernetes {told}"),
            Evidence("DaemonSets", f"none of an operand, though GPU Operator {shown} runs"),
        )
        return (Result(Severity.ERROR, says, evidence=more, confidence=0.6),)
    return ()


UNSUPPORTED = cause(
    "OCG0135",
    "unsupported-version-matrix",
    "version-matrix",
    "access",
    title="the platform's release is one that the operator supports",
    says="the platform's version is outside the range that the installed operator supports",
    means="The operator asks for an API version that this release no longer serves, or does not "
    "serve yet, or "
    "it was never made for it.",
    remedy=(
        "oc get csv -n {namespace}",
        "oc api-versions",
        "oc-gpu check   # names the release that fits",
    ),
    look=any_of(
        said(
            'no matches for kind "podsecuritypolic',
            'no matches for kind "runtimeclass',
            'no matches for kind "cronjob"',
            'no matches for kind "poddisruptionbudget"',
            'no matches for kind*in version "policy/v1beta1"',
            'no matches for kind*in version "node.k8s.io',
            'no matches for kind*in version "apiextensions.k8s.io/v1beta1"',
            'no matches for kind*in version "rbac.authorization.k8s.io/v1beta1"',
            'no matches for kind*in version "batch/v1beta1"',
            "could not find the requested resource*podsecuritypolic",
            "could not find the requested resource*runtimeclass",
            "chart requires kubeversion",
            "incompatible with kubernetes",
            "unsupported kubernetes version",
            "minkubeversion",
            "maxopenshiftversion",
            by=(OPERATOR, components.NFD_OPERATOR, components.OLM, components.OTHER),
            at=0.91,
        ),
        _too_old,
        _unsupported,
        _holds_back,
    ),
)


PAIR = cause(
    "OCG0136",
    "unsupported-runtime-os",
    "version-matrix",
    "access",
    title="system and container runtime of the GPU nodes are a supported pair",
    says="the pair of operating system and container runtime on the GPU node is not supported",
    means="Each release of the operator was tested with some pairs only; with others the toolkit "
    "writes what "
    "nobody reads.",
    remedy=(
        "oc get nodes -o wide",
        "take a pair of the platform support page of this release of the GPU Operator",
    ),
    look=_odd_pair,
)

CAUSES = (UNSUPPORTED, PAIR)
