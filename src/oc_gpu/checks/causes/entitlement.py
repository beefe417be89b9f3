"""Layer entitlement: the packages from which the driver is built, and the right to them."""

from collections.abc import Collection

from oc_gpu.checks.case import Case, spec
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.building import has_headers
from oc_gpu.checks.causes.driver_toolkit import lacks_image, mislabelled
from oc_gpu.checks.causes.network import (
    NO_METADATA,
    UNREACHABLE,
    UNRESOLVED,
    UNTRUSTED,
    build_logs,
    by_build,
)
from oc_gpu.checks.causes.proxies import needs_proxy
from oc_gpu.checks.components import DRIVER, PACKAGE_PROOF
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import Quote, about, any_of, cause, find, result, said
from oc_gpu.checks.systems import is_odd
from oc_gpu.checks.troubles import PULLING, Trouble

_FAMILY = "entitlement-and-packages"

_NO_PACKAGE = (
    "unable to find a match: kernel",
    "unable to find a match",
    "no package kernel",
    "no package matches",
    "no match for argument: kernel",
    "no match for argument",
    "no matches found",
    "no package elfutils",
    "nothing provides kernel",
    "e: failed to fetch*404",
    "nothing to do*kernel-headers",
    "unable to locate package linux-",
    "couldn't find any package by",
    "has no installation candidate",
    "/lib/modules/*/build: no such file or directory",
    "/usr/src/kernels/*: no such file or directory",
    "/usr/src/linux-headers*: no such file or directory",
    "could not resolve linux kernel version",
    "no packages found for kernel",
    "failed to find kernel headers",
    "kernel headers*not found",
    "kernel-devel*not found",
    "not found in package names",
    "no provider of",
    "unable to open the file '/lib/modules/*/proc/version'",
    "could not find*linux-headers",
    "e: version*for*linux",
    "404  not found*linux-",
    "error: unable to find kernel",
    "kernel headers were not found",
    "unable to find the kernel source tree",
    "unable to find the development tool",
)
_NOT_REGISTERED = (
    "entitlement may be improperly deployed",
    "not registered with an entitlement server",
    "system is not registered",
    "there are no enabled repositories",
    "there are no enabled repos",
    "subscription-manager*to register",
    "no entitlement",
    "failed to install elfutils",
    "repositories disabled by configuration",
    "no repositories available",
    "unable to find a match: elfutils",
)
_REFUSED = (
    "status code: 403 for https://cdn",
    "403 - forbidden",
    "returned error: 403",
    "the requested url returned error: 403",
    "http error 403",
    "status code: 401",
    "unknown repo",
    "no matching repo to modify",
    "status code: 404 for https://cdn",
    "certificate has expired",
    "certificate expired",
    "sslv3 alert certificate expired",
    "could not load pem client certificate",
    "no repository match",
    "error: 'rhocp",
)
_HINT = 0.47
"""Confidence of what is only the usual reason of a build that ends without a word."""
_WHERE = ("/etc/pki/entitlement", "/etc/rhsm")


def _deployed(case: Case) -> list[Evidence]:
    """Return what carries an entitlement: MachineConfigs, and pods that try it beforehand."""
    found = []
    for raw in case.snapshot.table("machineconfigs"):
        if str(raw["metadata"]["name"]).startswith("rendered-"):
            continue
        storage = (spec(raw).get("config") or {}).get("storage") or {}
        for one in storage.get("files") or []:
            path = str(one.get("path") or "")
            if path.startswith(_WHERE):
                found.append(Evidence(f"MachineConfig/{raw['metadata']['name']}", f"file {path}"))
                break
    return found + _mounted(case)


def _mounted(case: Case) -> list[Evidence]:
    """Return the pods that try an entitlement which no node holds yet: they mount it."""
    return [
        Evidence(
            f"Pod/{pod.metadata.name} in {pod.metadata.namespace}", f"mounts {mount.mount_path}"
        )
        for pod in case.pods_of(PACKAGE_PROOF)
        for one in pod.spec.containers
        for mount in one.volume_mounts
        if mount.mount_path.startswith(_WHERE)
    ]


