"""Reading bodies, and the metadata that the server itself writes."""

from typing import Any

import msgspec

from oc_gpu.kube.objects import RawObject, Resource
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
    unsupported_media_type,
)
from oc_gpu.sim.api.kinds import ServedKind
from oc_gpu.sim.api.messages import StatusError
from oc_gpu.sim.api.routing import Call

_FORMS = ("application/json", "application/yaml")
_LONGEST_PREFIX = 58
_OTHER_NAMESPACE = (
    "the namespace of the provided object does not match the namespace sent on the request"
)
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


def parse_applied(call: Call) -> RawObject:
    """Return the configuration that is to be applied; it must say what it is.

    Raises:
        StatusError: 400.
    """
    body = decode(call)
    if not isinstance(body, dict):
        raise bad_request("error decoding YAML: it is no object")
    resource, version, kind = call.kind.resource, body.get("apiVersion") or "", body.get("kind")
    if (version, kind) != (resource.api_version, resource.kind):
        shown = version if "/" in version else f"/{version}"
        raise bad_request(f"invalid object type: {shown}, Kind={kind or ''}")
    return parse(call)


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
    form = call.request.content_type
    if form == protobuf.MEDIA_TYPE:
        return protobuf.decode(call.request.body)
    if call.verb != "patch" and form not in _FORMS:
        raise unsupported_media_type((*_FORMS, protobuf.MEDIA_TYPE))
    try:
        if form.endswith("yaml"):
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
    """Fill in kind and apiVersion of a built-in kind, or refuse others.

    Raises:
        StatusError: 400, or 422 for a custom resource of another kind.
    """
    resource = kind.resource
    if not kind.native:
        _check_custom_type(resource, obj)
        return
    version = obj["apiVersion"] = obj.get("apiVersion") or resource.api_version
    given = obj["kind"] = obj.get("kind") or resource.kind
    if (version, given) != (resource.api_version, resource.kind):
        msg = (
            f'{given} in version "{version}" cannot be handled as a {resource.kind}: '
            f"the path is for {resource.kind} of {resource.api_version}"
        )
        raise bad_request(msg)


def _check_custom_type(resource: Resource, obj: RawObject) -> None:
    kind, version = obj.get("kind"), obj.get("apiVersion", "")
    if not kind:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): "
            f"Object 'Kind' is missing in '{msgspec.json.encode(obj).decode()}'"
        )
    if version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if kind != resource.kind:
        cause = Cause("kind", f'Invalid value: "{kind}": must be {resource.kind}')
        other = msgspec.structs.replace(resource, kind=kind)
        raise invalid(other, obj.get("metadata", {}).get("name", ""), [cause])


def name_new(backend: Backend, call: Call, obj: RawObject) -> None:
    """Give a new object its name, namespace and identity."""
    meta = obj["metadata"]
    if meta.pop("resourceVersion", ""):
        message = "resourceVersion should not be set on objects to be created"
        raise StatusError(500, "", message)
    for field in _SERVER_OWNED:
        meta.pop(field, None)
    _place(call, meta)
    if not meta.get("name"):
        prefix = meta.get("generateName", "")
        meta["name"] = prefix[:_LONGEST_PREFIX] + backend.suffix() if prefix else ""
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
        raise bad_request(_OTHER_NAMESPACE)


def keep_identity(call: Call, old: RawObject, new: RawObject) -> None:
    """Carry over what only the server writes; refuse another name or a stale version.

    Raises:
        StatusError: 400 or 409.
    """
    was, meta = old["metadata"], new.get("metadata")
    if not isinstance(meta, dict):
        raise bad_request("metadata is not an object")
    check_name(meta, was["name"])
    if "namespace" in was and meta.setdefault("namespace", was["namespace"]) != was["namespace"]:
        raise bad_request(_OTHER_NAMESPACE)
    given = meta.get("resourceVersion")
    if given and given != was["resourceVersion"]:
        raise modified(call.kind.resource, was["name"])
    if call.verb == "patch" and meta.get("uid", was["uid"]) != was["uid"]:
        cause = Cause("metadata.uid", f'Invalid value: "{meta["uid"]}": field is immutable')
        raise invalid(call.kind.resource, was["name"], [cause])
    check_uid(call, was, meta.get("uid"))
    meta["resourceVersion"] = was["resourceVersion"]
    for field in _SERVER_OWNED:
        if field in was:
            meta[field] = was[field]
        else:
            meta.pop(field, None)


def check_name(meta: RawObject, name: str) -> None:
    """Refuse an object that is not named as the path says.

    Raises:
        StatusError: 400.
    """
    if not meta.get("name"):
        message = (
            f"the name of the object ({name} based on URL) was undeterminable: name must be "
            "provided"
        )
        raise bad_request(message)
    if meta["name"] != name:
        message = (
            f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
        )
        raise bad_request(message)


def check_free(backend: Backend, call: Call, obj: RawObject) -> None:
    """Refuse a new object whose name is taken.

    Raises:
        StatusError: 409.
    """
    meta = obj["metadata"]
    if backend.find(call.kind, meta.get("namespace", ""), meta["name"]):
        raise already_exists(call.kind.resource, meta["name"])


def check_uid(call: Call, was: RawObject, uid: str | None) -> None:
    """Refuse a request that means another object of the same name.

    Raises:
        StatusError: 409.
    """
    if uid and uid != was["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {was['uid']}"
        raise conflict(call.kind.resource, was["name"], why)


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
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {call.namespace} is being terminated",
            "field": "metadata.namespace",
        }
        raise forbidden(call.kind.resource, name, why, [cause])
