"""Reading bodies, and the metadata that the server itself writes."""

import re
from typing import Any

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import protobuf
from oc_gpu.sim.api.backend import Backend
from oc_gpu.sim.api.errors import (
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    modified,
    not_found,
)
from oc_gpu.sim.api.kinds import ServedKind
from oc_gpu.sim.api.routing import Call

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_RBAC_NAME = re.compile(r"[^/%]+")
_LABEL_KEY = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_SERVER_OWNED = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
)


def parse(call: Call) -> RawObject:
    """Return the object in a request's body; kind and version must be those of the path.

    Raises:
        StatusError: 400.
    """
    body = decode(call)
    if not isinstance(body, dict):
        raise bad_request("the body is not an object")
    check_type(call.kind, body)
    if not isinstance(body.setdefault("metadata", {}), dict):
        raise bad_request("metadata is not an object")
    return _without_nulls(body) if call.kind.native else body


def _without_nulls(value: Any) -> Any:
    """Return a value without fields that are null: to the API's own types they are not there."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def decode(call: Call) -> Any:
    """Return the decoded body, JSON or, where the client says so, YAML.

    Raises:
        StatusError: 400.
    """
    if call.request.content_type == protobuf.MEDIA_TYPE:
        return protobuf.decode(call.request.body)
    try:
        if call.request.content_type.endswith("yaml"):
            return _decode_yaml(call.request.body)
        return msgspec.json.decode(call.request.body)
    except msgspec.DecodeError as error:
        msg = f"the body cannot be decoded: {error}"
        raise bad_request(msg) from error


def _decode_yaml(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return msgspec.yaml.decode(body)


def check_type(kind: ServedKind, obj: RawObject) -> None:
    """Fill in kind and apiVersion, or refuse others.

    Raises:
        StatusError: 400.
    """
    resource = kind.resource
    given = (
        obj.setdefault("apiVersion", resource.api_version),
        obj.setdefault("kind", resource.kind),
    )
    if given != (resource.api_version, resource.kind):
        msg = (
            f"the object provided is {given[1]} of {given[0]}, the path is for "
            f"{resource.kind} of {resource.api_version}"
        )
        raise bad_request(msg)


def name_new(backend: Backend, call: Call, obj: RawObject) -> None:
    """Give a new object its name, namespace and identity."""
    meta = obj["metadata"]
    for field in (*_SERVER_OWNED, "resourceVersion"):
        meta.pop(field, None)
    resource = call.kind.resource
    _place(call, meta)
    if not meta.get("name"):
        if not meta.get("generateName"):
            message = "Required value: name or generateName is required"
            cause = Cause("metadata.name", message, "FieldValueRequired")
            raise invalid(resource, "", [cause])
        meta["name"] = meta["generateName"][:58] + backend.suffix()
    _check_names(call.kind, meta)
    check_labels(call.kind, obj)
    if backend.find(call.kind, meta.get("namespace", ""), meta["name"]):
        raise already_exists(resource, meta["name"])
    meta["uid"] = backend.uid()
    meta["creationTimestamp"] = backend.timestamp()
    if call.kind.generation:
        meta["generation"] = 1


def _place(call: Call, meta: RawObject) -> None:
    if not call.kind.resource.namespaced:
        meta.pop("namespace", None)
        return
    if not call.namespace:
        raise bad_request("an empty namespace may not be set during creation")
    if meta.setdefault("namespace", call.namespace) != call.namespace:
        raise bad_request("the namespace of the provided object does not match the request")


def keep_identity(call: Call, old: RawObject, new: RawObject) -> None:
    """Carry over what only the server writes; refuse another name or a stale version.

    Raises:
        StatusError: 400 or 409.
    """
    was, meta = old["metadata"], new.get("metadata")
    if not isinstance(meta, dict):
        raise bad_request("metadata is not an object")
    resource = call.kind.resource
    if meta.setdefault("name", was["name"]) != was["name"]:
        raise bad_request("the name of the object does not match the name on the URL")
    if "namespace" in was and meta.setdefault("namespace", was["namespace"]) != was["namespace"]:
        raise bad_request("the namespace of the provided object does not match the request")
    given = meta.get("resourceVersion")
    if given and given != was["resourceVersion"]:
        raise modified(resource, was["name"])
    check_uid(call, was, meta.get("uid"))
    meta["resourceVersion"] = was["resourceVersion"]
    for field in _SERVER_OWNED:
        if field in was:
            meta[field] = was[field]
        else:
            meta.pop(field, None)


def check_uid(call: Call, was: RawObject, uid: str | None) -> None:
    """Refuse a request that means another object of the same name.

    Raises:
        StatusError: 409.
    """
    if uid and uid != was["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {was['uid']}"
        raise conflict(call.kind.resource, was["name"], why)


def _check_names(kind: ServedKind, meta: RawObject) -> None:
    pattern = _RBAC_NAME if kind.resource.group.startswith("rbac.") else _NAME
    name = meta["name"]
    if len(name) <= 253 and pattern.fullmatch(name):  # noqa: PLR2004
        return
    message = (
        f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case '
        "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
    )
    raise invalid(kind.resource, name, [Cause("metadata.name", message)])


def check_labels(kind: ServedKind, obj: RawObject) -> None:
    """Refuse labels that are not in the form of labels.

    Raises:
        StatusError: 422.
    """
    meta = obj["metadata"]
    causes = []
    for key, value in (meta.get("labels") or {}).items():
        if not _LABEL_KEY.fullmatch(key):
            message = f'Invalid value: "{key}": name part must be a qualified name'
            causes.append(Cause("metadata.labels", message))
        elif not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
            message = (
                f'Invalid value: "{value}": a valid label must be an empty string or consist of '
                "alphanumeric characters, '-', '_' or '.', and must start and end with an "
                "alphanumeric character"
            )
            causes.append(Cause("metadata.labels", message))
    if causes:
        raise invalid(kind.resource, meta.get("name", ""), causes)


def check_namespace(backend: Backend, call: Call, name: str) -> None:
    """Refuse new objects where there is no namespace, or one that is going.

    Raises:
        StatusError: 404 or 403.
    """
    if not call.kind.resource.namespaced:
        return
    namespaces = backend.registry.find("", "v1", "namespaces")
    if namespaces is None:
        return
    entry = backend.find(namespaces, "", call.namespace)
    if entry is None:
        raise not_found(namespaces.resource, call.namespace)
    if entry.fields["status.phase"] == "Terminating":
        why = (
            f"unable to create new content in namespace {call.namespace} because it is "
            "being terminated"
        )
        raise forbidden(call.kind.resource, name, why)