def _on_red_hat(case: Case) -> bool:
    return (
        any("Red Hat" in n.status.node_info.os_image for n in case.gpu_nodes) or case.on_openshift
    )


def _live(case: Case, phrases: Collection[str]) -> list[Quote]:
    """Return what builds say now; one that is for another system than the node's tells nothing."""
    quotes = find(case, phrases, (DRIVER, PACKAGE_PROOF), ("log", "client"))
    wrong = mislabelled(case)
    return [q for q in quotes if q.live and by_build(q) and q.node not in wrong]


def _blocked(case: Case) -> bool:
    """Tell whether the repositories do not answer, so that missing packages tell nothing."""
    if _live(case, (*UNREACHABLE, *UNRESOLVED, *UNTRUSTED)):
        return True
    return bool(_live(case, NO_METADATA)) and not _live(case, _REFUSED)


_NOT_ON_HOST = tuple(
    f"hostpath type check failed: {path}*is not a"
    for path in ("/etc/pki/entitlement", "/etc/rhsm", "/etc/yum.repos.d/redhat.repo")
)
"""How the kubelet says that a host lacks what the operator hands to the driver of its
subscription."""


def _missing(case: Case, says: str) -> Results:
    if _deployed(case) or not _on_red_hat(case):
        return ()
    fallback = lacks_image(case)
    quotes = _live(case, _NOT_REGISTERED)
    if quotes:
        return (result(says, quotes, at=0.6 if fallback else 0.92),)
    quotes = _live(case, (*_REFUSED, *_NO_PACKAGE))
    if quotes and not _blocked(case) and case.on_openshift and _on_coreos(case):
        if fallback or any(is_odd(node) for node in case.driverless):
            return (result(says, quotes, at=0.6),)
        lacks = Evidence("MachineConfigs", "none puts a file into /etc/pki/entitlement")
        known = case.snapshot.known("machineconfigs")
        return (result(says, quotes, at=0.9 if known else 0.7, more=(lacks,)),)
    for one in _silent(case) if "machineconfigs" in case.snapshot.tables else []:
        name = one.pod.metadata.name
        evidence = (
            Evidence("MachineConfigs", "none puts a file into /etc/pki/entitlement"),
            Evidence(f"status of Pod/{name}", f"{one.container} {one.state}"),
        )
        told = about(one.pod, one.container)
        objects = (f"Pod/{name}",)
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.62, about=told),)
    return ()


def _silent(case: Case) -> list[Trouble]:
    """Return driver pods that fail without a log where the driver is built from packages."""
    if build_logs(case) or not _on_coreos(case):
        return []
    built = case.operator_version and case.operator_version < (1, 9) and case.openshift >= (4,)
    failing = [t for t in case.troubles_of(DRIVER, fails=True) if t.state not in PULLING]
    return failing if built else []


def _on_coreos(case: Case) -> bool:
    images = [n.status.node_info.os_image for n in case.gpu_nodes]
    return all("Red Hat" in image and "CoreOS" in image for image in images)


def _stale(case: Case, says: str) -> Results:
    deployed = _deployed(case)
    if not deployed:
        return ()
    quotes = _live(case, (*_REFUSED, *_NOT_REGISTERED, *_NO_PACKAGE))
    for one in _silent(case) if not quotes else []:
        name, told = one.pod.metadata.name, about(one.pod, one.container)
        seen = Evidence(f"status of Pod/{name}", f"{one.container} {one.state}")
        both, objects = (deployed[0], seen), (f"Pod/{name}",)
        return (Result(Severity.ERROR, says, None, objects, both, confidence=_HINT, about=told),)
    if not quotes or _blocked(case):
        return ()
    missing = all(q in _live(case, _NO_PACKAGE) for q in quotes)
    odd = missing and any(is_odd(node) for node in case.driverless)
    return (result(says, quotes, at=0.6 if odd else 0.9, more=tuple(deployed[:1])),)


def _headers(case: Case, says: str) -> Results:
    if _blocked(case) or has_headers(case):
        return ()
    quotes = _live(case, _NO_PACKAGE)
    odd = any(is_odd(node) for node in case.driverless)
    at = 0.6 if lacks_image(case) else 0.8 if odd else 0.88
    at = min(at, _END) if quotes and _is_end_only(case, quotes[0]) else at
    return (result(says, quotes, at=at),) if quotes else ()


