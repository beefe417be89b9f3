"""What a container's process is given: variables, references resolved, host name and user. Pure."""

import re
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.node.files import Sources, data_of

_REFERENCE = re.compile(r"\$\((\w+)\)")


class MissingReferenceError(Exception):
    """A variable refers to a Secret, ConfigMap or key that is not there."""


def environment_of(container: RawObject, pod: RawObject, sources: Sources) -> dict[str, str]:
    """Return name -> value.

    Raises:
        MissingReferenceError: With the kubelet's words for it.
    """
    env: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        env |= _whole(source, sources)
    for entry in container.get("env") or []:
        name = entry["name"]
        if "valueFrom" in entry:
            value = _referenced(entry["valueFrom"], pod, sources)
            if value is not None:
                env[name] = value
        else:
            given = str(entry.get("value") or "")
            env[name] = _REFERENCE.sub(lambda m: env.get(m[1], m[0]), given)
    return env


def _whole(source: dict[str, Any], sources: Sources) -> dict[str, str]:
    kind, reference = ("Secret", source.get("secretRef")), source.get("configMapRef")
    name = (kind[1] or reference or {}).get("name", "")
    found = sources.get(("Secret" if kind[1] else "ConfigMap", name))
    prefix = source.get("prefix") or ""
    return {prefix + k: v.decode("utf-8", "replace") for k, v in data_of(found).items()}


def _referenced(source: dict[str, Any], pod: RawObject, sources: Sources) -> str | None:
    if field := source.get("fieldRef"):
        return field_of(pod, field["fieldPath"])
    for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        if reference := source.get(key):
            return _key(kind, reference, sources)
    return None


def _key(kind: str, reference: dict[str, Any], sources: Sources) -> str | None:
    name, key = reference.get("name", ""), reference["key"]
    found = sources.get((kind, name))
    if found is None and not reference.get("optional"):
        msg = f'{kind.lower()} "{name}" not found'
        raise MissingReferenceError(msg)
    data = data_of(found)
    if key not in data:
        if reference.get("optional"):
            return None
        msg = f"couldn't find key {key} in {kind} {pod_key(found)}"
        raise MissingReferenceError(msg)
    return data[key].decode("utf-8", "replace")


def pod_key(obj: RawObject | None) -> str:
    """Return namespace/name of an object for a message."""
    meta = (obj or {}).get("metadata") or {}
    return f"{meta.get('namespace', '')}/{meta.get('name', '')}"


def field_of(pod: RawObject, path: str) -> str:
    """Return what a fieldRef names, empty when the pod does not have it."""
    status = pod.get("status") or {}
    special = {
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.podIP": status.get("podIP", ""),
        "status.hostIP": status.get("hostIP", ""),
        "metadata.name": pod["metadata"].get("name", ""),
        "metadata.namespace": pod["metadata"].get("namespace", ""),
        "metadata.uid": pod["metadata"].get("uid", ""),
    }
    if path in special:
        return str(special[path])
    bracket = re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path)
    return str((pod["metadata"].get(bracket[1]) or {}).get(bracket[2], "")) if bracket else ""


def hostname_of(pod: RawObject) -> str:
    """Return what a pod's containers call their machine."""
    spec = pod["spec"]
    if spec.get("hostNetwork"):
        return str(spec.get("nodeName", ""))
    return str(spec.get("hostname") or pod["metadata"].get("name", ""))[:63]


def identity_of(container: RawObject, pod: RawObject) -> dict[str, Any]:
    """Return user, group and further groups of a container, as far as its pod says."""
    of_pod = pod["spec"].get("securityContext") or {}
    said = {**of_pod, **(container.get("securityContext") or {})}
    more = [*(of_pod.get("supplementalGroups") or []), of_pod.get("fsGroup")]
    return {
        "user": said.get("runAsUser") or 0,
        "group": said.get("runAsGroup") or 0,
        "groups": tuple(group for group in more if group is not None),
    }
