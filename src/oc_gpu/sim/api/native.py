"""The fields of built-in kinds, as far as misspelt ones are worth finding.

Listed are the fields at the top of each kind, of metadata, of pods' specs and of containers; what
lies elsewhere is taken as it comes.
"""

from collections.abc import Iterator
from typing import Any

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.kinds import ServedKind
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


_EMPTY_IS_NOTHING = _words(
    "labels annotations data binaryData stringData matchLabels nodeSelector limits requests "
    "capacity allocatable"
)
"""Maps with keys of the user's choice; lists are told by their type."""
_KEPT_EMPTY = _words("rules")
_SERVER_WRITTEN = _words("managedFields")
"""Large, and never written by clients: walking through it would take most of the time."""


def tidy_for(kind: ServedKind, obj: RawObject, was: RawObject | None = None) -> RawObject:
    """Return an object as its type keeps it; of custom resources only the metadata has one.

    Args:
        kind: Its kind.
        obj: The object.
        was: Its stored state: what is as it was is tidy already.
    """
    was = was or {}
    if _is_typed(kind):
        return _tidy_but(obj, was)
    return {**obj, "metadata": _tidy_but(obj["metadata"], was.get("metadata") or {})}


def _is_typed(kind: ServedKind) -> bool:
    """Tell whether fields mean what they are called; schemas in definitions do not."""
    return kind.native and kind.resource.kind != "CustomResourceDefinition"


def _tidy_but(value: RawObject, was: RawObject) -> RawObject:
    """Return a part of an object tidied, but for fields that are as they were."""
    new = news(value, was)
    if len(new) == len(value):
        tidied: RawObject = _tidy(value)
        return tidied
    tidied = _tidy(new)
    return {k: v for k, v in {**value, **tidied}.items() if k in tidied or k not in new}


def news(obj: RawObject, was: RawObject | None) -> RawObject:
    """Return the fields of an object that are not as they were.

    Comparing is some hundred times faster than walking through an object, and most writes change
    the status only.
    """
    if not was:
        return obj
    return {key: value for key, value in obj.items() if key not in was or value != was[key]}


def _tidy(value: Any) -> Any:
    """Return a part of an object without what is empty, and without null."""
    if isinstance(value, dict):
        return {
            key: _tidied(key, item) for key, item in value.items() if not _is_nothing(key, item)
        }
    return [_tidy(item) for item in value] if isinstance(value, list) else value


def _tidied(key: str, value: Any) -> Any:
    """Return the value of a field; in maps of text null is an empty text."""
    if key in _SERVER_WRITTEN:
        return value
    if isinstance(value, dict) and key in _EMPTY_IS_NOTHING:
        return {name: "" if item is None else item for name, item in value.items()}
    return _tidy(value)


def _is_nothing(key: str, value: Any) -> bool:
    if isinstance(value, list):
        return not value and key not in _KEPT_EMPTY
    return value is None or (value == {} and key in _EMPTY_IS_NOTHING)


def prune(key: KindKey, obj: RawObject) -> list[str]:
    """Take out, in place, the fields that a built-in kind does not have; return their paths."""
    gone = []
    for path, value, known in _places(key, obj):
        for name in [name for name in value if name not in known]:
            del value[name]
            gone.append(f"{path}.{name}" if path else name)
    return gone


_TEXTS = _words("labels annotations stringData matchLabels nodeSelector")
_OWNERS = {
    "labels": "ObjectMeta",
    "annotations": "ObjectMeta",
    "matchLabels": "LabelSelector",
    "nodeSelector": "PodSpec",
}
"""The types that have maps of text, in the API's own words."""


def mistyped(kind: ServedKind, obj: RawObject, was: RawObject | None = None) -> str | None:
    """Return what is not text where only text can be, in the words of the API's decoder.

    Args:
        kind: The object's kind.
        obj: The object.
        was: Its stored state, which is known to be right.
    """
    parts = news(obj if _is_typed(kind) else {"metadata": obj["metadata"]}, was)
    texts = _TEXTS | {"data"} if kind.resource.kind == "ConfigMap" else _TEXTS
    return next(_not_text(parts, "", (kind.resource.kind, texts)), None)


def _not_text(value: Any, path: str, known: tuple[str, frozenset[str]]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _not_text(item, path, known)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        here = f"{path}.{key}" if path else key
        if key in known[1]:
            yield from _not_texts(item, f"{_OWNERS.get(key, known[0])}.{here}")
        elif key not in _SERVER_WRITTEN:
            yield from _not_text(item, here, known)


def _not_texts(value: Any, field: str) -> Iterator[str]:
    """Give what is wrong with a map of text."""
    told = f"into Go struct field {field} of type"
    if value is not None and not isinstance(value, dict):
        yield f"json: cannot unmarshal {_json_type(value)} {told} map[string]string"
        return
    for text in (value or {}).values():
        if text is not None and not isinstance(text, str):
            yield f"json: cannot unmarshal {_json_type(text)} {told} string"


def _json_type(value: Any) -> str:
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}
    return names.get(type(value), "object")


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