_END = 0.68
"""Confidence of a log's last line alone: what came before may tell why packages are not found."""


def _is_end_only(case: Case, quote: Quote) -> bool:
    """Tell whether a line is all that there is of its log."""
    ref = next((r for r, _, _ in case.logs if quote.evidence.where.startswith(f"{r.where}:")), None)
    texts = case.snapshot.texts[ref] if ref is not None else ()
    return sum(bool(line.strip()) for t in texts for line in t.content.splitlines()) == 1


def _unreachable(case: Case, says: str) -> Results:
    refused = (*_REFUSED, *_NOT_REGISTERED, *UNRESOLVED, *UNTRUSTED)
    quotes = _live(case, UNREACHABLE)
    if not quotes and not _live(case, refused):
        quotes = _live(case, NO_METADATA)
    quotes = [q for q in quotes if "proxy" not in q.evidence.quote.lower()]
    quotes = [q for q in quotes if ":443/api" not in q.evidence.quote.lower()]
    if not quotes:
        return ()
    return (result(says, quotes, at=0.86 if needs_proxy(case) else 0.88),)


REPO = cause(
    "OCG0320",
    "package-repo-unreachable",
    _FAMILY,
    "entitlement",
    title="the driver container reaches the package repositories",
    says="the driver container cannot reach the package repositories",
    means="The driver is built on the node from packages that are downloaded, and the "
    "repositories do not "
    "answer: no route, a firewall, an air gap, or a mirror that is not configured. From OpenShift "
    "4.10 on Driver Toolkit makes downloads needless.",
    remedy=(
        "oc logs -n {namespace} {pod} -c {container}",
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"repoConfig":{"configMapName":"repo-config"}}}}\'   # a local '
            "mirror"
        ),
    ),
    look=_unreachable,
)
MISSING = cause(
    "OCG0321",
    "entitlement-missing",
    _FAMILY,
    "entitlement",
    title="nodes hold the RHEL entitlement that the driver build needs",
    says="the driver build needs packages of RHEL repositories, and the nodes hold no entitlement",
    means="Without Driver Toolkit the driver container installs kernel packages with dnf. That "
    "wants a "
    "subscription certificate on the node: put there by MachineConfigs on CoreOS, by "
    "subscription-manager on RHEL.",
    remedy=(
        "subscription-manager register   # on {node}, where it runs RHEL and not CoreOS",
        "oc-gpu plan --entitlement DOWNLOAD.zip   # shows which nodes reboot",
        "oc-gpu enable --entitlement DOWNLOAD.zip",
    ),
    look=any_of(said(*_NOT_ON_HOST, sources=("event", "state"), at=0.93), _missing),
)
STALE = cause(
    "OCG0322",
    "entitlement-stale",
    _FAMILY,
    "entitlement",
    title="the entitlement gives access to the repositories that are needed",
    says="an entitlement is deployed, but it gives no access to the repositories with the needed "
    "packages",
    means="The certificate has expired or was revoked, or its subscription does not cover this "
    "release's "
    "repositories (rhocp and EUS). Running pods keep the copy that they started with.",
    remedy=(
        "oc-gpu entitlement inspect DOWNLOAD.zip",
        "oc-gpu enable --entitlement DOWNLOAD.zip   # renews it; nodes reboot",
        "oc delete pod -n {namespace} {pod}",
    ),
    look=_stale,
)
HEADERS = cause(
    "OCG0323",
    "kernel-headers-not-found",
    _FAMILY,
    "entitlement",
    title="the repositories hold the packages of the running kernel",
    says="the repositories in use do not contain the packages of the running kernel",
    means="The driver is compiled against headers of exactly the running kernel. Repositories "
    "drop old "
    "kernels, lag behind new ones, or are not those of this distribution.",
    remedy=(
        "oc get node {node} -o jsonpath='{.status.nodeInfo.kernelVersion}'",
        "update the node to a kernel of which the repositories still have the headers",
        "or use a precompiled driver for this kernel (driver.usePrecompiled)",
    ),
    look=_headers,
)

CAUSES = (REPO, STALE, MISSING, HEADERS)
