"""The fields of built-in kinds, as far as misspelt ones are worth finding.

Listed are the fields at the top of each kind, of metadata, of pods' specs and of containers; what
lies elsewhere is taken as it comes.
"""

from collections.abc import Iterator

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.store import KindKey


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_METADATA = _words(
    "name generateName namespace selfLink uid resourceVersion generation creationTimestamp "
    "deletionTimestamp deletionGracePeriodSeconds labels annotations ownerReferences finalizers "
    "managedFields"
)
_POD_SPEC = _words(
    "volumes initContainers containers ephemeralContainers restartPolicy "
    "terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName "
    "serviceAccount automountServiceAccountToken nodeName hostNetwork hostPID hostIPC "
    "shareProcessNamespace securityContext imagePullSecrets hostname subdomain affinity "
    "schedulerName tolerations hostAliases priorityClassName priority dnsConfig readinessGates "
    "runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints "
    "setHostnameAsFQDN os hostUsers schedulingGates resourceClaims resources"
)
_CONTAINER = _words(
    "name image command args workingDir ports envFrom env resources resizePolicy restartPolicy "
    "volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle "
    "terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin "
    "stdinOnce tty"
)
_COMMON = _words("apiVersion kind metadata spec status")
_RBAC = "rbac.authorization.k8s.io"
_TOP: dict[KindKey, frozenset[str]] = {
    ("", "secrets"): _words("apiVersion kind metadata data stringData type immutable"),
    ("", "configmaps"): _words("apiVersion kind metadata data binaryData immutable"),
    ("", "serviceaccounts"): _words(
        "apiVersion kind metadata secrets imagePullSecrets automountServiceAccountToken"
    ),
    ("", "pods"): _COMMON,
    ("", "nodes"): _COMMON,
    ("", "namespaces"): _COMMON,
    ("", "services"): _COMMON,
    ("apps", "daemonsets"): _COMMON,
    ("apps", "deployments"): _COMMON,
    ("apps", "replicasets"): _COMMON,
    ("batch", "jobs"): _COMMON,
    (_RBAC, "roles"): _words("apiVersion kind metadata rules"),
    (_RBAC, "clusterroles"): _words("apiVersion kind metadata rules aggregationRule"),
    (_RBAC, "rolebindings"): _words("apiVersion kind metadata subjects roleRef"),
    (_RBAC, "clusterrolebindings"): _words("apiVersion kind metadata subjects roleRef"),
}
_WORKLOADS = frozenset({"daemonsets", "deployments", "replicasets", "jobs"})


def prune(key: KindKey, obj: RawObject) -> list[str]:
    """Take out, in place, the fields that a built-in kind does not have; return their paths."""
    gone = []
    for path, value, known in _places(key, obj):
        for name in [name for name in value if name not in known]:
            del value[name]
            gone.append(f"{path}.{name}" if path else name)
    return gone


def _places(key: KindKey, obj: RawObject) -> Iterator[tuple[str, RawObject, frozenset[str]]]:
    if key in _TOP:
        yield "", obj, _TOP[key]
    yield "metadata", obj.get("metadata") or {}, _METADATA
    spec = obj.get("spec")
    if key == ("", "pods"):
        yield from _pod_places("spec", spec)
    elif key[1] in _WORKLOADS and isinstance(spec, dict):
        template = spec.get("template") or {}
        yield "spec.template", template, _words("metadata spec")
        yield "spec.template.metadata", template.get("metadata") or {}, _METADATA
        yield from _pod_places("spec.template.spec", template.get("spec"))


def _pod_places(
    path: str, spec: RawObject | None
) -> Iterator[tuple[str, RawObject, frozenset[str]]]:
    if not isinstance(spec, dict):
        return
    yield path, spec, _POD_SPEC
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group) or []):
            yield f"{path}.{group}[{index}]", container, _CONTAINER
