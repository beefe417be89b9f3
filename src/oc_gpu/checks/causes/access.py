"""Layer access: what the API server admits."""

import re

from msgspec import structs

from oc_gpu.checks.case import Case, key
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.control_plane import TOO_LATE
from oc_gpu.checks.causes.driver import denied, has_selinux
from oc_gpu.checks.components import GPU_STACK, MCO, NFD, OLM, ON_NODE, OTHER, WORKLOAD
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import any_of, cause, find, note, of_pod, result, said, split
from oc_gpu.checks.troubles import PULLING

_ADMISSION = "admission-and-quota"
_OURS = tuple(GPU_STACK | NFD)


_OWN_SCC = frozenset(
    {
        "privileged",
        "restricted",
        "restricted-v2",
        "nonroot",
        "nonroot-v2",
        "anyuid",
        "hostaccess",
        "hostmount-anyuid",
        "hostmount-anyuid-v2",
        "hostnetwork",
        "hostnetwork-v2",
        "nfd-worker",
    }
)


_STOCK = ("restricted", "nonroot", "hostmount-", "hostnetwork", "nested-", "nvidia-", "nfd-")
"""How OpenShift, of which newer releases have newer ones, and the operators call their own."""


def _scc(case: Case, says: str) -> Results:
    for pod in case.pods_of(*_OURS):
        used = pod.metadata.annotations.get("openshift.io/scc", "")
        custom = (
            used
            and not used.startswith(_STOCK)
            and used not in _OWN_SCC
            and not used.startswith(("nvidia-", "nfd-"))
        )
        if custom and (key(pod) in case.trouble or case.unwell):
            evidence = Evidence(f"annotation openshift.io/scc of Pod/{pod.metadata.name}", used)
            return (of_pod(pod, says, (evidence,), 0.88),)
    return ()


def _read_only(case: Case, says: str) -> Results:
    """Find programs of ours that may not write, as an SCC can have it."""
    quotes = find(case, ("read-only file system",), _OURS, ("log", "event", "state"))
    quotes = [q for q in quotes if q.live and "open /tmp/" in q.evidence.quote]
    return (result(says, quotes, at=0.72),) if quotes and case.on_openshift else ()


def _as_root(case: Case, says: str) -> Results:
    """Find pods that may not run as root, and were given an SCC that lets their image do so."""
    phrase = "runasnonroot and image will run as root"
    for quote in find(case, (phrase,), None, ("event", "state")):
        used = quote.pod.metadata.annotations.get("openshift.io/scc", "") if quote.pod else ""
        if quote.pod is None or not quote.live or used in ("", "restricted", "restricted-v2"):
            continue
        more = (Evidence(f"annotation openshift.io/scc of Pod/{quote.pod.metadata.name}", used),)
        found = result(says, [quote], at=0.8, more=more)
        return (found if quote.component in _OURS else note(found),)
    return ()


_PLATFORM = "openshift-"


def _of_others(case: Case, says: str) -> Results:
    """Note pods of the platform that fail under an SCC that was raised, or that denies writes."""
    raised = {
        str(raw["metadata"]["name"])
        for raw in case.snapshot.table("securitycontextconstraints")
        if raw["metadata"]["name"] != "anyuid"
        and (raw.get("priority") or raw.get("readOnlyRootFilesystem"))
    }
    for one in case.troubles_of(OTHER, MCO, OLM, fails=True):
        meta = one.pod.metadata
        used = meta.annotations.get("openshift.io/scc", "")
        if used in raised and one.state not in PULLING and meta.namespace.startswith(_PLATFORM):
            evidence = (
                Evidence(f"annotation openshift.io/scc of Pod/{meta.name}", used),
                Evidence(f"status of Pod/{meta.name}, {one.container}", one.state),
            )
            return (note(of_pod(one.pod, says, evidence, 0.45, one.container)),)
    return ()


_DEVICE = re.compile(r"(?m)^.*(?:\b\w+_u:\w+:device_t:s0).*nvidia.*$")


def _denied_to_workloads(case: Case, says: str) -> Results:
    """Find what SELinux denied on a node on which a user's pod with a GPU fails."""
    failing = {one.pod.spec.node_name for one in case.troubles_of(WORKLOAD, fails=True)}
    quotes = find(case, ("avc:*denied*nvidia",), None, ("kernel",))
    quotes = [q for q in quotes if q.node in failing]
    return (result(says, quotes, at=0.85),) if quotes else ()


def _labelled(case: Case, says: str) -> Results:
    """Find device files of NVIDIA with the label that containers may not use."""
    for ref, texts in case.texts_of_nodes("_.dev", ".dev", "/dev", "ls_-lZ"):
        if "nvidia-bug" in ref.name or "dmesg" in ref.name:
            continue
        for text in texts:
            match = _DEVICE.search(text.content)
            if match is not None:
                evidence = (Evidence(ref.where, match[0].strip()),)
                objects, told = (f"Node/{ref.node}",), {"node": ref.node}
                return (
                    Result(
                        Severity.ERROR, says, None, objects, evidence, confidence=0.88, about=told
                    ),
                )
    return ()


def _module(case: Case, says: str) -> Results:
    """Find kernel modules that the policy denies: Secure Boot answers otherwise (EPERM, ENOKEY)."""
    quotes = [q for q in denied(case) if has_selinux(case, q.node)]
    return (result(says, quotes, at=0.88),) if quotes else ()


def _blocked(case: Case, says: str, *, security: bool) -> Results:
    """Find operands of which no pod can be made, in a namespace that does not allow them."""
    late = next(case.events_text.find(split(TOO_LATE)), None)
    if security == case.on_openshift or late is not None:
        return ()
    own = {id(item) for _, item in case.sets}
    every = [item for _, item in case.sets]
    every += [item for item in case.snapshot.daemon_sets if id(item) not in own]
    for item in every:
        now, meta = item.status, item.metadata
        if not now.desired_number_scheduled or now.current_number_scheduled:
            continue
        space = next(
            (
                n
                for n in case.snapshot.table("namespaces")
                if n["metadata"]["name"] == meta.namespace
            ),
            None,
        )
        labels = (space or {}).get("metadata", {}).get("labels") or {}
        if security and labels.get("pod-security.kubernetes.io/enforce") == "privileged":
            continue
        where = f"status of DaemonSet/{meta.name}"
        counts = f"wants {now.desired_number_scheduled} pods, none was made"
        evidence = (Evidence(where, counts),)
        objects, told = (f"DaemonSet/{meta.name}",), {"namespace": meta.namespace}
        enforced = labels.get("pod-security.kubernetes.io/enforce") in ("baseline", "restricted")
        at = 0.6 if security and enforced else 0.48
        found = Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told)
        if id(item) in own:
            return (found,)
        look = (f"oc describe daemonset -n {meta.namespace} {meta.name}",)
        return (note(structs.replace(found, confidence=0.4, title=_OTHER_SET, remedy=look)),)
    return ()


_OTHER_SET = "a DaemonSet beside the GPU stack gets no pods; pod security may forbid them"


def _no_security(case: Case, says: str) -> Results:
    return _blocked(case, says, security=True)


def _no_scc(case: Case, says: str) -> Results:
    return _blocked(case, says, security=False)


_LEAVE = "--allow-privileged"
_OFF = f"{_LEAVE}=false"


def _switched_off(case: Case, says: str) -> Results:
    """Find API servers that are started without leave for privileged pods."""
    for pod in case.snapshot.pods:
        for one in pod.spec.containers if "kube-apiserver" in pod.metadata.name else []:
            given = (*one.command, *one.args)
            where = f"arguments of {one.name} of Pod/{pod.metadata.name}"
            if _OFF in given and case.unwell:
                return (of_pod(pod, says, (Evidence(where, _OFF),), 0.85, one.name),)
            by_flags = any(arg.startswith("--etcd-servers=") for arg in given)
            lacks = by_flags and not any(arg.startswith(_LEAVE) for arg in given)
            if lacks and case.policies and not case.sets_of(*ON_NODE):
                seen = Evidence(where, f"no {_LEAVE}=true, and no operand was made")
                return (of_pod(pod, says, (seen,), 0.8, one.name),)
    return ()


POD_SECURITY = cause(
    "OCG0120",
    "pod-security-rejected",
    _ADMISSION,
    "access",
    title="pod security admits the privileged pods",
    says="Pod Security admission or a PodSecurityPolicy forbids the privileged pods",
    means="The driver, the toolkit and the plugin have to be privileged. Their namespace must "
    "allow it.",
    remedy=(
        "oc label namespace {namespace} --overwrite pod-security.kubernetes.io/enforce=privileged",
    ),
    look=any_of(
        said(
            "violates podsecurity",
            "unable to validate against any pod security policy",
            "podsecuritypolicy: unable to admit pod",
            "no providers available to validate pod",
            "violates the podsecurity",
            sources=("event", "log", "client"),
            at=0.95,
        ),
        _no_security,
    ),
)
QUOTA = cause(
    "OCG0121",
    "quota-priorityclass",
    _ADMISSION,
    "access",
    title="quotas admit pods of critical priority",
    says="the namespace has no quota that admits pods of a critical priority class",
    means="Where the platform limits critical priority classes to some namespaces (GKE does), the "
    "operator's "
    "namespace needs a ResourceQuota whose scope selector names them.",
    remedy=(
        (
            "oc apply -n {namespace} -f quota.yaml   # ResourceQuota, scopeSelector: "
            "PriorityClass In "
            "[system-node-critical, system-cluster-critical]"
        ),
    ),
    look=said(
        "insufficient quota to match these scopes",
        "pods with*priorityclass is not permitted",
        "no quota*priorityclass",
        "forbidden: exceeded quota",
        at=0.95,
    ),
)
SCC_REJECTED = cause(
    "OCG0122",
    "scc-rejected",
    _ADMISSION,
    "access",
    title="a SecurityContextConstraints fits every operand",
    says="no SecurityContextConstraints that fits may be used by the pod's service account",
    means="The operator makes a role for each operand that lets it use the SCC privileged. Where "
    "the role, "
    "its binding or the service account is missing, the pods are not created.",
    remedy=(
        "oc get events -n {namespace} --field-selector reason=FailedCreate",
        "oc adm policy who-can use scc privileged -n {namespace}",
    ),
    look=any_of(
        said(
            "unable to validate against any security context constraint",
            "provider restricted: forbidden",
            at=0.95,
        ),
        _no_scc,
    ),
)
SCC_WRONG = cause(
    "OCG0123",
    "scc-wrong-selected",
    _ADMISSION,
    "access",
    title="operands run under the SCC that they are made for",
    says="a custom SecurityContextConstraints was picked for the pod and takes away what it needs",
    means="Of all SCCs that a service account may use, the one of the highest priority is taken. "
    "A custom one "
    "for all authenticated users changes the pods of every operator.",
    remedy=(
        "oc get scc -o custom-columns=NAME:.metadata.name,PRIORITY:.priority",
        "oc get pod {pod} -n {namespace} -o jsonpath='{.metadata.annotations.openshift\\.io/scc}'",
    ),
    look=any_of(_scc, _read_only, _as_root, _of_others),
)
SELINUX = cause(
    "OCG0124",
    "selinux-denied",
    _ADMISSION,
    "access",
    title="SELinux lets containers use the driver's files and devices",
    says="SELinux keeps containers from using the driver's files or devices",
    means="Device files or libraries carry a label that containers may not use, or the labels "
    "cannot be changed.",
    remedy=(
        "oc debug node/{node} -- chroot /host ausearch -m avc -ts recent",
        "oc debug node/{node} -- chroot /host ls -lZ /dev/nvidia0 /run/nvidia/driver",
    ),
    look=any_of(
        said("avc:*denied*nvidia", sources=("kernel", "log", "client"), at=0.92),
        _denied_to_workloads,
        said("avc:*denied*:container_t:*/dev", sources=("kernel", "client"), at=0.6),
        said("chcon: failed to change context", "chcon: can't apply", at=0.92),
        said("selinux*denied", "selinux is preventing", "setsebool", at=0.88),
        said("failed to initialize nvml: insufficient permissions", at=0.75),
        _labelled,
        _module,
    ),
)
RBAC = cause(
    "OCG0125",
    "rbac-missing-permission",
    _ADMISSION,
    "access",
    title="the operators' service accounts have the rights that they need",
    says="the operator's service account lacks a permission that it needs",
    means="A ClusterRole or its binding is missing, is of another release, or names the service "
    "account of "
    "another namespace.",
    remedy=(
        "oc get clusterrolebinding -o wide | grep gpu-operator",
        (
            "oc auth can-i list clusterpolicies.nvidia.com "
            "--as=system:serviceaccount:{namespace}:gpu-operator"
        ),
    ),
    look=said(
        'is forbidden: user "system:serviceaccount:*cannot',
        "forbidden: user*system:serviceaccount*cannot",
        "attempting to grant rbac permissions not currently held",
        "is attempting to grant",
        at=0.93,
    ),
)
PRIVILEGED = cause(
    "OCG0126",
    "privileged-disallowed-apiserver",
    _ADMISSION,
    "access",
    title="the API server allows privileged containers",
    says="the API server or kubelet does not allow privileged containers at all",
    means="kube-apiserver runs without --allow-privileged=true.",
    remedy=(
        "kubectl get pod -n kube-system -l component=kube-apiserver -o yaml | grep privileged",
    ),
    look=any_of(
        said(
            "securitycontext.privileged: forbidden",
            "privileged: forbidden: disallowed by",
            "disallowed by cluster policy",
            "privileged containers are not allowed",
            "specified privileged container, but is disallowed",
            "privileged container*disabled",
            at=0.94,
        ),
        _switched_off,
    ),
)
WRONG_NAMESPACE = cause(
    "OCG0127",
    "operator-wrong-namespace",
    _ADMISSION,
    "access",
    title="the operator runs where its operands may be owned from",
    says="the operator runs in another namespace than its operands may be owned from",
    means="An object may be owned from its own namespace or by a cluster-scoped object only, so "
    "what the "
    "operator makes elsewhere is refused, or collected as garbage at once.",
    remedy=("oc get deployments -A | grep gpu-operator", "install it into nvidia-gpu-operator"),
    look=said(
        "cross-namespace owner references are disallowed",
        "ownerrefinvalidnamespace",
        "ownerref*does not exist in namespace",
        "cluster-scoped resource must not have a namespace-scoped owner",
        "operator namespace*does not match",
        at=0.95,
    ),
)


CAUSES = (
    POD_SECURITY,
    QUOTA,
    SCC_REJECTED,
    SCC_WRONG,
    SELINUX,
    RBAC,
    PRIVILEGED,
    WRONG_NAMESPACE,
)
